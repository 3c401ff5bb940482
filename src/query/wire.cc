#include "query/wire.h"

#include <fmt/core.h>

namespace tarn::query {
namespace {

constexpr std::size_t header_bytes = 5;
// Larger than any frame the worker makes on purpose: one row may be as large as the worker's memory allows.
constexpr std::uint32_t frame_bytes_max = 1u << 31;

Failure garbled(std::string_view what) {
    return fail(Code::query_worker,
                fmt::format("the query's worker answered with something else than frames: {}", what));
}

bool is_kind(char kind) { return kind == 'c' || kind == 'r' || kind == 'e' || kind == 'x'; }

void append_varint(std::string& out, std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
    out += static_cast<char>(value);
}

bool take_varint(std::string_view& bytes, std::uint64_t& value) {
    value = 0;
    for (int shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
        const auto byte = static_cast<unsigned char>(bytes.front());
        bytes.remove_prefix(1);
        value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
        if (byte < 0x80) return true;
    }
    return false;
}

std::vector<std::string> texts(const codec::Json& array) {
    std::vector<std::string> out;
    for (const auto& element : array.elements()) out.push_back(element.as_string());
    return out;
}

codec::Json texts_json(const std::vector<std::string>& texts) {
    codec::Json out = codec::Json::array();
    for (const auto& text : texts) out.push(text);
    return out;
}

}  // namespace

codec::Json WorkerRequest::to_json() const {
    codec::Json streams = codec::Json::array();
    for (const auto& view : views) streams.push(view.to_json());
    codec::Json out;
    out.set("sql", sql)
        .set("memory_bytes", memory_bytes)
        .set("timeout_us", timeout_us)
        .set("store_root", store_root);
    out.set("streams", std::move(streams)).set("other_streams", texts_json(other_streams));
    return out;
}

Result<WorkerRequest> WorkerRequest::from_json(const codec::Json& json) {
    WorkerRequest out;
    out.sql = json["sql"].as_string();
    out.memory_bytes = json["memory_bytes"].as_uint();
    out.timeout_us = json["timeout_us"].as_int();
    out.store_root = json["store_root"].as_string();
    out.other_streams = texts(json["other_streams"]);
    for (const auto& element : json["streams"].elements()) {
        TARN_ASSIGN(lake::StreamView view, lake::StreamView::from_json(element));
        out.views.push_back(std::move(view));
    }
    return out;
}

codec::Json WorkerEnd::to_json() const {
    codec::Json out;
    out.set("rows", rows)
        .set("events_read", events_read)
        .set("why", texts_json(why))
        .set("positions", positions);
    return out;
}

WorkerEnd WorkerEnd::from_json(const codec::Json& json) {
    return {json["rows"].as_uint(), json["events_read"].as_uint(), texts(json["why"]), json["positions"]};
}

void append_frame(std::string& out, FrameKind kind, std::string_view body) {
    const auto length = static_cast<std::uint32_t>(body.size());
    for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(length >> shift);
    out += static_cast<char>(kind);
    out += body;
}

void append_value(std::string& rows, std::optional<std::string_view> value) {
    append_varint(rows, value ? value->size() + 1 : 0);
    if (value) rows += *value;
}

void FrameReader::feed(std::string_view bytes) {
    buffer_.erase(0, used_);
    used_ = 0;
    buffer_ += bytes;
}

Result<std::optional<Frame>> FrameReader::next() {
    const std::string_view rest = std::string_view(buffer_).substr(used_);
    if (rest.size() < header_bytes) return std::nullopt;
    std::uint32_t length = 0;
    for (int i = 0; i < 4; ++i)
        length |= static_cast<std::uint32_t>(static_cast<unsigned char>(rest[i])) << (8 * i);
    const char kind = rest[4];
    if (!is_kind(kind)) return garbled(fmt::format("kind {}", static_cast<int>(kind)));
    if (length > frame_bytes_max) return garbled(fmt::format("a frame of {} bytes", length));
    if (rest.size() < header_bytes + length) return std::nullopt;
    used_ += header_bytes + length;
    return Frame{static_cast<FrameKind>(kind), rest.substr(header_bytes, length)};
}

Result<std::optional<std::string_view>> take_value(std::string_view& rows) {
    std::uint64_t length = 0;
    if (!take_varint(rows, length)) return garbled("a row that is cut off");
    if (length == 0) return std::nullopt;
    --length;
    if (length > rows.size()) return garbled("a value that is cut off");
    const std::string_view value = rows.substr(0, length);
    rows.remove_prefix(length);
    return value;
}

codec::Json columns_json(const std::vector<QueryColumn>& columns) {
    codec::Json out = codec::Json::array();
    for (const auto& column : columns) {
        codec::Json json;
        json.set("name", column.name).set("type", column.type).set("number", column.is_number);
        json.set("boolean", column.is_boolean).set("nested", column.is_nested);
        out.push(std::move(json));
    }
    return out;
}

std::vector<QueryColumn> columns_from_json(const codec::Json& json) {
    std::vector<QueryColumn> out;
    for (const auto& column : json.elements())
        out.push_back({column["name"].as_string(), column["type"].as_string(), column["number"].as_bool(),
                       column["boolean"].as_bool(), column["nested"].as_bool()});
    return out;
}

codec::Json error_json(const Error& error) {
    codec::Json out;
    out.set("code", static_cast<int>(error.code)).set("message", error.message).set("next", error.next);
    codec::Json place;
    place.set("source", error.place.source).set("line", error.place.line).set("column", error.place.column);
    if (error.place.byte) place.set("byte", *error.place.byte);
    return out.set("place", std::move(place));
}

Error error_from_json(const codec::Json& json) {
    const CodeInfo* known = find_code(static_cast<int>(json["code"].as_int()));
    const codec::Json& place = json["place"];
    ErrorParts parts{.place = {place["source"].as_string(), place["line"].as_uint(),
                               place["column"].as_uint(), std::nullopt},
                     .next = json["next"].as_string()};
    if (place.has("byte")) parts.place.byte = place["byte"].as_uint();
    return make_error(known != nullptr ? known->code : Code::query_worker, json["message"].as_string(),
                      std::move(parts));
}

}  // namespace tarn::query
