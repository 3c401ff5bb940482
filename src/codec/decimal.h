// Decimal arithmetic on text, exact to 38 significant digits: money is never floating point. Results keep the
// larger scale of the operands for + and -, the sum of the scales for *. Used by the decimal_* SQL functions.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tarn::codec {

// Accepts [+-]digits[.digits]; refuses exponents, blanks, and more than 38 digits.
Result<std::string> decimal_add(std::string_view a, std::string_view b);
Result<std::string> decimal_sub(std::string_view a, std::string_view b);
Result<std::string> decimal_mul(std::string_view a, std::string_view b);
Result<int> decimal_cmp(std::string_view a, std::string_view b);  // -1, 0, 1

}  // namespace tarn::codec
