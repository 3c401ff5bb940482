#include "functions/hosted_function.h"

#include <fmt/core.h>

namespace tarn::functions {
namespace {

constexpr std::int64_t longest_backoff_us = 30'000'000;

std::string error_type_of(const os::ChildEnd& end) {
    const bool memory = end.kind == os::ChildEnd::Kind::out_of_memory;
    return memory ? "Runtime.OutOfMemory" : "Runtime.ExitError";
}

}  // namespace

InvocationResult ended(InvocationEnd end, std::string type, std::string message) {
    InvocationResult result;
    result.end = end;
    result.error_type = std::move(type);
    result.error_message = std::move(message);
    return result;
}

InvocationResult too_large(std::size_t bytes) {
    return ended(
        InvocationEnd::refused, "Function.ResponseSizeTooLarge",
        fmt::format("it answered {} bytes; an answer has {} at most: store large results and answer with "
                    "where they are",
                    bytes, max_answer_bytes));
}

InvocationResult end_of_running(const Instance& instance, const os::ChildEnd& end) {
    if (instance.end_as == InvocationEnd::stopped)
        return ended(InvocationEnd::stopped, "Tarn.Stopped", "the function was stopped");
    return ended(InvocationEnd::crashed, error_type_of(end),
                 fmt::format("the process ended without an answer: {}", end.text()));
}

InvocationResult end_of_start(const Instance& instance, const os::ChildEnd& end) {
    if (instance.init_error) return *instance.init_error;
    return ended(InvocationEnd::init_failed, error_type_of(end),
                 fmt::format("the process ended before it asked for an invocation: {}", end.text()));
}

FunctionStatus HostedFunction::status() const {
    FunctionStatus status{.spec = spec, .version = version};
    status.instances = alive();
    status.busy = busy();
    status.waiting = queue.size();
    status.invocations = invocations;
    status.errors = errors;
    status.timeouts = timeouts;
    status.crashes = crashes;
    status.last_error = last_error;
    if (!last_error.empty() && !has_ready())
        status.state = "failing";
    else if (!has_ready())
        status.state = "starting";
    else
        status.state = status.busy > 0 ? "busy" : "ready";
    return status;
}

void HostedFunction::back_off(std::int64_t now) {
    const int before = failures++;
    if (before == 0) return;
    next_start_us = now + std::min(longest_backoff_us, first_backoff_us << std::min(before - 1, 16));
}

}  // namespace tarn::functions
