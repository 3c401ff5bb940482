#include "net/http.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "codec/json.h"

namespace tarn::net {
namespace {

using codec::Json;

// Messages may quote what a client sent; a JSON text must be UTF-8 all the same.
std::string as_utf8(std::string_view text) {
    if (codec::is_valid_utf8(text)) return std::string(text);
    std::string out;
    for (const char byte : text) {
        if (static_cast<unsigned char>(byte) < 0x80)
            out.push_back(byte);
        else
            out += "\xEF\xBF\xBD";
    }
    return out;
}

Json place_json(const Place& place) {
    Json where = Json::object();
    if (!place.source.empty()) where.set("source", as_utf8(place.source));
    if (place.line != 0) where.set("line", place.line);
    if (place.column != 0) where.set("column", place.column);
    if (place.byte) where.set("byte", *place.byte);
    return where;
}

Place place_from(const Json& where) {
    Place place;
    place.source = where["source"].as_string();
    place.line = where["line"].as_uint();
    place.column = where["column"].as_uint();
    if (where["byte"].is_number()) place.byte = where["byte"].as_uint();
    return place;
}

std::optional<ErrorKind> kind_from_name(std::string_view name) {
    for (int value = 0; value <= static_cast<int>(ErrorKind::internal); ++value) {
        const auto kind = static_cast<ErrorKind>(value);
        if (kind_name(kind) == name) return kind;
    }
    return std::nullopt;
}

const CodeInfo* code_from_text(std::string_view text) {
    constexpr std::string_view prefix = "TARN-";
    if (!text.starts_with(prefix)) return nullptr;
    text.remove_prefix(prefix.size());
    int number = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (problem != std::errc() || end != text.data() + text.size()) return nullptr;
    return find_code(number);
}

// What a foreign server's status lets the caller do. A 5xx other than these may have come after the effect.
ErrorKind kind_from_status(int status) {
    switch (status) {
        case 401:
        case 403:
            return ErrorKind::denied;
        case 404:
        case 410:
            return ErrorKind::not_found;
        case 409:
            return ErrorKind::conflict;
        case 413:
            return ErrorKind::too_large;
        case 423:
            return ErrorKind::locked;
        case 429:
            return ErrorKind::overloaded;
        case 501:
            return ErrorKind::unsupported;
        case 503:
            return ErrorKind::unavailable;
        case 507:
            return ErrorKind::out_of_space;
        default:
            return status >= 500 ? ErrorKind::outcome_unknown : ErrorKind::invalid;
    }
}

Error foreign_error(int status, std::string_view body) {
    constexpr std::size_t shown = 200;
    std::string beginning = as_utf8(body.substr(0, shown));
    std::ranges::replace_if(
        beginning, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, ' ');
    Error error =
        make_error(Code::bad_answer, beginning.empty()
                                         ? fmt::format("the other side answered {} without a body", status)
                                         : fmt::format("the other side answered {}: {}", status, beginning));
    error.kind = kind_from_status(status);
    return error;
}

int hex_value(char digit) {
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
    return -1;
}

bool is_unreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

}  // namespace

std::optional<std::string_view> find_header(const Headers& headers, std::string_view lower_case_name) {
    for (const auto& [name, value] : headers)
        if (name == lower_case_name) return value;
    return std::nullopt;
}

std::optional<std::string_view> Request::parameter(std::string_view name) const {
    for (const auto& [key, value] : query)
        if (key == name) return value;
    return std::nullopt;
}

Response error_response(const Error& error) {
    Json parts = Json::object();
    parts.set("code", error.code_text());
    parts.set("kind", kind_name(error.kind));
    parts.set("message", as_utf8(error.message));
    if (Json where = place_json(error.place); where.size() != 0) parts.set("where", std::move(where));
    parts.set("next", error.next.empty() ? "tarn explain " + error.code_text() : as_utf8(error.next));
    if (!error.excerpt.empty()) parts.set("excerpt", as_utf8(error.excerpt));

    Response response;
    response.status = http_status(error.kind);
    response.body = Json::object().set("error", std::move(parts)).dump();
    response.body.push_back('\n');
    if (response.status == 429 || response.status == 503) response.headers.emplace_back("retry-after", "1");
    return response;
}

Error parse_error_response(int status, std::string_view body) {
    const auto document = Json::parse(body);
    if (!document || !(*document)["error"].is_object()) return foreign_error(status, body);
    const Json& parts = (*document)["error"];
    if (!parts["message"].is_string()) return foreign_error(status, body);

    const CodeInfo* known = code_from_text(parts["code"].as_string());
    Error error{known ? known->code : Code::internal,
                known ? known->kind : kind_from_status(status),
                parts["message"].as_string(),
                place_from(parts["where"]),
                parts["next"].as_string(),
                parts["excerpt"].as_string()};
    if (const auto kind = kind_from_name(parts["kind"].as_string())) error.kind = *kind;
    return error;
}

std::string percent_encode(std::string_view text) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        if (is_unreserved(c)) {
            out.push_back(c);
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        out.push_back('%');
        out.push_back(digits[byte >> 4]);
        out.push_back(digits[byte & 15]);
    }
    return out;
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+' && plus_is_space) {
            out.push_back(' ');
            continue;
        }
        if (text[i] != '%') {
            out.push_back(text[i]);
            continue;
        }
        if (text.size() - i < 3) return std::nullopt;
        const int high = hex_value(text[i + 1]);
        const int low = hex_value(text[i + 2]);
        if (high < 0 || low < 0) return std::nullopt;
        out.push_back(static_cast<char>(high * 16 + low));
        i += 2;
    }
    return out;
}

}  // namespace tarn::net
