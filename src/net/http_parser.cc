#include "net/http_parser.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace tarn::net {
namespace {

constexpr std::size_t max_method_bytes = 32;
constexpr std::size_t max_chunk_digits =
    8;  // 4 GiB: far above any body limit, and no arithmetic can overflow
constexpr std::size_t max_length_digits = 18;
// A body's announced length is a promise, not memory: reserve this much at once, the rest as it comes.
constexpr std::size_t max_reserved_bytes = 256u << 10;

enum : std::uint8_t { token_char = 1, value_char = 2, target_char = 4, host_char = 8 };

constexpr std::array<std::uint8_t, 256> make_classes() {
    std::array<std::uint8_t, 256> classes{};
    for (int c = 0; c < 256; ++c) {
        const bool letter_or_digit =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        std::uint8_t bits = 0;
        if (letter_or_digit ||
            (c != 0 && c < 128 && std::string_view("!#$%&'*+-.^_`|~").contains(static_cast<char>(c))))
            bits |= token_char;
        if (c == '\t' || (c >= 0x20 && c != 0x7F)) bits |= value_char;
        if (c > 0x20 && c < 0x7F && c != '#') bits |= target_char;
        if (letter_or_digit ||
            (c != 0 && c < 128 && std::string_view("-._~:[]%!$&'()*+;=").contains(static_cast<char>(c))))
            bits |= host_char;
        classes[static_cast<std::size_t>(c)] = bits;
    }
    return classes;
}

constexpr auto classes = make_classes();

bool all_are(std::string_view text, std::uint8_t wanted) {
    for (const char c : text)
        if ((classes[static_cast<unsigned char>(c)] & wanted) == 0) return false;
    return true;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, {}, lower, lower);
}

bool is_blank(char c) { return c == ' ' || c == '\t'; }

