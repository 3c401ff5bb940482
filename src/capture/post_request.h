// What a POST to /v1/streams/{stream}/events asks for, read from its query, headers and content type.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "event/derive.h"
#include "net/http.h"

namespace tarn::capture {

// How the body is cut into events.
enum class BodyKind {
    structured,  // application/cloudevents+json: one CloudEvent
    members,     // application/cloudevents-batch+json: an array of them
    binary,      // ce-* headers, the body is the data
    lines,       // NDJSON: one event a line
    json,        // one JSON payload
    opaque,      // anything else: one payload of bytes
};
BodyKind body_kind(const net::Request& request);

// Undoes Content-Encoding (gzip, zstd or none). unsupported_media for others, too_large when more than
// `max_bytes` come out, truncated_archive when the body is damaged.
Status decode_body(net::Request& request, std::size_t max_bytes);
// What Content-Encoding may say, for people and for Accept-Encoding.
inline constexpr std::string_view accepted_encodings = "gzip, zstd";

struct PostOptions {
    std::optional<std::string> key, type;
    bool reject = false;  // on_error=reject
    std::optional<std::string> idempotency_key;
};
// bad_usage for unknown or unreadable parameters.
Result<PostOptions> read_options(const net::Request& request);

// The media type alone, lower-case, without parameters: "application/json" of "Application/JSON;
// charset=utf-8".
std::string media_type(std::string_view content_type);

// The attributes of binary mode: header names without "ce-", values unquoted and percent-decoded (CloudEvents
// HTTP binding). bad_cloudevent when a value cannot be decoded or a name comes twice.
Result<std::vector<std::pair<std::string, std::string>>> binary_attributes(const net::Headers& headers);

}  // namespace tarn::capture
