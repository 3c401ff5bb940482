// The one thread behind HttpServer: accepts, reads, parses, hands requests to the handler, and sends answers
// in order.
//
// One pass: answers that have come in are sent; then all connections with input are read and all their
// complete requests handed over; then what was answered at once is sent; only then does it sleep. So a
// handler that batches (the log's group commit) sees everything that is ready. Edge-triggered epoll: a
// connection is registered once and never changed. All members belong to the loop thread, except where the
// mailbox is used.
#pragma once

#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "net/connection.h"
#include "net/http_server.h"
#include "net/mailbox.h"
#include "os/clock.h"

namespace tarn::net {

class EventLoop {
public:
    static constexpr std::size_t max_streams =
        64;  // streamed answers at a time, each with its thread; beyond: 503

    // Takes over `listener` (bound, listening, non-blocking) and `epoll`. `handler` must outlive it.
    EventLoop(ServerOptions options, Handler& handler, std::shared_ptr<Mailbox> mailbox, int listener,
              int epoll);
    ~EventLoop();
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;

    Status register_sources();
    // Returns after a stop order, when all is closed and all stream threads have ended.
    void run();

private:
    struct Slot {
        std::uint32_t generation = 0;
        std::unique_ptr<Connection> connection;
    };
    struct StreamThread {
        std::shared_ptr<BodyStream> stream;
        std::thread thread;
    };

    // one pass
    void wait_for_events();
    int sleep_ms();
    void note_event(std::uint64_t tag, std::uint32_t events);
    void read_ready();
    void deliver_mail();
    void send_ready();
    void check_timeouts();
    void bury();

    // connections
    void accept_all();
    void pause_accepting();
    void resume_accepting();
    bool admit(int socket);
    Connection* find(ConnectionId id);
    void close(Connection& connection);
    void queue_read(Connection& connection);
    void queue_send(Connection& connection);
    void recount(Connection& connection);

    // requests and answers
    void read_from(Connection& connection);
    void discard_from(Connection& connection);
    void end_of_input(Connection& connection);
    void parse(Connection& connection, std::string_view input);
    void dispatch(Connection& connection, ParsedRequest parsed);
    void refuse(Connection& connection, Response response);
    void settle(Connection& connection);
    bool start_stream(Connection& connection);
    void send_from(Connection& connection);
    void after_output(Connection& connection);
    void check_timeout(Connection& connection);
    void reap_streams();

    // stopping
    void begin_stop(std::int64_t grace_us);
    void close_everything();

    const ServerOptions options_;
    const ParserLimits limits_;
    Handler& handler_;
    const std::shared_ptr<Mailbox> mailbox_;
    const std::unique_ptr<os::Clock> clock_;
    int listener_;
    int epoll_;
    bool accepting_ = false;

    std::int64_t now_us_ = 0;
    std::int64_t next_check_us_ = 0;
    std::vector<Slot> slots_;
    std::vector<std::uint32_t> free_slots_;
    std::size_t open_ = 0;
    std::size_t total_bytes_ = 0;  // footprints of all connections
    std::vector<ConnectionId> to_read_;
    std::vector<ConnectionId> reading_;
    std::vector<ConnectionId> to_send_;
    std::vector<ConnectionId> sending_;
    std::vector<std::unique_ptr<Connection>>
        graves_;  // closed in this pass; others may still hold a reference
    std::vector<StreamThread> streams_;
    Mailbox::Contents mail_;
    std::vector<char> scratch_;
    bool stopping_ = false;
    std::int64_t stop_deadline_us_ = 0;
};

}  // namespace tarn::net
