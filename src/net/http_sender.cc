#include "net/http_sender.h"

#include <fmt/core.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "net/curl_transfer.h"
#include "os/clock.h"

namespace tarn::net {
namespace {

// A server closes what is idle, many after five seconds: a connection that has waited longer is not used
// again, so that no request meets the end of one.
constexpr long longest_idle_seconds = 4;

struct Order {
    Headers headers;
    std::string body;
    HttpSender::Done done;
};

// A place for one request under way. Its handle keeps what is the same for all requests.
struct Slot {
    Transfer transfer;
    HeaderList headers;
    std::string body;
    HttpSender::Done done;
};

}  // namespace

class HttpSender::Loop {
public:
    explicit Loop(SenderOptions options)
        : options_(std::move(options)),
          clock_(os::make_real_clock()),
          epoll_(::epoll_create1(EPOLL_CLOEXEC)),
          bell_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
        start_curl_once();
        multi_ = ::curl_multi_init();
        if (!is_set_up()) return;  // no descriptor left: each request is told so
        const auto connections = static_cast<long>(options_.connections);
        ::curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, connections);
        ::curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, on_socket);
        ::curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
        ::curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, on_timer);
        ::curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
        watch(bell_, EPOLL_CTL_ADD, EPOLLIN);
        thread_ = std::thread([this] { run(); });
    }

    ~Loop() {
        {
            const std::scoped_lock lock(mutex_);
            stopping_ = true;
        }
        ring();
        if (thread_.joinable()) thread_.join();
        free_.clear();
        for (const auto& slot : slots_) ::curl_easy_cleanup(slot->transfer.handle);
        ::curl_multi_cleanup(multi_);
        if (epoll_ >= 0) ::close(epoll_);
        if (bell_ >= 0) ::close(bell_);
    }
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    void post(Order order) {
        if (!is_set_up()) return order.done(fail(not_set_up()));
        bool is_asleep = false;
        {
            const std::scoped_lock lock(mutex_);
            inbox_.push_back(std::move(order));
            is_asleep = std::exchange(asleep_, false);
        }
        if (is_asleep) ring();
    }

    void wake() {
        bool is_asleep = false;
        {
            const std::scoped_lock lock(mutex_);
            woken_ = true;
            is_asleep = std::exchange(asleep_, false);
        }
        if (is_asleep) ring();
    }

