// How other threads reach the loop thread: answers, stream notices and the order to stop are queued under a
// lock; a sleeping loop is woken by one write to an eventfd, a busy one by none. Held by shared_ptr, so that
// an answer that comes after the server is gone is dropped instead of crashing. The queue is bounded by the
// requests under way.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "net/http.h"

namespace tarn::net {

// A slot in the server's table; the generation makes a number used again a different connection.
struct ConnectionId {
    std::uint32_t index = 0;
    std::uint32_t generation = 0;
    bool operator==(const ConnectionId&) const = default;
};

struct Answer {
    ConnectionId connection;
    std::uint64_t number = 0;  // of the request within its connection
    Response response;
};

class Mailbox {
public:
    struct Contents {
        std::vector<Answer> answers;
        std::vector<ConnectionId> streams;  // have something to send or have ended
        bool stop = false;
        std::int64_t stop_grace_us = 0;
    };

    static Result<std::shared_ptr<Mailbox>> make();
    ~Mailbox();
    Mailbox(const Mailbox&) = delete;
    Mailbox& operator=(const Mailbox&) = delete;

    // From any thread. Dropped after close().
    void post(Answer answer);
    void post_stream(ConnectionId connection);
    void post_stop(std::int64_t grace_us);

    // For the loop. Swaps what waits with the emptied `contents`, whose buffers are used again.
    void take(Contents& contents);
    // True when nothing waits: from then until the next take() posts wake the eventfd.
    bool prepare_sleep();
    void close();
    int event_fd() const { return event_fd_; }

private:
    explicit Mailbox(int event_fd) : event_fd_(event_fd) {}
    template <typename Change>
    void change(Change apply);

    const int event_fd_;
    std::mutex mutex_;
    Contents waiting_;       // under mutex_
    bool any_ = false;       // under mutex_
    bool sleeping_ = false;  // under mutex_
    bool closed_ = false;    // under mutex_
};

// The right to answer one request, once. Unanswered when the last copy goes, it answers 500, so that no
// client waits for ever.
class Ticket {
public:
    Ticket(std::shared_ptr<Mailbox> mailbox, ConnectionId connection, std::uint64_t number)
        : mailbox_(std::move(mailbox)), connection_(connection), number_(number) {}
    ~Ticket();
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;
    // From any thread; only the first call counts.
    void answer(Response response);

private:
    std::shared_ptr<Mailbox> mailbox_;
    ConnectionId connection_;
    std::uint64_t number_;
    std::atomic<bool> answered_ = false;
};

}  // namespace tarn::net
