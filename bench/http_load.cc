#include "bench/http_load.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <deque>
#include <memory>
#include <string_view>
#include <vector>

#include "os/clock.h"

namespace tarn::bench {
namespace {

class Client {
public:
    explicit Client(int socket) : socket(socket) {}
    ~Client() { ::close(socket); }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    const int socket;
    std::size_t unsent = 0;  // bytes of requests, which are all the same
    std::string received;
    std::deque<std::int64_t> sent_at_us;  // of requests without an answer
};

// One answer at the front of `bytes`.
struct Answer {
    enum class Kind { incomplete, whole, malformed } kind = Kind::incomplete;
    int status = 0;
    std::size_t size = 0;
};

std::size_t find_ignoring_case(std::string_view text, std::string_view lower_case) {
    for (std::size_t at = 0; at + lower_case.size() <= text.size(); ++at)
        if (text[at] == lower_case[0] &&
            ::strncasecmp(text.data() + at, lower_case.data(), lower_case.size()) == 0)
            return at;
    return std::string_view::npos;
}

Answer read_answer(std::string_view bytes) {
    const std::size_t head_end = bytes.find("\r\n\r\n");
    if (head_end == std::string_view::npos) return {};
    Answer answer{Answer::Kind::malformed, 0, 0};
    const std::string_view head = bytes.substr(0, head_end + 2);
    if (!head.starts_with("HTTP/1.1 ") || head.size() < 12) return answer;
    std::from_chars(head.data() + 9, head.data() + 12, answer.status);

    const std::size_t at = find_ignoring_case(head, "\r\ncontent-length: ");
    if (at == std::string_view::npos) return answer;
    std::size_t length = 0;
    if (std::from_chars(head.data() + at + 18, head.data() + head.size(), length).ec != std::errc())
        return answer;
    answer.size = head_end + 4 + length;
    answer.kind = bytes.size() < answer.size ? Answer::Kind::incomplete : Answer::Kind::whole;
    return answer;
}

class Load {
public:
    explicit Load(const LoadOptions& options) : options_(options), clock_(os::make_real_clock()) {
        request_ =
            fmt::format("POST {} HTTP/1.1\r\nHost: {}:{}\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n{}",
                        options.path, options.address, options.port, options.content_type,
                        options.body.size(), options.body);
    }
    ~Load() {
        if (epoll_ >= 0) ::close(epoll_);
    }

    LoadResult run() {
        epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
        begin_us_ = now_us_ = clock_->monotonic_us();
        end_us_ = begin_us_ + static_cast<std::int64_t>(options_.seconds * 1e6);
        for (int i = 0; i < options_.connections; ++i)
            if (!open_client()) return finish();
        for (auto& client : clients_) {
            for (int i = 0; i < options_.pipeline; ++i) ask(*client);
            send(*client);
        }
        while (under_way_ > 0) pass();
        return finish();
    }

private:
    void problem(std::string text) {
        if (result_.first_problem.empty()) result_.first_problem = std::move(text);
    }

    bool open_client() {
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(options_.port);
        ::inet_pton(AF_INET, options_.address.c_str(), &address.sin_addr);
        if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
            problem(
                fmt::format("connect to {}:{}: {}", options_.address, options_.port, std::strerror(errno)));
            ++result_.broken;
            ::close(fd);
            return false;
        }
        const int on = 1;
        ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        epoll_event event{};
        event.events = EPOLLIN | EPOLLOUT | EPOLLET;
        event.data.u64 = clients_.size();
        ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
        clients_.push_back(std::make_unique<Client>(fd));
        return true;
    }

    bool wants_more() const {
        return now_us_ < end_us_ && (options_.requests == 0 || asked_ < options_.requests);
    }

    void ask(Client& client) {
        if (!wants_more()) return;
        client.unsent += request_.size();
        client.sent_at_us.push_back(now_us_);
        ++asked_;
        ++under_way_;
    }

