// Follows a job to its end: progress on stderr, Ctrl-C as the contract says (a server's job is left running,
// one in this process stops at a checkpoint).
#pragma once

#include <functional>
#include <string>

#include "cli/command.h"

namespace tarn::cli {

struct Watch {
    std::function<std::string(const codec::Json& progress)> describe;  // progress as a line of text
    std::string how_to_continue;                                       // when it was interrupted
    // When the user detaches from a server: what goes on, and how to come back to it or stop it; "" = the
    // job.
    std::string detached, detached_next;
    bool as_ndjson = false;  // progress as documents, one a second, instead of text
    // A key pressed on the terminal, and what stood there then; true: detach, as Ctrl-C does.
    std::function<Result<bool>(char key, const codec::Json& progress)> on_key = {};
    std::string key_hint = {};             // behind the text where keys are heard
    codec::Json* last_progress = nullptr;  // gets what a job that failed or was stopped had done
};

// The finished job's result, or its error. When the user detaches from a server the error is `interrupted`
// and says how to come back. On SIGUSR1 it says at once how far it is.
Result<codec::Json> watch_job(Context& context, const std::string& job, const Watch& watch);

// With nothing but the text.
Result<codec::Json> watch_job(Context& context, const std::string& job,
                              const std::function<std::string(const codec::Json& progress)>& describe,
                              const std::string& how_to_continue, codec::Json* last_progress = nullptr);

// "━━━━━━╸━━━━" of 30 columns.
std::string bar(std::uint64_t done, std::uint64_t total);

}  // namespace tarn::cli
