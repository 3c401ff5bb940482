// Child processes with pipes on their standard streams. Used for query workers now and function hosts later.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tarn::os {

struct ProcessOptions {
    std::vector<std::string> arguments;    // [0] is the program's path
    std::vector<std::string> environment;  // NAME=value, complete: nothing is inherited
    std::string working_directory = {};    // "" = ours
    std::uint64_t memory_limit_bytes = 0;  // RLIMIT_AS; 0 = none
    std::uint64_t cpu_limit_seconds = 0;   // RLIMIT_CPU; 0 = none
};

struct ExitStatus {
    int code = 0;    // when it exited
    int signal = 0;  // when it was killed
};

// Owns the child: the destructor kills its process group and reaps it.
class Process {
public:
    virtual ~Process() = default;
    virtual Status write_stdin(std::string_view bytes) = 0;  // blocks until taken
    virtual void close_stdin() = 0;
    // Blocks for up to timeout_us (< 0: for ever); "" at end of output; Code::query_timeout when the time is
    // over.
    virtual Result<std::string> read_stdout(std::int64_t timeout_us) = 0;
    // What it has written to stderr so far, the last 64 KiB at most.
    virtual std::string stderr_tail() = 0;
    virtual void kill() = 0;
    virtual ExitStatus wait() = 0;
    virtual int pid() const = 0;
};

Result<std::unique_ptr<Process>> spawn(const ProcessOptions& options);
// The path of the running program.
std::string self_path();

}  // namespace tarn::os
