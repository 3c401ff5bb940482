#include "os/byte_source.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>

namespace tarn::os {
namespace {

Failure errno_failure(std::string_view call, const std::string& path) {
    const int code = errno;
    if (code == EINTR) return fail(Code::interrupted, fmt::format("{} {}: stopped by a signal", call, path));
    Error error = make_errno_error(code, fmt::format("{} {}", call, path));
    if (code == ENOENT) error.kind = ErrorKind::not_found;
    return fail(std::move(error));
}

class Descriptor final : public ByteSource {
public:
    Descriptor(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
    ~Descriptor() override {
        if (descriptor_ != STDIN_FILENO) ::close(descriptor_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;

    Result<Piece> read(std::span<char> out, std::int64_t wait_us) override {
        pollfd polled{descriptor_, POLLIN, 0};
        const int ready = ::poll(&polled, 1, static_cast<int>((wait_us + 999) / 1000));
        if (ready == 0 || (ready < 0 && errno == EINTR)) return Piece{};
        if (ready < 0) return errno_failure("poll", path_);
        const ssize_t got = ::read(descriptor_, out.data(), out.size());
        if (got >= 0) return Piece{static_cast<std::size_t>(got), got == 0};
        if (errno == EINTR || errno == EAGAIN) return Piece{};
        return errno_failure("read", path_);
    }

private:
    const int descriptor_;
    const std::string path_;
};

}  // namespace

Result<std::unique_ptr<ByteSource>> open_byte_source(const std::string& path) {
    if (path == "-") return std::make_unique<Descriptor>(STDIN_FILENO, "standard input");
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return errno_failure("open", path);
    return std::make_unique<Descriptor>(descriptor, path);
}

}  // namespace tarn::os
