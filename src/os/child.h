// A program of a user's under supervision: its process, all processes that it starts (also those that detach
// themselves), its output, and how it ended. Used by the function host.
//
// Between us and the program stands a keeper, a small process of this same binary (see keeper.h): it adopts
// whatever the program leaves behind, kills all of it when the program ends or we do, enforces the memory
// limit, and reports the end over a socket. So no crash of ours leaves an orphan. Where control groups can be
// had, the kernel enforces the limit (control_group.h).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace tarn::os {

struct ChildOptions {
    std::string keeper;                    // path of the program that answers to `__keep`
    std::vector<std::string> arguments;    // [0] is looked up in PATH of `environment`
    std::vector<std::string> environment;  // NAME=value, complete: nothing is inherited
    std::string working_directory;         // "" = ours
    std::uint64_t memory_limit_bytes = 0;  // of all its processes together; 0 = none
};

struct ChildEnd {
    enum class Kind : std::uint8_t {
        exited,
        signalled,
        out_of_memory,
        too_many_processes,
        not_started,
        keeper_died
    };
    Kind kind = Kind::exited;
    std::int64_t value = 0;  // exit code, signal, bytes in use, processes, errno
    std::string text() const;
};

// One thread at a time. The destructor ends everything that is left and waits for it.
class Child {
public:
    static Result<std::unique_ptr<Child>> start(const ChildOptions& options);
    ~Child();
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    // What stdout and stderr have brought since the last call; "" when nothing. Never blocks.
    std::string read_output();
    // Orders the end of all its processes; end() says when it is done.
    void kill();
    // How it ended, once it has; then nothing of it is left. Never blocks longer than the keeper needs to
    // exit.
    std::optional<ChildEnd> end();
    // What to watch for the end, and for output.
    std::vector<int> descriptors(bool with_output = true) const;
    int keeper_pid() const { return pid_; }

private:
    Child(int pid, int control, int output, std::string group)
        : pid_(pid), control_(control), output_(output), group_(std::move(group)) {}
    void reap();

    int pid_;
    int control_;        // socket to the keeper; its end of file means the end of all
    int output_;         // -1 once it has ended
    std::string group_;  // its control group, "" when it has none
    bool killed_ = false;
    std::string report_;
    std::optional<ChildEnd> end_;
};

// Waits for something to happen to children. wait() belongs to one thread; wake() may come from any.
class ChildWatch {
public:
    static Result<std::unique_ptr<ChildWatch>> make();
    ~ChildWatch();
    ChildWatch(const ChildWatch&) = delete;
    ChildWatch& operator=(const ChildWatch&) = delete;

    // Until one of the children's descriptors has news, wake() was called, or the time is over (< 0: never).
    void wait(const std::vector<int>& descriptors, std::int64_t timeout_us);
    void wake();

private:
    explicit ChildWatch(int event) : event_(event) {}
    int event_;
};

}  // namespace tarn::os
