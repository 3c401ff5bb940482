// Whether this process may make files in a directory, asked without making one.
#pragma once

#include <string>

namespace tarn::os {

// True when the system says that it would refuse (permissions, a read-only file system); false when it would
// not, and for directories that it does not know: opening the file tells those.
bool refuses_new_files(const std::string& directory);

}  // namespace tarn::os
