// HTTP client on libcurl: one keep-alive connection pool an instance. One thread at a time per instance.
#pragma once

#include <memory>

#include "net/address_rule.h"
#include "net/http.h"

namespace tarn::net {

struct ClientRequest {
    std::string method = "GET";
    std::string url;  // http:// or https://
    Headers headers;
    std::string body;
    std::int64_t connect_timeout_us = 5'000'000;
    std::int64_t timeout_us = 60'000'000;  // 0 = none (long streams)
    AddressRule addresses = AddressRule::any;
};

struct ClientResponse {
    int status = 0;
    Headers headers;
    std::string body;
};

class HttpClient {
public:
    HttpClient();
    ~HttpClient();
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;
    // cannot_connect: nothing was sent. no_answer (outcome_unknown): it was sent and no full answer came. No
    // redirects.
    Result<ClientResponse> send(const ClientRequest& request);
    // Body bytes go to `sink` as they come; returning false stops. The response's body stays empty for status
    // 200.
    // `stop` is asked about once a second, also while nothing comes: true ends the transfer with
    // `interrupted`.
    Result<ClientResponse> stream(const ClientRequest& request,
                                  const std::function<bool(std::string_view)>& sink,
                                  const std::function<bool()>& stop = {});

private:
    void* handle_;
};

}  // namespace tarn::net
