#include "pattern/draft.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>

#include "codec/json_scan.h"
#include "pattern/expression.h"
#include "pattern/source.h"

namespace tarn::pattern {
namespace {

using codec::scan::Elements;
using codec::scan::Members;

constexpr std::string_view kRootNext = R"(give one JSON object: {"type": ["a"]})";
constexpr std::string_view kOr = "$or";
constexpr std::string_view kOrNext =
    R"(give $or a list of at least two objects: {"$or": [{"a": [1]}, {"b": [2]}]})";

// What a field must not be called inside $or, so that an operator put there by mistake is noticed.
constexpr std::array<std::string_view, 24> kReserved = {"exactly",
                                                        "equals-ignore-case",
                                                        "prefix",
                                                        "suffix",
                                                        "anything-but",
                                                        "exists",
                                                        "wildcard",
                                                        "numeric",
                                                        "cidr",
                                                        "=",
                                                        "<",
                                                        "<=",
                                                        ">",
                                                        ">=",
                                                        "regex",
                                                        "not-wildcard",
                                                        "not-equals-ignore-case",
                                                        "date-after",
                                                        "date-on-or-after",
                                                        "date-before",
                                                        "date-on-or-before",
                                                        "in-date-range",
                                                        "ip-address-in-range",
                                                        "ip-address-not-in-range"};

// The dotted path of an object; none: of the pattern itself.
using Container = std::optional<std::string>;

std::string object_path(const Container& in, std::string_view name) {
    return in ? fmt::format("{}.{}", *in, name) : std::string(name);
}

// An empty name at the root is dropped before a list, and only there: {"": {"a": [1]}} asks for "a", while
// {"": {"a": {"b": [1]}}} asks for ".a.b". So does Event Ruler.
std::string list_path(const Container& in, std::string_view name) {
    return in && !in->empty() ? fmt::format("{}.{}", *in, name) : std::string(name);
}

std::size_t bytes_of(const Test& test) {
    std::size_t bytes = sizeof(Test) + test.text.size() + test.spelled.size();
    for (const std::string& part : test.parts) bytes += sizeof(part) + part.size();
    for (const Test& except : test.except) bytes += bytes_of(except);
    return bytes;
}

std::size_t bytes_of(const DraftField& field) {
    std::size_t bytes = sizeof(Field) + field.path.size();
    for (const DraftValue& value : field.values) bytes += bytes_of(value.test);
    return bytes;
}

// Walks the pattern in the order of the text, as Event Ruler does. Every field goes into all alternatives
// that there are so far; $or makes one set of them for each of its branches.
class Drafter {
public:
    Drafter(std::string_view text, Grammar grammar, const Limits& limits)
        : text_(text), source_(text, grammar), limits_(limits) {}

    Result<Draft> run() {
        const std::string_view root = codec::trim_json(text_);
        if (!is_object(root)) return source_.refuse(root, "Filter is not an object", std::string(kRootNext));
        std::vector<DraftAlternative> alternatives(1);
        TARN_TRY(read_object(root, std::nullopt, false, alternatives));
        draft_.alternatives = std::move(alternatives);
        return std::move(draft_);
    }

    bool refused_for_good() const { return source_.refused_for_good(); }

private:
    using Alternatives = std::vector<DraftAlternative>;

    Status read_object(std::string_view object, const Container& path, bool in_or, Alternatives& to) {
        std::string_view raw_key, value;
        Members members(object);
        bool any = false;
        for (; members.next(raw_key, value); any = true) {
            const std::string name = key_text(raw_key);
            if (name == kOr && source_.grammar() == Grammar::current) {
                TARN_TRY(read_or(value, path, to));
                continue;
            }
            if (name == kOr && draft_.or_as_field.empty()) draft_.or_as_field = key_token(raw_key);
            TARN_TRY(read_member(key_token(raw_key), name, value, path, in_or, to));
        }
        if (any) return {};
        return source_.refuse(
            object, "Empty objects are not allowed",
            R"(give at least one field, or leave the object out; {"exists": true} asks for a field)");
    }

    Status read_member(std::string_view key, const std::string& name, std::string_view value,
                       const Container& path, bool in_or, Alternatives& to) {
        if (in_or && std::ranges::find(kReserved, name) != kReserved.end())
            return source_.refuse(
                key, fmt::format("{} is Ruler reserved fieldName which cannot be used inside $or.", name),
                R"(each branch of $or has fields: {"$or": [{"a": [{"prefix": "x"}]}, {"b": [2]}]})");
        if (is_object(value)) return read_object(value, object_path(path, name), in_or, to);
        if (is_array(value)) return read_list(key, value, list_path(path, name), to);
        return source_.refuse(value, fmt::format("\"{}\" must be an object or an array", name),
                              fmt::format("put the value into a list: [{}]", value.substr(0, 60)));
    }

    Status read_list(std::string_view key, std::string_view array, std::string path, Alternatives& to) {
        auto field = std::make_shared<DraftField>();
        field->path = std::move(path);
        field->key = key;
        std::string_view element;
        for (Elements elements(array); elements.next(element);) {
            TARN_ASSIGN(Test test, compile_value(source_, element));
            field->values.push_back({std::move(test), element});
        }
        if (field->values.empty())
            return source_.refuse(array, "Empty arrays are not allowed",
                                  R"(give at least one value; {"exists": false} asks that there is none)");
        draft_.fields.push_back(field);
        return add(std::move(field), to);
    }

