#include "net/connection.h"

#include <fmt/core.h>
#include <unistd.h>

#include <utility>

#include "net/response_head.h"

namespace tarn::net {

Connection::~Connection() {
    if (stream) stream->mark_gone();
    ::close(socket);
}

bool Connection::may_parse() const {
    return !refused && !close_after_output && !stream && exchanges.size() < max_exchanges &&
           output.size() < max_unsent_bytes;
}

std::size_t Connection::footprint() const {
    std::size_t total = parser.buffered_bytes() + unread.size() + output.size();
    for (const Exchange& exchange : exchanges)
        total += exchange.request_bytes + (exchange.response ? exchange.response->body.size() : 0);
    return total;
}

std::uint64_t Connection::add_exchange(const ParsedRequest& parsed) {
    Exchange& exchange = exchanges.emplace_back();
    exchange.request_bytes = parsed.request.body.size();
    exchange.keep_alive = parsed.keep_alive;
    exchange.http_1_0 = parsed.http_1_0;
    exchange.head = parsed.request.method == "HEAD";
    // Whatever follows a request that asked to close is not a request.
    if (!parsed.keep_alive) refused = true;
    return first_number_ + exchanges.size() - 1;
}

void Connection::add_refusal(Response response) {
    Exchange& exchange = exchanges.emplace_back();
    exchange.keep_alive = false;
    exchange.response = std::move(response);
    refused = true;
    owes_continue = false;
    unread.clear();
}

void Connection::keep_answer(std::uint64_t number, Response response) {
    if (number < first_number_ || number - first_number_ >= exchanges.size()) return;
    Exchange& exchange = exchanges[number - first_number_];
    if (!exchange.response && !(stream && number == first_number_)) exchange.response = std::move(response);
}

bool Connection::settle() {
    while (!exchanges.empty() && !stream && !close_after_output && exchanges.front().response) {
        Exchange& front = exchanges.front();
        if (front.response->stream && !front.head && !status_forbids_body(front.response->status))
            return true;
        write_answer(front);
        if (!pop_front_exchange()) break;
    }
    if (owes_continue && exchanges.empty() && !stream) {
        owes_continue = false;
        if (parser.wants_continue()) output.append("HTTP/1.1 100 Continue\r\n\r\n");
    }
    return false;
}

// False when the connection ends with it.
bool Connection::pop_front_exchange() {
    const bool goes_on = exchanges.front().keep_alive;
    exchanges.pop_front();
    ++first_number_;
    if (!goes_on) {
        close_after_output = true;
        first_number_ += exchanges.size();
        exchanges.clear();
    }
    return goes_on;
}

void Connection::write_answer(Exchange& exchange) {
    Response& response = *exchange.response;
    HeadFacts facts;
    facts.keep_alive = exchange.keep_alive;
    facts.http_1_0 = exchange.http_1_0;
    facts.body_bytes = response.body.size();
    if (status_forbids_body(response.status))
        facts.framing = Framing::none;
    else if (response.stream)
        facts.framing = exchange.http_1_0 ? Framing::until_close : Framing::chunked;  // HEAD
    append_response_head(output.tail(), response, facts);
    if (facts.framing == Framing::length && !exchange.head) output.append_body(std::move(response.body));
}

void Connection::begin_stream(std::shared_ptr<BodyStream> body) {
    Exchange& front = exchanges.front();
    stream = std::move(body);
    stream_is_chunked_ = !front.http_1_0;
    if (front.http_1_0) front.keep_alive = false;
    HeadFacts facts;
    facts.keep_alive = front.keep_alive;
    facts.http_1_0 = front.http_1_0;
    facts.framing = stream_is_chunked_ ? Framing::chunked : Framing::until_close;
    append_response_head(output.tail(), *front.response, facts);
    front.response.reset();
}

bool Connection::pump_stream() {
    // What is taken must be sent before more is: so a stream holds at most two buffers.
    if (!stream || !output.empty()) return false;
    BodyStream::Taken taken = stream->take();
    if (!taken.bytes.empty()) {
        if (stream_is_chunked_) output.append(fmt::format("{:x}\r\n", taken.bytes.size()));
        output.append_body(std::move(taken.bytes));
        if (stream_is_chunked_) output.append("\r\n");
    }
    if (taken.finished) end_stream(taken.complete);
    return taken.finished;
}

void Connection::end_stream(bool complete) {
    stream.reset();
    // A stream that broke off must not look whole: no last chunk, and the connection closes.
    if (!complete)
        exchanges.front().keep_alive = false;
    else if (stream_is_chunked_)
        output.append("0\r\n\r\n");
    pop_front_exchange();
}

}  // namespace tarn::net
