// From the text of a pattern to a Rule, exactly as Event Ruler's compiler sees it
// (docs/reference/patterns.md).
//
// A refusal is Code::bad_pattern: `message` is the authority's own sentence, word for word, where it refuses;
// `place` is line, column and byte of the offending token in the text; `next` says what would be accepted
// there; `excerpt` shows it. All functions are pure and thread-safe, and take time linear in the text for any
// bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "pattern/rule.h"

namespace tarn::pattern {

// What one pattern may cost.
struct Limits {
    std::size_t max_bytes = 1 << 20;               // of the text; the service takes 4,096 characters
    int max_depth = 128;                           // of nested objects and lists
    int max_wildcard_complexity = 10;              // see wildcard_complexity
    std::size_t max_alternatives = 1000;           // that $or expands to
    std::size_t max_expanded_bytes = 64ull << 20;  // of paths and values in all alternatives together
    bool strict = false;  // refuse a path that is given twice, instead of taking the last
};

Result<Rule> compile_rule(std::string_view json, const Limits& limits = {});

// Something about a valid pattern that its author probably did not mean, or cannot take elsewhere.
struct Finding {
    enum class Kind : std::uint8_t {
        never_matches,     // no event can match this value
        always_matches,    // all events match the field, or all in which it is a string
        exact_spelling,    // a number that no double holds: matches only when spelled the same
        order_dependent,   // exists:false whose answer depends on the order of field names, in arrays
        complex_wildcard,  // near the limit of complexity
        duplicate_path,    // a field given twice: only the last counts
        redundant,         // covered by another value of the same list
        or_as_field,       // $or is no alternatives here but the name of a field
        service_limit,     // AWS would refuse the pattern though Tarn takes it
    };
    Kind kind = Kind::redundant;
    std::string path;     // dotted; empty for the whole pattern
    std::string message;  // one sentence
    Place place;          // of the token meant
};

// "never_matches" …
std::string_view finding_name(Finding::Kind kind);

// Findings in the order of the text. Fails exactly when compile_rule does.
Result<std::vector<Finding>> lint(std::string_view json, const Limits& limits = {});

// How many wildcards of a rule may be under way at once in the worst case, by Event Ruler's measure, counted
// up to `at_most`. The service refuses 11 and takes 7.
int wildcard_complexity(const Rule& rule, int at_most = 100);

}  // namespace tarn::pattern
