#include "os/child.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <csignal>
#include <cstring>

#include "os/control_group.h"
#include "os/keeper.h"

namespace tarn::os {
namespace {

// In the new process, between fork and exec: only async-signal-safe calls.
[[noreturn]] void become_keeper(char* const* argv, char* const* envp, const char* directory, int control,
                                int output) {
    ::dup2(control, 0);
    ::dup2(output, 1);
    ::dup2(output, 2);
    if (*directory != '\0' && ::chdir(directory) != 0) {
        constexpr std::string_view line = "exec 20\n";  // ENOTDIR says enough
        (void)!::write(0, line.data(), line.size());
        ::_exit(1);
    }
    ::execve(argv[0], argv, envp);
    ::_exit(127);
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
    std::vector<char*> out;
    for (const auto& text : texts) out.push_back(const_cast<char*>(text.c_str()));
    out.push_back(nullptr);
    return out;
}

std::optional<ChildEnd> parse_report(std::string_view report) {
    const auto space = report.find(' ');
    if (space == std::string_view::npos || !report.ends_with('\n')) return std::nullopt;
    ChildEnd end;
    const std::string_view word = report.substr(0, space), number = report.substr(space + 1);
    std::from_chars(number.data(), number.data() + number.size(), end.value);
    if (word == "exit") end.kind = ChildEnd::Kind::exited;
    if (word == "signal") end.kind = ChildEnd::Kind::signalled;
    if (word == "memory") end.kind = ChildEnd::Kind::out_of_memory;
    if (word == "processes") end.kind = ChildEnd::Kind::too_many_processes;
    if (word == "exec") end.kind = ChildEnd::Kind::not_started;
    return end;
}

}  // namespace

std::string ChildEnd::text() const {
    switch (kind) {
        case Kind::exited:
            return fmt::format("exit status {}", value);
        case Kind::signalled:
            return fmt::format("signal {} ({})", value, ::strsignal(static_cast<int>(value)));
        case Kind::out_of_memory:
            return fmt::format("more memory than allowed: {} MiB", value >> 20);
        case Kind::too_many_processes:
            return fmt::format("it started {} processes; 1,000 are allowed", value);
        case Kind::not_started:
            return fmt::format("it could not be started: {}", std::strerror(static_cast<int>(value)));
        case Kind::keeper_died:
            return "its keeper process was killed";
    }
    return "";
}

Result<std::unique_ptr<Child>> Child::start(const ChildOptions& options) {
    std::string group;
    if (options.memory_limit_bytes > 0 && !group_base().path.empty()) {
        TARN_ASSIGN(group, make_group(group_base(), options.memory_limit_bytes, max_processes));
    }
    std::vector<std::string> arguments = {options.keeper, "__keep",
                                          std::to_string(options.memory_limit_bytes),
                                          group.empty() ? "-" : group, "--"};
    arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
    std::array<int, 2> control{}, output{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control.data()) != 0)
        return fail(make_errno_error(errno, "socketpair"));
    if (::pipe2(output.data(), O_CLOEXEC) != 0) {
        const int problem = errno;
        for (const int end : control) ::close(end);
        return fail(make_errno_error(problem, "pipe"));
    }
    const auto argv = pointers(arguments);
    const auto envp = pointers(options.environment);
    const pid_t pid = ::fork();
    if (pid == 0)
        become_keeper(argv.data(), envp.data(), options.working_directory.c_str(), control[1], output[1]);
    const int problem = errno;
    ::close(control[1]);
    ::close(output[1]);
    if (pid < 0) {
        ::close(control[0]);
        ::close(output[0]);
        return fail(make_errno_error(problem, "fork"));
    }
    ::fcntl(control[0], F_SETFL, O_NONBLOCK);
    ::fcntl(output[0], F_SETFL, O_NONBLOCK);
    return std::unique_ptr<Child>(new Child(pid, control[0], output[0], std::move(group)));
}

Child::~Child() {
    kill();
    reap();
    ::close(control_);
    if (output_ >= 0) ::close(output_);
}

std::string Child::read_output() {
    constexpr std::size_t at_once = 256u
                                    << 10;  // so that one that never stops writing does not hold the reader
    std::string bytes;
    std::array<char, 16384> buffer{};
    while (output_ >= 0 && bytes.size() < at_once) {
        const ssize_t n = ::read(output_, buffer.data(), buffer.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) break;
        if (n == 0) {
            ::close(output_);
            output_ = -1;
            break;
        }
        bytes.append(buffer.data(), static_cast<std::size_t>(n));
    }
    return bytes;
}

void Child::kill() {
    if (killed_ || end_) return;
    killed_ = true;
    ::shutdown(control_, SHUT_WR);
}

std::optional<ChildEnd> Child::end() {
    while (!end_) {
        std::array<char, 64> buffer{};
        const ssize_t n = ::read(control_, buffer.data(), buffer.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return std::nullopt;
        if (n > 0) {
            report_.append(buffer.data(), static_cast<std::size_t>(n));
            continue;
        }
        while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
        }
        if (!group_.empty()) remove_group(group_);  // the keeper has, unless it was killed
        end_ = parse_report(report_).value_or(ChildEnd{ChildEnd::Kind::keeper_died, 0});
    }
    return end_;
}

std::vector<int> Child::descriptors(bool with_output) const {
    std::vector<int> list;
    if (!end_) list.push_back(control_);
    if (with_output && output_ >= 0) list.push_back(output_);
    return list;
}

void Child::reap() {
    while (!end()) {
        pollfd polled{control_, POLLIN, 0};
        ::poll(&polled, 1, -1);
    }
}

Result<std::unique_ptr<ChildWatch>> ChildWatch::make() {
    const int event = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (event < 0) return fail(make_errno_error(errno, "eventfd"));
    return std::unique_ptr<ChildWatch>(new ChildWatch(event));
}

ChildWatch::~ChildWatch() { ::close(event_); }

void ChildWatch::wait(const std::vector<int>& descriptors, std::int64_t timeout_us) {
    std::vector<pollfd> polled = {{event_, POLLIN, 0}};
    for (const int descriptor : descriptors) polled.push_back({descriptor, POLLIN, 0});
    const int timeout_ms =
        timeout_us < 0 ? -1 : static_cast<int>(std::min<std::int64_t>((timeout_us + 999) / 1000, INT_MAX));
    ::poll(polled.data(), polled.size(), timeout_ms);
    std::uint64_t drained = 0;
    (void)!::read(event_, &drained, sizeof drained);
}

void ChildWatch::wake() {
    const std::uint64_t one = 1;
    (void)!::write(event_, &one, sizeof one);
}

}  // namespace tarn::os
