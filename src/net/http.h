// HTTP messages as values, shared by server, client and the API behind them (which in-process commands call
// directly).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tarn::net {

using Headers = std::vector<std::pair<std::string, std::string>>;  // names lower-case

// The first value, or nullopt.
std::optional<std::string_view> find_header(const Headers& headers, std::string_view lower_case_name);

struct Request {
    std::string method;
    std::string path;                                        // decoded, without the query
    std::vector<std::pair<std::string, std::string>> query;  // decoded
    Headers headers;
    std::string body;
    Headers trailers;    // of a chunked body; never merged into the headers
    bool local = false;  // called in process: no Host or Origin to check

    std::optional<std::string_view> parameter(std::string_view name) const;
    std::optional<std::string_view> header(std::string_view name) const { return find_header(headers, name); }
};

// Where a streaming response goes. write blocks until there is room; an error means the receiver has gone
// away.
class BodyWriter {
public:
    virtual ~BodyWriter() = default;
    virtual Status write(std::string_view bytes) = 0;
    virtual bool receiver_gone() const = 0;
    // What was written is not all there was to be: the receiver must be able to tell (no last chunk).
    virtual void break_off() {}
};

struct Response {
    int status = 200;
    std::string content_type = "application/json";
    Headers headers;
    std::string body;
    // When set, `body` is ignored: the server runs it on a thread of its own and sends what it writes,
    // chunked.
    std::function<void(BodyWriter&)> stream;
};

// The contract's error body with the status that belongs to the error's kind; Retry-After for 429 and 503.
Response error_response(const Error& error);
// The error in such a body (or a generic one when it is not of that form).
Error parse_error_response(int status, std::string_view body);

std::string percent_encode(std::string_view text);
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);

}  // namespace tarn::net