std::string_view trim_blanks(std::string_view text) {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

int hex_value(char c) {
    if (is_digit(c)) return c - '0';
    const char small = lower(c);
    return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

bool has_control_byte(std::string_view text) {
    return std::ranges::any_of(text,
                               [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

// Whether the comma-separated list names `member`.
bool list_has(std::string_view list, std::string_view member) {
    while (!list.empty()) {
        const std::size_t comma = std::min(list.find(','), list.size());
        if (equal_ignoring_case(trim_blanks(list.substr(0, comma)), member)) return true;
        list.remove_prefix(std::min(comma + 1, list.size()));
    }
    return false;
}

}  // namespace

RequestParser::RequestParser(const ParserLimits& limits) : limits_(limits) {}

RequestParser::Progress RequestParser::feed(std::string_view& input) {
    while (phase_ != Phase::complete && phase_ != Phase::failed)
        if (!step(input)) break;
    if (phase_ == Phase::complete) return Progress::complete;
    return phase_ == Phase::failed ? Progress::failed : Progress::incomplete;
}

ParsedRequest RequestParser::take() {
    ParsedRequest out = std::move(parsed_);
    reset();
    return out;
}

void RequestParser::reset() {
    phase_ = Phase::request_line;
    parsed_ = ParsedRequest{};
    authority_.clear();
    host_.clear();
    content_length_ = remaining_ = offset_ = line_number_ = 0;
    head_bytes_ = trailer_bytes_ = trailer_count_ = extension_bytes_ = 0;
    host_count_ = 0;
    skipped_blank_line_ = has_content_length_ = has_transfer_encoding_ = false;
    asked_close_ = asked_keep_alive_ = expects_continue_ = at_body_start_ = false;
}

bool RequestParser::fail(int status, std::string message, Code code) {
    Place place;
    place.source = "request";
    if (phase_ == Phase::request_line || phase_ == Phase::headers) place.line = line_number_;
    place.byte = offset_;
    phase_ = Phase::failed;
    failure_ = ParseFailure{status, make_error(code, std::move(message), {.place = std::move(place)})};
    return false;
}

// One step forward; false when more bytes are needed or the request is over.
bool RequestParser::step(std::string_view& input) {
    switch (phase_) {
        case Phase::request_line:
            return step_request_line(input);
        case Phase::headers:
            return step_headers(input);
        case Phase::fixed_body:
            return step_body(input, Phase::complete);
        case Phase::chunk_size:
            return step_chunk_size(input);
        case Phase::chunk_data:
            return step_body(input, Phase::chunk_end);
        case Phase::chunk_end:
            return step_chunk_end(input);
        case Phase::trailers:
            return step_trailers(input);
        case Phase::complete:
        case Phase::failed:
            return false;
    }
    return false;
}

// Puts the next line without its CRLF into current_. `budget` counts the line with its CRLF. Whether a line
// is too long depends only on the bytes seen, never on how they were cut: it fails as soon as `budget` bytes
// hold no LF.
RequestParser::Line RequestParser::next_line(std::string_view& input, std::size_t budget, int too_long_status,
                                             std::string_view what) {
    const std::size_t searchable = std::min(input.size(), budget - std::min(budget, line_.size()));
    const void* found = searchable == 0 ? nullptr : std::memchr(input.data(), '\n', searchable);
    if (found == nullptr) {
        if (line_.size() + searchable >= budget) {
            fail(too_long_status, fmt::format("{} is longer than its limit", what));
            return Line::failed;
        }
        line_.append(input);
        input = {};
        return Line::need_more;
    }
    const auto length = static_cast<std::size_t>(static_cast<const char*>(found) - input.data());
    current_ = input.substr(0, length);
    if (!line_.empty()) {
        line_.append(current_);
        whole_line_.swap(line_);
        line_.clear();
        current_ = whole_line_;
    }
    input.remove_prefix(length + 1);
    if (current_.empty() || current_.back() != '\r') {
        fail(400, fmt::format("{} ends with LF alone, expected CR LF", what));
        return Line::failed;
    }
    current_.remove_suffix(1);
    return Line::ready;
}

// ---- request line
// -----------------------------------------------------------------------------------------------------

bool RequestParser::begins_like_a_request(char first) {
    if ((classes[static_cast<unsigned char>(first)] & token_char) != 0 || first == '\r') return true;
    if (first == '\x16') return fail(400, "this looks like TLS; the port speaks plain HTTP");
    return fail(400, "expected a request line such as `GET / HTTP/1.1`");
}

bool RequestParser::step_request_line(std::string_view& input) {
    // Refuse at the first byte what can never become a request, instead of waiting for the end of its line.
    if (line_.empty() && !input.empty() && !begins_like_a_request(input.front())) return false;
    if (line_number_ == 0) line_number_ = 1;
    const std::size_t budget =
        std::min(limits_.max_target_bytes + max_method_bytes + 16, limits_.max_head_bytes);
    if (next_line(input, budget, 414, "the request line") != Line::ready) return false;
    if (current_.empty()) {
        // RFC 9112 2.2: one empty line may stand before a request; some clients send it after a body.
        if (std::exchange(skipped_blank_line_, true)) return fail(400, "two empty lines before the request");
        return true;
    }
    if (!read_request_line(current_)) return false;
    head_bytes_ = offset_ = current_.size() + 2;
    line_number_ = 2;
    parsed_.request.headers.reserve(8);
    phase_ = Phase::headers;
    return true;
}

bool RequestParser::read_request_line(std::string_view line) {
    const std::size_t first = line.find(' ');
    if (first == std::string_view::npos) return fail(400, "the request line has no target");
    const std::string_view method = line.substr(0, first);
    if (method.empty() || method.size() > max_method_bytes || !all_are(method, token_char))
        return fail(400, "the method is not a token of 1 to 32 characters");

    const std::string_view rest = line.substr(first + 1);
    const std::size_t second = rest.find(' ');
    if (second == std::string_view::npos)
        return fail(400, "the request line has no version; HTTP/0.9 is not spoken here");
    const std::string_view version = rest.substr(second + 1);
    if (version.size() != 8 || !version.starts_with("HTTP/") || !is_digit(version[5]) || version[6] != '.' ||
        !is_digit(version[7]))
        return fail(400, "expected `METHOD SP target SP HTTP/1.1` with single spaces");
    if (version != "HTTP/1.1" && version != "HTTP/1.0")
        return fail(505, fmt::format("{} is not spoken here, use HTTP/1.1", version));

    parsed_.http_1_0 = version == "HTTP/1.0";
    parsed_.request.method = method;
    return read_target(rest.substr(0, second));
}

bool RequestParser::read_target(std::string_view target) {
    if (target.size() > limits_.max_target_bytes)
        return fail(414, fmt::format("the target has {} bytes, at most {} are taken", target.size(),
                                     limits_.max_target_bytes));
    if (target.empty() || !all_are(target, target_char))
        return fail(400, "the target is empty or holds a character that must be percent-encoded");
    if (target.front() == '/') return read_origin_form(target);
    if (target == "*" && parsed_.request.method == "OPTIONS") {
        parsed_.request.path = "*";
        return true;
    }

    constexpr std::string_view scheme = "http://";
    if (target.size() <= scheme.size() || !equal_ignoring_case(target.substr(0, scheme.size()), scheme))
        return fail(400, "the target must begin with / or http://");
    target.remove_prefix(scheme.size());
    const std::size_t end = std::min(target.find_first_of("/?"), target.size());
    authority_ = target.substr(0, end);
    if (authority_.empty() || !all_are(authority_, host_char))
        return fail(400, "the target's authority is not a host");
    target.remove_prefix(end);
    return read_origin_form(target);
}

bool RequestParser::read_origin_form(std::string_view target) {
    const std::size_t question = target.find('?');
    const std::string_view raw_path = target.substr(0, question);
    auto path = percent_decode(raw_path, false);
    if (!path) return fail(400, "bad percent-encoding in the path: expected % and two hexadecimal digits");
    if (has_control_byte(*path)) return fail(400, "the path holds a control character");
    parsed_.request.path = path->empty() ? "/" : std::move(*path);
    return question == std::string_view::npos || read_query(target.substr(question + 1));
}

bool RequestParser::read_query(std::string_view query) {
    while (!query.empty()) {
        const std::size_t end = std::min(query.find('&'), query.size());
        const std::string_view pair = query.substr(0, end);
        query.remove_prefix(std::min(end + 1, query.size()));
        if (pair.empty()) continue;
        if (parsed_.request.query.size() == limits_.max_query_parameters)
            return fail(400, fmt::format("more than {} query parameters", limits_.max_query_parameters));
        const std::size_t equals = std::min(pair.find('='), pair.size());
        auto name = percent_decode(pair.substr(0, equals), true);
        auto value = percent_decode(pair.substr(std::min(equals + 1, pair.size())), true);
        if (!name || !value)
            return fail(400, "bad percent-encoding in the query: expected % and two hexadecimal digits");
        parsed_.request.query.emplace_back(std::move(*name), std::move(*value));
    }
    return true;
}

// ---- headers
// ----------------------------------------------------------------------------------------------------------

bool RequestParser::step_headers(std::string_view& input) {
    if (next_line(input, limits_.max_head_bytes - head_bytes_, 431, "the request's head") != Line::ready)
        return false;
    const std::size_t taken = current_.size() + 2;
    head_bytes_ += taken;
    if (current_.empty()) {
        offset_ += taken;
        return finish_head();
    }
    if (!read_header(current_)) return false;
    offset_ += taken;
    ++line_number_;
    return true;
}

bool RequestParser::split_header(std::string_view line, std::string_view& name, std::string_view& value) {
    if (is_blank(line.front())) return fail(400, "a header is folded over two lines; write it on one");
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return fail(400, "a header has no colon");
    name = line.substr(0, colon);
    if (name.empty() || !all_are(name, token_char))
        return fail(400, "a header's name is not a token directly followed by a colon");
    value = trim_blanks(line.substr(colon + 1));
    if (!all_are(value, value_char)) return fail(400, "a header's value holds a control character");
    return true;
}

bool RequestParser::read_header(std::string_view line) {
    std::string_view name;
    std::string_view value;
    if (!split_header(line, name, value)) return false;
    Headers& headers = parsed_.request.headers;
    if (headers.size() == limits_.max_headers)
        return fail(431, fmt::format("more than {} headers", limits_.max_headers));
    auto& stored = headers.emplace_back(name, value);
    std::ranges::transform(stored.first, stored.first.begin(), lower);
    return note_header(stored.first, stored.second);
}

// The headers that decide where the request ends and whom it is for.
bool RequestParser::note_header(std::string_view name, std::string_view value) {
    if (name == "host") {
        if (++host_count_ > 1) return fail(400, "more than one Host header");
        host_ = value;
        return true;
    }
    if (name == "content-length") return read_content_length(value);
    if (name == "transfer-encoding") {
        if (std::exchange(has_transfer_encoding_, true))
            return fail(400, "more than one Transfer-Encoding header");
        if (!equal_ignoring_case(value, "chunked"))
            return fail(501, "the only transfer coding taken is `chunked`");
        return true;
    }
    if (name == "connection") {
        asked_close_ = asked_close_ || list_has(value, "close");
        asked_keep_alive_ = asked_keep_alive_ || list_has(value, "keep-alive");
        return true;
    }
    if (name == "expect" && !parsed_.http_1_0) {
        if (!equal_ignoring_case(value, "100-continue"))
            return fail(417, "the only expectation met is `100-continue`");
        expects_continue_ = true;
    }
    return true;
}

bool RequestParser::read_content_length(std::string_view value) {
    if (std::exchange(has_content_length_, true)) return fail(400, "more than one Content-Length header");
    if (value.empty() || !std::ranges::all_of(value, is_digit))
        return fail(400, "Content-Length is not a plain decimal number");
    if (value.size() > max_length_digits)
        return fail(413, "Content-Length has too many digits", Code::too_large);
    content_length_ = 0;
    for (const char digit : value)
        content_length_ = content_length_ * 10 + static_cast<std::uint64_t>(digit - '0');
    return true;
}

bool RequestParser::finish_head() {
    if (!check_host()) return false;
    parsed_.keep_alive = !asked_close_ && (!parsed_.http_1_0 || asked_keep_alive_);
    return start_body();
}

bool RequestParser::check_host() {
    if (host_count_ == 0 && !parsed_.http_1_0) return fail(400, "the Host header is missing");
    if (!all_are(host_, host_char)) return fail(400, "the Host header is not a host with an optional port");
    if (authority_.empty()) return true;
    if (host_count_ == 0)
        parsed_.request.headers.emplace_back("host", authority_);
    else if (!equal_ignoring_case(authority_, host_))
        return fail(400, "the target's authority and the Host header differ");
    return true;
}

// ---- body
// -------------------------------------------------------------------------------------------------------------

bool RequestParser::start_body() {
    if (has_transfer_encoding_ && has_content_length_)
        return fail(400, "both Transfer-Encoding and Content-Length are given");
    if (has_transfer_encoding_ && parsed_.http_1_0) return fail(400, "HTTP/1.0 has no Transfer-Encoding");
    if (content_length_ > limits_.max_body_bytes)
        return fail(413,
                    fmt::format("the body has {} bytes, at most {} are taken", content_length_,
                                limits_.max_body_bytes),
                    Code::too_large);
    at_body_start_ = true;
    if (has_transfer_encoding_) {
        phase_ = Phase::chunk_size;
        return true;
    }
    remaining_ = content_length_;
    phase_ = remaining_ == 0 ? Phase::complete : Phase::fixed_body;
    if (remaining_ != 0)
        parsed_.request.body.reserve(
            static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, max_reserved_bytes)));
    return true;
}

bool RequestParser::step_body(std::string_view& input, Phase next) {
    if (input.empty()) return false;
    at_body_start_ = false;
    const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, input.size()));
    parsed_.request.body.append(input.substr(0, taken));
    input.remove_prefix(taken);
    remaining_ -= taken;
    offset_ += taken;
    if (remaining_ != 0) return false;
    phase_ = next;
    return true;
}

