#include "os/access.h"

#include <unistd.h>

#include <cerrno>

namespace tarn::os {

bool refuses_new_files(const std::string& directory) {
    if (::access(directory.c_str(), W_OK | X_OK) == 0) return false;
    return errno == EACCES || errno == EPERM || errno == EROFS;
}

}  // namespace tarn::os
