// An argument that is JSON itself (an object, a list or a string), the name of a file that holds some, or -
// for standard input.
#pragma once

#include <string>

#include "base/result.h"

namespace tarn::cli {

Result<std::string> text_argument(const std::string& argument);

}  // namespace tarn::cli
