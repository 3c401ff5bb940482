// The options that say which events: the same for a plan and for a saved selection.
#pragma once

#include <vector>

#include "cli/command.h"

namespace tarn::cli {

std::vector<Option> selection_options();
// What they and the positional STREAM say, as the body of a request.
Result<codec::Json> selection_given(const Arguments& given);

}  // namespace tarn::cli
