// Event patterns in EventBridge's language. This version knows exact values (strings, numbers, true, false,
// null), nested objects and arrays; every other operator is refused by name (Code::not_built), never silently
// ignored.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tarn::pattern {

// Immutable; safe from any thread.
class Pattern {
public:
    // bad_pattern with line and column; not_built for operators of later versions.
    static Result<Pattern> compile(std::string_view json);
    // `document` is validated JSON, normally the event in shape cloudevents.
    bool matches(std::string_view document) const;
    // The values that top-level field `type` may have, when the pattern asks for it: lets a caller prune.
    // nullptr: any.
    const std::vector<std::string>* types() const;
    const std::string& text() const;  // as it was given

private:
    struct Parts;
    std::shared_ptr<const Parts> parts_;
};

}  // namespace tarn::pattern
