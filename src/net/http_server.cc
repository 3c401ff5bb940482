#include "net/http_server.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>
#include <system_error>
#include <thread>

#include "net/event_loop.h"

namespace tarn::net {
namespace {

Error listen_error(const ServerOptions& options, std::string_view reason) {
    return make_error(Code::cannot_listen,
                      fmt::format("cannot listen on {}:{}: {}", options.address, options.port, reason),
                      {.next = "choose another with --listen ADDR:PORT; port 0 takes any free one"});
}

struct AddressListDeleter {
    void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};

Result<std::unique_ptr<addrinfo, AddressListDeleter>> resolve(const ServerOptions& options) {
    addrinfo hints{};
    hints.ai_family =
        options.address == "localhost" ? AF_INET : AF_UNSPEC;  // else the name may mean ::1 alone
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    addrinfo* list = nullptr;
    const std::string port = std::to_string(options.port);
    const int problem = ::getaddrinfo(options.address.c_str(), port.c_str(), &hints, &list);
    if (problem != 0) return fail(listen_error(options, ::gai_strerror(problem)));
    return std::unique_ptr<addrinfo, AddressListDeleter>(list);
}

Result<int> open_listener(const ServerOptions& options) {
    TARN_ASSIGN(const auto addresses, resolve(options));
    const int fd = ::socket(addresses->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return fail(listen_error(options, std::strerror(errno)));
    const int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(fd, addresses->ai_addr, addresses->ai_addrlen) == 0 && ::listen(fd, 1024) == 0) return fd;
    const int problem = errno;
    ::close(fd);
    return fail(listen_error(options, std::strerror(problem)));
}

std::uint16_t bound_port(int listener) {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    if (::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) != 0) return 0;
    if (address.ss_family == AF_INET6)
        return ntohs(reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port);
    return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

class EpollServer final : public HttpServer {
public:
    EpollServer(std::unique_ptr<EventLoop> loop, std::shared_ptr<Mailbox> mailbox, std::uint16_t port)
        : mailbox_(std::move(mailbox)),
          loop_(std::move(loop)),
          port_(port),
          thread_([this] { loop_->run(); }) {}
    ~EpollServer() override { stop(0); }

    std::uint16_t port() const override { return port_; }

    void stop(std::int64_t grace_us) override {
        const std::lock_guard lock(stopping_);
        if (!thread_.joinable()) return;
        mailbox_->post_stop(grace_us);
        thread_.join();
    }

private:
    const std::shared_ptr<Mailbox> mailbox_;
    const std::unique_ptr<EventLoop> loop_;
    const std::uint16_t port_;
    std::mutex stopping_;
    std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::start(ServerOptions options, Handler& handler) {
    TARN_ASSIGN(auto mailbox, Mailbox::make());
    const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) return fail(make_errno_error(errno, "epoll_create1"));
    const auto listener = open_listener(options);
    if (!listener) {
        ::close(epoll);
        return fail(listener.error());
    }
    const std::uint16_t port = bound_port(*listener);
    auto loop = std::make_unique<EventLoop>(std::move(options), handler, mailbox, *listener, epoll);
    TARN_TRY(loop->register_sources());
    try {
        return std::make_unique<EpollServer>(std::move(loop), std::move(mailbox), port);
    } catch (const std::system_error& problem) {
        return fail(Code::internal, fmt::format("cannot start the server's thread: {}", problem.what()));
    }
}

}  // namespace tarn::net
