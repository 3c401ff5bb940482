#include "event/derive.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/time.h"
#include "codec/hash.h"
#include "codec/json.h"
#include "event/attributes.h"
#include "event/envelope.h"
#include "event/mapping.h"

namespace tarn::event {

struct Deriver::Parts {
    std::string stream_name;
    StreamSettings settings;
    std::unique_ptr<NamePattern> pattern;      // nullptr when none is set
    std::string default_type, default_source;  // quoted
};

namespace {

bool is_missing(const Rules& rules, const std::optional<std::string>& text) {
    return !rules.empty() && !text;
}

PayloadForm form_of_json(std::string_view payload, const codec::JsonFacts& facts) {
    // White space around the value would be lost when the line is taken apart by other programs: keep it in a
    // text.
    const bool plain = !facts.has_newline && codec::trim_json(payload).size() == payload.size();
    return plain ? PayloadForm::json : PayloadForm::text;
}

std::optional<std::string> text_of(const std::optional<std::string_view>& raw) {
    if (!raw) return std::nullopt;
    return codec::unescape(*raw);
}

std::optional<std::string> first_of(std::optional<std::string> a, std::optional<std::string> b,
                                    std::optional<std::string> c) {
    if (a && !a->empty()) return a;
    if (b && !b->empty()) return b;
    return c;
}

}  // namespace

namespace {

// Derives one event. Lives for one call.
class Derivation {
public:
    Derivation(const StreamSettings& settings, const NamePattern* pattern, std::string_view default_type,
               std::string_view default_source, const Incoming& incoming, TopLevel& top)
        : settings_(settings),
          pattern_(pattern),
          default_type_(default_type),
          default_source_(default_source),
          in_(incoming),
          top_(top) {}

    Result<Derived> run() {
        TARN_TRY(check_request());
        if (!in_.binary_attributes.empty()) return binary();
        if (in_.payload.empty()) return fail(Code::empty_body, "there are no bytes");
        const bool fixed = settings_.format.has_value();
        if (fixed ? *settings_.format == Format::bytes : in_.opaque) return bytes();
        return json();
    }

private:
    Status check_request() const {
        if (in_.payload.size() > settings_.max_event_bytes)
            return fail(Code::too_large, fmt::format("the event has {} bytes: the stream's limit is {}",
                                                     in_.payload.size(), settings_.max_event_bytes));
        if (in_.key && !codec::is_valid_utf8(*in_.key)) return fail(Code::not_utf8, "the key is not UTF-8");
        if (in_.type && !codec::is_valid_utf8(*in_.type))
            return fail(Code::not_utf8, "the type is not UTF-8");
        if (!codec::is_valid_utf8(in_.content_type))
            return fail(Code::not_utf8, "the content type is not UTF-8");
        return {};
    }

    Result<Derived> json() {
        TARN_TRY(validate());
        if (in_.structured) return structured();
        if (settings_.format == Format::cloudevents) return enveloped(read_cloudevent(top_));
        if (settings_.format == Format::eventbridge) return enveloped(read_eventbridge(top_));
        if (settings_.format) return plain(Format::json);
        if (top_.find("specversion")) return enveloped(read_cloudevent(top_));
        if (top_.find("detail-type") && top_.find("detail")) return enveloped(read_eventbridge(top_));
        return plain(Format::json);
    }

    Status validate() {
        TARN_ASSIGN(facts_, codec::validate_json(in_.payload, {.max_bytes = settings_.max_event_bytes}));
        form_ = form_of_json(in_.payload, facts_);
        top_.read(in_.payload);
        return {};
    }

    Result<Derived> structured() {
        if (settings_.format && *settings_.format != Format::cloudevents)
            return fail(Code::wrong_format,
                        fmt::format("a structured CloudEvent came to a stream of format {}",
                                    format_name(*settings_.format)));
        return enveloped(read_cloudevent(top_));
    }

    Result<Derived> bytes() {
        form_ = form_of_bytes(in_.payload);
        return plain(Format::bytes);
    }

