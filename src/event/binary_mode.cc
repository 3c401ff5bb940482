#include "event/binary_mode.h"

#include <fmt/core.h>

#include "codec/base64.h"
#include "codec/json.h"
#include "codec/json_scan.h"
#include "event/attributes.h"

namespace tarn::event {
namespace {

// Blanks, quotes, per cent and everything but printable ASCII are written %XX.
std::string encoded(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte <= ' ' || byte >= 0x7f || c == '"' || c == '%')
            out += fmt::format("%{:02X}", byte);
        else
            out += c;
    }
    return out;
}

bool is_standard(std::string_view name) {
    return name == "id" || name == "source" || name == "type" || name == "subject" || name == "time" ||
           name == "datacontenttype";
}

bool is_extra(std::string_view name) {
    return name == "tarnrun" || name == "tarnattempt" || name == "tarnkey";
}

void add_attributes(BinaryMode& out, const Meta& meta, const ShapeExtras& extras) {
    const auto add = [&out](std::string_view name, std::string_view value) {
        out.headers.emplace_back(fmt::format("ce-{}", name), encoded(value));
    };
    add("specversion", "1.0");
    add("id", meta.id);
    add("source", meta.source);
    add("type", meta.type);
    if (meta.subject) add("subject", *meta.subject);
    add("time", meta.time_text);
    std::string_view name, raw;
    for (codec::scan::Members members(meta.attributes); members.next(name, raw);) {
        if (is_standard(name) || (!extras.run.empty() && is_extra(name))) continue;
        if (is_internal_attribute(name) && name != "tarndefaulted" && name != "tarnduplicatekeys") continue;
        add(name, codec::type_of(raw) == codec::JsonType::string ? codec::unescape(raw) : std::string(raw));
    }
    if (extras.run.empty()) return;
    add("tarnrun", extras.run);
    add("tarnattempt", std::to_string(extras.attempt));
    if (!extras.key.empty()) add("tarnkey", extras.key);
}

// A JSON document stands as it is; a text of another type is the text itself.
void add_data(BinaryMode& out, const StoredEvent& event, const Meta& meta) {
    if (const auto data = data_json(event, meta)) {
        const bool is_json = !meta.content_type || is_json_content_type(*meta.content_type);
        out.headers.emplace_back("content-type", meta.content_type.value_or("application/json"));
        if (!is_json && codec::type_of(*data) == codec::JsonType::string)
            out.body = codec::unescape(*data);
        else
            out.body = *data;
        return;
    }
    if (meta.format == Format::bytes) {
        out.body = event.payload;
    } else if (const auto base64 = codec::find_member(event.payload, "data_base64")) {
        if (auto bytes = codec::base64_decode(codec::unescape(*base64))) out.body = std::move(*bytes);
    }
    if (!out.body.empty() || meta.content_type)
        out.headers.emplace_back("content-type", meta.content_type.value_or("application/octet-stream"));
}

}  // namespace

BinaryMode binary_mode(const StoredEvent& event, const Meta& meta, const ShapeExtras& extras) {
    BinaryMode out;
    add_attributes(out, meta, extras);
    add_data(out, event, meta);
    return out;
}

}  // namespace tarn::event
