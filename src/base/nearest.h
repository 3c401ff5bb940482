// "Did you mean …?": the word of a list that a person probably meant.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tarn {

// The word with the fewest insertions, deletions and replacements, "" when none is close enough to be worth
// naming.
std::string nearest_word(std::string_view word, const std::vector<std::string>& words);

}  // namespace tarn
