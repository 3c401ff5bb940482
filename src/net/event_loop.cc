#include "net/event_loop.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

namespace tarn::net {
namespace {

constexpr std::uint64_t listener_tag = ~std::uint64_t{0};
constexpr std::uint64_t mailbox_tag = listener_tag - 1;
constexpr std::size_t scratch_bytes = 256u << 10;
constexpr int accepts_per_pass = 256;
constexpr int sends_per_pass = 4;  // and connection, so that one fast receiver cannot hold the loop
constexpr std::string_view too_many_bytes = "too many bytes of requests and answers are under way";

std::uint64_t tag_of(ConnectionId id) { return (std::uint64_t{id.generation} << 32) | id.index; }
ConnectionId id_of(std::uint64_t tag) {
    return {static_cast<std::uint32_t>(tag), static_cast<std::uint32_t>(tag >> 32)};
}

ParserLimits limits_from(const ServerOptions& options) {
    ParserLimits limits;
    limits.max_head_bytes = options.max_header_bytes;
    limits.max_target_bytes = std::min(limits.max_target_bytes, options.max_header_bytes / 2);
    limits.max_headers = options.max_headers;
    limits.max_body_bytes = options.max_body_bytes;
    return limits;
}

bool add_to_epoll(int epoll, int fd, std::uint32_t events, std::uint64_t tag) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = tag;
    return ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

Response error_with_status(int status, const Error& error) {
    Response response = error_response(error);
    response.status = status;
    return response;
}

Response busy_response(std::string_view message) {
    return error_with_status(503, make_error(Code::server_busy, std::string(message)));
}

}  // namespace

EventLoop::EventLoop(ServerOptions options, Handler& handler, std::shared_ptr<Mailbox> mailbox, int listener,
                     int epoll)
    : options_(std::move(options)),
      limits_(limits_from(options_)),
      handler_(handler),
      mailbox_(std::move(mailbox)),
      clock_(os::make_real_clock()),
      listener_(listener),
      epoll_(epoll),
      scratch_(scratch_bytes) {}

EventLoop::~EventLoop() {
    close_everything();
    ::close(epoll_);
}

Status EventLoop::register_sources() {
    accepting_ = add_to_epoll(epoll_, listener_, EPOLLIN, listener_tag);
    if (!accepting_ || !add_to_epoll(epoll_, mailbox_->event_fd(), EPOLLIN | EPOLLET, mailbox_tag))
        return fail(make_errno_error(errno, "epoll_ctl"));
    return {};
}

void EventLoop::run() {
    now_us_ = clock_->monotonic_us();
    while (!stopping_ || (open_ != 0 && now_us_ < stop_deadline_us_)) {
        wait_for_events();
        deliver_mail();
        send_ready();
        read_ready();
        deliver_mail();
        send_ready();
        check_timeouts();
        bury();
    }
    close_everything();
}

// ---- one pass
// ---------------------------------------------------------------------------------------------------------

void EventLoop::wait_for_events() {
    std::array<epoll_event, 512> events;
    const int ready = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), sleep_ms());
    now_us_ = clock_->monotonic_us();
    for (int i = 0; i < ready; ++i)
        note_event(events[static_cast<std::size_t>(i)].data.u64, events[static_cast<std::size_t>(i)].events);
}

// 0 when there is work, -1 for ever, else until the next time-out check.
int EventLoop::sleep_ms() {
    if (!to_read_.empty() || !to_send_.empty() || !mailbox_->prepare_sleep()) return 0;
    if (open_ == 0 && accepting_) return -1;
    std::int64_t until_us = next_check_us_;
    if (stopping_) until_us = std::min(until_us, stop_deadline_us_);
    return static_cast<int>(std::clamp<std::int64_t>((until_us - now_us_ + 999) / 1000, 0, 1000));
}

void EventLoop::note_event(std::uint64_t tag, std::uint32_t events) {
    if (tag == mailbox_tag) return;  // only there to wake us; edge-triggered, so never read
    if (tag == listener_tag) return accept_all();
    Connection* connection = find(id_of(tag));
    if (connection == nullptr) return;
    if ((events & (EPOLLHUP | EPOLLERR)) != 0) return close(*connection);
    // While an answer is streamed nothing is read, so the half-close is the only sign that the receiver has
    // gone.
    if ((events & EPOLLRDHUP) != 0 && connection->stream) return close(*connection);
    if ((events & (EPOLLIN | EPOLLRDHUP)) != 0) {
        connection->readable = true;
        connection->end_announced = connection->end_announced || (events & EPOLLRDHUP) != 0;
        queue_read(*connection);
    }
    if ((events & EPOLLOUT) != 0 && (!connection->output.empty() || connection->stream))
        queue_send(*connection);
}

