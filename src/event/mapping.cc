#include "event/mapping.h"

#include <fmt/core.h>
#include <re2/re2.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "base/time.h"
#include "codec/json.h"

namespace tarn::event {

struct NamePattern::Parts {
    explicit Parts(const std::string& pattern, const RE2::Options& options)
        : regex(pattern, options), whole_name(pattern.find('/') != std::string::npos) {}
    RE2 regex;
    bool whole_name;
};

NamePattern::NamePattern() = default;
NamePattern::~NamePattern() = default;

Result<std::unique_ptr<NamePattern>> NamePattern::make(const std::string& pattern) {
    RE2::Options options(RE2::Quiet);
    // File names are bytes: a name that is not UTF-8 must still be matched.
    if (!codec::is_valid_utf8(pattern)) options.set_encoding(RE2::Options::EncodingLatin1);
    std::unique_ptr<NamePattern> made(new NamePattern);
    made->parts_ = std::make_unique<Parts>(pattern, options);
    if (!made->parts_->regex.ok())
        return fail(Code::bad_config,
                    fmt::format("name_pattern is not a regular expression: {}: {}",
                                made->parts_->regex.error(), to_valid_utf8(made->parts_->regex.error_arg())));
    return made;
}

std::optional<NameGroups> NamePattern::match(std::string_view name) const {
    if (!parts_->whole_name) name.remove_prefix(name.rfind('/') + 1);  // npos + 1 is 0
    const int groups = parts_->regex.NumberOfCapturingGroups() + 1;
    std::vector<re2::StringPiece> found(static_cast<std::size_t>(groups));
    const re2::StringPiece text(name.data(), name.size());
    if (!parts_->regex.Match(text, 0, text.size(), RE2::UNANCHORED, found.data(), groups))
        return std::nullopt;
    NameGroups result;
    for (const auto& piece : found) {
        if (piece.data() == nullptr) {
            result.by_index.emplace_back();
        } else {
            result.by_index.emplace_back(std::string_view(piece.data(), piece.size()));
        }
    }
    return result;
}

int NamePattern::group_index(const std::string& group) const {
    const auto& names = parts_->regex.NamedCapturingGroups();
    const auto found = names.find(group);
    return found == names.end() ? -1 : found->second;
}

namespace {

// What one rule gives: a text (never empty), with the raw JSON it came from.
struct Found {
    std::string text;
    std::string_view raw;  // "" unless from a path
};

Result<std::optional<Found>> by_path(const Rule& rule, std::string_view attribute,
                                     const MappingInput& input) {
    std::optional<std::string_view> raw;
    if (input.top != nullptr) {
        raw = input.top->find_path(rule.what);
    } else if (input.data) {
        raw = codec::find_path(*input.data, rule.what);
    }
    if (!raw || *raw == "null" || *raw == "\"\"") return std::nullopt;
    auto text = codec::scalar_text(*raw);
    if (!text)
        return fail(Code::bad_mapping,
                    fmt::format("{} is mapped to {}, which is not a text, number or boolean here", attribute,
                                rule.what),
                    {.place = place_in(input.payload, *raw)});
    return Found{std::move(*text), *raw};
}

Result<std::optional<Found>> by_name(const Rule& rule, std::string_view attribute,
                                     const MappingInput& input) {
    if (input.groups == nullptr || input.pattern == nullptr) return std::nullopt;
    const int index = input.pattern->group_index(rule.what);
    if (index < 0 || static_cast<std::size_t>(index) >= input.groups->by_index.size()) return std::nullopt;
    const auto& text = input.groups->by_index[static_cast<std::size_t>(index)];
    if (!text || text->empty()) return std::nullopt;
    if (!codec::is_valid_utf8(*text))
        return fail(Code::not_utf8, fmt::format("{} from the name is not UTF-8", attribute));
    return Found{std::string(*text), {}};
}

Result<std::optional<Found>> apply(const Rule& rule, std::string_view attribute, const MappingInput& input) {
    switch (rule.from) {
        case Rule::From::path:
            return by_path(rule, attribute, input);
        case Rule::From::name_group:
            return by_name(rule, attribute, input);
        case Rule::From::constant:
            break;
    }
    if (rule.what.empty()) return std::nullopt;
    return Found{rule.what, {}};
}

std::string_view unit_name(TimeUnit unit) {
    switch (unit) {
        case TimeUnit::s:
            return "seconds";
        case TimeUnit::ms:
            return "milliseconds";
        case TimeUnit::us:
            return "microseconds";
        case TimeUnit::ns:
            return "nanoseconds";
        case TimeUnit::rfc3339:
            break;
    }
    return "RFC 3339";
}

// How many decimal places an instant in µs lies left of one in `unit`.
int places_of(TimeUnit unit) {
    switch (unit) {
        case TimeUnit::s:
            return 6;
        case TimeUnit::ms:
            return 3;
        case TimeUnit::us:
        case TimeUnit::rfc3339:
            return 0;
        case TimeUnit::ns:
            return -3;
    }
    return 0;
}

std::optional<Time> in_range(__int128 us) {
    constexpr std::int64_t first = -62'167'219'200'000'000, last = 253'402'300'799'999'999;
    if (us < first || us > last) return std::nullopt;
    return Time{static_cast<std::int64_t>(us)};
}

// Numbers with an exponent are rare: a double's 53 bits suffice for them.
std::optional<Time> from_double(std::string_view number, int places) {
    double value = 0;
    const auto [end, status] = std::from_chars(number.data(), number.data() + number.size(), value);
    if (status != std::errc() || end != number.data() + number.size()) return std::nullopt;
    const double us = std::floor(value * std::pow(10.0, places));
    if (!(std::abs(us) < 1e18)) return std::nullopt;
    return in_range(static_cast<__int128>(us));
}

}  // namespace

std::optional<Time> epoch_time(std::string_view number, TimeUnit unit) {
    int places = places_of(unit);
    if (number.find_first_of("eE") != std::string_view::npos) return from_double(number, places);
    const bool negative = number.starts_with('-');
    if (negative) number.remove_prefix(1);
    __int128 value = 0;
    bool in_fraction = false, any = false, lost = false;
    for (const char c : number) {
        if (c == '.' && any && !in_fraction) {
            in_fraction = true;
        } else if (c < '0' || c > '9') {
            return std::nullopt;
        } else if (in_fraction && places <= 0) {
            lost |= c != '0';  // finer than a microsecond
        } else {
            any = true;
            value = value * 10 + (c - '0');
            if (in_fraction) --places;
            if (value > static_cast<__int128>(1) << 100) return std::nullopt;
        }
    }
    if (!any || number.ends_with('.')) return std::nullopt;
    for (; places > 0; --places) value *= 10;
    for (; places < 0; ++places) {
        lost |= value % 10 != 0;
        value /= 10;
    }
    return in_range(negative ? -value - (lost ? 1 : 0)
                             : value);  // cut off towards the past, as RFC 3339 texts are
}

Result<std::optional<std::string>> mapped_text(const Rules& rules, std::string_view attribute,
                                               const MappingInput& input) {
    for (const Rule& rule : rules) {
        TARN_ASSIGN(auto found, apply(rule, attribute, input));
        if (found) return std::move(found->text);
    }
    return std::nullopt;
}

Result<std::optional<std::string>> mapped_time(const Rules& rules, const MappingInput& input) {
    for (const Rule& rule : rules) {
        TARN_ASSIGN(auto found, apply(rule, "time", input));
        if (!found) continue;
        if (rule.unit == TimeUnit::rfc3339) {
            if (parse_rfc3339(found->text)) return std::move(found->text);
        } else if (const auto time = epoch_time(found->text, rule.unit)) {
            return format_rfc3339(*time);
        }
        return fail(
            Code::bad_mapping,
            fmt::format("time is mapped to {}, but \"{}\" is not a time in {}", rule.what,
                        to_valid_utf8(std::string_view(found->text).substr(0, 60)), unit_name(rule.unit)),
            {.place = found->raw.empty() ? Place{} : place_in(input.payload, found->raw)});
    }
    return std::nullopt;
}

}  // namespace tarn::event
