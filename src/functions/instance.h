// One process of a function with its private Runtime API listener. Internal to the function host, whose mutex
// guards everything here but the listener's own thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "functions/invocation.h"
#include "functions/output_lines.h"
#include "functions/runtime_api.h"
#include "net/http_server.h"
#include "os/child.h"

namespace tarn::functions {

struct PendingInvocation {
    Invocation invocation;
    InvocationDone done;
};

// The invocation that an instance is working on.
struct RunningInvocation {
    PendingInvocation pending;
    std::string request_id;
    std::int64_t started_us = 0;   // monotonic
    std::int64_t deadline_us = 0;  // monotonic
    std::string log_tail;
};

struct Instance final : net::Handler {
    // Calls of the Runtime API arrive here, on the listener's thread.
    using OnCall = std::function<void(Instance&, const RuntimeCall&, net::Request, Respond)>;

    Instance(std::string name, OnCall on_call) : name(std::move(name)), on_call(std::move(on_call)) {}
    // The listener first: then nobody calls us any more.
    ~Instance() override { server.reset(); }

    void handle(net::Request request, Respond respond) override {
        const RuntimeCall call = classify(request);
        on_call(*this, call, std::move(request), std::move(respond));
    }

    const std::string name;
    const OnCall on_call;
    std::string version;  // of the code that it runs
    std::unique_ptr<os::Child> child;
    std::optional<Respond> poll;               // it waits for an invocation
    std::optional<RunningInvocation> running;  // it works on one
    bool ready = false;                        // it has asked for its first invocation
    bool ending = false;                       // ordered to end; takes nothing more
    std::string end_reason;                    // why we ended it
    InvocationEnd end_as = InvocationEnd::crashed;
    std::optional<InvocationResult> init_error;  // what it told before it ended
    std::int64_t started_us = 0;                 // monotonic
    std::int64_t idle_since_us = 0;
    LineBuffer line;
    std::int64_t next_output_us = 0;          // its output is not looked at before
    std::unique_ptr<net::HttpServer> server;  // last member: ends first
};

}  // namespace tarn::functions
