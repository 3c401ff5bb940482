// Runs functions: keeps their processes alive, hands them invocations over the Lambda Runtime API, and ends
// what hangs, eats too much memory or dies. Knows nothing of streams and stores: JSON in, JSON out.
//
// Each instance is one process (group) with a private listener on loopback, working on one invocation at a
// time. Invocations wait in one queue a function; instances are started between the declared minimum and
// maximum as the queue grows, and ended again when they have nothing to do for a minute. An instance that
// exits for whatever reason is replaced, after a growing pause when it never gets ready.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "codec/json.h"
#include "functions/function_spec.h"
#include "functions/invocation.h"
#include "functions/output_lines.h"
#include "os/clock.h"
#include "os/rng.h"

namespace tarn::functions {

struct FunctionStatus {
    FunctionSpec spec;
    std::string version;
    std::string state;  // "starting", "ready", "busy", "failing" (cannot start), "stopped"
    std::size_t instances = 0, busy = 0, waiting = 0;  // waiting: invocations in the queue
    std::uint64_t invocations = 0, errors = 0, timeouts = 0, crashes = 0;
    std::string last_error;  // of the last failed start, "" after a good one
    codec::Json to_json() const;
};

// Thread-safe. The destructor stops everything; invocations under way end as `stopped`.
class FunctionHost {
public:
    struct Parts {
        os::Clock& clock;
        os::Rng& rng;
        std::string program;                          // this binary, for keepers
        std::function<void(const LogLine&)> on_line;  // may be empty; called on the host's thread
    };
    static Result<std::unique_ptr<FunctionHost>> start(Parts parts);
    virtual ~FunctionHost() = default;

    // Declares or replaces; `version` is code_version(). Of a replaced function, invocations under way end
    // as they may, and those that wait go to the new one. Starts the minimum of instances.
    virtual Status declare(const FunctionSpec& spec, const std::string& version) = 0;
    // Invocations that wait come back as `recalled`, before it returns; those under way go on.
    virtual void recall(std::string_view name) = 0;
    // Ends its instances, each after the invocation that it works on, and waits until they are gone: nothing
    // of it has a file open. None is started while the handle lives; invocations wait.
    virtual std::shared_ptr<void> suspend(std::string_view name) = 0;
    // Waiting and running invocations end as `stopped`. Unknown names are ignored.
    virtual void remove(std::string_view name) = 0;

    // Queues it; `done` runs once, on a thread of the host, and must not block. unknown_function comes back
    // at once.
    virtual Status invoke(std::string_view name, Invocation invocation, InvocationDone done) = 0;
    // The same, waiting.
    Result<InvocationResult> invoke_and_wait(std::string_view name, Invocation invocation);

    virtual std::vector<FunctionStatus> list() = 0;  // by name
    virtual std::optional<FunctionStatus> find(std::string_view name) = 0;
    // What a function printed, oldest first; the host keeps the last 1,000 lines.
    virtual std::vector<LogLine> logs(std::string_view name, const LogSelection& selection) = 0;
};

}  // namespace tarn::functions
