// A function as declared in tarn.yaml (contract, "tarn.yaml"), and how its program is started.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "codec/json.h"
#include "event/replay_mark.h"
#include "os/file_system.h"

namespace tarn::functions {

struct FunctionSpec {
    std::string name;
    std::string runtime;               // "python", "node", or "command": anything that speaks the Runtime API
    std::string directory;             // absolute; the working directory, LAMBDA_TASK_ROOT
    std::string handler;               // "module.function"
    std::vector<std::string> command;  // runtime command
    std::int64_t timeout_us = 10'000'000;
    std::int64_t init_timeout_us = 10'000'000;
    std::uint64_t memory_bytes = 256ull << 20;
    std::size_t min_instances = 1, max_instances = 1;
    std::vector<std::string> stores;  // that it feeds
    std::vector<std::pair<std::string, std::string>> environment;
    event::ReplayMark replay = event::ReplayMark::ask;

    // bad_config names the member. A relative `dir` is below `base_directory`.
    static Result<FunctionSpec> from_json(const std::string& name, const codec::Json& json,
                                          const std::string& base_directory);
    codec::Json to_json() const;
};

// A short hash of everything that decides what the function does: the declaration and all files below its
// directory, by name and content. Changes when the code does. unreadable_source names the file.
Result<std::string> code_version(const FunctionSpec& spec, os::FileSystem& fs);

// The command line of its program: for python and node the interpreter with Tarn's bootstrap.
std::vector<std::string> command_line(const FunctionSpec& spec);

}  // namespace tarn::functions