    // HTTP binary mode: the attributes came beside the payload.
    Result<Derived> binary() {
        TARN_ASSIGN(Envelope envelope, read_binary_cloudevent(in_.binary_attributes));
        if (settings_.format == Format::eventbridge)
            return fail(Code::wrong_format, "a binary CloudEvent came to a stream of format eventbridge");
        if (!in_.content_type.empty())
            envelope.attributes.content_type = envelope.attributes.keep_quoted(in_.content_type);
        const bool must_be_json = settings_.format == Format::json ||
                                  (!in_.payload.empty() && is_json_content_type(in_.content_type));
        const bool may_be_json = in_.content_type.empty() && !in_.payload.empty();
        envelope.attributes.format = Format::bytes;
        form_ = form_of_bytes(in_.payload);
        if (settings_.format != Format::bytes && (must_be_json || may_be_json)) {
            const Status valid = validate();
            if (!valid && must_be_json) return fail(valid.error());
            if (valid) {
                envelope.attributes.format = Format::json;
                envelope.data = in_.payload;
            }
        }
        return enveloped(std::move(envelope));
    }

    Status add_extensions(Envelope& envelope) const {
        for (const auto& [name, value] : in_.extensions) TARN_TRY(set_extension(envelope, name, value));
        return {};
    }

    // The event brought its attributes along; only the key may come from the mapping.
    Result<Derived> enveloped(Result<Envelope> read) {
        TARN_ASSIGN(Envelope envelope, std::move(read));
        TARN_TRY(add_extensions(envelope));
        envelope.attributes.duplicate_keys = facts_.duplicate_keys;
        MappingInput input{.payload = in_.payload, .data = envelope.data, .pattern = pattern_};
        const auto groups = match_name();
        if (groups) input.groups = &*groups;
        std::optional<std::string> key = request_key();
        if (!key) {
            TARN_ASSIGN(key, mapped_text(settings_.mapping.key, "key", input));
        }
        key =
            first_of(std::move(key), std::move(envelope.partition_key), text_of(envelope.attributes.subject));
        return finish(std::move(key), envelope.attributes);
    }

    // A payload: attributes come from the stream's mapping and the request.
    Result<Derived> plain(Format format) {
        MappingInput input{
            .payload = in_.payload, .top = format == Format::bytes ? nullptr : &top_, .pattern = pattern_};
        const auto groups = match_name();
        if (groups) input.groups = &*groups;
        if (pattern_ != nullptr && !in_.name.empty() && !groups)
            return fail(Code::name_mismatch, "name does not match the stream's name_pattern",
                        {.place = {.source = to_valid_utf8(in_.name)},
                         .next = fmt::format("the pattern is {}", settings_.name_pattern)});
        const Mapping& mapping = settings_.mapping;
        TARN_ASSIGN(const auto id, mapped_text(mapping.id, "id", input));
        TARN_ASSIGN(const auto source, mapped_text(mapping.source, "source", input));
        TARN_ASSIGN(auto type, mapped_text(mapping.type, "type", input));
        TARN_ASSIGN(const auto subject, mapped_text(mapping.subject, "subject", input));
        TARN_ASSIGN(const auto time, mapped_time(mapping.time, input));
        if (in_.type && !in_.type->empty()) type = in_.type;
        std::optional<std::string> key = request_key();
        if (!key) {
            TARN_ASSIGN(key, mapped_text(mapping.key, "key", input));
        }

        Envelope envelope;
        TARN_TRY(add_extensions(envelope));
        Attributes& attributes = envelope.attributes;
        attributes.format = format;
        attributes.duplicate_keys = facts_.duplicate_keys;
        const bool no_mapping =
            mapping.id.empty() && mapping.source.empty() && mapping.type.empty() && mapping.time.empty();
        attributes.defaulted = no_mapping || is_missing(mapping.id, id) ||
                               is_missing(mapping.source, source) || is_missing(mapping.type, type) ||
                               is_missing(mapping.time, time);
        if (id) attributes.id = attributes.keep_quoted(*id);
        attributes.source = source ? attributes.keep_quoted(*source) : default_source_;
        attributes.type = type ? attributes.keep_quoted(*type) : default_type_;
        if (subject) attributes.subject = attributes.keep_quoted(*subject);
        if (time) attributes.time = attributes.keep_quoted(*time);
        if (says_content_type(format)) attributes.content_type = attributes.keep_quoted(in_.content_type);
        return finish(first_of(std::move(key), std::nullopt, subject), attributes);
    }