    void pass() {
        std::array<epoll_event, 256> events;
        const int ready = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 10'000);
        now_us_ = clock_->monotonic_us();
        if (ready == 0) return give_up();
        for (int i = 0; i < ready; ++i) {
            auto& client = clients_[events[static_cast<std::size_t>(i)].data.u64];
            if (!client) continue;
            if (!receive(*client) || !send(*client)) lose(client);
        }
    }

    void give_up() {
        problem(fmt::format("no answer to {} requests in 10 s", under_way_));
        result_.broken += under_way_;
        under_way_ = 0;
    }

    void lose(std::unique_ptr<Client>& client) {
        problem("a connection was lost or gave something else than an answer");
        ++result_.broken;
        under_way_ -= client->sent_at_us.size();
        client.reset();
    }

    bool send(Client& client) {
        while (client.unsent > 0) {
            const std::size_t rest = (client.unsent - 1) % request_.size() + 1;  // of the request begun
            const ssize_t sent = ::send(client.socket, request_.data() + (request_.size() - rest), rest,
                                        MSG_NOSIGNAL | MSG_DONTWAIT);
            if (sent < 0) return errno == EAGAIN;
            client.unsent -= static_cast<std::size_t>(sent);
        }
        return true;
    }

    bool receive(Client& client) {
        for (;;) {
            const ssize_t count = ::recv(client.socket, scratch_.data(), scratch_.size(), MSG_DONTWAIT);
            if (count == 0) return false;
            if (count < 0) return errno == EAGAIN;
            client.received.append(scratch_.data(), static_cast<std::size_t>(count));
            if (!take_answers(client)) return false;
            if (static_cast<std::size_t>(count) < scratch_.size()) return true;
        }
    }

    bool take_answers(Client& client) {
        std::size_t taken = 0;
        while (taken < client.received.size()) {
            const Answer answer = read_answer(std::string_view(client.received).substr(taken));
            if (answer.kind == Answer::Kind::malformed ||
                (answer.kind == Answer::Kind::whole && client.sent_at_us.empty()))
                return false;
            if (answer.kind == Answer::Kind::incomplete) break;
            note(client, answer, std::string_view(client.received).substr(taken, answer.size));
            taken += answer.size;
        }
        client.received.erase(0, taken);
        return true;
    }

    void note(Client& client, const Answer& answer, std::string_view bytes) {
        latencies_us_.push_back(static_cast<std::uint32_t>(now_us_ - client.sent_at_us.front()));
        client.sent_at_us.pop_front();
        --under_way_;
        if (answer.status == options_.expected_status) {
            ++result_.ok;
        } else {
            ++result_.other;
            problem(fmt::format("status {}: {}", answer.status, bytes.substr(0, 300)));
        }
        ask(client);
    }

    LoadResult finish() {
        result_.seconds = static_cast<double>(now_us_ - begin_us_) / 1e6;
        if (result_.seconds > 0) result_.per_second = static_cast<double>(result_.ok) / result_.seconds;
        std::ranges::sort(latencies_us_);
        if (!latencies_us_.empty()) {
            result_.p50_us = latencies_us_[latencies_us_.size() / 2];
            result_.p99_us = latencies_us_[latencies_us_.size() * 99 / 100];
            result_.max_us = latencies_us_.back();
        }
        return result_;
    }

    const LoadOptions& options_;
    std::unique_ptr<os::Clock> clock_;
    std::string request_;
    int epoll_ = -1;
    std::vector<std::unique_ptr<Client>> clients_;
    std::array<char, 65536> scratch_;
    std::vector<std::uint32_t> latencies_us_;
    std::int64_t begin_us_ = 0;
    std::int64_t end_us_ = 0;
    std::int64_t now_us_ = 0;
    std::uint64_t asked_ = 0;
    std::uint64_t under_way_ = 0;
    LoadResult result_;
};

}  // namespace

LoadResult run_http_load(const LoadOptions& options) {
    Load load(options);
    return load.run();
}

}  // namespace tarn::bench
