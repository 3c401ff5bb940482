// What HttpClient and HttpSender share of libcurl: one request under way as its callbacks see it. Internal to
// net/.
#pragma once

#include <curl/curl.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "net/http_client.h"

namespace tarn::net {

using Sink = std::function<bool(std::string_view)>;

struct Transfer {
    CURL* handle = nullptr;
    const Sink* sink = nullptr;  // null: the body is kept
    const std::function<bool()>* stop = nullptr;
    AddressRule addresses = AddressRule::any;
    std::size_t max_body_bytes = 0;
    bool cuts_body = false;   // what is more than that is thrown away; else it is an error
    bool repeatable = false;  // asking twice does no harm
    std::string method, url;  // for messages

    ClientResponse response;
    std::size_t head_bytes = 0;
    bool head_is_whole = false;
    bool sink_stopped = false;
    bool stopped = false;
    bool body_too_large = false;
    bool head_too_large = false;
    bool refused_repeat = false;
    std::optional<Error> refused_address;
    char details[CURL_ERROR_SIZE] = "";

    bool goes_to_sink();
};

struct HeaderListDeleter {
    void operator()(curl_slist* list) const { ::curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, HeaderListDeleter>;

void start_curl_once();
// Refuses line breaks and names that are none.
Result<HeaderList> make_header_list(const Headers& headers, std::string_view url);
long curl_milliseconds(std::int64_t us);

// Sets what is the same in all requests, and the callbacks, which take `transfer` where it stands.
void set_up_transfer(Transfer& transfer);
// After the transfer: the answer, or what went wrong and whether anything had been sent.
Result<ClientResponse> end_transfer(Transfer& transfer, CURLcode code);

}  // namespace tarn::net
