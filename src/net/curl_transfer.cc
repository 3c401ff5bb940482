#include "net/curl_transfer.h"

#include <fmt/core.h>
#include <sys/socket.h>

#include <algorithm>
#include <mutex>

#include "base/check.h"

namespace tarn::net {
namespace {

// Of all header lines together, those of 1xx answers included.
constexpr std::size_t max_head_bytes = 256u << 10;

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
    const std::size_t room = transfer.max_body_bytes - transfer.response.body.size();
    transfer.body_too_large = transfer.body_too_large || count > room;
    if (transfer.body_too_large && !transfer.cuts_body) return CURL_WRITEFUNC_ERROR;
    transfer.response.body.append(bytes, std::min(count, room));
    return count;
}

std::size_t take_header(char* bytes, std::size_t, std::size_t count, void* data) {
    auto& transfer = *static_cast<Transfer*>(data);
    const std::string_view line(bytes, count);
    transfer.head_bytes += count;
    transfer.head_too_large = transfer.head_bytes > max_head_bytes;
    if (transfer.head_too_large) return CURL_WRITEFUNC_ERROR;
    if (line == "\r\n" || line == "\n") transfer.head_is_whole = true;
    if (line.starts_with("HTTP/")) {
        transfer.head_is_whole = false;
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

// The name is resolved by now: what is checked here is what libcurl connects this socket to.
curl_socket_t open_socket(void* data, curlsocktype, curl_sockaddr* address) {
    auto& transfer = *static_cast<Transfer*>(data);
    const AddressKind kind = kind_of_address(&address->addr);
    if (!allows(transfer.addresses, kind)) {
        transfer.refused_address = refused_address_error(kind, transfer.url, address_text(&address->addr));
        return CURL_SOCKET_BAD;
    }
    return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
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

// The request went out, and what came is no answer that could be used.
Error unusable_answer(const Transfer& transfer, std::string_view why) {
    Error error = make_error(Code::bad_answer, fmt::format("{} {}: {}", transfer.method, transfer.url, why));
    error.kind = ErrorKind::outcome_unknown;
    return error;
}

Error transfer_error(const Transfer& transfer, CURLcode code) {
    const std::string_view details(transfer.details);
    const std::string what =
        fmt::format("{} {}: {}", transfer.method, transfer.url,
                    details.empty() ? std::string_view(::curl_easy_strerror(code)) : details);
    if (transfer.body_too_large)
        return unusable_answer(transfer,
                               fmt::format("the answer is larger than {} bytes", transfer.max_body_bytes));
    if (transfer.head_too_large)
        return unusable_answer(transfer,
                               fmt::format("the answer's headers are larger than {} bytes", max_head_bytes));
    if (transfer.stopped)
        return make_error(Code::interrupted, fmt::format("{} {}: stopped", transfer.method, transfer.url));
    if (transfer.refused_repeat)
        return make_error(Code::no_answer, fmt::format("{} {}: the connection broke before an answer came",
                                                       transfer.method, transfer.url));
    long sent = 0;
    ::curl_easy_getinfo(transfer.handle, CURLINFO_REQUEST_SIZE, &sent);
    if (sent != 0) return make_error(Code::no_answer, what);
    if (transfer.refused_address) return *transfer.refused_address;
    if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)
        return make_error(Code::bad_target, what, {.next = "give a URL beginning with http:// or https://"});
    return make_error(Code::cannot_connect, what);
}

}  // namespace

bool Transfer::goes_to_sink() {
    long status = 0;
    ::curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    return sink != nullptr && status == 200;
}

void start_curl_once() {
    static std::once_flag started;
    std::call_once(started, [] { TARN_CHECK(::curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK); });
}

Result<HeaderList> make_header_list(const Headers& headers, std::string_view url) {
    HeaderList list;
    for (const auto& [name, value] : headers) {
        if (name.empty() || has_line_break(name) || has_line_break(value) ||
            name.find(':') != std::string::npos)
            return fail(
                Code::http_malformed,
                fmt::format("the request to {} has a header with a line break or without a name", url));
        // libcurl's spelling of a header without a value ends with a semicolon.
        TARN_TRY(add_header(list, value.empty() ? name + ";" : fmt::format("{}: {}", name, value)));
    }
    // No waiting for "100 Continue", and no type that the caller did not give.
    TARN_TRY(add_header(list, "Expect:"));
    if (!find_header(headers, "content-type")) TARN_TRY(add_header(list, "Content-Type:"));
    return list;
}

long curl_milliseconds(std::int64_t us) {
    return us <= 0 ? 0 : static_cast<long>(std::clamp<std::int64_t>((us + 999) / 1000, 1, 0x7FFF'FFFF));
}

void set_up_transfer(Transfer& transfer) {
    CURL* const handle = transfer.handle;
    ::curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, transfer.details);
    ::curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    ::curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    ::curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    ::curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
    ::curl_easy_setopt(handle, CURLOPT_PROXY, "");
    ::curl_easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L);
    ::curl_easy_setopt(handle, CURLOPT_TCP_KEEPALIVE, 1L);
    ::curl_easy_setopt(handle, CURLOPT_URL, transfer.url.c_str());
    ::curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, take_body);
    ::curl_easy_setopt(handle, CURLOPT_WRITEDATA, &transfer);
    ::curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, take_header);
    ::curl_easy_setopt(handle, CURLOPT_HEADERDATA, &transfer);
    ::curl_easy_setopt(handle, CURLOPT_PREREQFUNCTION, before_each_sending);
    ::curl_easy_setopt(handle, CURLOPT_PREREQDATA, &transfer);
    if (transfer.addresses != AddressRule::any) {
        ::curl_easy_setopt(handle, CURLOPT_OPENSOCKETFUNCTION, open_socket);
        ::curl_easy_setopt(handle, CURLOPT_OPENSOCKETDATA, &transfer);
    }
    if (transfer.stop == nullptr || !*transfer.stop) return;
    ::curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
    ::curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, on_progress);
    ::curl_easy_setopt(handle, CURLOPT_XFERINFODATA, &transfer);
}

Result<ClientResponse> end_transfer(Transfer& transfer, CURLcode code) {
    if (code != CURLE_OK && !transfer.sink_stopped) return fail(transfer_error(transfer, code));
    // libcurl is content with a connection that closes among the headers.
    if (!transfer.head_is_whole)
        return fail(Code::no_answer, fmt::format("{} {}: the answer was cut off among its headers",
                                                 transfer.method, transfer.url));
    long status = 0;
    ::curl_easy_getinfo(transfer.handle, CURLINFO_RESPONSE_CODE, &status);
    transfer.response.status = static_cast<int>(status);
    return std::move(transfer.response);
}

}  // namespace tarn::net
