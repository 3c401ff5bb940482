// Turns the bytes of one connection into requests: RFC 9112, and wherever two readers could disagree, a
// refusal. Pure and incremental: no socket, no clock; the same bytes give the same requests and the same
// failure however they are cut into pieces, and each byte is looked at a bounded number of times.
// Single-threaded.
//
// Refused: Transfer-Encoding together with Content-Length, either of them twice, any coding but `chunked`,
// bare CR or LF, folded headers, white space before a colon, NUL and other control bytes, signed or over-long
// numbers, a missing or second Host, anything over a limit. Why so strict:
// docs/decisions/0003-http-server.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "net/http.h"

namespace tarn::net {

struct ParserLimits {
    std::size_t max_head_bytes = 16u << 10;   // request line and headers; the trailers once more
    std::size_t max_target_bytes = 8u << 10;  // the target within the request line
    std::size_t max_headers = 100;
    std::size_t max_query_parameters = 100;
    std::size_t max_body_bytes = 64u << 20;
    std::size_t max_chunk_extension_bytes = 1024;  // over all chunks of a request; they are ignored
};

struct ParsedRequest {
    Request request;
    bool keep_alive = true;  // what the client asked for
    bool http_1_0 = false;   // no chunked answers
};

// Why the bytes are refused. The connection cannot be used further: where the next request begins is unknown.
struct ParseFailure {
    int status = 400;
    Error error;
};

class RequestParser {
public:
    enum class Progress : std::uint8_t { incomplete, complete, failed };

    explicit RequestParser(const ParserLimits& limits = {});

    // Takes bytes off the front of `input`, at most up to the end of one request.
    //   incomplete: all of `input` was taken, more is needed.
    //   complete:   call take(), then feed the rest.
    //   failed:     see failure(); nothing more will be taken.
    Progress feed(std::string_view& input);
    // The complete request; the parser starts anew.
    ParsedRequest take();
    const ParseFailure& failure() const { return failure_; }

    // Between two requests: no byte of the next one has come.
    bool idle() const { return phase_ == Phase::request_line && line_.empty(); }
    // The head is there, the body has not begun, and the client waits for "100 Continue".
    bool wants_continue() const { return expects_continue_ && at_body_start_; }
    std::size_t body_bytes() const { return parsed_.request.body.size(); }
    // Memory held for the request under way.
    std::size_t buffered_bytes() const { return line_.size() + head_bytes_ + parsed_.request.body.size(); }

private:
    enum class Phase : std::uint8_t {
        request_line,
        headers,
        fixed_body,
        chunk_size,
        chunk_data,
        chunk_end,
        trailers,
        complete,
        failed
    };
    enum class Line : std::uint8_t { ready, need_more, failed };

    bool step(std::string_view& input);
    Line next_line(std::string_view& input, std::size_t budget, int too_long_status, std::string_view what);
    bool step_request_line(std::string_view& input);
    bool step_headers(std::string_view& input);
    bool step_body(std::string_view& input, Phase next);
    bool step_chunk_size(std::string_view& input);
    bool step_chunk_end(std::string_view& input);
    bool step_trailers(std::string_view& input);

    bool begins_like_a_request(char first);
    bool read_request_line(std::string_view line);
    bool read_target(std::string_view target);
    bool read_origin_form(std::string_view target);
    bool read_query(std::string_view query);
    bool read_header(std::string_view line);
    bool split_header(std::string_view line, std::string_view& name, std::string_view& value);
    bool note_header(std::string_view name, std::string_view value);
    bool read_content_length(std::string_view value);
    bool finish_head();
    bool check_host();
    bool start_body();
    bool fail(int status, std::string message, Code code = Code::http_malformed);
    void reset();

    ParserLimits limits_;
    Phase phase_ = Phase::request_line;
    std::string line_;        // the beginning of a line whose end has not come yet
    std::string whole_line_;  // a line that came in pieces
    std::string_view current_;

    ParsedRequest parsed_;
    std::string authority_;  // of an absolute-form target
    std::string host_;
    std::uint64_t content_length_ = 0;
    std::uint64_t remaining_ = 0;  // bytes of the body or chunk still to come
    std::size_t head_bytes_ = 0;
    std::size_t trailer_bytes_ = 0;
    std::size_t trailer_count_ = 0;
    std::size_t extension_bytes_ = 0;
    std::uint64_t offset_ = 0;       // of the current line or body part within the request
    std::uint64_t line_number_ = 0;  // within the head
    int host_count_ = 0;
    bool skipped_blank_line_ = false;
    bool has_content_length_ = false;
    bool has_transfer_encoding_ = false;
    bool asked_close_ = false;
    bool asked_keep_alive_ = false;
    bool expects_continue_ = false;
    bool at_body_start_ = false;
    ParseFailure failure_{400, Error{Code::http_malformed, ErrorKind::invalid, {}, {}, {}, {}}};
};

}  // namespace tarn::net
