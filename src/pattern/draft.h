// A pattern between its text and its Rule: the same, with the place in the text where each part stands.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pattern/compile.h"

namespace tarn::pattern {

struct DraftValue {
    Test test;
    std::string_view token;
};

// A field with its list as it stands in the text, once, in however many alternatives it takes part.
struct DraftField {
    std::string path;
    std::string_view key;
    std::vector<DraftValue> values;
};
using DraftFieldPtr = std::shared_ptr<const DraftField>;

// Java's order of strings: by UTF-16 units.
struct PathOrder {
    bool operator()(const std::string& a, const std::string& b) const;
};
using DraftAlternative = std::map<std::string, DraftFieldPtr, PathOrder>;

struct Draft {
    std::vector<DraftAlternative> alternatives;
    std::vector<DraftFieldPtr> fields;    // in the order of the text, the replaced ones included
    std::vector<DraftFieldPtr> replaced;  // lost against a later one with the same path in some alternative
    std::string_view or_as_field;         // the first $or that is read as the name of a field; empty: none
};

// `text` must outlive the draft.
Result<Draft> make_draft(std::string_view text, const Limits& limits);
Rule make_rule(const Draft& draft);
// The rule, unless its wildcards are too complex.
Result<Rule> compile_draft(std::string_view text, const Draft& draft, const Limits& limits);

}  // namespace tarn::pattern
