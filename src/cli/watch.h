// Follows a job to its end: progress on stderr, Ctrl-C as the contract says (a server's job is left running,
// one in this process stops at a checkpoint).
#pragma once

#include <functional>
#include <string>

#include "cli/command.h"

namespace tarn::cli {

// The finished job's result, or its error. `describe` turns progress into a line of text. When the user
// detaches from a server the error is `interrupted` and says how to come back.
// `last_progress` gets what a job that failed or was stopped had done.
Result<codec::Json> watch_job(Context& context, const std::string& job,
                              const std::function<std::string(const codec::Json& progress)>& describe,
                              const std::string& how_to_continue, codec::Json* last_progress = nullptr);

// "━━━━━━╸━━━━" of 30 columns.
std::string bar(std::uint64_t done, std::uint64_t total);

}  // namespace tarn::cli
