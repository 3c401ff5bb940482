// Event patterns in EventBridge's language (docs/reference/patterns.md): one pattern, compiled. For many at
// once see rule_set.h.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "pattern/compile.h"

namespace tarn::pattern {

// A string is one of `exact`, or begins with one of `prefixes`.
struct TextNeed {
    std::vector<std::string> exact, prefixes;
    bool allows(std::string_view text) const;
};

// Immutable; safe from any thread.
class Pattern {
public:
    // As compile_rule.
    static Result<Pattern> compile(std::string_view json, const Limits& limits = {});
    // `document` is validated JSON, normally the event in shape cloudevents; see RuleIndex::match for others.
    bool matches(std::string_view document) const;
    // The values that top-level field `type` may have, when the pattern asks for certain ones and nothing
    // else: lets a caller prune. nullptr: any.
    const std::vector<std::string>* types() const;
    // What the string at this path satisfies in every document that matches, provided that it stands there
    // once and is a string. Never too narrow. nullopt: no more is known.
    std::optional<TextNeed> need(std::string_view path) const;
    const std::string& text() const;  // as it was given

private:
    struct Parts;
    std::shared_ptr<const Parts> parts_;
};

}  // namespace tarn::pattern
