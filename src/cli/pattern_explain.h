// tarn pattern explain: why does it not match?
#pragma once

#include "cli/command.h"

namespace tarn::cli {

Command pattern_explain_command();

}  // namespace tarn::cli
