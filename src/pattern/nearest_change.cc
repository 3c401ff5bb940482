#include "pattern/nearest_change.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>

#include "base/nearest.h"
#include "codec/json.h"
#include "pattern/address.h"
#include "pattern/fold.h"
#include "pattern/number.h"
#include "pattern/test_text.h"

namespace tarn::pattern {
namespace {

using codec::JsonType;

constexpr std::size_t most_values = 64;  // of one field that are looked at

std::string operation(std::string_view name, std::string_view operand) {
    return fmt::format("{{\"{}\":{}}}", name, codec::quoted(operand));
}

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::string starred(std::string_view text) {
    std::string out = "*";
    for (const char c : text) {
        if (c == '*' || c == '\\') out += '\\';
        out += c;
    }
    return out + "*";
}

bool is_nearly(std::string_view value, std::string_view wanted) {
    constexpr std::size_t longest = 400;  // counting edits takes the product of both sizes
    return value.size() <= longest && !value.empty() && nearest_word(wanted, {std::string(value)}) == value;
}

bool is_number(std::string_view text) {
    const auto facts = codec::validate_json(text);
    return facts && facts->type == JsonType::number && codec::trim_json(text) == text;
}

std::string_view kind_name(JsonType type) {
    switch (type) {
        case JsonType::string:
            return "a string";
        case JsonType::number:
            return "a number";
        case JsonType::boolean:
            return "true or false";
        case JsonType::null:
            return "null";
        case JsonType::object:
            return "an object";
        case JsonType::array:
            return "an array";
    }
    return "";
}

// ---- one test against one value that is there

Change not_a_string(const Spot& spot) {
    return {fmt::format("is {}, and this looks at strings only", kind_name(spot.type)), std::string(spot.raw),
            9};
}

Change other_text(const Test& test, const Spot& spot) {
    const std::string value = spot.text();
    if (spot.type != JsonType::string) {
        if (value == test.text)
            return {fmt::format("is {}, not the string {}", kind_name(spot.type), codec::quoted(test.text)),
                    value, 0};
        return {fmt::format("is {}, not a string", kind_name(spot.type)), value, 9};
    }
    if (fold_key(value) == fold_key(test.text))
        return {"differs only in case", operation("equals-ignore-case", test.text), 1};
    if (trimmed(value) == trimmed(test.text))
        return {"differs only in the white space around it", codec::quoted(value), 1};
    if (!test.text.empty() && value.starts_with(test.text))
        return {"begins with it, and goes on", operation("prefix", test.text), 3};
    if (!test.text.empty() && value.ends_with(test.text))
        return {"ends with it", operation("suffix", test.text), 3};
    if (is_nearly(value, test.text)) return {"is nearly it", codec::quoted(value), 2};
    if (!test.text.empty() && value.contains(test.text))
        return {"has it in the middle", operation("wildcard", starred(test.text)), 4};
    return {"is another string", codec::quoted(value), 8};
}

Change other_literal(const Test& test, const Spot& spot) {
    if (spot.type == JsonType::string && spot.text() == test.text)
        return {fmt::format("is a string, not the word {}", test.text), codec::quoted(test.text), 0};
    return {fmt::format("is not {}", test.text), std::string(spot.raw), 8};
}

Change other_number(const Test& test, const Spot& spot) {
    const std::string value = spot.text();
    if (spot.type == JsonType::string && is_number(value)) {
        const auto number = comparable_number(value);
        const bool same = value == test.text || (test.comparable && number && *number == test.low);
        return {"is a string, not a number", codec::quoted(value), same ? 0 : 7};
    }
    if (spot.type != JsonType::number)
        return {fmt::format("is {}, not a number", kind_name(spot.type)), "", 9};
    if (!comparable_number(value))
        return {"has more digits than can be compared, so only the same spelling matches", value, 5};
    return {"is another number", value, 8};
}

// The range, stretched so that `value` is its end.
std::string stretched(Test test, double value) {
    if (value < test.low || (value == test.low && !test.low_closed)) {
        test.low = value;
        test.low_closed = true;
    } else {
        test.high = value;
        test.high_closed = true;
    }
    return test_text(test);
}

Change out_of_range(const Test& test, const Spot& spot) {
    const std::string value = spot.text();
    if (spot.type == JsonType::string && is_number(value))
        return {"is a string, and ranges take numbers only", codec::quoted(value), 2};
    if (spot.type != JsonType::number)
        return {fmt::format("is {}, not a number", kind_name(spot.type)), "", 9};
    const auto number = comparable_number(value);
    if (!number) return {"has more digits than can be compared, so no range holds it", value, 5};
    if (test.low == test.high) return {"is another number", value, 6};
    return {*number < test.high ? "is too small" : "is too large", stretched(test, *number), 5};
}

Change other_address(const Test& test, const Spot& spot) {
    if (spot.type != JsonType::string) return not_a_string(spot);
    const auto address = parse_address(spot.text());
    if (!address) return {"is not an IP address", codec::quoted(spot.text()), 8};
    if (address->v6 != test.from.v6)
        return {fmt::format("is IPv{}, the pattern IPv{}", address->v6 ? 6 : 4, test.from.v6 ? 6 : 4),
                codec::quoted(spot.text()), 6};
    return {test.from == test.to ? "is another address" : "lies outside of the network",
            codec::quoted(spot.text()), 5};
}

struct End {
    std::string_view name, verb;
};

Change other_end(const Test& test, const Spot& spot, const End& end) {
    if (spot.type != JsonType::string) return not_a_string(spot);
    const std::string value = spot.text(), key = fold_key(value), wanted = fold_key(test.text);
    const bool is_prefix = end.name == "prefix";
    const bool folded = test.kind == Test::Kind::prefix_fold || test.kind == Test::Kind::suffix_fold;
    const std::string& text = folded ? test.spelled : test.text;
    if (!folded && (is_prefix ? key.starts_with(wanted) : key.ends_with(wanted)))
        return {fmt::format("{} with it in another case", end.verb),
                fmt::format("{{\"{}\":{}}}", end.name, operation("equals-ignore-case", text)), 1};
    if (value.contains(text) && !text.empty())
        return {"has it elsewhere", operation("wildcard", starred(text)), 3};
    return {fmt::format("{} otherwise", end.verb), codec::quoted(value), 7};
}

Change other_fold(const Test& test, const Spot& spot) {
    if (spot.type != JsonType::string) return not_a_string(spot);
    const std::string value = spot.text();
    if (is_nearly(fold_key(value), fold_key(test.spelled))) return {"is nearly it", codec::quoted(value), 2};
    return {"is another string", codec::quoted(value), 8};
}

Change other_wildcard(const Test& test, const Spot& spot) {
    if (spot.type != JsonType::string) return not_a_string(spot);
    const std::string value = spot.text();
    std::size_t at = 0;
    for (std::size_t i = 0; i < test.parts.size(); ++i) {
        const std::string& part = test.parts[i];
        const bool first = i == 0, last = i + 1 == test.parts.size();
        const std::size_t found =
            first  ? (value.starts_with(part) ? 0 : std::string::npos)
            : last ? (value.size() >= at + part.size() && value.ends_with(part) ? value.size() - part.size()
                                                                                : std::string::npos)
                   : value.find(part, at);
        if (found == std::string::npos) {
            if (first)
                return {fmt::format("does not begin with {}", codec::quoted(part)), codec::quoted(value), 5};
            if (last)
                return {fmt::format("does not end with {}", codec::quoted(part)), codec::quoted(value), 4};
            return {
                fmt::format("has no {} after {}", codec::quoted(part), codec::quoted(value.substr(0, at))),
                codec::quoted(value), 5};
        }
        at = found + part.size();
    }
    return {"goes on after it", operation("prefix", test.parts.front()), 4};
}

Change test_change(const Test& test, const Spot& spot) {
    static constexpr End prefix{"prefix", "begins"}, suffix{"suffix", "ends"};
    switch (test.kind) {
        case Test::Kind::text:
            return other_text(test, spot);
        case Test::Kind::literal:
            return other_literal(test, spot);
        case Test::Kind::number:
            return other_number(test, spot);
        case Test::Kind::range:
            return out_of_range(test, spot);
        case Test::Kind::address:
            return other_address(test, spot);
        case Test::Kind::prefix:
        case Test::Kind::prefix_fold:
            return other_end(test, spot, prefix);
        case Test::Kind::suffix:
        case Test::Kind::suffix_fold:
            return other_end(test, spot, suffix);
        case Test::Kind::equal_fold:
            return other_fold(test, spot);
        case Test::Kind::wildcard:
            return other_wildcard(test, spot);
        case Test::Kind::anything_but:
            return {"is what the pattern excludes", std::string(spot.raw), 6};
        case Test::Kind::absent:
            return {"is there, and must not be", "{\"exists\":true}", 6};
        case Test::Kind::exists:
            return {};
    }
    return {};
}

// ---- a field that is not there

Change container_in_its_place(const Spot& spot, const std::vector<Spot>& spots) {
    if (spot.raw.find_first_not_of(" \t\r\n", 1) == spot.raw.size() - 1)
        return {fmt::format("is empty ({}), which counts as not there",
                            spot.type == JsonType::object ? "{}" : "[]"),
                "{\"exists\":false}", 1};
    const auto inner = std::ranges::find_if(spots, [&](const Spot& other) {
        return other.is_scalar() && other.path.starts_with(spot.path + ".");
    });
    const std::string instead = inner == spots.end() ? "" : fmt::format("ask for {}", inner->path);
    return {fmt::format("is {}, and patterns ask for values, not for objects", kind_name(spot.type)), instead,
            1};
}

// "detail" is a value, so there is nothing below it.
std::optional<Change> value_above(const std::string& path, const std::vector<Spot>& spots) {
    const auto above = std::ranges::find_if(
        spots, [&](const Spot& spot) { return spot.is_scalar() && path.starts_with(spot.path + "."); });
    if (above == spots.end()) return std::nullopt;
    if (above->type == JsonType::string) {
        const std::string text = above->text();
        const auto facts = codec::validate_json(text);
        if (facts && facts->type == JsonType::object)
            return Change{
                fmt::format("is not there: {} is a string that holds JSON, and patterns do not look into "
                            "strings",
                            above->where),
                fmt::format("give {} as an object", above->where), 1};
    }
    return Change{
        fmt::format("is not there: {} is {}, so nothing is below it", above->where, kind_name(above->type)),
        fmt::format("ask for {}", above->path), 2};
}

std::string_view last_name(std::string_view path) { return path.substr(path.rfind('.') + 1); }

constexpr std::size_t most_paths = 2000, longest_path = 400;  // that are compared with a missing one

Change missing(const std::string& path, const std::vector<Spot>& spots) {
    std::vector<std::string> paths;
    for (const Spot& spot : spots)
        if (spot.is_scalar() && spot.path.size() <= longest_path) paths.push_back(spot.path);
    std::ranges::sort(paths);
    paths.erase(std::ranges::unique(paths).begin(), paths.end());
    if (paths.size() > most_paths) paths.resize(most_paths);
    for (const std::string& other : paths)
        if (fold_key(other) == fold_key(path))
            return {fmt::format("is not there, but {} is: names differ by case", other), "ask for " + other,
                    1};
    for (const std::string& other : paths)
        if (last_name(other) == last_name(path))
            return {fmt::format("is not there, but {} is", other), "ask for " + other, 2};
    const std::string nearest = path.size() < 3 ? "" : nearest_word(path, paths);
    if (!nearest.empty()) return {fmt::format("is not there, but {} is", nearest), "ask for " + nearest, 3};
    return {"is not there", "", 9};
}

Change absence_change(const std::string& path, const std::vector<Spot>& spots) {
    const auto container = std::ranges::find(spots, path, &Spot::path);
    if (container != spots.end()) return container_in_its_place(*container, spots);
    if (auto above = value_above(path, spots)) return *above;
    return missing(path, spots);
}

}  // namespace

Change nearest_change(const Field& field, const std::vector<Spot>& spots) {
    Change best;
    std::size_t values = 0;
    for (const Spot& spot : spots) {
        if (spot.path != field.path || !spot.is_scalar()) continue;
        if (++values > most_values) break;
        for (const Test& test : field.tests) {
            Change change = test_change(test, spot);
            if (change.distance < best.distance) best = std::move(change);
        }
    }
    return values == 0 ? absence_change(field.path, spots) : best;
}

}  // namespace tarn::pattern
