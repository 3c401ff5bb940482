// A small strict HTTP/1.1 server: one epoll thread, keep-alive, pipelining in order, chunked bodies.
// Decision and measurements: docs/decisions/0003-http-server.md. Refused: TE with CL, bare LF, obs-fold,
// duplicate or signed lengths, oversized anything. One malformed byte closes the connection after a 400. A
// client that closes its sending half is still answered, but a streamed answer ends there: it is the only
// sign that nobody listens.
#pragma once

#include <memory>

#include "net/http.h"

namespace tarn::net {

struct ServerOptions {
    std::string address = "127.0.0.1";
    std::uint16_t port = 8470;  // 0 = any
    std::size_t max_body_bytes = 64u << 20;
    std::size_t max_header_bytes = 16u << 10;
    std::size_t max_headers = 100;
    std::size_t max_connections = 4096;
    std::size_t max_buffered_bytes = 256u << 20;  // over all connections; beyond: 503
    std::int64_t idle_timeout_us = 60'000'000;
};

// Called on the epoll thread for every complete request. Must not block: long work goes to another thread.
// `respond` may be called from any thread, once, now or later; requests of one connection are answered in
// their order.
class Handler {
public:
    using Respond = std::function<void(Response)>;
    virtual ~Handler() = default;
    virtual void handle(Request request, Respond respond) = 0;
};

class HttpServer {
public:
    // `handler` must outlive it. cannot_listen when the address is taken.
    static Result<std::unique_ptr<HttpServer>> start(ServerOptions options, Handler& handler);
    virtual ~HttpServer() = default;
    virtual std::uint16_t port() const = 0;
    // Stops accepting, waits up to grace_us for answers under way, closes.
    virtual void stop(std::int64_t grace_us) = 0;
};

}  // namespace tarn::net
