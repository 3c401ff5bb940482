#include "pattern/expression.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "base/nearest.h"
#include "codec/json_scan.h"
#include "pattern/address.h"
#include "pattern/fold.h"
#include "pattern/number.h"
#include "pattern/wildcard.h"

namespace tarn::pattern {
namespace {

using codec::JsonType;
using codec::scan::Members;

constexpr std::string_view kOneKey = "Only one key allowed in match expression";
constexpr std::string_view kTooMany = "Too many elements in numeric expression";
constexpr std::string_view kOneKeyNext =
    R"(give each operator an object of its own: [{"prefix": "a"}, {"suffix": "b"}])";

struct Operator {
    std::string_view name;
    Result<Test> (*compile)(Source&, std::string_view value);
    std::string_view message_when_more = kOneKey;
};

Test test_of(Test::Kind kind) { return Test{.kind = kind}; }

// A text operator that may also stand as {"equals-ignore-case": …} inside.
struct TextOperator {
    std::string_view name, title;
    Test::Kind plain, folded;
};

Result<Test> compile_fold_inside(Source& source, std::string_view object, const TextOperator& op) {
    const std::string next =
        fmt::format(R"(give a string, or {{"equals-ignore-case": "…"}}: {{"{}": "a"}})", op.name);
    std::string_view key, value;
    Members members(object);
    if (!members.next(key, value))
        return source.refuse(object, fmt::format("{} expression name not found", op.title), next);
    if (const std::string name = key_text(key); name != "equals-ignore-case")
        return source.refuse(key_token(key), fmt::format("Unsupported {} pattern: {}", op.name, name), next);
    if (!is_string(value))
        return source.refuse(value, "equals-ignore-case match pattern must be a string", next);
    Test test = text_test(op.folded, codec::unescape(value));
    if (members.next(key, value))
        return source.refuse(key_token(key), std::string(kOneKey), std::string(kOneKeyNext));
    return test;
}

Result<Test> compile_text(Source& source, std::string_view value, const TextOperator& op) {
    if (is_object(value)) return compile_fold_inside(source, value, op);
    if (is_string(value)) return text_test(op.plain, codec::unescape(value));
    return source.refuse(
        value, fmt::format("{} match pattern must be a string", op.name),
        fmt::format(R"(give one string: {{"{}": "a"}}; several are several values of the list)", op.name));
}

Result<Test> compile_prefix(Source& source, std::string_view value) {
    return compile_text(source, value, {"prefix", "Prefix", Test::Kind::prefix, Test::Kind::prefix_fold});
}

Result<Test> compile_suffix(Source& source, std::string_view value) {
    return compile_text(source, value, {"suffix", "Suffix", Test::Kind::suffix, Test::Kind::suffix_fold});
}

Result<Test> compile_exactly(Source& source, std::string_view value) {
    if (is_string(value)) return text_test(Test::Kind::text, codec::unescape(value));
    return source.refuse(value, "exact match pattern must be a string", R"(give a string: {"exactly": "a"})");
}

Result<Test> compile_equal_fold(Source& source, std::string_view value) {
    if (is_string(value)) return text_test(Test::Kind::equal_fold, codec::unescape(value));
    return source.refuse(
        value, "equals-ignore-case match pattern must be a string",
        R"(give one string: {"equals-ignore-case": "a"}; several are several values of the list)");
}

Result<Test> compile_one_wildcard(Source& source, std::string_view value) {
    if (is_string(value)) return compile_wildcard(source, value);
    return source.refuse(value, "wildcard match pattern must be a string",
                         R"(give one string: {"wildcard": "a*z"}; several are several values of the list)");
}

Result<Test> compile_exists(Source& source, std::string_view value) {
    if (value == "true") return test_of(Test::Kind::exists);
    if (value == "false") return test_of(Test::Kind::absent);
    return source.refuse(value, "exists match pattern must be either true or false.",
                         R"(give {"exists": true} or {"exists": false}, without quotes)");
}

// As many bits as the text says, with or without a sign.
std::optional<int> mask_bits(std::string_view text) {
    if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
    int bits = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), bits);
    return status == std::errc() && end == text.data() + text.size() ? std::optional(bits) : std::nullopt;
}

Result<Test> compile_cidr(Source& source, std::string_view value) {
    const std::string next = R"(give a network: {"cidr": "10.0.0.0/8"}, {"cidr": "2001:db8::/32"})";
    if (!is_string(value)) return source.refuse(value, "prefix match pattern must be a string", next);
    const auto refuse = [&](std::string message) {
        return source.refuse_for_good(value, std::move(message), next);
    };
    const std::string text = codec::unescape(value);
    // Slashes at the end do not count, as in Java's String.split.
    const std::string_view cut = std::string_view(text).substr(0, text.find_last_not_of('/') + 1);
    const auto slash = cut.find('/');
    if (slash == cut.npos || cut.find('/', slash + 1) != cut.npos)
        return refuse("Malformed CIDR, one '/' required");
    const auto bits = mask_bits(cut.substr(slash + 1));
    if (!bits) return refuse("Malformed CIDR, mask bits must be an integer");
    if (*bits < 0) return refuse("Malformed CIDR, mask bits must not be negative");
    const std::string_view host = cut.substr(0, slash);
    if (!looks_like_address(host)) return refuse(fmt::format("Nonstandard IP address: {}", host));
    const auto address = parse_address(host);
    if (!address) return refuse(fmt::format("Invalid IP address: {}", host));
    constexpr int kV4Most = 31, kV6Most = 127;
    if (*bits > (address->v6 ? kV6Most : kV4Most))
        return source.refuse_for_good(
            value, address->v6 ? "IPv6 mask bits must be < 128" : "IPv4 mask bits must be < 32",
            "for one address, give it as a plain string: \"" + std::string(host) + "\"");
    Test test = test_of(Test::Kind::address);
    test.from = network_first(*address, *bits);
    test.to = network_last(*address, *bits);
    return test;
}

