// {"anything-but": "a"}, {"anything-but": [1, 2]}, {"anything-but": {"prefix": ["a", "b"]}}
#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "codec/json_scan.h"
#include "pattern/expression.h"

namespace tarn::pattern {
namespace {

using codec::JsonType;
using codec::scan::Elements;
using codec::scan::Members;

constexpr std::string_view kNext =
    R"(give {"anything-but": "a"}, a list of strings or a list of numbers, or one of prefix, suffix, equals-ignore-case, wildcard inside: {"anything-but": {"prefix": ["a", "b"]}})";
constexpr std::string_view kNotAValue =
    "Value of anything-but must be an array or single string/number value.";
constexpr std::string_view kTooMany = "Too many elements in numeric expression";
constexpr std::string_view kOneKey = "Only one key allowed in match expression";

struct Inner {
    std::string_view name;
    Test::Kind kind;
    std::string_view not_a_string;
};
constexpr std::array kInner = {
    Inner{"prefix", Test::Kind::prefix, "prefix/suffix match pattern must be a string"},
    Inner{"suffix", Test::Kind::suffix, "prefix/suffix match pattern must be a string"},
    Inner{"equals-ignore-case", Test::Kind::equal_fold,
          "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported."},
    Inner{"wildcard", Test::Kind::wildcard, "wildcard match pattern must be a string"},
};

bool is_affix(const Inner& inner) {
    return inner.kind == Test::Kind::prefix || inner.kind == Test::Kind::suffix;
}

Failure refuse(const Source& source, std::string_view token, std::string_view message) {
    return source.refuse(token, std::string(message), std::string(kNext));
}

Result<Test> compile_inner(const Source& source, const Inner& inner, std::string_view raw) {
    if (!is_string(raw)) {
        const bool older_fold = source.grammar() == Grammar::older && inner.kind == Test::Kind::equal_fold;
        return refuse(
            source, raw,
            older_fold ? "Inside anything-but/ignore-case list, number|start|null|boolean is not supported."
                       : inner.not_a_string);
    }
    if (inner.kind == Test::Kind::wildcard) return compile_wildcard(source, raw);
    std::string text = codec::unescape(raw);
    if (is_affix(inner) && text.empty()) return refuse(source, raw, "Null prefix/suffix not allowed");
    return text_test(inner.kind, std::move(text));
}

Status compile_inner_list(Source& source, const Inner& inner, std::string_view array, Test& test) {
    std::string_view element;
    for (Elements elements(array); elements.next(element);) {
        TARN_ASSIGN(Test except, compile_inner(source, inner, element));
        test.except.push_back(std::move(except));
    }
    // Event Ruler compiles it, and then fails within itself with words that help nobody.
    if (test.except.empty())
        return source.refuse_for_good(array, "Empty arrays are not allowed", std::string(kNext));
    return {};
}

// The older grammar knows no lists here but for equals-ignore-case, and no wildcard.
bool takes_list(const Source& source, const Inner& inner) {
    return source.grammar() == Grammar::current || !is_affix(inner);
}

Status compile_inner_value(Source& source, const Inner& inner, std::string_view value, Test& test) {
    if (takes_list(source, inner)) {
        if (is_array(value)) return compile_inner_list(source, inner, value, test);
        if (!is_string(value) && !is_number(value)) return refuse(source, value, kNotAValue);
    }
    TARN_ASSIGN(Test except, compile_inner(source, inner, value));
    test.except.push_back(std::move(except));
    return {};
}

Status compile_operator(Source& source, std::string_view object, Test& test) {
    std::string_view key, value;
    Members members(object);
    if (!members.next(key, value)) return refuse(source, object, "Anything-But expression name not found");
    const std::string name = key_text(key);
    const auto* const inner = std::ranges::find(kInner, name, &Inner::name);
    const bool unknown =
        inner == kInner.end() || (source.grammar() == Grammar::older && inner->kind == Test::Kind::wildcard);
    if (unknown)
        return refuse(source, key_token(key), fmt::format("Unsupported anything-but pattern: {}", name));
    TARN_TRY(compile_inner_value(source, *inner, value, test));
    if (members.next(key, value))
        return refuse(source, key_token(key), takes_list(source, *inner) ? kTooMany : kOneKey);
    return {};
}

Result<Test> compile_scalar(Source& source, std::string_view raw) {
    if (is_string(raw)) return text_test(Test::Kind::text, codec::unescape(raw));
    return compile_number(source, raw);
}

Status compile_list(Source& source, std::string_view array, Test& test) {
    std::string_view element;
    bool strings = false, numbers = false;
    for (Elements elements(array); elements.next(element);) {
        if (!is_string(element) && !is_number(element))
            return refuse(source, element, "Inside anything but list, start|null|boolean is not supported.");
        (is_string(element) ? strings : numbers) = true;
        TARN_ASSIGN(Test except, compile_scalar(source, element));
        test.except.push_back(std::move(except));
    }
    if (strings != numbers) return {};
    return refuse(
        source, array,
        "Inside anything but list, either all values are number or string, mixed type is not supported");
}

}  // namespace

Result<Test> compile_anything_but(Source& source, std::string_view value) {
    Test test{.kind = Test::Kind::anything_but};
    if (is_object(value)) {
        TARN_TRY(compile_operator(source, value, test));
        return test;
    }
    if (is_array(value)) {
        TARN_TRY(compile_list(source, value, test));
        return test;
    }
    if (!is_string(value) && !is_number(value)) return refuse(source, value, kNotAValue);
    auto except = compile_scalar(source, value);
    if (!except) {
        source.do_not_try_older();  // Event Ruler fails differently here than within a list
        return fail(std::move(except.error()));
    }
    test.except.push_back(std::move(*except));
    return test;
}

}  // namespace tarn::pattern
