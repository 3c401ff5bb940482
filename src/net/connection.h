// One client as the loop sees it: what it is sending, which of its requests are unanswered, what it has still
// to receive. Owned and touched by the loop thread only.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/body_stream.h"
#include "net/http_parser.h"
#include "net/mailbox.h"
#include "net/output_queue.h"

namespace tarn::net {

// A request handed to the handler, and its answer while earlier ones are still missing.
struct Exchange {
    std::optional<Response> response;
    std::size_t request_bytes = 0;
    bool keep_alive = true;
    bool http_1_0 = false;
    bool head = false;  // the answer goes without its body
};

class Connection {
public:
    Connection(int socket, ConnectionId id, const ParserLimits& limits, std::int64_t now_us)
        : socket(socket), id(id), parser(limits), last_activity_us(now_us), request_started_us(now_us) {}
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    // How many answers may be owed, and how much unsent output held, before reading pauses.
    static constexpr std::size_t max_exchanges = 256;
    static constexpr std::size_t max_unsent_bytes = 1u << 20;

    bool may_parse() const;
    bool may_read() const { return readable && unread.empty() && (lingering() || may_parse()); }
    bool owes_nothing() const { return exchanges.empty() && !stream && output.empty(); }
    bool lingering() const { return linger_until_us != 0; }
    // Bytes held on behalf of this client, for the limit over all connections.
    std::size_t footprint() const;

    // Adds an exchange and returns its number.
    std::uint64_t add_exchange(const ParsedRequest& parsed);
    // Adds one that is answered already, after which the connection closes.
    void add_refusal(Response response);
    // Keeps the answer until its turn; ignores one that nobody waits for.
    void keep_answer(std::uint64_t number, Response response);
    // Moves answers whose turn has come into the output. True when it stopped at one to be streamed: then
    // call begin_stream, or replace_streamed when that is not possible, and settle again.
    bool settle();
    const Response& front_answer() const { return *exchanges.front().response; }
    void begin_stream(std::shared_ptr<BodyStream> body);
    void replace_streamed(Response response) { exchanges.front().response = std::move(response); }
    // Moves what the stream has ready into the output; true when the stream is over.
    bool pump_stream();

    const int socket;
    const ConnectionId id;
    RequestParser parser;
    std::string unread;  // received while parsing was paused
    OutputQueue output;
    std::deque<Exchange> exchanges;
    std::shared_ptr<BodyStream> stream;  // the front exchange is being streamed
    std::int64_t last_activity_us;       // received or sent
    std::int64_t request_started_us;
    std::int64_t linger_until_us = 0;  // set: all is sent, input is discarded until the client closes
    std::size_t counted_bytes = 0;     // part of the footprint in the server's total
    bool readable = true;              // the kernel may hold more input
    bool end_announced = false;        // epoll has told of the end of input, which is still to be read
    bool peer_closed = false;          // the end of input has been read
    bool refused = false;              // input is no longer parsed
    bool close_after_output = false;
    bool owes_continue = false;  // "100 Continue" goes out once earlier answers have
    bool closed = false;         // out of the table, deleted at the end of the pass
    bool queued_to_read = false;
    bool queued_to_send = false;

private:
    void write_answer(Exchange& exchange);
    void end_stream(bool complete);
    bool pop_front_exchange();

    std::uint64_t first_number_ = 0;  // of exchanges.front()
    bool stream_is_chunked_ = false;
};

}  // namespace tarn::net
