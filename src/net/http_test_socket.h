// For tests: a plain blocking client, and a peer that answers by script. Read failures end in "", never in a
// hang: every receive has a time limit far above what any test needs.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

namespace tarn::net {

inline void limit_waiting(int fd) {
    const timeval limit{30, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

class TestSocket {
public:
    explicit TestSocket(std::uint16_t port, int receive_buffer = 0)
        : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        if (receive_buffer != 0)
            ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
        limit_waiting(fd_);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    }
    ~TestSocket() { close(); }
    TestSocket(const TestSocket&) = delete;
    TestSocket& operator=(const TestSocket&) = delete;

    bool connected() const { return connected_; }
    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }
    void close_sending_half() { ::shutdown(fd_, SHUT_WR); }

    bool send(std::string_view bytes) {
        while (!bytes.empty()) {
            const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent <= 0) return false;
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
        return true;
    }

    // One answer with its head; the body by Content-Length, or chunked (decoded), or up to the end.
    struct Answer {
        int status = 0;
        std::string head;
        std::string body;
        bool whole = false;
    };
    Answer read_answer(bool without_body = false) {
        Answer answer;
        if (!fill_until("\r\n\r\n")) return answer;
        answer.head = take(buffer_.find("\r\n\r\n") + 4);
        answer.status = std::stoi(answer.head.substr(9, 3));
        if (without_body || answer.status == 100) {
            answer.whole = true;
        } else if (const std::size_t at = answer.head.find("content-length: "); at != std::string::npos) {
            const std::size_t length = std::stoul(answer.head.substr(at + 16));
            while (buffer_.size() < length && receive()) {
            }
            answer.whole = buffer_.size() >= length;
            answer.body = take(length);
        } else if (answer.head.find("transfer-encoding: chunked") != std::string::npos) {
            answer.whole = read_chunks(answer.body);
        } else {
            answer.body = read_to_end();
            answer.whole = true;
        }
        return answer;
    }

    std::string read_to_end() {
        while (receive()) {
        }
        return take(buffer_.size());
    }
    // Receives once; false at the end of the stream.
    bool receive() {
        char bytes[4096];
        const ssize_t received = ::recv(fd_, bytes, sizeof bytes, 0);
        if (received <= 0) return false;
        buffer_.append(bytes, static_cast<std::size_t>(received));
        return true;
    }

private:
    bool fill_until(std::string_view mark) {
        while (buffer_.find(mark) == std::string::npos)
            if (!receive()) return false;
        return true;
    }
    std::string take(std::size_t count) {
        std::string out = buffer_.substr(0, count);
        buffer_.erase(0, count);
        return out;
    }
    bool read_chunks(std::string& body) {
        for (;;) {
            if (!fill_until("\r\n")) return false;
            const std::size_t size = std::stoul(take(buffer_.find("\r\n") + 2), nullptr, 16);
            while (buffer_.size() < size + 2)
                if (!receive()) return false;
            if (size == 0) return take(2) == "\r\n";
            body += take(size);
            if (take(2) != "\r\n") return false;
        }
    }

    int fd_;
    bool connected_ = false;
    std::string buffer_;
};

// Accepts connections one after another and lets `serve` do what it likes with each.
class ScriptedPeer {
public:
    using Serve = std::function<void(int fd, int connection_number)>;

    explicit ScriptedPeer(Serve serve) : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        EXPECT_EQ(::listen(listener_, 16), 0);
        socklen_t length = sizeof address;
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
        port_ = ntohs(address.sin_port);
        thread_ = std::thread([this, serve = std::move(serve)] { run(serve); });
    }
    ~ScriptedPeer() {
        ::shutdown(listener_, SHUT_RDWR);
        thread_.join();
        ::close(listener_);
    }

    std::string url(std::string_view path) const {
        return "http://127.0.0.1:" + std::to_string(port_) + std::string(path);
    }
    int connections() const { return connections_; }

    // Reads up to the end of a request's head; "" when the client closed.
    static std::string read_head(int fd) {
        std::string head;
        char c = 0;
        while (!head.ends_with("\r\n\r\n") && ::recv(fd, &c, 1, 0) == 1) head.push_back(c);
        return head;
    }
    static void write(int fd, std::string_view bytes) {
        EXPECT_EQ(::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
    }

private:
    void run(const Serve& serve) {
        for (;;) {
            const int fd = ::accept(listener_, nullptr, nullptr);
            if (fd < 0) return;
            limit_waiting(fd);
            serve(fd, ++connections_);
            ::close(fd);
        }
    }

    int listener_;
    std::uint16_t port_ = 0;
    std::atomic<int> connections_ = 0;
    std::thread thread_;
};

}  // namespace tarn::net
