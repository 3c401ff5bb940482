#include "pattern/compile.h"

#include <fmt/core.h>

#include "pattern/draft.h"
#include "pattern/source.h"

namespace tarn::pattern {
namespace {

// The first wildcard of the text, to point at.
std::string_view first_wildcard(const Draft& draft) {
    for (const DraftFieldPtr& field : draft.fields)
        for (const DraftValue& value : field->values) {
            const Test& test = value.test;
            const bool inside =
                test.kind == Test::Kind::anything_but && test.except.front().kind == Test::Kind::wildcard;
            if (inside || test.kind == Test::Kind::wildcard) return value.token;
        }
    return {};
}

}  // namespace

Result<Rule> compile_draft(std::string_view json, const Draft& draft, const Limits& limits) {
    Rule rule = make_rule(draft);
    const int limit = limits.max_wildcard_complexity;
    if (wildcard_complexity(rule, limit + 1) <= limit) return rule;
    return Source(json, Grammar::current)
        .refuse(
            first_wildcard(draft),
            "Rule is too complex - try using fewer wildcard characters or fewer repeating character "
            "sequences after "
            "a wildcard character",
            fmt::format(
                "more than {} parts of its wildcards can be under way at once; anchor them with text, use "
                "prefix or suffix, or split the pattern",
                limit));
}

Result<Rule> compile_rule(std::string_view json, const Limits& limits) {
    TARN_ASSIGN(const Draft draft, make_draft(json, limits));
    return compile_draft(json, draft, limits);
}

}  // namespace tarn::pattern
