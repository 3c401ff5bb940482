#include "net/http_client.h"

#include <curl/curl.h>
#include <fmt/core.h>

#include <algorithm>
#include <memory>
#include <mutex>

#include "base/check.h"

namespace tarn::net {
namespace {

// An answer held in memory may be this large; more is a broken or hostile server. Long ones are streamed.
constexpr std::size_t max_kept_body_bytes = 256u << 20;

struct HeaderListDeleter {
    void operator()(curl_slist* list) const { ::curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, HeaderListDeleter>;

using Sink = std::function<bool(std::string_view)>;

// One request under way, as libcurl's callbacks see it.
struct Transfer {
    CURL* handle = nullptr;
    const Sink* sink = nullptr;  // null: the body is kept
    const std::function<bool()>* stop = nullptr;
    ClientResponse response;
    bool repeatable = false;  // asking twice does no harm
    bool sink_stopped = false;
    bool stopped = false;
    bool body_too_large = false;
    bool refused_repeat = false;

    bool goes_to_sink() {
        long status = 0;
        ::curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
        return sink != nullptr && status == 200;
    }
};

void start_curl_once() {
    static std::once_flag started;
    std::call_once(started, [] { TARN_CHECK(::curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK); });
}

std::string lower_case(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    return out;
}

std::string_view trim(std::string_view text) {
    const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
    while (!text.empty() && blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && blank(text.back())) text.remove_suffix(1);
    return text;
}

std::size_t take_body(char* bytes, std::size_t, std::size_t count, void* data) {
    auto& transfer = *static_cast<Transfer*>(data);
    if (transfer.goes_to_sink()) {
        transfer.sink_stopped = !(*transfer.sink)(std::string_view(bytes, count));
        return transfer.sink_stopped ? CURL_WRITEFUNC_ERROR : count;
    }
    transfer.body_too_large = transfer.response.body.size() + count > max_kept_body_bytes;
    if (transfer.body_too_large) return CURL_WRITEFUNC_ERROR;
    transfer.response.body.append(bytes, count);
    return count;
}

std::size_t take_header(char* bytes, std::size_t, std::size_t count, void* data) {
    auto& transfer = *static_cast<Transfer*>(data);
    const std::string_view line(bytes, count);
    if (line.starts_with("HTTP/")) {
        transfer.response.headers.clear();  // an earlier head was a 1xx
        return count;
    }
    if (const std::size_t colon = line.find(':'); colon != std::string_view::npos)
        transfer.response.headers.emplace_back(lower_case(line.substr(0, colon)),
                                               trim(line.substr(colon + 1)));
    return count;
}

// libcurl sends a request again, without a word, when a kept connection breaks before the first byte of an
// answer, POST included. The first copy may have had its effect, so it is only let through when nothing of it
// had been sent.
int before_each_sending(void* data, char*, char*, int, int) {
    auto& transfer = *static_cast<Transfer*>(data);
    long sent = 0;
    ::curl_easy_getinfo(transfer.handle, CURLINFO_REQUEST_SIZE, &sent);
    if (transfer.repeatable || sent == 0) return CURL_PREREQFUNC_OK;
    transfer.refused_repeat = true;
    return CURL_PREREQFUNC_ABORT;
}

int on_progress(void* data, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    auto& transfer = *static_cast<Transfer*>(data);
    transfer.stopped = transfer.stopped || (*transfer.stop)();
    return transfer.stopped ? 1 : 0;
}

bool has_line_break(std::string_view text) {
    return std::ranges::any_of(text, [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

Status add_header(HeaderList& list, const std::string& line) {
    curl_slist* longer = ::curl_slist_append(list.get(), line.c_str());
    if (longer == nullptr) return fail(Code::internal, "out of memory for a request's headers");
    (void)list.release();
    list.reset(longer);
    return {};
}

Result<HeaderList> make_headers(const ClientRequest& request) {
    HeaderList list;
    for (const auto& [name, value] : request.headers) {
        if (name.empty() || has_line_break(name) || has_line_break(value) ||
            name.find(':') != std::string::npos)
            return fail(Code::http_malformed,
                        fmt::format("the request to {} has a header with a line break or without a name",
                                    request.url));
        // libcurl's spelling of a header without a value ends with a semicolon.
        TARN_TRY(add_header(list, value.empty() ? name + ";" : fmt::format("{}: {}", name, value)));
    }
    // No waiting for "100 Continue", and no type that the caller did not give.
    TARN_TRY(add_header(list, "Expect:"));
    if (!find_header(request.headers, "content-type")) TARN_TRY(add_header(list, "Content-Type:"));
    return list;
}

long milliseconds(std::int64_t us) {
    return us <= 0 ? 0 : static_cast<long>(std::clamp<std::int64_t>((us + 999) / 1000, 1, 0x7FFF'FFFF));
}

void set_up_connection(CURL* handle, const ClientRequest& request) {
    ::curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    ::curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    ::curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    ::curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
    ::curl_easy_setopt(handle, CURLOPT_PROXY, "");
    ::curl_easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L);
    ::curl_easy_setopt(handle, CURLOPT_TCP_KEEPALIVE, 1L);
    ::curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(request.connect_timeout_us));
    ::curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, milliseconds(request.timeout_us));
}

void set_up_request(CURL* handle, const ClientRequest& request, curl_slist* headers) {
    ::curl_easy_setopt(handle, CURLOPT_URL, request.url.c_str());
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

void set_up_callbacks(Transfer& transfer) {
    ::curl_easy_setopt(transfer.handle, CURLOPT_WRITEFUNCTION, take_body);
    ::curl_easy_setopt(transfer.handle, CURLOPT_WRITEDATA, &transfer);
    ::curl_easy_setopt(transfer.handle, CURLOPT_HEADERFUNCTION, take_header);
    ::curl_easy_setopt(transfer.handle, CURLOPT_HEADERDATA, &transfer);
    ::curl_easy_setopt(transfer.handle, CURLOPT_PREREQFUNCTION, before_each_sending);
    ::curl_easy_setopt(transfer.handle, CURLOPT_PREREQDATA, &transfer);
    if (transfer.stop == nullptr || !*transfer.stop) return;
    ::curl_easy_setopt(transfer.handle, CURLOPT_NOPROGRESS, 0L);
    ::curl_easy_setopt(transfer.handle, CURLOPT_XFERINFOFUNCTION, on_progress);
    ::curl_easy_setopt(transfer.handle, CURLOPT_XFERINFODATA, &transfer);
}

Error transfer_error(const Transfer& transfer, const ClientRequest& request, CURLcode code,
                     std::string_view details) {
    const std::string what =
        fmt::format("{} {}: {}", request.method, request.url,
                    details.empty() ? std::string_view(::curl_easy_strerror(code)) : details);
    if (transfer.body_too_large) {
        Error error =
            make_error(Code::bad_answer, fmt::format("{} {}: the answer is larger than {} bytes",
                                                     request.method, request.url, max_kept_body_bytes));
        error.kind = ErrorKind::outcome_unknown;
        return error;
    }
    if (transfer.stopped)
        return make_error(Code::interrupted, fmt::format("{} {}: stopped", request.method, request.url));
    if (transfer.refused_repeat)
        return make_error(Code::no_answer, fmt::format("{} {}: the connection broke before an answer came",
                                                       request.method, request.url));
    long sent = 0;
    ::curl_easy_getinfo(transfer.handle, CURLINFO_REQUEST_SIZE, &sent);
    if (sent != 0) return make_error(Code::no_answer, what);
    if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)
        return make_error(Code::bad_target, what, {.next = "give a URL beginning with http:// or https://"});
    return make_error(Code::cannot_connect, what);
}

Result<ClientResponse> perform(CURL* handle, const ClientRequest& request, const Sink* sink,
                               const std::function<bool()>* stop) {
    if (request.method.empty() || has_line_break(request.method) ||
        request.method.find(' ') != std::string::npos)
        return fail(Code::http_malformed, "the method of a request is not a token");
    TARN_ASSIGN(const HeaderList headers, make_headers(request));

    Transfer transfer;
    transfer.handle = handle;
    transfer.sink = sink;
    transfer.stop = stop;
    transfer.repeatable = request.method == "GET" || request.method == "HEAD";

    char details[CURL_ERROR_SIZE] = "";
    ::curl_easy_reset(handle);  // options only: connections stay
    ::curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, details);
    set_up_connection(handle, request);
    set_up_request(handle, request, headers.get());
    set_up_callbacks(transfer);
    const CURLcode code = ::curl_easy_perform(handle);
    long status = 0;
    ::curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    Result<ClientResponse> result = ClientResponse{};
    if (code == CURLE_OK || transfer.sink_stopped) {
        transfer.response.status = static_cast<int>(status);
        result = std::move(transfer.response);
    } else {
        result = fail(transfer_error(transfer, request, code, details));
    }
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
