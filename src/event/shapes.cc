#include "event/shapes.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

#include "codec/base64.h"
#include "codec/json.h"
#include "codec/json_scan.h"
#include "event/attributes.h"

namespace tarn::event {
namespace {

namespace scan = codec::scan;

// JSON on one line: LF and CR can stand only between its tokens, where a blank does as well.
void append_flat(std::string& out, std::string_view json) {
    const std::size_t start = out.size();
    out += json;
    if (!json.contains('\n') && !json.contains('\r')) return;
    std::replace_if(
        out.begin() + static_cast<std::ptrdiff_t>(start), out.end(),
        [](char c) { return c == '\n' || c == '\r'; }, ' ');
}

void append_text(std::string& out, std::string_view name, std::string_view text) {
    out += ",\"";
    out += name;
    out += "\":";
    codec::append_quoted(out, text);
}

void append_raw(std::string& out, std::string_view name, std::string_view raw) {
    out += ",\"";
    out += name;
    out += "\":";
    append_flat(out, raw);
}

void append_extras(std::string& out, const ShapeExtras& extras) {
    append_text(out, "tarnrun", extras.run);
    out += fmt::format(",\"tarnattempt\":{}", extras.attempt);
    if (!extras.key.empty()) append_text(out, "tarnkey", extras.key);
}

bool is_extra(std::string_view name) {
    return name == "tarnrun" || name == "tarnattempt" || name == "tarnkey";
}

// A document in the asked form already, with the extras of this run in place of those of an earlier one.
void append_with_extras(std::string& out, std::string_view document, const ShapeExtras& extras) {
    constexpr std::string_view prefix = "\"tarn";
    if (::memmem(document.data(), document.size(), prefix.data(), prefix.size()) == nullptr) {
        append_flat(out, document.substr(0, document.size() - 1));
        append_extras(out, extras);
        out += '}';
        return;
    }
    char before = '{';
    std::string_view key, value;
    for (scan::Members members(document); members.next(key, value);) {
        if (is_extra(key)) continue;
        out += before;
        out += '"';
        out += key;
        out += "\":";
        append_flat(out, value);
        before = ',';
    }
    append_extras(out, extras);
    out += '}';
}

void append_as_it_came(std::string& out, std::string_view payload, const ShapeExtras& extras) {
    const std::string_view document = codec::trim_json(payload);
    if (extras.run.empty() || document.empty()) return append_flat(out, document);
    append_with_extras(out, document, extras);
}

bool is_standard(std::string_view name) {
    return name == "id" || name == "source" || name == "type" || name == "subject" || name == "time" ||
           name == "datacontenttype" || name == "dataschema";
}

// Of Tarn's own attributes only the two flags are for readers; how a payload is kept is nobody's business.
bool is_shown(std::string_view name) {
    return !is_internal_attribute(name) || name == "tarndefaulted" || name == "tarnduplicatekeys";
}

void append_attributes(std::string& out, const Meta& meta, const ShapeExtras& extras) {
    std::string_view name, raw;
    for (scan::Members members(meta.attributes); members.next(name, raw);) {
        if (name == "dataschema") {
            append_raw(out, name, raw);
        } else if (!is_standard(name) && is_shown(name) && (extras.run.empty() || !is_extra(name))) {
            append_raw(out, name, raw);
        }
    }
    if (!extras.run.empty()) append_extras(out, extras);
}

void append_cloudevent(std::string& out, const StoredEvent& event, const Meta& meta,
                       const ShapeExtras& extras) {
    out += "{\"specversion\":\"1.0\"";
    append_text(out, "id", meta.id);
    append_text(out, "source", meta.source);
    append_text(out, "type", meta.type);
    if (meta.subject) append_text(out, "subject", *meta.subject);
    append_text(out, "time", meta.time_text);
    if (meta.content_type) append_text(out, "datacontenttype", *meta.content_type);
    append_attributes(out, meta, extras);
    if (const auto data = data_json(event, meta)) {
        append_raw(out, "data", *data);
    } else if (meta.format == Format::bytes && !event.payload.empty()) {
        out += ",\"data_base64\":\"";
        codec::append_base64(out, event.payload);
        out += '"';
    }
    out += '}';
}

// What is not JSON stands as {"data_base64":"…"}, because a detail is always an object.
void append_detail(std::string& out, const StoredEvent& event, const Meta& meta) {
    out += ",\"detail\":";
    if (const auto data = data_json(event, meta)) return append_flat(out, *data);
    const auto base64 =
        meta.format == Format::cloudevents ? codec::find_member(event.payload, "data_base64") : std::nullopt;
    if (base64) {
        out += "{\"data_base64\":";
        out += *base64;
        out += '}';
    } else if (meta.format == Format::bytes && !event.payload.empty()) {
        out += "{\"data_base64\":\"";
        codec::append_base64(out, event.payload);
        out += "\"}";
    } else {
        out += "{}";
    }
}

void append_eventbridge(std::string& out, const StoredEvent& event, const Meta& meta,
                        const ShapeExtras& extras) {
    out += "{\"version\":\"0\"";
    append_text(out, "id", meta.id);
    append_text(out, "detail-type", meta.type);
    append_text(out, "source", meta.source);
    append_text(out, "account", "");
    append_text(out, "time", meta.time_text);
    append_text(out, "region", "");
    out += ",\"resources\":[]";
    if (!extras.run.empty()) append_extras(out, extras);
    append_detail(out, event, meta);
    out += '}';
}

}  // namespace

Result<Shape> parse_shape(std::string_view name) {
    for (const Shape shape : {Shape::cloudevents, Shape::eventbridge, Shape::payload})
        if (shape_name(shape) == name) return shape;
    return fail(Code::bad_usage,
                fmt::format("shape \"{}\" is unknown: expected cloudevents, eventbridge or payload",
                            name.substr(0, 64)));
}

std::string_view shape_name(Shape shape) {
    switch (shape) {
        case Shape::cloudevents:
            return "cloudevents";
        case Shape::eventbridge:
            return "eventbridge";
        case Shape::payload:
            return "payload";
    }
    return "cloudevents";
}

void append_shape(std::string& out, Shape shape, const StoredEvent& event, const Meta& meta,
                  const ShapeExtras& extras) {
    switch (shape) {
        case Shape::payload:
            out += event.payload;
            return;
        case Shape::cloudevents:
            if (meta.format == Format::cloudevents) return append_as_it_came(out, event.payload, extras);
            return append_cloudevent(out, event, meta, extras);
        case Shape::eventbridge:
            if (meta.format == Format::eventbridge) return append_as_it_came(out, event.payload, extras);
            return append_eventbridge(out, event, meta, extras);
    }
}

std::optional<std::string_view> data_json(const StoredEvent& event, const Meta& meta) {
    switch (meta.format) {
        case Format::json:
            return codec::trim_json(event.payload);
        case Format::cloudevents:
            return codec::find_member(event.payload, "data");
        case Format::eventbridge:
            return codec::find_member(event.payload, "detail");
        case Format::bytes:
            break;
    }
    return std::nullopt;
}

}  // namespace tarn::event