void EventLoop::read_ready() {
    reading_.swap(to_read_);
    for (const ConnectionId id : reading_) {
        Connection* connection = find(id);
        if (connection == nullptr) continue;
        connection->queued_to_read = false;
        read_from(*connection);
    }
    reading_.clear();
}

void EventLoop::deliver_mail() {
    mailbox_->take(mail_);
    for (Answer& answer : mail_.answers) {
        Connection* connection = find(answer.connection);
        if (connection == nullptr) continue;
        connection->keep_answer(answer.number, std::move(answer.response));
        queue_send(*connection);
    }
    for (const ConnectionId id : mail_.streams)
        if (Connection* connection = find(id)) queue_send(*connection);
    if (!mail_.streams.empty()) reap_streams();
    if (mail_.stop && !stopping_) begin_stop(mail_.stop_grace_us);
}

void EventLoop::send_ready() {
    sending_.swap(to_send_);
    for (const ConnectionId id : sending_) {
        Connection* connection = find(id);
        if (connection == nullptr) continue;
        connection->queued_to_send = false;
        send_from(*connection);
    }
    sending_.clear();
}

void EventLoop::bury() { graves_.clear(); }

// ---- connections
// ------------------------------------------------------------------------------------------------------

void EventLoop::accept_all() {
    for (int i = 0; i < accepts_per_pass; ++i) {
        const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (socket >= 0) {
            if (!admit(socket)) ::close(socket);
            continue;
        }
        if (errno == EINTR || errno == ECONNABORTED) continue;
        // Out of descriptors or memory: the listener would wake us for ever. Look again when a connection has
        // closed.
        if (errno != EAGAIN && errno != EWOULDBLOCK) pause_accepting();
        return;
    }
}

void EventLoop::pause_accepting() {
    if (std::exchange(accepting_, false)) ::epoll_ctl(epoll_, EPOLL_CTL_DEL, listener_, nullptr);
}

void EventLoop::resume_accepting() {
    if (!accepting_ && !stopping_) accepting_ = add_to_epoll(epoll_, listener_, EPOLLIN, listener_tag);
}

