// AWS Lambda's Runtime API (2018-06-01) as messages: which call a request is, and the answers it gets. What
// the five official runtimes send and need: docs/reference/functions.md. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "functions/invocation.h"
#include "net/http.h"

namespace tarn::functions {

inline constexpr std::size_t max_answer_bytes = (6u << 20) + 100;

struct RuntimeCall {
    enum class Kind : std::uint8_t { next, response, error, init_error, unknown };
    Kind kind = Kind::unknown;
    std::string request_id;  // of response and error
};
RuntimeCall classify(const net::Request& request);

// The answer to `next`. Content-Type is vital: three runtimes crash without it; ARN and trace are given too.
net::Response next_response(std::string_view request_id, std::int64_t deadline_epoch_ms,
                            std::string_view function, const Invocation& invocation);
net::Response accepted();                                                            // 202
net::Response refused(int status, std::string_view type, std::string_view message);  // 400, 403, 413

// What a response or an error call says. A streamed response may fail after it began: by trailers, or by
// the same two lines as the last data of the body.
InvocationResult read_answer(const RuntimeCall& call, net::Request request);
// The same for init/error.
InvocationResult read_init_error(net::Request request);

}  // namespace tarn::functions
