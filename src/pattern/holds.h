// One test and one scalar: what each operator means. Pure but for what the leaf remembers of itself.
#pragma once

#include <string_view>

#include "pattern/leaves.h"
#include "pattern/rule.h"

namespace tarn::pattern {

// Linear in the text for a wildcard's star, too. `absent` never holds of a leaf that is there.
bool holds(const Test& test, Leaf& leaf);
// The same of a scalar's bytes as they stand in a document.
bool holds(const Test& test, std::string_view raw_scalar);

// Do the literal texts stand in `text` in this order, the first at its beginning and the last at its end?
bool wildcard_matches(const std::vector<std::string>& parts, std::string_view text);

}  // namespace tarn::pattern
