#include "event/attributes.h"

#include <algorithm>

#include "codec/json.h"

namespace tarn::event {
namespace {

class ObjectWriter {
public:
    explicit ObjectWriter(std::string& out) : out_(out) { out_ += '{'; }
    void member(std::string_view name, std::string_view raw) {
        if (out_.back() != '{') out_ += ',';
        out_ += '"';
        out_ += name;
        out_ += "\":";
        out_ += raw;
    }
    void member(std::string_view name, const std::optional<std::string_view>& raw) {
        if (raw) member(name, *raw);
    }
    void flag(std::string_view name, bool set) {
        if (set) member(name, std::string_view("true"));
    }
    void close() { out_ += '}'; }

private:
    std::string& out_;
};

void write_attributes(std::string& out, const Attributes& attributes) {
    ObjectWriter object(out);
    object.member("id", attributes.id);
    object.member("source", attributes.source);
    object.member("type", attributes.type);
    object.member("subject", attributes.subject);
    object.member("time", attributes.time);
    object.member("datacontenttype", attributes.content_type);
    object.member("dataschema", attributes.data_schema);
    for (const auto& [name, raw] : attributes.extensions) object.member(name, raw);
    switch (attributes.format) {
        case Format::json:
            break;
        case Format::cloudevents:
            object.member("tarnformat", std::string_view("\"cloudevents\""));
            break;
        case Format::eventbridge:
            object.member("tarnformat", std::string_view("\"eventbridge\""));
            break;
        case Format::bytes:
            object.member("tarnformat", std::string_view("\"bytes\""));
            break;
    }
    if (attributes.binary) object.member("tarnmode", std::string_view("\"binary\""));
    object.flag("tarndefaulted", attributes.defaulted);
    object.flag("tarnduplicatekeys", attributes.duplicate_keys);
    object.close();
}

}  // namespace

std::string_view Attributes::keep_quoted(std::string_view text) {
    return kept.emplace_front(codec::quoted(text));
}

std::string write_meta(const std::optional<std::string>& key, const Attributes& attributes,
                       const Headers& headers) {
    std::string out;
    out.reserve(256);
    if (key) {
        out += "\"key\":";
        codec::append_quoted(out, *key);
        out += ',';
    }
    out += "\"attributes\":";
    write_attributes(out, attributes);
    if (headers.empty()) return out;
    out += ",\"headers\":";
    char before = '{';
    for (const auto& [name, value] : headers) {
        out += before;
        codec::append_quoted(out, to_valid_utf8(name));
        out += ':';
        codec::append_quoted(out, to_valid_utf8(value));
        before = ',';
    }
    out += '}';
    return out;
}

bool is_internal_attribute(std::string_view name) {
    return name == "tarnformat" || name == "tarnmode" || name == "tarndefaulted" ||
           name == "tarnduplicatekeys";
}

bool is_json_content_type(std::string_view content_type) {
    std::string type(content_type.substr(0, content_type.find(';')));
    while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) type.pop_back();
    std::ranges::transform(type, type.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
    return type == "application/json" || type == "text/json" || type.ends_with("+json");
}

std::string to_valid_utf8(std::string_view text) {
    if (codec::is_valid_utf8(text)) return std::string(text);
    std::string out;
    while (!text.empty()) {
        // A character has one to four bytes, and no shorter piece of it is valid.
        std::size_t length = 1;
        while (length <= std::min<std::size_t>(4, text.size()) &&
               !codec::is_valid_utf8(text.substr(0, length)))
            ++length;
        const bool valid = length <= std::min<std::size_t>(4, text.size());
        out += valid ? text.substr(0, length) : std::string_view("\xEF\xBF\xBD");
        text.remove_prefix(valid ? length : 1);
    }
    return out;
}

Place place_in(std::string_view payload, std::string_view part) {
    return codec::place_at(payload, static_cast<std::size_t>(part.data() - payload.data()));
}

}  // namespace tarn::event
