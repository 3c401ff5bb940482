// The operating system's file system. One instance serves the process; no state.
#pragma once

#include "os/file_system.h"

namespace tarn::os {

std::unique_ptr<FileSystem> make_real_file_system();

}  // namespace tarn::os
