// The pipe between the thread that produces a streamed answer and the loop that sends it. Bounded: a writer
// faster than the receiver waits. Thread-safe.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>

#include "net/mailbox.h"

namespace tarn::net {

class BodyStream final : public BodyWriter {
public:
    static constexpr std::size_t max_waiting_bytes = 1u << 20;

    BodyStream(std::shared_ptr<Mailbox> mailbox, ConnectionId connection)
        : mailbox_(std::move(mailbox)), connection_(connection) {}

    // The producer's side. Blocks while the buffer is full; receiver_gone when nobody will read any more.
    Status write(std::string_view bytes) override;
    bool receiver_gone() const override;
    void break_off() override;
    // The producer's last call. `complete` false: it broke off, and the receiver must be able to tell.
    void finish(bool complete);

    // The loop's side.
    struct Taken {
        std::string bytes;
        bool finished = false;  // and nothing comes after `bytes`
        bool complete = false;
    };
    Taken take();
    void mark_gone();
    bool finished() const;

private:
    void notify(std::unique_lock<std::mutex>& lock);

    const std::shared_ptr<Mailbox> mailbox_;
    const ConnectionId connection_;
    mutable std::mutex mutex_;
    std::condition_variable room_;
    std::string waiting_;      // under mutex_
    bool notified_ = false;    // under mutex_: the loop knows and has not taken yet
    bool gone_ = false;        // under mutex_
    bool finished_ = false;    // under mutex_
    bool complete_ = false;    // under mutex_
    bool broken_off_ = false;  // under mutex_
};

}  // namespace tarn::net
