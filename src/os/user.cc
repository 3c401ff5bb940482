#include "os/user.h"

#include <pwd.h>
#include <unistd.h>

#include <array>

namespace tarn::os {

std::string user_name() {
    const uid_t id = ::geteuid();
    std::array<char, 4096> buffer;
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwuid_r(id, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr)
        return entry.pw_name;
    return std::to_string(id);
}

}  // namespace tarn::os
