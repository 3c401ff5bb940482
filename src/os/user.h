// Who runs this program, as the system knows them.
#pragma once

#include <string>

namespace tarn::os {

// The name of the effective user; its number when it has no name.
std::string user_name();

}  // namespace tarn::os
