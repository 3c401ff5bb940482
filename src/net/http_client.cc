#include "net/http_client.h"

#include <curl/curl.h>

#include "base/check.h"
#include "net/curl_transfer.h"

namespace tarn::net {
namespace {

// An answer held in memory may be this large; more is a broken or hostile server. Long ones are streamed.
constexpr std::size_t max_kept_body_bytes = 256u << 20;

bool is_token(std::string_view method) {
    return !method.empty() && method.find_first_of(std::string_view(" \r\n\0", 4)) == std::string_view::npos;
}

void set_up_request(CURL* handle, const ClientRequest& request, curl_slist* headers) {
    ::curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, curl_milliseconds(request.connect_timeout_us));
    ::curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, curl_milliseconds(request.timeout_us));
    ::curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
    if (request.method == "HEAD") {
        ::curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
        return;
    }
    if (request.method != "GET" || !request.body.empty()) {
        ::curl_easy_setopt(handle, CURLOPT_POST, 1L);
        ::curl_easy_setopt(handle, CURLOPT_POSTFIELDS, request.body.data());
        ::curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    }
    ::curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
}

Result<ClientResponse> perform(CURL* handle, const ClientRequest& request, const Sink* sink,
                               const std::function<bool()>* stop) {
    if (!is_token(request.method))
        return fail(Code::http_malformed, "the method of a request is not a token");
    TARN_ASSIGN(const HeaderList headers, make_header_list(request.headers, request.url));

    Transfer transfer;
    transfer.handle = handle;
    transfer.sink = sink;
    transfer.stop = stop;
    transfer.addresses = request.addresses;
    transfer.max_body_bytes = max_kept_body_bytes;
    transfer.repeatable = request.method == "GET" || request.method == "HEAD";
    transfer.method = request.method;
    transfer.url = request.url;

    ::curl_easy_reset(handle);  // options only: connections stay
    set_up_transfer(transfer);
    set_up_request(handle, request, headers.get());
    auto result = end_transfer(transfer, ::curl_easy_perform(handle));
    ::curl_easy_reset(handle);  // nothing may point into this frame any more
    return result;
}

}  // namespace

HttpClient::HttpClient() {
    start_curl_once();
    handle_ = ::curl_easy_init();
    TARN_CHECK(handle_ != nullptr);
}

HttpClient::~HttpClient() { ::curl_easy_cleanup(handle_); }

Result<ClientResponse> HttpClient::send(const ClientRequest& request) {
    return perform(handle_, request, nullptr, nullptr);
}

Result<ClientResponse> HttpClient::stream(const ClientRequest& request,
                                          const std::function<bool(std::string_view)>& sink,
                                          const std::function<bool()>& stop) {
    return perform(handle_, request, &sink, &stop);
}

}  // namespace tarn::net
