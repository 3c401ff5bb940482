// Numbers as patterns compare them: only those whose decimal text survives the way to a double and back.
#pragma once

#include <optional>
#include <string_view>

namespace tarn::pattern {

// `text` is a JSON number. Its double when that stands for exactly the same number as the text (zero is never
// negative); nullopt when precision, range or exponent is too large: such numbers match by their text only.
std::optional<double> comparable_number(std::string_view text);
// Is the exponent itself beyond what a decimal number can have? Such a number is refused with other words.
bool exceeds_decimal(std::string_view text);

}  // namespace tarn::pattern
