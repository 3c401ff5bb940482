// One call of a function and what became of it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace tarn::functions {

struct Invocation {
    std::string payload;  // JSON, as the function sees it
    // JSON of the Lambda client context, `{"custom":{…}}`; "" = none. Facts about events and replay go here.
    std::string client_context;
};

enum class InvocationEnd : std::uint8_t {
    returned,     // the function answered; whether the answer suits is for the caller to say
    failed,       // the function reported an error
    timed_out,    // killed at its deadline
    crashed,      // its process ended without an answer
    init_failed,  // it could not be started, or ended before it was ready
    refused,      // it answered more than 6 MiB
    stopped,      // the host was stopped, or the function removed; it may or may not have run
    recalled,     // taken back before it reached the function
};
std::string_view invocation_end_name(InvocationEnd end);

struct InvocationResult {
    InvocationEnd end = InvocationEnd::returned;
    std::string request_id;
    std::string payload;       // what it answered
    std::string content_type;  // of the answer, "" when it named none
    // Unless returned. The names of Tarn's own ends follow Lambda's: Sandbox.Timedout, Runtime.ExitError, …
    std::string error_type, error_message;
    std::string stack_trace;  // JSON as the runtime gave it, "" when it gave none
    std::string log_tail;     // the last 4 KiB of what was printed meanwhile
    std::string version;      // of the function's code
    std::int64_t duration_us = 0;
};
using InvocationDone = std::function<void(InvocationResult)>;

}  // namespace tarn::functions
