#include "net/mailbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace tarn::net {

Result<std::shared_ptr<Mailbox>> Mailbox::make() {
    const int fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0) return fail(make_errno_error(errno, "eventfd"));
    return std::shared_ptr<Mailbox>(new Mailbox(fd));
}

Mailbox::~Mailbox() { ::close(event_fd_); }

template <typename Change>
void Mailbox::change(Change apply) {
    bool wake = false;
    {
        const std::lock_guard lock(mutex_);
        if (closed_) return;
        apply(waiting_);
        any_ = true;
        wake = std::exchange(sleeping_, false);
    }
    if (wake) ::eventfd_write(event_fd_, 1);
}

void Mailbox::post(Answer answer) {
    change([&](Contents& contents) { contents.answers.push_back(std::move(answer)); });
}

void Mailbox::post_stream(ConnectionId connection) {
    change([&](Contents& contents) { contents.streams.push_back(connection); });
}

void Mailbox::post_stop(std::int64_t grace_us) {
    change([&](Contents& contents) {
        contents.stop = true;
        contents.stop_grace_us = grace_us;
    });
}

void Mailbox::take(Contents& contents) {
    contents.answers.clear();
    contents.streams.clear();
    contents.stop = false;
    const std::lock_guard lock(mutex_);
    sleeping_ = false;
    if (!std::exchange(any_, false)) return;
    std::swap(contents, waiting_);
}

bool Mailbox::prepare_sleep() {
    const std::lock_guard lock(mutex_);
    sleeping_ = !any_;
    return sleeping_;
}

void Mailbox::close() {
    Contents dropped;  // destroyed outside the lock: a response may own what posts again
    const std::lock_guard lock(mutex_);
    closed_ = true;
    std::swap(dropped, waiting_);
}

Ticket::~Ticket() {
    if (!answered_.load())
        answer(error_response(make_error(Code::internal, "the request was dropped without an answer")));
}

void Ticket::answer(Response response) {
    if (answered_.exchange(true)) return;
    mailbox_->post({connection_, number_, std::move(response)});
}

}  // namespace tarn::net
