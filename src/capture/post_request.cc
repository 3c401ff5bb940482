#include "capture/post_request.h"

#include <fmt/core.h>

#include <algorithm>

#include "codec/zstd.h"

namespace tarn::capture {
namespace {

constexpr std::size_t max_idempotency_key_bytes = 255;

Failure bad_parameter(std::string_view name, std::string_view value, std::string_view expected) {
    return fail(Code::bad_usage, fmt::format("query parameter {}={}: expected {}", name, value, expected),
                {.next = "see docs/reference/capture.md, section POST events"});
}

Status read_parameter(const std::string& name, const std::string& value, PostOptions& options) {
    if (name == "key") {
        options.key = value;
        return {};
    }
    if (name == "type") {
        if (value.empty()) return bad_parameter(name, value, "a non-empty event type");
        options.type = value;
        return {};
    }
    if (name == "on_error") {
        if (value != "quarantine" && value != "reject")
            return bad_parameter(name, value, "quarantine or reject");
        options.reject = value == "reject";
        return {};
    }
    return fail(Code::bad_usage,
                fmt::format("unknown query parameter \"{}\": expected key, type or on_error", name),
                {.next = "see docs/reference/capture.md, section POST events"});
}

std::string lower_trimmed(std::string_view text) {
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    std::string out(text);
    std::ranges::transform(out, out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
    return out;
}

// Double quotes around the value and backslashes within are taken off, once.
std::string unquoted(std::string_view value) {
    if (value.size() < 2 || value.front() != '"' || value.back() != '"') return std::string(value);
    value = value.substr(1, value.size() - 2);
    std::string out;
    for (std::size_t i = 0; i < value.size(); ++i) {
        if (value[i] == '\\' && i + 1 < value.size()) ++i;
        out += value[i];
    }
    return out;
}

}  // namespace

Status decode_body(net::Request& request, std::size_t max_bytes) {
    std::vector<std::string> encodings;
    for (const auto& [name, value] : request.headers) {
        if (name != "content-encoding") continue;
        std::string encoding = lower_trimmed(value);
        if (!encoding.empty() && encoding != "identity") encodings.push_back(std::move(encoding));
    }
    if (encodings.empty()) return {};
    const bool is_gzip = encodings.front() == "gzip" || encodings.front() == "x-gzip";
    if (encodings.size() > 1 || (!is_gzip && encodings.front() != "zstd"))
        return fail(Code::unsupported_media,
                    fmt::format("Content-Encoding {}: expected one of {}", encodings.front().substr(0, 64),
                                accepted_encodings),
                    {.next = "send the body without Content-Encoding, or packed with gzip or zstd"});

    const auto unpacker = is_gzip ? codec::make_gzip_unpacker() : codec::make_zstd_unpacker();
    std::string body;
    const auto keep = [&](std::string_view piece) -> Status {
        if (body.size() + piece.size() > max_bytes)
            return fail(Code::too_large,
                        fmt::format("the body unpacks to more than {} bytes", format_count(max_bytes)),
                        {.next = "send it in several requests"});
        body.append(piece);
        return {};
    };
    Status unpacked = unpacker->feed(request.body, keep);
    if (unpacked) unpacked = unpacker->finish();
    if (!unpacked && unpacked.error().next.empty())
        unpacked.error().next = "nothing of the request was stored: send it again";
    TARN_TRY(unpacked);
    request.body = std::move(body);
    return {};
}

std::string media_type(std::string_view content_type) {
    return lower_trimmed(content_type.substr(0, content_type.find(';')));
}

BodyKind body_kind(const net::Request& request) {
    const std::string type = media_type(request.header("content-type").value_or(""));
    if (type == "application/cloudevents+json") return BodyKind::structured;
    if (type == "application/cloudevents-batch+json") return BodyKind::members;
    if (request.header("ce-specversion")) return BodyKind::binary;
    if (type == "application/x-ndjson" || type == "application/ndjson" || type == "application/jsonl")
        return BodyKind::lines;
    if (type == "application/json") return BodyKind::json;
    return BodyKind::opaque;
}

Result<PostOptions> read_options(const net::Request& request) {
    PostOptions options;
    for (const auto& [name, value] : request.query) TARN_TRY(read_parameter(name, value, options));
    const auto key = request.header("idempotency-key");
    if (!key) return options;
    if (key->empty() || key->size() > max_idempotency_key_bytes)
        return fail(Code::bad_usage, fmt::format("header Idempotency-Key has {} bytes: expected 1 to {}",
                                                 key->size(), max_idempotency_key_bytes));
    options.idempotency_key = std::string(*key);
    return options;
}

Result<std::vector<std::pair<std::string, std::string>>> binary_attributes(const net::Headers& headers) {
    std::vector<std::pair<std::string, std::string>> attributes;
    for (const auto& [header, value] : headers) {
        if (!header.starts_with("ce-")) continue;
        std::string name = header.substr(3);
        if (std::ranges::find(attributes, name, [](const auto& a) { return a.first; }) != attributes.end())
            return fail(Code::bad_cloudevent, fmt::format("header {} comes twice", header));
        auto text = value.find_first_of("%\"") == std::string::npos
                        ? std::optional(value)
                        : net::percent_decode(unquoted(value), false);
        if (!text)
            return fail(
                Code::bad_cloudevent,
                fmt::format("header {}: expected %XX with two hexadecimal digits after each %", header));
        attributes.emplace_back(std::move(name), *std::move(text));
    }
    return attributes;
}

}  // namespace tarn::capture