bool RequestParser::step_chunk_size(std::string_view& input) {
    if (!input.empty()) at_body_start_ = false;
    const std::size_t budget = max_chunk_digits + limits_.max_chunk_extension_bytes + 2;
    if (next_line(input, budget, 400, "a chunk's size line") != Line::ready) return false;

    std::uint64_t size = 0;
    std::size_t digits = 0;
    for (; digits < current_.size() && hex_value(current_[digits]) >= 0; ++digits) {
        if (digits == max_chunk_digits) return fail(400, "a chunk's size has too many digits");
        size = size * 16 + static_cast<std::uint64_t>(hex_value(current_[digits]));
    }
    if (digits == 0) return fail(400, "a chunk's size is not a hexadecimal number");
    const std::string_view extension = current_.substr(digits);
    if (!extension.empty() && (extension.front() != ';' || !all_are(extension, value_char)))
        return fail(400, "expected CR LF or `;` directly after a chunk's size");
    extension_bytes_ += extension.size();
    if (extension_bytes_ > limits_.max_chunk_extension_bytes) return fail(400, "too many chunk extensions");
    if (size > limits_.max_body_bytes - std::min(limits_.max_body_bytes, parsed_.request.body.size()))
        return fail(413, fmt::format("the body is larger than {} bytes", limits_.max_body_bytes),
                    Code::too_large);

    offset_ += current_.size() + 2;
    remaining_ = size;
    phase_ = size == 0 ? Phase::trailers : Phase::chunk_data;
    return true;
}

bool RequestParser::step_chunk_end(std::string_view& input) {
    if (next_line(input, 2, 400, "a chunk") != Line::ready) return false;
    if (!current_.empty()) return fail(400, "a chunk is longer than its size says");
    offset_ += 2;
    phase_ = Phase::chunk_size;
    return true;
}

// Trailers are checked like headers and kept apart: merged, they could smuggle in what the head did not say.
bool RequestParser::step_trailers(std::string_view& input) {
    if (next_line(input, limits_.max_head_bytes - trailer_bytes_, 431, "the trailer part") != Line::ready)
        return false;
    trailer_bytes_ += current_.size() + 2;
    if (current_.empty()) {
        phase_ = Phase::complete;
        return true;
    }
    std::string_view name;
    std::string_view value;
    if (!split_header(current_, name, value)) return false;
    if (++trailer_count_ > limits_.max_headers)
        return fail(431, fmt::format("more than {} trailers", limits_.max_headers));
    auto& stored = parsed_.request.trailers.emplace_back(name, value);
    std::ranges::transform(stored.first, stored.first.begin(), lower);
    offset_ += current_.size() + 2;
    return true;
}

}  // namespace tarn::net
