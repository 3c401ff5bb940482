// Why a document matches a rule or not, field by field, and what would have to change. For people: it takes
// its time, and says the same as the matcher about the whole.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pattern/rule.h"

namespace tarn::pattern {

struct FoundValue {
    std::string where;  // "detail.items[1].id"
    std::string raw;    // JSON
    bool fits = false;  // some test of the field holds for it
};

struct FieldReport {
    std::string path;
    std::vector<std::string> asked;  // tests as JSON; any of them would do
    std::vector<FoundValue> found;   // the first ones; see found_total
    std::size_t found_total = 0;
    bool holds = true;    // by itself, and together with the others
    std::string why;      // it does not hold; half a sentence about the value or the field
    std::string instead;  // what would do: a test as JSON, or advice; may be empty
};

struct AlternativeReport {
    bool matches = false;
    std::vector<FieldReport> fields;
    std::size_t failed = 0;  // fields that do not hold
};

struct Explanation {
    bool matches = false;
    std::vector<AlternativeReport> alternatives;
    std::size_t nearest = 0;  // the alternative that matches, or else fails in the fewest fields
};

// `document` is validated JSON.
Explanation explain(const Rule& rule, std::string_view document);

// A rule among many.
struct RuleOutcome {
    bool matches = false;
    std::string failed_by;  // the path, when all would hold but for one field; else empty
};
std::vector<RuleOutcome> explain_set(std::span<const Rule> rules, std::string_view document);

}  // namespace tarn::pattern
