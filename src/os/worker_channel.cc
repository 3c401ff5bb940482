#include "os/worker_channel.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace tarn::os {

Result<WorkerChannel> WorkerChannel::claim() {
    const int out = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (out < 0) return fail(make_errno_error(errno, "copy standard output"));
    if (::dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        return fail(make_errno_error(errno, "redirect standard output"));
    return WorkerChannel(out);
}

Result<std::string> WorkerChannel::read_all() {
    std::string all;
    std::array<char, 64 * 1024> buffer;
    while (true) {
        const ssize_t n = ::read(STDIN_FILENO, buffer.data(), buffer.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail(make_errno_error(errno, "read the request"));
        if (n == 0) return all;
        all.append(buffer.data(), static_cast<std::size_t>(n));
    }
}

Status WorkerChannel::write(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::write(out_, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail(make_errno_error(errno, "write the answer"));
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return {};
}

}  // namespace tarn::os
