#include "os/keeper.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>

#include "os/control_group.h"

namespace tarn::os {
namespace {

constexpr int control = 0;           // the socket stands in the place of standard input
constexpr int lower_priority = 10;   // capture goes first when processors are scarce
constexpr int watch_memory_ms = 50;  // at 2 GB/s of first touches, 100 MB can come between two looks

std::string read_small_file(const std::string& path) {
    std::string text;
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return text;
    std::array<char, 4096> buffer{};
    for (ssize_t n; (n = ::read(fd, buffer.data(), buffer.size())) > 0;)
        text.append(buffer.data(), static_cast<std::size_t>(n));
    ::close(fd);
    return text;
}

std::vector<std::uint64_t> numbers_in(std::string_view text) {
    std::vector<std::uint64_t> numbers;
    const char* at = text.data();
    const char* const end = at + text.size();
    while (at != end) {
        std::uint64_t number = 0;
        const auto [next, problem] = std::from_chars(at, end, number);
        if (problem == std::errc()) numbers.push_back(number);
        at = problem == std::errc() ? next : at + 1;
    }
    return numbers;
}

// The children of all threads of `pid`: in a runtime with worker threads any of them may have forked.
std::vector<pid_t> children_of(pid_t pid) {
    std::vector<pid_t> children;
    const std::string tasks = fmt::format("/proc/{}/task", pid);
    DIR* const directory = ::opendir(tasks.c_str());
    if (directory == nullptr) return children;  // it has ended meanwhile
    while (const dirent* const entry = ::readdir(directory)) {
        if (entry->d_name[0] == '.') continue;
        for (const std::uint64_t child :
             numbers_in(read_small_file(fmt::format("{}/{}/children", tasks, entry->d_name))))
            children.push_back(static_cast<pid_t>(child));
    }
    ::closedir(directory);
    return children;
}

std::uint64_t resident_bytes(pid_t pid) {
    const auto fields = numbers_in(read_small_file(fmt::format("/proc/{}/statm", pid)));
    return fields.size() > 1 ? fields[1] * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) : 0;
}

struct Usage {
    std::uint64_t resident_bytes = 0;
    std::uint64_t processes = 0;
};

void add_usage_below(pid_t pid, Usage& usage) {
    for (const pid_t child : children_of(pid)) {
        usage.resident_bytes += resident_bytes(child);
        ++usage.processes;
        add_usage_below(child, usage);
    }
}

// Each is stopped before its children are looked for: what is stopped forks no more.
void kill_below(pid_t pid) {
    for (const pid_t child : children_of(pid)) {
        ::kill(child, SIGSTOP);
        kill_below(child);
        ::kill(child, SIGKILL);
    }
}

// What a parent leaves behind becomes ours, so this ends with nobody left; also when they fork faster than
// one look goes.
void end_all_descendants() {
    while (true) {
        kill_below(::getpid());
        pid_t gone = ::waitpid(-1, nullptr, 0);
        while (gone > 0) gone = ::waitpid(-1, nullptr, WNOHANG);
        if (gone < 0 && errno == ECHILD) return;
    }
}

[[noreturn]] void become(std::uint64_t memory_limit_bytes, const std::string& group,
                         const std::vector<std::string>& arguments) {
    if (!group.empty() && !join_group((group + "/cgroup.procs").c_str())) ::_exit(126);
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::setpriority(PRIO_PROCESS, 0, lower_priority);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    const int null = ::open("/dev/null", O_RDONLY);
    ::dup2(null, 0);
    const rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    if (memory_limit_bytes > 0 && group.empty()) {
        // The hard stop behind the keeper's own look at resident memory. Runtimes map far more than they
        // use, hence the room; RLIMIT_AS would kill Node and Go at their start.
        const rlimit data{4 * memory_limit_bytes + (1ull << 30), 4 * memory_limit_bytes + (1ull << 30)};
        ::setrlimit(RLIMIT_DATA, &data);
    }
    std::vector<char*> argv;
    for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    ::execvp(argv[0], argv.data());
    const int problem = errno;
    (void)!::write(2, "cannot start the program\n", 25);
    ::_exit(problem == ENOENT ? 127 : 126);
}

void report(const std::string& line) { (void)!::write(control, line.data(), line.size()); }

std::string describe(int raw) {
    if (WIFSIGNALED(raw)) return fmt::format("signal {}\n", WTERMSIG(raw));
    return fmt::format("exit {}\n", WEXITSTATUS(raw));
}

// True when `program` is among those that have ended; `raw` is then how.
bool reap(pid_t program, int& raw) {
    bool ended = false;
    int status = 0;
    for (pid_t gone; (gone = ::waitpid(-1, &status, WNOHANG)) > 0;) {
        if (gone != program) continue;
        ended = true;
        raw = status;
    }
    return ended;
}

// What ended it, as a report; "" when the owner wants it to end.
std::string watch(pid_t program, int signals, std::uint64_t memory_limit_bytes) {
    while (true) {
        std::array<pollfd, 2> polled = {{{control, POLLIN, 0}, {signals, POLLIN, 0}}};
        const int ready = ::poll(polled.data(), polled.size(), memory_limit_bytes > 0 ? watch_memory_ms : -1);
        if (ready < 0 && errno != EINTR) return "";
        if (polled[0].revents != 0) return "";  // nothing is ever sent to us: it is the end
        if (polled[1].revents != 0) {
            signalfd_siginfo drained{};
            (void)!::read(signals, &drained, sizeof drained);
        }
        int raw = 0;
        if (reap(program, raw)) return describe(raw);
        if (memory_limit_bytes == 0) continue;
        Usage usage;
        add_usage_below(::getpid(), usage);
        if (usage.resident_bytes > memory_limit_bytes)
            return fmt::format("memory {}\n", usage.resident_bytes);
        if (usage.processes > max_processes) return fmt::format("processes {}\n", usage.processes);
    }
}

}  // namespace

int run_keeper(std::uint64_t memory_limit_bytes, const std::string& group_or_dash,
               const std::vector<std::string>& arguments) {
    const std::string group = group_or_dash == "-" ? "" : group_or_dash;
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    ::setpgid(0, 0);  // a Ctrl-C at the terminal is for Tarn, which stops us in its own order
    ::fcntl(control, F_SETFD, FD_CLOEXEC);
    ::signal(SIGPIPE, SIG_IGN);
    sigset_t child_signal;
    ::sigemptyset(&child_signal);
    ::sigaddset(&child_signal, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &child_signal, nullptr);
    const int signals = ::signalfd(-1, &child_signal, SFD_CLOEXEC | SFD_NONBLOCK);
    const pid_t program = ::fork();
    if (program == 0) become(memory_limit_bytes, group, arguments);
    // In a control group the kernel watches.
    std::string ended = program < 0 ? fmt::format("exec {}\n", errno)
                                    : watch(program, signals, group.empty() ? memory_limit_bytes : 0);
    if (ended == "signal 9\n" && !group.empty() && group_was_out_of_memory(group))
        ended = fmt::format("memory {}\n", memory_limit_bytes);
    end_all_descendants();
    if (!group.empty()) remove_group(group);
    report(ended.empty() ? "signal 9\n" : ended);
    return 0;
}

}  // namespace tarn::os
