// "Did you mean": the word of a list that is fewest edits away.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tarn::replay {

// "" when no word is within half of its length.
std::string nearest_word(std::string_view word, const std::vector<std::string>& words);

}  // namespace tarn::replay