    // "application/json" goes without saying for JSON.
    bool says_content_type(Format format) const {
        if (in_.content_type.empty()) return false;
        return format == Format::bytes || in_.content_type != "application/json";
    }

    std::optional<std::string> request_key() const {
        return in_.key && !in_.key->empty() ? in_.key : std::nullopt;
    }

    std::optional<NameGroups> match_name() const {
        if (pattern_ == nullptr || in_.name.empty()) return std::nullopt;
        return pattern_->match(in_.name);
    }

    Result<Derived> finish(std::optional<std::string> key, const Attributes& attributes) const {
        Derived derived;
        derived.meta = write_meta(key, attributes, in_.headers);
        derived.form = form_;
        derived.format = attributes.format;
        derived.key = std::move(key);
        derived.hash = codec::xxh3_128(in_.payload);
        derived.from_replay = attributes.from_replay;
        return derived;
    }

    const StreamSettings& settings_;
    const NamePattern* pattern_;
    std::string_view default_type_, default_source_;
    const Incoming& in_;
    TopLevel& top_;
    codec::JsonFacts facts_;
    PayloadForm form_ = PayloadForm::text;
};

}  // namespace

Deriver::Deriver() : parts_(std::make_unique<Parts>()) {}
Deriver::~Deriver() = default;

Result<std::unique_ptr<Deriver>> Deriver::make(std::string stream_name, StreamSettings settings) {
    std::unique_ptr<Deriver> deriver(new Deriver);
    Parts& parts = *deriver->parts_;
    if (!settings.name_pattern.empty()) {
        TARN_ASSIGN(parts.pattern, NamePattern::make(settings.name_pattern));
    }
    const Mapping& mapping = settings.mapping;
    for (const Rules* rules :
         {&mapping.id, &mapping.type, &mapping.source, &mapping.subject, &mapping.time, &mapping.key}) {
        for (const Rule& rule : *rules) {
            if (rule.from != Rule::From::name_group) continue;
            if (parts.pattern == nullptr || parts.pattern->group_index(rule.what) < 0)
                return fail(
                    Code::bad_config,
                    fmt::format("the mapping names the group \"{}\", which name_pattern does not have",
                                rule.what));
        }
    }
    parts.default_type = codec::quoted(stream_name);
    parts.default_source = codec::quoted("/tarn/" + stream_name);
    parts.stream_name = std::move(stream_name);
    parts.settings = std::move(settings);
    return deriver;
}

const StreamSettings& Deriver::settings() const { return parts_->settings; }

Result<Derived> Deriver::derive(const Incoming& incoming) const {
    thread_local TopLevel top;
    top.read({});
    return Derivation(parts_->settings, parts_->pattern.get(), parts_->default_type, parts_->default_source,
                      incoming, top)
        .run();
}

std::string quarantine_meta(const Error& error, std::string_view source_name, Time at) {
    codec::Json attributes = codec::Json::object();
    attributes.set("time", format_rfc3339(at));
    attributes.set("reason", info(error.code).name);
    attributes.set("code", error.code_text());
    attributes.set("message", to_valid_utf8(error.message));
    if (const std::string place = error.place.text(); !place.empty())
        attributes.set("place", to_valid_utf8(place));
    if (error.place.line != 0) attributes.set("line", error.place.line);
    if (error.place.column != 0) attributes.set("column", error.place.column);
    if (error.place.byte) attributes.set("byte", *error.place.byte);
    if (!source_name.empty()) attributes.set("name", to_valid_utf8(source_name));
    return "\"attributes\":" + attributes.dump();
}

PayloadForm form_of_bytes(std::string_view bytes) {
    const bool printable = std::ranges::all_of(bytes, [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return (byte >= 0x20 && byte != 0x7F) || c == '\t' || c == '\n' || c == '\r';
    });
    return printable && codec::is_valid_utf8(bytes) ? PayloadForm::text : PayloadForm::base64;
}

}  // namespace tarn::event
