#include "net/body_stream.h"

#include <algorithm>
#include <utility>

namespace tarn::net {

Status BodyStream::write(std::string_view bytes) {
    while (!bytes.empty()) {
        std::unique_lock lock(mutex_);
        room_.wait(lock, [&] { return gone_ || waiting_.size() < max_waiting_bytes; });
        if (gone_) return fail(Code::receiver_gone, "the receiver of a streamed answer has gone away");
        const std::size_t taken = std::min(bytes.size(), max_waiting_bytes - waiting_.size());
        waiting_.append(bytes.substr(0, taken));
        bytes.remove_prefix(taken);
        notify(lock);
    }
    return {};
}

bool BodyStream::receiver_gone() const {
    const std::lock_guard lock(mutex_);
    return gone_;
}

void BodyStream::break_off() {
    const std::lock_guard lock(mutex_);
    broken_off_ = true;
}

void BodyStream::finish(bool complete) {
    std::unique_lock lock(mutex_);
    finished_ = true;
    complete_ = complete && !broken_off_;
    notified_ = false;  // the end is always told, because the loop also reaps the thread by it
    notify(lock);
}

// Tells the loop once per take(), outside the lock.
void BodyStream::notify(std::unique_lock<std::mutex>& lock) {
    const bool already = std::exchange(notified_, true);
    lock.unlock();
    if (!already) mailbox_->post_stream(connection_);
}

BodyStream::Taken BodyStream::take() {
    Taken taken;
    {
        const std::lock_guard lock(mutex_);
        taken.bytes.swap(waiting_);
        taken.finished = finished_;
        taken.complete = complete_;
        notified_ = false;
    }
    room_.notify_one();
    return taken;
}

void BodyStream::mark_gone() {
    {
        const std::lock_guard lock(mutex_);
        gone_ = true;
        waiting_.clear();
    }
    room_.notify_all();
}

bool BodyStream::finished() const {
    const std::lock_guard lock(mutex_);
    return finished_;
}

}  // namespace tarn::net
