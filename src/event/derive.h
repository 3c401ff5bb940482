// From bytes that came in to an event: format, attributes, key. The payload is looked at, never changed.
// Rules: contract "Events in three shapes"; CloudEvents 1.0.2 and its HTTP binding.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "event/event.h"
#include "event/stream_settings.h"

namespace tarn::event {

// One event as it came, before anything is known about it. Views are only read during the call.
struct Incoming {
    std::string_view payload;
    // HTTP binary mode: (name without "ce-", value already percent-decoded). Empty otherwise.
    std::vector<std::pair<std::string, std::string>> binary_attributes;
    // Extension attributes to keep beside those that the event brings itself, which they replace.
    std::vector<std::pair<std::string, std::string>> extensions;
    std::string content_type;  // of the payload, when known
    bool structured = false;   // must be a CloudEvent in JSON (application/cloudevents+json, …-batch+json)
    bool opaque = false;       // one opaque payload, whatever it looks like
    std::string_view name;     // file or object name for name_pattern, "" when none
    std::optional<std::string> key;   // ?key=
    std::optional<std::string> type;  // ?type=
    // Headers to keep with the event (lower-case names); normally empty.
    std::vector<std::pair<std::string, std::string>> headers;
};

struct Derived {
    std::string meta;  // see StoredEvent::meta
    PayloadForm form = PayloadForm::json;
    Format format = Format::json;
    std::optional<std::string> key;
    Hash128 hash;
    bool from_replay = false;  // carries tarnrun
};

// Immutable after construction; safe from any thread.
class Deriver {
public:
    // Fails (bad_config) when name_pattern is not a regular expression.
    static Result<std::unique_ptr<Deriver>> make(std::string stream_name, StreamSettings settings);
    ~Deriver();
    // Errors are of the input (1201…1214), with line, column, byte relative to the payload.
    Result<Derived> derive(const Incoming& incoming) const;
    const StreamSettings& settings() const;

private:
    Deriver();
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

// meta of a quarantine entry: attributes hold reason (code name), code, message, place, line, column, byte,
// name.
std::string quarantine_meta(const Error& error, std::string_view source_name, Time at);
// The form in which arbitrary bytes can stand in a raw line: base64 unless they are printable UTF-8 text.
PayloadForm form_of_bytes(std::string_view bytes);

}  // namespace tarn::event