private:
    bool is_set_up() const { return multi_ != nullptr && epoll_ >= 0 && bell_ >= 0; }
    Error not_set_up() const {
        return make_error(
            Code::cannot_connect,
            fmt::format("POST {}: this process has no file descriptor or memory left for it", options_.url),
            {.next = "raise the limit (ulimit -n) or send to fewer services at once"});
    }

    void ring() {
        const std::uint64_t one = 1;
        (void)!::write(bell_, &one, sizeof one);
    }

    void run() {
        while (take_orders()) {
            while (!waiting_.empty() && active_.size() < options_.connections) start_next();
            const std::int64_t pass_us = options_.on_pass ? options_.on_pass() : -1;
            sleep(pass_us);
            finish_done();
        }
        break_off_all();
    }

    // False when it is time to end.
    bool take_orders() {
        const std::scoped_lock lock(mutex_);
        for (Order& order : inbox_) waiting_.push_back(std::move(order));
        inbox_.clear();
        woken_ = false;
        return !stopping_;
    }

    // ---- one request

    // nullptr: there is no memory for one.
    Slot* free_slot() {
        if (free_.empty()) {
            CURL* const handle = ::curl_easy_init();
            if (handle == nullptr) return nullptr;
            auto& slot = slots_.emplace_back(std::make_unique<Slot>());
            Transfer& transfer = slot->transfer;
            transfer.handle = handle;
            transfer.method = "POST";
            transfer.url = options_.url;
            transfer.addresses = options_.addresses;
            transfer.max_body_bytes = options_.max_answer_bytes;
            transfer.cuts_body = true;
            set_up_transfer(transfer);
            ::curl_easy_setopt(transfer.handle, CURLOPT_POST, 1L);
            ::curl_easy_setopt(transfer.handle, CURLOPT_MAXAGE_CONN, longest_idle_seconds);
            ::curl_easy_setopt(transfer.handle, CURLOPT_CONNECTTIMEOUT_MS,
                               curl_milliseconds(options_.connect_timeout_us));
            ::curl_easy_setopt(transfer.handle, CURLOPT_TIMEOUT_MS, curl_milliseconds(options_.timeout_us));
            ::curl_easy_setopt(transfer.handle, CURLOPT_PRIVATE, slot.get());
            free_.push_back(slot.get());
        }
        Slot* const slot = free_.back();
        free_.pop_back();
        return slot;
    }

    void start_next() {
        Order order = std::move(waiting_.front());
        waiting_.pop_front();
        auto headers = make_header_list(order.headers, options_.url);
        if (!headers) return order.done(fail(std::move(headers.error())));
        Slot* const slot = free_slot();
        if (slot == nullptr) return order.done(fail(not_set_up()));
        slot->headers = std::move(*headers);
        slot->body = std::move(order.body);
        slot->done = std::move(order.done);
        CURL* const handle = slot->transfer.handle;
        ::curl_easy_setopt(handle, CURLOPT_HTTPHEADER, slot->headers.get());
        ::curl_easy_setopt(handle, CURLOPT_POSTFIELDS, slot->body.data());
        ::curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(slot->body.size()));
        active_.push_back(slot);
        if (::curl_multi_add_handle(multi_, handle) != CURLM_OK) release(*slot, fail(not_set_up()));
    }

    void finish_done() {
        int left = 0;
        while (const CURLMsg* message = ::curl_multi_info_read(multi_, &left)) {
            if (message->msg != CURLMSG_DONE) continue;
            char* place = nullptr;
            ::curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &place);
            finish(*reinterpret_cast<Slot*>(place), message->data.result);
        }
    }

    void finish(Slot& slot, CURLcode code) {
        auto result = end_transfer(slot.transfer, code);
        release(slot, std::move(result));
    }

    void release(Slot& slot, Result<ClientResponse> result) {
        ::curl_multi_remove_handle(multi_, slot.transfer.handle);
        std::erase(active_, &slot);
        Transfer& transfer = slot.transfer;
        transfer.response = {};
        transfer.head_bytes = 0;
        transfer.head_is_whole = transfer.body_too_large = transfer.head_too_large = transfer.refused_repeat =
            false;
        transfer.refused_address.reset();
        transfer.details[0] = 0;
        slot.headers.reset();
        slot.body.clear();
        const Done done = std::move(slot.done);
        slot.done = nullptr;
        free_.push_back(&slot);
        done(std::move(result));
    }

    void break_off_all() {
        while (!active_.empty()) {
            Slot& slot = *active_.front();
            release(slot, fail(Code::no_answer, fmt::format("POST {}: broken off", options_.url)));
        }
        (void)take_orders();
        for (Order& order : waiting_)
            order.done(fail(Code::cannot_connect, fmt::format("POST {}: broken off", options_.url)));
    }

    // ---- waiting

    void sleep(std::int64_t pass_us) {
        std::array<epoll_event, 64> events{};
        const int count =
            ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), sleep_ms(pass_us));
        {
            const std::scoped_lock lock(mutex_);
            asleep_ = false;
        }
        int running = 0;
        for (int i = 0; i < count; ++i) {
            const int socket = events[static_cast<std::size_t>(i)].data.fd;
            if (socket == bell_) {
                std::uint64_t rung = 0;
                (void)!::read(bell_, &rung, sizeof rung);
                continue;
            }
            ::curl_multi_socket_action(multi_, socket, bits_of(events[static_cast<std::size_t>(i)].events),
                                       &running);
        }
        if (timer_us_ < 0 || clock_->monotonic_us() < timer_us_) return;
        timer_us_ = -1;
        ::curl_multi_socket_action(multi_, CURL_SOCKET_TIMEOUT, 0, &running);
    }

    // Rounded up: a wait that ends too early would be made again and again.
    int sleep_ms(std::int64_t pass_us) {
        std::int64_t wait_us = pass_us;
        if (timer_us_ >= 0) {
            const std::int64_t timer_wait = std::max<std::int64_t>(timer_us_ - clock_->monotonic_us(), 0);
            wait_us = wait_us < 0 ? timer_wait : std::min(wait_us, timer_wait);
        }
        const std::scoped_lock lock(mutex_);
        if (!inbox_.empty() || woken_ || stopping_) return 0;
        if (!waiting_.empty() && active_.size() < options_.connections) return 0;
        asleep_ = true;
        return wait_us < 0 ? -1 : static_cast<int>((wait_us + 999) / 1000);
    }

    static int bits_of(std::uint32_t events) {
        int bits = 0;
        if ((events & EPOLLIN) != 0) bits |= CURL_CSELECT_IN;
        if ((events & EPOLLOUT) != 0) bits |= CURL_CSELECT_OUT;
        if ((events & (EPOLLERR | EPOLLHUP)) != 0) bits |= CURL_CSELECT_ERR;
        return bits;
    }

    void watch(int socket, int operation, std::uint32_t events) {
        epoll_event event{};
        event.events = events;
        event.data.fd = socket;
        ::epoll_ctl(epoll_, operation, socket, &event);
    }

    static int on_socket(CURL*, curl_socket_t socket, int what, void* data, void* known) {
        auto& loop = *static_cast<Loop*>(data);
        if (what == CURL_POLL_REMOVE) {
            loop.watch(socket, EPOLL_CTL_DEL, 0);
            return 0;
        }
        std::uint32_t events = 0;
        if (what == CURL_POLL_IN || what == CURL_POLL_INOUT) events |= EPOLLIN;
        if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT) events |= EPOLLOUT;
        loop.watch(socket, known == nullptr ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, events);
        if (known == nullptr) ::curl_multi_assign(loop.multi_, socket, &loop);
        return 0;
    }

    static int on_timer(CURLM*, long timeout_ms, void* data) {
        auto& loop = *static_cast<Loop*>(data);
        loop.timer_us_ = timeout_ms < 0 ? -1 : loop.clock_->monotonic_us() + timeout_ms * 1000;
        return 0;
    }

    const SenderOptions options_;
    const std::unique_ptr<os::Clock> clock_;
    const int epoll_;
    const int bell_;
    CURLM* multi_ = nullptr;

    std::mutex mutex_;
    std::vector<Order> inbox_;  // under mutex_
    bool asleep_ = false;       // under mutex_
    bool woken_ = false;        // under mutex_
    bool stopping_ = false;     // under mutex_

    // The thread's own.
    std::deque<Order> waiting_;
    std::vector<std::unique_ptr<Slot>> slots_;
    std::vector<Slot*> free_, active_;
    std::int64_t timer_us_ = -1;

    std::thread thread_;
};

HttpSender::HttpSender(SenderOptions options) : loop_(std::make_unique<Loop>(std::move(options))) {}
HttpSender::~HttpSender() = default;

void HttpSender::post(Headers headers, std::string body, Done done) {
    loop_->post({std::move(headers), std::move(body), std::move(done)});
}

void HttpSender::wake() { loop_->wake(); }

}  // namespace tarn::net
