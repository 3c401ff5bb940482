// Guards `--where`: the user's text is put between parentheses and must not be able to leave them.
#pragma once

#include <string_view>

#include "base/result.h"

namespace tarn::replay {

// bad_selection unless every parenthesis, quote and comment that the text opens is closed by it, none is
// closed that it did not open, and it holds no second statement. Whether it is valid SQL is the engine's
// business.
Status check_sql_condition(std::string_view text);

}  // namespace tarn::replay