bool EventLoop::admit(int socket) {
    if (open_ >= options_.max_connections) {
        constexpr std::string_view full =
            "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: "
            "close\r\n\r\n";
        (void)!::send(socket, full.data(), full.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        return false;
    }
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (free_slots_.empty()) {
        free_slots_.push_back(static_cast<std::uint32_t>(slots_.size()));
        slots_.emplace_back();
    }
    const std::uint32_t index = free_slots_.back();
    const ConnectionId id{index, slots_[index].generation};
    if (!add_to_epoll(epoll_, socket, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, tag_of(id))) return false;
    free_slots_.pop_back();
    slots_[index].connection = std::make_unique<Connection>(socket, id, limits_, now_us_);
    if (open_++ == 0) next_check_us_ = now_us_;
    return true;
}

Connection* EventLoop::find(ConnectionId id) {
    if (id.index >= slots_.size() || slots_[id.index].generation != id.generation) return nullptr;
    return slots_[id.index].connection.get();
}

// Out of the table at once, so that nothing finds it any more; deleted at the end of the pass.
void EventLoop::close(Connection& connection) {
    if (std::exchange(connection.closed, true)) return;
    total_bytes_ -= connection.counted_bytes;
    if (connection.stream) connection.stream->mark_gone();
    Slot& slot = slots_[connection.id.index];
    graves_.push_back(std::move(slot.connection));
    // The last generation would make the tags of the listener and the mailbox.
    slot.generation = slot.generation == 0xFFFF'FFFE ? 0 : slot.generation + 1;
    free_slots_.push_back(connection.id.index);
    --open_;
    resume_accepting();
}

void EventLoop::queue_read(Connection& connection) {
    if (!std::exchange(connection.queued_to_read, true)) to_read_.push_back(connection.id);
}

void EventLoop::queue_send(Connection& connection) {
    if (!std::exchange(connection.queued_to_send, true)) to_send_.push_back(connection.id);
}

void EventLoop::recount(Connection& connection) {
    const std::size_t footprint = connection.footprint();
    total_bytes_ += footprint - connection.counted_bytes;
    connection.counted_bytes = footprint;
}

// ---- requests
// ---------------------------------------------------------------------------------------------------------

// One piece a pass and connection, so that a fast sender cannot starve the others.
void EventLoop::read_from(Connection& connection) {
    if (!connection.unread.empty() && connection.may_parse()) {
        const std::string waiting = std::exchange(connection.unread, {});
        parse(connection, waiting);
    }
    if (connection.closed || connection.peer_closed || !connection.readable || !connection.may_read()) return;
    if (connection.lingering()) return discard_from(connection);

    const ssize_t received = ::recv(connection.socket, scratch_.data(), scratch_.size(), MSG_DONTWAIT);
    if (received > 0) {
        connection.last_activity_us = now_us_;
        // A short read has emptied the socket; new bytes raise a new edge. An end already announced raises
        // none.
        connection.readable =
            connection.end_announced || static_cast<std::size_t>(received) == scratch_.size();
        parse(connection, std::string_view(scratch_.data(), static_cast<std::size_t>(received)));
        if (connection.readable) queue_read(connection);
        return;
    }
    if (received == 0) return end_of_input(connection);
    if (errno == EINTR) return queue_read(connection);
    connection.readable = false;
    if (errno != EAGAIN && errno != EWOULDBLOCK) close(connection);
}

// After a refusal: reads on so that the client gets the answer and not a reset.
void EventLoop::discard_from(Connection& connection) {
    const ssize_t received = ::recv(connection.socket, scratch_.data(), scratch_.size(), MSG_DONTWAIT);
    if (received > 0 || (received < 0 && errno == EINTR)) return queue_read(connection);
    connection.readable = false;
    if (received == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) close(connection);
}

void EventLoop::end_of_input(Connection& connection) {
    connection.peer_closed = true;
    connection.readable = false;
    if (connection.owes_nothing()) return close(connection);
    // It may have closed its half only: what it asked for is still answered.
    connection.refused = true;
    if (!connection.exchanges.empty()) connection.exchanges.back().keep_alive = false;
}

void EventLoop::parse(Connection& connection, std::string_view input) {
    if (connection.parser.idle()) connection.request_started_us = now_us_;
    while (!input.empty() && !connection.refused) {
        if (!connection.may_parse()) {
            connection.unread.append(input);
            break;
        }
        const auto progress = connection.parser.feed(input);
        if (progress == RequestParser::Progress::failed) {
            refuse(connection,
                   error_with_status(connection.parser.failure().status, connection.parser.failure().error));
            break;
        }
        if (progress == RequestParser::Progress::incomplete) break;
        dispatch(connection, connection.parser.take());
        connection.request_started_us = now_us_;
    }
    if (connection.parser.wants_continue() && !connection.refused) {
        connection.owes_continue = true;
        queue_send(connection);
    }
    recount(connection);
    if (!connection.parser.idle() && !connection.refused && total_bytes_ > options_.max_buffered_bytes)
        refuse(connection, busy_response(too_many_bytes));
}

void EventLoop::dispatch(Connection& connection, ParsedRequest parsed) {
    const std::uint64_t number = connection.add_exchange(parsed);
    if (total_bytes_ + parsed.request.body.size() > options_.max_buffered_bytes) {
        connection.keep_answer(number, busy_response(too_many_bytes));
        return queue_send(connection);
    }
    auto ticket = std::make_shared<Ticket>(mailbox_, connection.id, number);
    Handler::Respond respond = [ticket](Response response) { ticket->answer(std::move(response)); };
    // Handlers return errors as values. Should one throw all the same, its ticket answers 500 as it goes.
    try {
        ticket.reset();
        handler_.handle(std::move(parsed.request), std::move(respond));
    } catch (...) {
    }
}

void EventLoop::refuse(Connection& connection, Response response) {
    connection.add_refusal(std::move(response));
    recount(connection);
    queue_send(connection);
}

// ---- answers
// ----------------------------------------------------------------------------------------------------------

void EventLoop::settle(Connection& connection) {
    while (connection.settle()) {
        // Nobody streams to a client that may have gone: a quiet stream would never find out.
        if (connection.end_announced) return close(connection);
        if (start_stream(connection)) return;
        connection.replace_streamed(busy_response("too many streamed answers are under way"));
    }
}

bool EventLoop::start_stream(Connection& connection) {
    if (streams_.size() >= max_streams) return false;
    auto stream = std::make_shared<BodyStream>(mailbox_, connection.id);
    auto body = [stream, produce = connection.front_answer().stream]() mutable {
        bool complete = true;
        try {
            produce(*stream);
        } catch (...) {
            complete = false;
        }
        produce = nullptr;
        stream->finish(complete);
    };
    try {
        streams_.push_back({stream, std::thread(std::move(body))});
    } catch (const std::system_error&) {
        return false;  // no thread to be had
    }
    connection.begin_stream(std::move(stream));
    return true;
}

void EventLoop::send_from(Connection& connection) {
    for (int round = 0;; ++round) {
        settle(connection);
        if (connection.closed) return;
        connection.pump_stream();
        if (connection.output.empty()) break;
        if (round == sends_per_pass) {
            queue_send(connection);
            break;
        }
        std::size_t sent = 0;
        const OutputQueue::Sent result = connection.output.send_to(connection.socket, sent);
        if (sent != 0) connection.last_activity_us = now_us_;
        if (result == OutputQueue::Sent::broken) return close(connection);
        if (result == OutputQueue::Sent::blocked) break;  // EPOLLOUT comes
    }
    recount(connection);
    after_output(connection);
}

void EventLoop::after_output(Connection& connection) {
    if (!connection.output.empty() || connection.stream) return;
    if (connection.close_after_output && !connection.lingering()) {
        if (connection.peer_closed) return close(connection);
        // Closing while input still comes makes the kernel send a reset, which can cost the client its
        // answer. So our half is closed, and what comes is dropped until the client closes its own.
        ::shutdown(connection.socket, SHUT_WR);
        if (stopping_) return close(connection);
        constexpr std::int64_t linger_us = 2'000'000;
        connection.linger_until_us = now_us_ + std::min(linger_us, options_.idle_timeout_us);
    }
    if (connection.peer_closed && connection.owes_nothing()) return close(connection);
    // Reading may have paused for lack of room.
    if (!connection.unread.empty() || connection.readable) queue_read(connection);
}

void EventLoop::reap_streams() {
    for (std::size_t i = 0; i < streams_.size();) {
        if (!streams_[i].stream->finished()) {
            ++i;
            continue;
        }
        streams_[i].thread.join();
        std::swap(streams_[i], streams_.back());
        streams_.pop_back();
    }
}

// ---- time-outs
// --------------------------------------------------------------------------------------------------------

void EventLoop::check_timeouts() {
    if (now_us_ < next_check_us_) return;
    const std::int64_t most_us = stopping_ ? 100'000 : 1'000'000;
    next_check_us_ = now_us_ + std::clamp<std::int64_t>(options_.idle_timeout_us / 4, 10'000, most_us);
    resume_accepting();
    for (std::size_t i = 0; i < slots_.size(); ++i)
        if (slots_[i].connection) check_timeout(*slots_[i].connection);
    send_ready();
}

void EventLoop::check_timeout(Connection& connection) {
    const std::int64_t silent_us = now_us_ - connection.last_activity_us;
    if (connection.lingering()) {
        if (now_us_ >= connection.linger_until_us) close(connection);
        return;
    }
    if (!connection.output.empty()) {
        // It does not take its answer. A stop waits for those who do.
        constexpr std::int64_t patience_of_a_stop_us = 1'000'000;
        const std::int64_t patience_us =
            stopping_ ? std::min(patience_of_a_stop_us, options_.idle_timeout_us) : options_.idle_timeout_us;
        if (silent_us > patience_us) close(connection);
        return;
    }
    if (connection.stream || !connection.exchanges.empty()) return;  // the next move is ours
    if (connection.parser.idle()) {
        if (silent_us > options_.idle_timeout_us) close(connection);
        return;
    }
    // A request dripping in byte by byte has the same time as a silent one; a body earns more with every 4
    // KiB.
    constexpr std::int64_t slowest_bytes_per_second = 4096;
    const auto earned_us =
        static_cast<std::int64_t>(connection.parser.body_bytes()) * 1'000'000 / slowest_bytes_per_second;
    if (now_us_ - connection.request_started_us > options_.idle_timeout_us + earned_us)
        refuse(connection, error_with_status(408, make_error(Code::request_timeout,
                                                             "the request was not complete in time")));
}

// ---- stopping
// ---------------------------------------------------------------------------------------------------------

void EventLoop::begin_stop(std::int64_t grace_us) {
    stopping_ = true;
    stop_deadline_us_ = now_us_ + std::max<std::int64_t>(grace_us, 0);
    next_check_us_ = now_us_;
    accepting_ = false;
    ::close(
        std::exchange(listener_, -1));  // who comes now is refused instead of waiting in the kernel's queue
    for (Slot& slot : slots_) {
        if (!slot.connection) continue;
        Connection& connection = *slot.connection;
        if (connection.owes_nothing() || connection.lingering()) {
            close(connection);
            continue;
        }
        connection.refused = true;
        connection.unread.clear();
        if (!connection.exchanges.empty())
            connection.exchanges.back().keep_alive = false;
        else
            connection.close_after_output = true;
        queue_send(connection);
    }
}

void EventLoop::close_everything() {
    stopping_ = true;
    for (Slot& slot : slots_)
        if (slot.connection) close(*slot.connection);
    graves_.clear();
    mailbox_->close();
    for (StreamThread& stream : streams_) stream.thread.join();
    streams_.clear();
    if (listener_ >= 0) ::close(std::exchange(listener_, -1));
}

}  // namespace tarn::net
