// The name a person probably meant.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tarn::catalog {

// The candidate with the fewest edits, "" when none is close enough to be worth naming.
std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace tarn::catalog
