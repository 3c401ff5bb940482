// Requests to one URL, many at a time over kept connections, by one thread of its own: libcurl's multi
// interface on epoll. No redirects, no proxy, no name resolved twice for one connection.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "net/http_client.h"

namespace tarn::net {

struct SenderOptions {
    std::string url;
    std::size_t connections = 16;
    std::int64_t connect_timeout_us = 5'000'000;
    std::int64_t timeout_us = 30'000'000;
    AddressRule addresses = AddressRule::no_private_networks;
    std::size_t max_answer_bytes = 1u << 20;  // what is longer is cut off
    // Called by the thread in every pass. Gives how long it may sleep at most; < 0: as it likes.
    std::function<std::int64_t()> on_pass;
};

// Thread-safe.
class HttpSender {
public:
    using Done = std::function<void(Result<ClientResponse>)>;

    explicit HttpSender(SenderOptions options);
    // What is under way is broken off: each `done` that is owed gets an error.
    ~HttpSender();
    HttpSender(const HttpSender&) = delete;
    HttpSender& operator=(const HttpSender&) = delete;

    // Beyond `connections` requests wait for their turn. `done` runs once, on the thread, and must not block;
    // it may post. Errors as HttpClient::send gives them.
    void post(Headers headers, std::string body, Done done);
    // The thread makes a pass.
    void wake();

private:
    class Loop;
    std::unique_ptr<Loop> loop_;
};

}  // namespace tarn::net