Result<Test> compile_numeric_list(Source& source, std::string_view value) {
    if (is_array(value)) return compile_numeric(source, value);
    return source.refuse(value, "Value of numeric must be an array.",
                         R"(give {"numeric": ["=", 5]} or {"numeric": [">", 0, "<=", 5]})");
}

constexpr std::array kOperators = {
    Operator{"exactly", compile_exactly},
    Operator{"prefix", compile_prefix},
    Operator{"suffix", compile_suffix},
    Operator{"numeric", compile_numeric_list, kTooMany},
    Operator{"anything-but", compile_anything_but, kTooMany},
    Operator{"exists", compile_exists},
    Operator{"cidr", compile_cidr},
    Operator{"equals-ignore-case", compile_equal_fold},
    Operator{"wildcard", compile_one_wildcard},
};

Failure refuse_operator(const Source& source, std::string_view key, const std::string& name) {
    std::vector<std::string> names;
    std::string all;
    for (const Operator& op : kOperators) {
        names.emplace_back(op.name);
        if (op.name != "exactly") all += fmt::format("{}{}", all.empty() ? "" : ", ", op.name);
    }
    const std::string nearest = nearest_word(name, names);
    return source.refuse(key_token(key), fmt::format("Unrecognized match type {}", name),
                         nearest.empty() ? "operators are " + all
                                         : fmt::format("did you mean {}? Operators are {}", nearest, all));
}

// After anything-but with an operator inside, the older grammar has other words for a second key.
std::string message_when_more(const Source& source, const Operator& op, std::string_view value) {
    if (source.grammar() == Grammar::current || op.name != "anything-but" || !is_object(value))
        return std::string(op.message_when_more);
    std::string_view key, inner;
    Members(value).next(key, inner);
    return std::string(key_text(key) == "equals-ignore-case" ? kTooMany : kOneKey);
}

Result<Test> compile_expression(Source& source, std::string_view object) {
    std::string_view key, value;
    Members members(object);
    if (!members.next(key, value))
        return source.refuse(object, "Match expression name not found",
                             R"(give an operator and its value: {"prefix": "a"})");
    const std::string name = key_text(key);
    const auto* const op = std::ranges::find(kOperators, name, &Operator::name);
    if (op == kOperators.end()) return refuse_operator(source, key, name);
    TARN_ASSIGN(Test test, op->compile(source, value));
    const std::string_view first = value;
    if (members.next(key, value))
        return source.refuse(key_token(key), message_when_more(source, *op, first), std::string(kOneKeyNext));
    return test;
}

Test compile_string(std::string text) {
    const auto address = parse_address(text);
    if (!address) return text_test(Test::Kind::text, std::move(text));
    Test test = test_of(Test::Kind::address);
    test.from = test.to = *address;
    return test;
}

// A number among the values of a list: by its value when it is comparable, by its text in any case.
Test compile_plain_number(std::string_view raw) {
    Test test = test_of(Test::Kind::number);
    test.text = raw;
    if (const auto value = comparable_number(raw)) {
        test.comparable = true;
        test.low = test.high = *value;
        test.low_closed = test.high_closed = true;
    }
    return test;
}

}  // namespace

Test text_test(Test::Kind kind, std::string text) {
    Test test = test_of(kind);
    const bool folds =
        kind == Test::Kind::equal_fold || kind == Test::Kind::prefix_fold || kind == Test::Kind::suffix_fold;
    if (folds) test.spelled = std::move(text);
    test.text = folds ? fold_key(test.spelled) : std::move(text);
    return test;
}

Result<Test> compile_wildcard(const Source& source, std::string_view raw) {
    auto parts = parse_wildcard(codec::unescape(raw));
    if (!parts)
        return source.refuse(raw, std::move(parts.error()),
                             R"(one * stands for any text; the characters * and \ are \\* and \\\\ in JSON)");
    Test test = test_of(Test::Kind::wildcard);
    test.parts = std::move(*parts);
    return test;
}

Result<Test> compile_number(Source& source, std::string_view raw) {
    Test test = compile_plain_number(raw);
    if (test.comparable) return test;
    return source.refuse(
        raw, exceeds_decimal(raw) ? "value exceeds limits" : fmt::format("Cannot compare number : {}", raw),
        "give a number that a double holds exactly: up to 15 significant digits, below 1.8e308");
}

Result<Test> compile_value(Source& source, std::string_view raw) {
    switch (codec::type_of(raw)) {
        case JsonType::object:
            return compile_expression(source, raw);
        case JsonType::string:
            return compile_string(codec::unescape(raw));
        case JsonType::number:
            return compile_plain_number(raw);
        case JsonType::boolean:
        case JsonType::null: {
            Test test = test_of(Test::Kind::literal);
            test.text = raw;
            return test;
        }
        case JsonType::array:
            break;
    }
    return source.refuse(raw, "Match value must be String, number, true, false, or null",
                         "give the values themselves: a list in a list is not possible");
}

}  // namespace tarn::pattern
