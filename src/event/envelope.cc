#include "event/envelope.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/time.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "codec/json_scan.h"

namespace tarn::event {
namespace {

using codec::JsonType;

bool is_attribute_name(std::string_view name) {
    return !name.empty() &&
           std::ranges::all_of(name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
}

std::string shown(std::string_view text) { return to_valid_utf8(text.substr(0, 60)); }

// Reads attributes of one envelope and words its errors.
class Reader {
public:
    Reader(const TopLevel& top, Code code, std::string_view what) : top_(top), code_(code), what_(what) {}

    Failure fail(std::string message) const {
        return tarn::fail(code_, fmt::format("{}: {}", what_, message),
                          {.place = place_in(top_.payload(), top_.payload())});
    }
    Failure fail(std::string message, std::string_view part) const {
        return tarn::fail(code_, fmt::format("{}: {}", what_, message),
                          {.place = place_in(top_.payload(), part)});
    }

    // A string; null counts as absent.
    Result<std::optional<std::string_view>> text(std::string_view name) const {
        const auto raw = top_.find(name);
        if (!raw || *raw == "null") return std::nullopt;
        if (codec::type_of(*raw) != JsonType::string)
            return fail(fmt::format("{} must be a string", name), *raw);
        if (*raw == "\"\"") return fail(fmt::format("{} must not be empty", name), *raw);
        return raw;
    }

    Result<std::string_view> required(std::string_view name) const {
        TARN_ASSIGN(const auto raw, text(name));
        if (!raw) return fail(fmt::format("{} is missing", name));
        return *raw;
    }

    Result<std::optional<std::string_view>> time() const {
        TARN_ASSIGN(const auto raw, text("time"));
        if (raw && !parse_rfc3339(codec::unescape(*raw)))
            return fail(fmt::format("time {} is not RFC 3339", shown(*raw)), *raw);
        return raw;
    }

private:
    const TopLevel& top_;
    Code code_;
    std::string_view what_;
};

constexpr std::string_view known_attributes[] = {"specversion", "id",         "source",          "type",
                                                 "subject",     "time",       "datacontenttype", "dataschema",
                                                 "data",        "data_base64"};
bool is_known(std::string_view name) {
    return std::ranges::find(known_attributes, name) != std::end(known_attributes);
}

// CloudEvents has strings, booleans and integers.
bool is_extension_value(std::string_view raw) {
    const JsonType type = codec::type_of(raw);
    if (type == JsonType::number) return raw.find_first_of(".eE") == std::string_view::npos;
    return type == JsonType::string || type == JsonType::boolean;
}

void add_extension(Envelope& envelope, std::string_view name, std::string_view raw) {
    Attributes& attributes = envelope.attributes;
    if (is_internal_attribute(name)) return;
    if (name == "tarnrun") attributes.from_replay = true;
    if (name == "partitionkey" && codec::type_of(raw) == JsonType::string && raw != "\"\"")
        envelope.partition_key = codec::unescape(raw);
    for (auto& [known, value] : attributes.extensions) {
        if (known != name) continue;
        value = raw;  // named twice: the last one counts
        return;
    }
    attributes.extensions.emplace_back(name, raw);
}

Status read_extensions(const TopLevel& top, const Reader& reader, Envelope& envelope) {
    for (const auto& [name, raw] : top.members()) {
        if (is_known(name)) continue;
        if (!is_attribute_name(name))
            return reader.fail(
                fmt::format("\"{}\" is not an attribute name: expected lower-case letters and digits",
                            shown(name)),
                raw);
        if (raw == "null") continue;
        if (!is_extension_value(raw))
            return reader.fail(
                fmt::format("attribute {} must be a string, a boolean or an integer", shown(name)), raw);
        add_extension(envelope, name, raw);
    }
    return {};
}

Status check_data(const TopLevel& top, const Reader& reader, Envelope& envelope) {
    envelope.data = top.find("data");
    const auto base64 = top.find("data_base64");
    if (!base64 || *base64 == "null") return {};
    if (envelope.data) return reader.fail("data and data_base64 stand both", *base64);
    if (codec::type_of(*base64) != JsonType::string)
        return reader.fail("data_base64 must be a string", *base64);
    if (!codec::base64_decode(codec::unescape(*base64)))
        return reader.fail(
            "data_base64 is not base64: expected groups of four of A-Z, a-z, 0-9, + and /, padded with =",
            *base64);
    return {};
}

}  // namespace

void TopLevel::read(std::string_view payload) {
    payload_ = payload;
    members_.clear();
    unescaped_.clear();
    is_object_ = codec::type_of(payload) == JsonType::object;
    if (!is_object_) return;
    std::string_view key, value;
    for (codec::scan::Members members(payload); members.next(key, value);) {
        if (key.find('\\') != std::string_view::npos) {
            codec::append_unescaped(unescaped_.emplace_back(), key);
            key = unescaped_.back();
        }
        members_.emplace_back(key, value);
    }
}

std::optional<std::string_view> TopLevel::find(std::string_view name) const {
    for (auto member = members_.rbegin(); member != members_.rend(); ++member)
        if (member->first == name) return member->second;
    return std::nullopt;
}

std::optional<std::string_view> TopLevel::find_path(std::string_view path) const {
    if (!is_object_) return codec::find_path(payload_, path);
    const std::size_t dot = path.find('.');
    const auto first = find(path.substr(0, dot));
    if (!first || dot == std::string_view::npos) return first;
    return codec::find_path(*first, path.substr(dot + 1));
}

Result<Envelope> read_cloudevent(const TopLevel& top) {
    const Reader reader(top, Code::bad_cloudevent, "not a CloudEvent");
    if (!top.is_object()) return reader.fail("expected an object");
    TARN_ASSIGN(const auto version, reader.required("specversion"));
    if (version != "\"1.0\"")
        return reader.fail(fmt::format("specversion is {}: expected \"1.0\"", shown(version)), version);
    Envelope envelope;
    Attributes& attributes = envelope.attributes;
    attributes.format = Format::cloudevents;
    TARN_ASSIGN(attributes.id, reader.required("id"));
    TARN_ASSIGN(attributes.source, reader.required("source"));
    TARN_ASSIGN(attributes.type, reader.required("type"));
    TARN_ASSIGN(attributes.subject, reader.text("subject"));
    TARN_ASSIGN(attributes.time, reader.time());
    TARN_ASSIGN(attributes.content_type, reader.text("datacontenttype"));
    TARN_ASSIGN(attributes.data_schema, reader.text("dataschema"));
    TARN_TRY(read_extensions(top, reader, envelope));
    TARN_TRY(check_data(top, reader, envelope));
    return envelope;
}

Result<Envelope> read_eventbridge(const TopLevel& top) {
    const Reader reader(top, Code::bad_eventbridge, "not an EventBridge event");
    if (!top.is_object()) return reader.fail("expected an object");
    Envelope envelope;
    Attributes& attributes = envelope.attributes;
    attributes.format = Format::eventbridge;
    TARN_ASSIGN(attributes.type, reader.required("detail-type"));
    TARN_ASSIGN(attributes.source, reader.required("source"));
    TARN_ASSIGN(attributes.id, reader.text("id"));
    TARN_ASSIGN(attributes.time, reader.time());
    const auto detail = top.find("detail");
    if (!detail) return reader.fail("detail is missing");
    if (codec::type_of(*detail) != JsonType::object) return reader.fail("detail must be an object", *detail);
    envelope.data = detail;
    // What a run adds to the events it sends in this shape.
    if (const auto run = top.find("tarnrun")) {
        attributes.from_replay = true;
        if (codec::type_of(*run) == codec::JsonType::string) add_extension(envelope, "tarnrun", *run);
    }
    return envelope;
}

namespace {

// The attribute that `name` fills, or nullptr for an extension.
std::optional<std::string_view>* attribute_named(Attributes& attributes, std::string_view name) {
    if (name == "id") return &attributes.id;
    if (name == "source") return &attributes.source;
    if (name == "type") return &attributes.type;
    if (name == "subject") return &attributes.subject;
    if (name == "time") return &attributes.time;
    if (name == "datacontenttype") return &attributes.content_type;
    return name == "dataschema" ? &attributes.data_schema : nullptr;
}

Failure bad_header(std::string message) {
    return fail(Code::bad_cloudevent, "not a CloudEvent: " + std::move(message));
}

Status take_header(Envelope& envelope, std::string_view name, std::string_view value) {
    if (!is_attribute_name(name) || name == "data")
        return bad_header(
            fmt::format("ce-{} is not an attribute: expected lower-case letters and digits", shown(name)));
    if (!codec::is_valid_utf8(value)) return bad_header(fmt::format("ce-{} is not UTF-8", name));
    if (name == "specversion")
        return value == "1.0"
                   ? Status()
                   : bad_header(fmt::format("ce-specversion is \"{}\": expected 1.0", shown(value)));
    // Headers carry no types; of this extension Tarn knows it.
    const bool number = name == "tarnattempt" && !value.empty() && value.size() < 10 &&
                        value.front() != '0' &&
                        value.find_first_not_of("0123456789") == std::string_view::npos;
    const std::string_view raw =
        number ? envelope.attributes.kept.emplace_front(value) : envelope.attributes.keep_quoted(value);
    auto* const attribute = attribute_named(envelope.attributes, name);
    if (attribute == nullptr) {
        add_extension(envelope, envelope.attributes.kept.emplace_front(name), raw);
        return {};
    }
    if (value.empty()) return bad_header(fmt::format("ce-{} must not be empty", name));
    if (name == "time" && !parse_rfc3339(value))
        return bad_header(fmt::format("ce-time \"{}\" is not RFC 3339", shown(value)));
    *attribute = raw;
    return {};
}

}  // namespace

Status set_extension(Envelope& envelope, const std::string& name, const std::string& value) {
    return take_header(envelope, name, value);
}

Result<Envelope> read_binary_cloudevent(const std::vector<std::pair<std::string, std::string>>& headers) {
    Envelope envelope;
    envelope.attributes.binary = true;
    for (const auto& [name, value] : headers) TARN_TRY(take_header(envelope, name, value));
    const auto has_version =
        std::ranges::any_of(headers, [](const auto& header) { return header.first == "specversion"; });
    if (!has_version) return bad_header("ce-specversion is missing");
    if (!envelope.attributes.id) return bad_header("ce-id is missing");
    if (!envelope.attributes.source) return bad_header("ce-source is missing");
    if (!envelope.attributes.type) return bad_header("ce-type is missing");
    return envelope;
}

}  // namespace tarn::event
