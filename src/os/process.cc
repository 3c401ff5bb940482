#include "os/process.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>

namespace tarn::os {
namespace {

constexpr std::size_t stderr_limit = 64 * 1024;

struct Pipe {
    int read_end = -1;
    int write_end = -1;

    Status open() {
        std::array<int, 2> ends{};
        if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail(make_errno_error(errno, "pipe"));
        read_end = ends[0];
        write_end = ends[1];
        return {};
    }
    void close_both() {
        if (read_end >= 0) ::close(read_end);
        if (write_end >= 0) ::close(write_end);
    }
};

void limit(int resource, std::uint64_t value) {
    if (value == 0) return;
    const rlimit bounds{value, value};
    ::setrlimit(static_cast<__rlimit_resource>(resource), &bounds);
}

// In the child, between fork and exec: only async-signal-safe calls.
[[noreturn]] void become(const ProcessOptions& options, char* const* argv, char* const* envp, int in, int out,
                         int err) {
    ::setpgid(0, 0);
    ::dup2(in, 0);
    ::dup2(out, 1);
    ::dup2(err, 2);
    limit(RLIMIT_AS, options.memory_limit_bytes);
    limit(RLIMIT_CPU, options.cpu_limit_seconds);
    limit(RLIMIT_CORE, 0);
    ::signal(SIGPIPE, SIG_DFL);
    ::signal(SIGINT, SIG_DFL);
    if (!options.working_directory.empty() && ::chdir(options.working_directory.c_str()) != 0) ::_exit(127);
    ::execve(argv[0], argv, envp);
    ::_exit(127);
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
    std::vector<char*> out;
    out.reserve(texts.size() + 1);
    for (const auto& text : texts) out.push_back(const_cast<char*>(text.c_str()));
    out.push_back(nullptr);
    return out;
}

class RealProcess final : public Process {
public:
    RealProcess(pid_t pid, int in, int out, int err) : pid_(pid), in_(in), out_(out), err_(err) {
        ::fcntl(err_, F_SETFL, O_NONBLOCK);
    }
    ~RealProcess() override {
        kill();
        wait();
        close_stdin();
        ::close(out_);
        ::close(err_);
    }
    RealProcess(const RealProcess&) = delete;
    RealProcess& operator=(const RealProcess&) = delete;

    Status write_stdin(std::string_view bytes) override {
        while (!bytes.empty()) {
            const ssize_t n = ::write(in_, bytes.data(), bytes.size());
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) return fail(make_errno_error(errno, "write to the child process"));
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
        return {};
    }

    void close_stdin() override {
        if (in_ >= 0) ::close(in_);
        in_ = -1;
    }

    Result<std::string> read_stdout(std::int64_t timeout_us) override {
        const int timeout_ms =
            timeout_us < 0 ? -1
                           : static_cast<int>(std::min<std::int64_t>((timeout_us + 999) / 1000, INT_MAX));
        while (true) {
            std::array<pollfd, 2> polled = {{{out_, POLLIN, 0}, {err_, POLLIN, 0}}};
            const int ready = ::poll(polled.data(), err_closed_ ? 1 : 2, timeout_ms);
            if (ready < 0 && errno == EINTR) continue;
            if (ready < 0) return fail(make_errno_error(errno, "poll"));
            if (ready == 0) return fail(Code::query_timeout, "the child process did not answer in time");
            if (!err_closed_ && polled[1].revents != 0) drain_stderr();
            if (polled[0].revents == 0) continue;
            std::string bytes(64 * 1024, '\0');
            const ssize_t n = ::read(out_, bytes.data(), bytes.size());
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) return fail(make_errno_error(errno, "read from the child process"));
            bytes.resize(static_cast<std::size_t>(n));
            return bytes;
        }
    }

    std::string stderr_tail() override {
        drain_stderr();
        return stderr_;
    }

    void kill() override {
        if (reaped_) return;
        ::kill(-pid_, SIGKILL);
        ::kill(pid_, SIGKILL);
    }

    ExitStatus wait() override {
        if (reaped_) return status_;
        int raw = 0;
        while (::waitpid(pid_, &raw, 0) < 0 && errno == EINTR) {
        }
        reaped_ = true;
        status_ = WIFSIGNALED(raw) ? ExitStatus{0, WTERMSIG(raw)} : ExitStatus{WEXITSTATUS(raw), 0};
        return status_;
    }

    int pid() const override { return pid_; }

private:
    void drain_stderr() {
        std::array<char, 4096> buffer{};
        while (!err_closed_) {
            const ssize_t n = ::read(err_, buffer.data(), buffer.size());
            if (n < 0) return;
            if (n == 0) err_closed_ = true;
            stderr_.append(buffer.data(), static_cast<std::size_t>(n));
            if (stderr_.size() > stderr_limit) stderr_.erase(0, stderr_.size() - stderr_limit);
        }
    }

    pid_t pid_;
    int in_, out_, err_;
    bool err_closed_ = false;
    bool reaped_ = false;
    ExitStatus status_;
    std::string stderr_;
};

}  // namespace

Result<std::unique_ptr<Process>> spawn(const ProcessOptions& options) {
    Pipe in, out, err;
    for (Pipe* pipe : {&in, &out, &err}) {
        if (auto opened = pipe->open(); !opened) {
            for (Pipe* each : {&in, &out, &err}) each->close_both();
            return fail(std::move(opened.error()));
        }
    }
    const auto argv = pointers(options.arguments);
    const auto envp = pointers(options.environment);
    const pid_t pid = ::fork();
    if (pid == 0) become(options, argv.data(), envp.data(), in.read_end, out.write_end, err.write_end);
    const int code = errno;
    ::close(in.read_end);
    ::close(out.write_end);
    ::close(err.write_end);
    if (pid < 0) {
        for (int end : {in.write_end, out.read_end, err.read_end}) ::close(end);
        return fail(make_errno_error(code, "fork"));
    }
    ::setpgid(pid, pid);
    return std::make_unique<RealProcess>(pid, in.write_end, out.read_end, err.read_end);
}

std::string self_path() {
    std::array<char, 4096> buffer{};
    const ssize_t n = ::readlink("/proc/self/exe", buffer.data(), buffer.size());
    return n > 0 ? std::string(buffer.data(), static_cast<std::size_t>(n)) : "tarn";
}

}  // namespace tarn::os
