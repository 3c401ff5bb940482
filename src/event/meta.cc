#include "event/meta.h"

#include "codec/json.h"
#include "codec/json_scan.h"

namespace tarn::event {
namespace {

namespace scan = codec::scan;

bool is_string(std::string_view raw) { return raw.size() >= 2 && raw.front() == '"' && raw.back() == '"'; }

// A raw JSON string's text; `scratch` is used only when there are escapes.
std::string_view text_of(std::string_view raw, std::string& scratch) {
    if (!is_string(raw)) return raw;
    raw = raw.substr(1, raw.size() - 2);
    if (raw.find('\\') == std::string_view::npos) return raw;
    scratch.clear();
    codec::append_unescaped(scratch, raw);
    return scratch;
}

Format format_of(std::string_view raw) {
    if (raw == "\"cloudevents\"") return Format::cloudevents;
    if (raw == "\"eventbridge\"") return Format::eventbridge;
    return raw == "\"bytes\"" ? Format::bytes : Format::json;
}

// Which buffer unescapes what.
enum Slot { slot_key, slot_id, slot_source, slot_type, slot_subject, slot_time, slot_content_type, slot_run };

void read_attribute(std::string_view key, std::string_view raw, Meta& meta, std::string* scratch) {
    if (key == "id") {
        meta.id = text_of(raw, scratch[slot_id]);
    } else if (key == "source") {
        meta.source = text_of(raw, scratch[slot_source]);
    } else if (key == "type") {
        meta.type = text_of(raw, scratch[slot_type]);
    } else if (key == "subject") {
        meta.subject = text_of(raw, scratch[slot_subject]);
    } else if (key == "time") {
        meta.time_text = text_of(raw, scratch[slot_time]);
    } else if (key == "datacontenttype") {
        meta.content_type = text_of(raw, scratch[slot_content_type]);
    } else if (!key.starts_with("tarn")) {
        return;
    } else if (key == "tarnrun") {
        meta.run = text_of(raw, scratch[slot_run]);
    } else if (key == "tarnformat") {
        meta.format = format_of(raw);
    } else if (key == "tarndefaulted") {
        meta.defaulted = raw == "true";
    } else if (key == "tarnduplicatekeys") {
        meta.duplicate_keys = raw == "true";
    }
}

void fill_defaults(const StoredEvent& event, std::string_view stream_name, Meta& meta, std::string* scratch) {
    if (meta.id.empty()) {
        scratch[slot_id] = position_text(event.position.partition, event.position.offset);
        meta.id = scratch[slot_id];
    }
    if (meta.type.empty()) meta.type = stream_name;
    if (meta.source.empty()) {
        scratch[slot_source] = "/tarn/";
        scratch[slot_source] += stream_name;
        meta.source = scratch[slot_source];
    }
}

}  // namespace

std::string_view MetaReader::formatted(Time time) {
    if (time.us != formatted_.us || formatted_text_.empty()) {
        formatted_text_.clear();
        append_rfc3339(formatted_text_, time);
        formatted_ = time;
    }
    return formatted_text_;
}

const Meta& MetaReader::read(const StoredEvent& event, std::string_view stream_name) {
    meta_ = Meta{};
    std::string_view key, value;
    for (scan::Members members(event.meta); members.next(key, value);) {
        if (key == "key") {
            meta_.key = text_of(value, scratch_[slot_key]);
        } else if (key == "attributes") {
            meta_.attributes = value;
        } else if (key == "headers") {
            meta_.headers = value;
        }
    }
    for (scan::Members members(meta_.attributes); members.next(key, value);)
        read_attribute(key, value, meta_, scratch_);
    fill_defaults(event, stream_name, meta_, scratch_);
    const auto time = meta_.time_text.empty() ? Result<Time>(event.ingested) : parse_rfc3339(meta_.time_text);
    meta_.time = time.value_or(event.ingested);
    if (!time || meta_.time_text.empty()) meta_.time_text = formatted(meta_.time);
    return meta_;
}

}  // namespace tarn::event
