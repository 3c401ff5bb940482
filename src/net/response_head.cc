#include "net/response_head.h"

#include <strings.h>

#include <charconv>

namespace tarn::net {
namespace {

std::string_view reason(int status) {
    switch (status) {
        case 200:
            return "OK";
        case 201:
            return "Created";
        case 202:
            return "Accepted";
        case 204:
            return "No Content";
        case 304:
            return "Not Modified";
        case 400:
            return "Bad Request";
        case 401:
            return "Unauthorized";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 408:
            return "Request Timeout";
        case 409:
            return "Conflict";
        case 413:
            return "Content Too Large";
        case 414:
            return "URI Too Long";
        case 415:
            return "Unsupported Media Type";
        case 417:
            return "Expectation Failed";
        case 423:
            return "Locked";
        case 429:
            return "Too Many Requests";
        case 431:
            return "Request Header Fields Too Large";
        case 500:
            return "Internal Server Error";
        case 501:
            return "Not Implemented";
        case 503:
            return "Service Unavailable";
        case 504:
            return "Gateway Timeout";
        case 505:
            return "HTTP Version Not Supported";
        case 507:
            return "Insufficient Storage";
        default:
            return "";
    }
}

void append_number(std::string& out, std::size_t number) {
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    out.append(digits, end);
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

void append_value(std::string& out, std::string_view value) {
    for (const char c : value) out.push_back(is_control(c) && c != '\t' ? ' ' : c);
}

bool is_plain_name(std::string_view name) {
    if (name.empty()) return false;
    for (const char c : name)
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
              c == '_'))
            return false;
    return true;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

bool is_ours(std::string_view name) {
    return equal_ignoring_case(name, "content-length") || equal_ignoring_case(name, "transfer-encoding") ||
           equal_ignoring_case(name, "connection");
}

void append_header(std::string& out, std::string_view name, std::string_view value) {
    if (!is_plain_name(name) || is_ours(name)) return;
    out.append(name).append(": ");
    append_value(out, value);
    out += "\r\n";
}

void append_framing(std::string& out, const HeadFacts& facts) {
    switch (facts.framing) {
        case Framing::length:
            out += "content-length: ";
            append_number(out, facts.body_bytes);
            out += "\r\n";
            return;
        case Framing::chunked:
            out += "transfer-encoding: chunked\r\n";
            return;
        case Framing::none:
        case Framing::until_close:
            return;
    }
}

}  // namespace

bool status_forbids_body(int status) { return status == 204 || status == 304; }

void append_response_head(std::string& out, const Response& response, const HeadFacts& facts) {
    // A status outside 200..599 would be read as something else than an answer.
    const int status = response.status >= 200 && response.status <= 599 ? response.status : 500;
    out += "HTTP/1.1 ";
    append_number(out, static_cast<std::size_t>(status));
    out.push_back(' ');
    out.append(reason(status)).append("\r\n");
    if (!response.content_type.empty() && facts.framing != Framing::none)
        append_header(out, "content-type", response.content_type);
    for (const auto& [name, value] : response.headers) append_header(out, name, value);
    append_framing(out, facts);
    if (!facts.keep_alive)
        out += "connection: close\r\n";
    else if (facts.http_1_0)
        out += "connection: keep-alive\r\n";
    out += "\r\n";
}

}  // namespace tarn::net
