#include "os/control_group.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <vector>

namespace tarn::os {
namespace {

std::string contents(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

// One write(2): the kernel takes or refuses it as a whole.
bool put(const std::string& path, std::string_view text) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    const int problem = errno;
    ::close(fd);
    errno = problem;
    return written;
}

bool has_word(const std::string& text, std::string_view word) {
    std::istringstream words(text);
    for (std::string each; words >> each;)
        if (each == word) return true;
    return false;
}

std::string group2_mount(const std::string& mounts) {
    std::istringstream lines(mounts);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string device, place, kind;
        words >> device >> place >> kind;
        if (kind == "cgroup2") return place;
    }
    return "";
}

// "0::/user.slice/…" names the group of version 2.
std::string own_group(const std::string& own_groups) {
    std::istringstream lines(own_groups);
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with("0::")) return line.substr(3);
    return "";
}

pid_t parent_of(pid_t pid) {
    const std::string stat = contents(fmt::format("/proc/{}/stat", pid));
    const std::size_t name_end = stat.rfind(')');
    if (name_end == std::string::npos) return 0;
    std::istringstream rest(stat.substr(name_end + 1));
    std::string state;
    pid_t parent = 0;
    rest >> state >> parent;
    return parent;
}

bool is_ours(pid_t pid) {
    for (; pid > 1 || pid == ::getpid(); pid = parent_of(pid))
        if (pid == ::getpid()) return true;
    return false;
}

// systemd marks the groups that a service may divide; the others are its own.
bool is_undelegated_unit(const std::string& group) {
    if (!group.ends_with(".service") && !group.ends_with(".scope")) return false;
    for (const char* const name : {"user.delegate", "trusted.delegate"}) {
        std::array<char, 8> value{};
        if (::getxattr(group.c_str(), name, value.data(), value.size()) > 0 && value[0] == '1') return false;
    }
    return true;
}

std::vector<pid_t> members(const std::string& group) {
    std::istringstream words(contents(group + "/cgroup.procs"));
    std::vector<pid_t> all;
    for (pid_t pid; words >> pid;) all.push_back(pid);
    return all;
}

void move_all(const std::string& from, const std::string& to) {
    for (const pid_t pid : members(from)) put(to + "/cgroup.procs", std::to_string(pid));
}

// What divide() has changed goes back at our end, so that the group can be used again.
class Division {
public:
    Division() = default;
    Division(const Division&) = delete;
    Division& operator=(const Division&) = delete;
    ~Division() {
        if (group_.empty() || owner_ != ::getpid()) return;
        for (const char* const controller : {"-memory", "-pids"})
            put(group_ + "/cgroup.subtree_control", controller);
        move_all(leaf_, group_);
        ::rmdir(leaf_.c_str());
    }
    void made(const std::string& group, const std::string& leaf) {
        group_ = group;
        leaf_ = leaf;
        owner_ = ::getpid();
    }

private:
    std::string group_, leaf_;
    pid_t owner_ = 0;
};
Division division;

// Frees the group of processes and turns on the controllers for its children. "" or what is in the way.
std::string divide(const std::string& group) {
    const bool is_root = ::access((group + "/cgroup.type").c_str(), F_OK) != 0;
    const std::string leaf = fmt::format("{}/tarn-{}", group, ::getpid());
    if (!is_root) {
        for (const pid_t pid : members(group))
            if (!is_ours(pid))
                return fmt::format("process {} is in the control group {} too: give Tarn one of its own", pid,
                                   group);
        if (::mkdir(leaf.c_str(), 0755) != 0 && errno != EEXIST)
            return fmt::format("{}: {}", leaf, std::strerror(errno));
        move_all(group, leaf);
    }
    put(group + "/cgroup.subtree_control", "+pids");  // good to have
    if (put(group + "/cgroup.subtree_control", "+memory")) {
        if (!is_root) division.made(group, leaf);
        return "";
    }
    const int problem = errno;
    if (!is_root) {
        move_all(leaf, group);
        ::rmdir(leaf.c_str());
    }
    return fmt::format("{}/cgroup.subtree_control: {}", group, std::strerror(problem));
}

}  // namespace

GroupBase find_group_base(const std::string& mounts, const std::string& own_groups) {
    const std::string mount = group2_mount(mounts), own = own_group(own_groups);
    if (mount.empty() || own.empty()) return {"", "there are no control groups of version 2"};
    const std::string group = own == "/" ? mount : mount + own;
    if (!has_word(contents(group + "/cgroup.controllers"), "memory"))
        return {"", fmt::format("the control group {} has no memory controller", group)};
    if (has_word(contents(group + "/cgroup.subtree_control"), "memory") && ::access(group.c_str(), W_OK) == 0)
        return {group, ""};
    if (::access((group + "/cgroup.subtree_control").c_str(), W_OK) != 0)
        return {"", fmt::format("the control group {} is not ours to divide", group)};
    if (is_undelegated_unit(group))
        return {"", fmt::format("the control group {} is not delegated: Delegate=yes in the unit", group)};
    const std::string problem = divide(group);
    return problem.empty() ? GroupBase{group, ""} : GroupBase{"", problem};
}

const GroupBase& group_base() {
    static const GroupBase base =
        find_group_base(contents("/proc/self/mounts"), contents("/proc/self/cgroup"));
    return base;
}

Result<std::string> make_group(const GroupBase& base, std::uint64_t memory_bytes, std::uint64_t processes) {
    static std::atomic<std::uint64_t> number{0};
    const std::string group = fmt::format("{}/tarn-{}-{}", base.path, ::getpid(), ++number);
    if (::mkdir(group.c_str(), 0755) != 0) return fail(make_errno_error(errno, "control group " + group));
    if (!put(group + "/memory.max", std::to_string(memory_bytes))) {
        const int problem = errno;
        ::rmdir(group.c_str());
        return fail(make_errno_error(problem, group + "/memory.max"));
    }
    put(group + "/memory.swap.max", "0");   // absent where there is no swap
    put(group + "/memory.oom.group", "1");  // all of it or nothing
    put(group + "/pids.max", std::to_string(processes));
    return group;
}

bool join_group(const char* procs_file) {
    const int fd = ::open(procs_file, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const bool joined = ::write(fd, "0", 1) == 1;
    ::close(fd);
    return joined;
}

bool group_was_out_of_memory(const std::string& group) {
    std::istringstream words(contents(group + "/memory.events"));
    std::uint64_t count = 0;
    for (std::string name; words >> name >> count;)
        if (name == "oom_kill" && count > 0) return true;
    return false;
}

void remove_group(const std::string& group) {
    put(group + "/cgroup.kill", "1");
    // What was killed leaves it a little later.
    for (int i = 0; i < 1000 && ::rmdir(group.c_str()) != 0 && errno == EBUSY; ++i) ::usleep(1000);
}

}  // namespace tarn::os