    Status add(DraftFieldPtr field, Alternatives& to) {
        const std::size_t bytes = bytes_of(*field);
        bool replaces = false;
        for (DraftAlternative& alternative : to) {
            TARN_TRY(grow(bytes, field->key));
            DraftFieldPtr& place = alternative[field->path];
            if (place && limits_.strict)
                return source_.refuse_for_good(
                    field->key, fmt::format("Path `{}` cannot be allowed multiple times", field->path),
                    "give the field once, with all its values in one list");
            if (place && !replaces) draft_.replaced.push_back(place);
            replaces = replaces || place;
            place = field;
        }
        return {};
    }

    Status read_or(std::string_view value, const Container& path, Alternatives& to) {
        if (!is_array(value))
            return source_.refuse(value, "It must be an Array followed with $or.", std::string(kOrNext));
        const Alternatives before = std::exchange(to, {});
        std::string_view branch;
        std::size_t branches = 0;
        for (Elements elements(value); elements.next(branch); ++branches) {
            if (!is_object(branch))
                return source_.refuse(branch, "Only JSON object is allowed in array of $or relationship.",
                                      std::string(kOrNext));
            TARN_TRY(copied(before, branch));
            Alternatives with = before;
            TARN_TRY(read_object(branch, path, true, with));
            if (to.size() + with.size() > limits_.max_alternatives) return too_many(branch);
            std::ranges::move(with, std::back_inserter(to));
        }
        if (branches >= 2) return {};
        return source_.refuse(value, "There must have at least 2 Objects in $or relationship.",
                              std::string(kOrNext));
    }

    Status copied(const Alternatives& alternatives, std::string_view token) {
        for (const DraftAlternative& alternative : alternatives)
            for (const auto& [path, field] : alternative) TARN_TRY(grow(bytes_of(*field), token));
        return {};
    }

    // The limits are Tarn's own; the older grammar would only hide them.
    Status grow(std::size_t bytes, std::string_view token) {
        expanded_ += bytes;
        if (expanded_ <= limits_.max_expanded_bytes) return {};
        return source_.refuse_for_good(
            token,
            fmt::format("the pattern is too large: its alternatives need more than {} bytes together",
                        limits_.max_expanded_bytes),
            "use fewer $or, or several patterns");
    }

    Failure too_many(std::string_view token) {
        return source_.refuse_for_good(
            token,
            fmt::format("$or makes more than {} alternatives: every branch of one goes with every branch of "
                        "the others",
                        limits_.max_alternatives),
            "use fewer $or, a list of values where only one field differs, or several patterns");
    }

    std::string_view text_;
    Source source_;
    const Limits& limits_;
    Draft draft_;
    std::size_t expanded_ = 0;
};

// Event Ruler's last words are those of the older grammar; place and next step are of the current one.
Error worded(Error current, const Error& older) {
    if (current.message == older.message) return current;
    current.next = fmt::format("{}: {}", current.message, current.next);
    current.message = older.message;
    return current;
}

Status check_text(std::string_view text, const Limits& limits) {
    const auto bad = [](std::string message, ErrorParts parts) {
        return fail(Code::bad_pattern, std::move(message), std::move(parts));
    };
    if (text.size() > limits.max_bytes)
        return bad(
            fmt::format("the pattern has {} bytes: at most {} are taken", text.size(), limits.max_bytes), {});
    if (codec::trim_json(text).empty())
        return bad("Filter is not an object", {.next = std::string(kRootNext)});
    auto facts = codec::validate_json(text, {.max_bytes = limits.max_bytes, .max_depth = limits.max_depth});
    if (facts) return {};
    Error& error = facts.error();
    return bad(std::move(error.message), {.place = std::move(error.place),
                                          .next = std::string(kRootNext),
                                          .excerpt = std::move(error.excerpt)});
}

// The next UTF-16 unit counted as Java compares it: units of characters beyond U+FFFF are surrogates, which
// come before U+E000. `p` stands at the lead byte of valid UTF-8.
std::uint32_t utf16_rank(unsigned char lead) {
    constexpr unsigned char kBeyond = 0xF0, kAfterSurrogates = 0xEE;
    if (lead >= kBeyond) return kAfterSurrogates;
    return lead >= kAfterSurrogates ? lead + 1u : lead;
}

}  // namespace

bool PathOrder::operator()(const std::string& a, const std::string& b) const {
    const auto [left, right] = std::ranges::mismatch(a, b);
    if (right == b.end()) return false;
    if (left == a.end()) return true;
    // UTF-8 sorts by code point; that differs only where lead bytes do.
    const auto x = static_cast<unsigned char>(*left), y = static_cast<unsigned char>(*right);
    if (utf16_rank(x) != utf16_rank(y)) return utf16_rank(x) < utf16_rank(y);
    return x < y;
}

Result<Draft> make_draft(std::string_view text, const Limits& limits) {
    TARN_TRY(check_text(text, limits));
    Drafter current(text, Grammar::current, limits);
    auto draft = current.run();
    if (draft || current.refused_for_good()) return draft;
    auto older = Drafter(text, Grammar::older, limits).run();
    if (older) return older;
    return fail(worded(std::move(draft.error()), older.error()));
}

Rule make_rule(const Draft& draft) {
    Rule rule;
    for (const DraftAlternative& from : draft.alternatives) {
        Alternative& to = rule.alternatives.emplace_back();
        for (const auto& [path, field] : from) {
            Field& made = to.fields.emplace_back(Field{.path = path});
            for (const DraftValue& value : field->values) made.tests.push_back(value.test);
        }
    }
    return rule;
}

}  // namespace tarn::pattern
