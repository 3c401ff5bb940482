// What we say about a pair, in the words of the authority's answers, and where we differ from it on purpose.
#pragma once

#include <algorithm>
#include <cctype>
#include <iterator>
#include <ranges>
#include <string>
#include <string_view>

#include "codec/json.h"
#include "pattern/compile.h"
#include "pattern/naive.h"
#include "pattern/pattern.h"
#include "pattern_generator.h"

namespace tarn::test {

// What is not JSON at all is refused in our own words.
inline std::string refusal(const Error& error) {
    return error.message.starts_with("not JSON") ? "error:json" : "error:" + error.message;
}

// "true", "false", "error:MESSAGE" when the pattern is refused, "error:json" when it is not JSON.
inline std::string our_verdict(const Pair& pair) {
    const auto compiled = pattern::Pattern::compile(pair.pattern);
    if (!compiled) return refusal(compiled.error());
    return compiled->matches(pair.event) ? "true" : "false";
}

// The same by the referee.
inline std::string naive_verdict(const Pair& pair) {
    const auto rule = pattern::compile_rule(pair.pattern);
    if (!rule) return refusal(rule.error());
    return pattern::naive::matches(*rule, pair.event) ? "true" : "false";
}

// The authority's answer without the source location that its parser appends.
inline std::string_view without_location(std::string_view answer) {
    return answer.substr(0, answer.find("\\n at [Source"));
}

// The oracle writes an answer on one line, so a message with line ends in it comes with \n for them.
inline std::string on_one_line(std::string_view text) {
    std::string line;
    for (const char c : text) {
        if (c == '\n') line += "\\n";
        if (c != '\n' && c != '\r') line += c;
    }
    return line;
}

inline bool same_verdict(std::string_view theirs, std::string_view ours) {
    if (ours == "error:json") return theirs.starts_with("error:");
    return without_location(theirs) == on_one_line(ours);
}

namespace difference {

using pattern::Rule;
using pattern::Test;

template <typename Condition>
bool any_test(const Rule& rule, const Condition& condition) {
    for (const auto& alternative : rule.alternatives)
        for (const auto& field : alternative.fields)
            for (const Test& test : field.tests)
                if (condition(field, test) || std::ranges::any_of(test.except, [&](const Test& inner) {
                        return condition(field, inner);
                    }))
                    return true;
    return false;
}

// The authority cuts a character beyond U+FFFF in two, and then no longer knows it when it ignores case.
inline bool folds_wide_character(const Rule& rule) {
    return any_test(rule, [](const auto&, const Test& test) {
        return std::ranges::any_of(test.spelled,
                                   [](char c) { return static_cast<unsigned char>(c) >= 0xf0; });
    });
}

// The authority reads the digits of a number as those of an address, and does not keep IPv4 and IPv6 apart.
inline bool address_against_other(const Rule& rule, const std::vector<pattern::naive::Leaf>& leaves) {
    return any_test(rule, [&](const pattern::Field& field, const Test& test) {
        if (test.kind != Test::Kind::address) return false;
        return std::ranges::any_of(leaves, [&](const pattern::naive::Leaf& leaf) {
            if (leaf.path != field.path) return false;
            if (leaf.type == codec::JsonType::number) return true;
            const auto address = pattern::naive::address_of(leaf.text);
            return address && address->v6 != test.from.v6;
        });
    });
}

inline bool has_dotted_key(std::string_view value) {
    bool found = false;
    const auto type = codec::type_of(value);
    if (type == codec::JsonType::object)
        codec::for_each_member(value, [&](std::string_view key, std::string_view inner) {
            found = found || key.contains('.') || has_dotted_key(inner);
            return !found;
        });
    if (type == codec::JsonType::array)
        codec::for_each_element(value, [&](std::string_view inner) {
            found = found || has_dotted_key(inner);
            return !found;
        });
    return found;
}

// The authority does not see a field whose last name is empty.
inline bool empty_name(const std::vector<pattern::naive::Leaf>& leaves) {
    return std::ranges::any_of(leaves, [](const auto& leaf) { return leaf.path.ends_with('.'); });
}

// The authority's two matchers disagree about a path that stands inside of an array and outside of it, or in
// two arrays, which takes a key that is given twice or has dots. We side with the older, which asks for no
// more than one element of each array.
inline bool twin_paths(const Rule& rule, const Pair& pair, const std::vector<pattern::naive::Leaf>& leaves) {
    const auto facts = codec::validate_json(pair.event);
    const bool twins = (facts && facts->duplicate_keys) || has_dotted_key(pair.event);
    return twins && any_test(rule, [&](const pattern::Field& field, const Test&) {
               const pattern::naive::Leaf* first = nullptr;
               for (const auto& leaf : leaves) {
                   if (leaf.path != field.path) continue;
                   if (first != nullptr && !std::ranges::equal(std::views::keys(first->membership),
                                                               std::views::keys(leaf.membership)))
                       return true;
                   first = &leaf;
               }
               return false;
           });
}

// Equal numbers are the same value, however they are written.
inline Test without_spelling(Test test) {
    if (test.kind == Test::Kind::number && test.comparable) test.text.clear();
    std::ranges::transform(test.except, test.except.begin(), without_spelling);
    return test;
}

// Two branches of $or that ask the same value of one field, and something else beside it: the authority
// merges their states and loses a match.
inline bool branches_share_value(const Rule& rule) {
    for (const auto& one : rule.alternatives)
        for (const auto& other : rule.alternatives)
            for (const auto& field : one.fields) {
                const auto same = std::ranges::find(other.fields, field.path, &pattern::Field::path);
                if (same == other.fields.end() || same->tests == field.tests) continue;
                for (const Test& test : field.tests)
                    for (const Test& twin : same->tests)
                        if (without_spelling(test) == without_spelling(twin)) return true;
            }
    return false;
}

// In the authority, a test that ignores case takes part in the wildcards of the same list, also inside of
// anything-but.
inline bool folds_among_wildcards(const Rule& rule) {
    using Kind = Test::Kind;
    for (const auto& alternative : rule.alternatives)
        for (const auto& field : alternative.fields) {
            bool fold = false, wildcard = false;
            for (const Test& test : field.tests) {
                const Test& inner = test.kind == Kind::anything_but ? test.except.front() : test;
                fold = fold || !inner.spelled.empty();
                wildcard = wildcard || inner.kind == Kind::wildcard;
            }
            if (fold && wildcard) return true;
        }
    return false;
}

// How complex the authority finds wildcards that alternatives of $or repeat depends on how it shares states.
inline bool complexity_of_branches(const Pair& pair, std::string_view theirs, std::string_view ours) {
    constexpr std::string_view refused = "error:Rule is too complex";
    if (theirs.starts_with(refused) == ours.starts_with(refused)) return false;
    const auto rule = pattern::compile_rule(pair.pattern, {.max_wildcard_complexity = 1000});
    return rule && rule->alternatives.size() > 1;
}

// The authority fails at an empty list below an operator when it builds its machine, and does not get there
// when the field is given again.
inline bool empty_operand(const Pair& pair, std::string_view ours) {
    if (ours != "error:Empty arrays are not allowed") return false;
    std::string packed;
    std::ranges::copy_if(pair.pattern, std::back_inserter(packed), [](char c) { return !std::isspace(c); });
    return packed.contains(":[]}");
}

// Some number is written with exactly so many significant digits.
inline bool has_digits(std::string_view text, std::size_t wanted) {
    while (true) {
        const auto from = text.find_first_of("0123456789");
        if (from == std::string_view::npos) return false;
        text.remove_prefix(from);
        const auto end = std::min(text.find_first_not_of("0123456789."), text.size());
        std::string digits(text.substr(0, end));
        std::erase(digits, '.');
        digits.erase(0, digits.find_first_not_of('0'));
        while (digits.ends_with('0')) digits.pop_back();
        if (digits.size() == wanted) return true;
        text.remove_prefix(end);
    }
}

// Older Java writes some doubles with more digits than they need, 18 at most, and then takes their shortest
// spelling for another number, and the longer one for theirs.
inline bool odd_in_old_java(const Pair& pair) {
    for (const std::string& text : {pair.pattern, pair.event})
        if (text.contains("2e23") || text.contains("8.41E21") || has_digits(text, 18)) return true;
    return false;
}

}  // namespace difference

// Why we differ on purpose (docs/reference/patterns.md lists the same), or "" when there is no such reason.
inline std::string_view deliberate_difference(const Pair& pair, std::string_view theirs) {
    const std::string ours = naive_verdict(pair);
    if (difference::complexity_of_branches(pair, theirs, ours))
        return "complexity of wildcards that $or repeats";
    if (difference::empty_operand(pair, ours)) return "the authority fails itself";
    for (const char* failure : {"error:Cannot invoke", "error:ArrayIndexOutOfBounds", "error:Index "})
        if (theirs.starts_with(failure)) return "the authority fails itself";
    const auto rule = pattern::compile_rule(pair.pattern);
    if (!rule) {
        if (refusal(rule.error()) == "error:json") return "text after the pattern";
        return difference::odd_in_old_java(pair) ? "digits of old Java" : "";
    }
    const auto leaves = pattern::naive::leaves_of(pair.event);
    if (difference::folds_wide_character(*rule)) return "case beyond U+FFFF";
    if (difference::address_against_other(*rule, leaves)) return "addresses of another family, or numbers";
    if (difference::empty_name(leaves)) return "empty last name";
    if (difference::twin_paths(*rule, pair, leaves)) return "one path inside and outside of an array";
    if (theirs == "false" && difference::branches_share_value(*rule))
        return "a value that branches of $or share";
    if (!theirs.starts_with("error:") && difference::folds_among_wildcards(*rule))
        return "ignoring case beside a wildcard";
    if (difference::odd_in_old_java(pair)) return "digits of old Java";
    return "";
}

}  // namespace tarn::test
