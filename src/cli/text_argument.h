// An argument that is a JSON object itself, the name of a file that holds one, or - for standard input.
#pragma once

#include <string>

#include "base/result.h"

namespace tarn::cli {

Result<std::string> text_argument(const std::string& argument);

}  // namespace tarn::cli
