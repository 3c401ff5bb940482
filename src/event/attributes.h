// Writing StoredEvent::meta, and the small things that all ways to derive an event share. Internal to event/.
// The attributes are described in docs/formats/attributes.md.
#pragma once

#include <forward_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "event/event.h"

namespace tarn::event {

// What is known about an event. Each value is raw JSON (mostly a quoted string), so that what came as JSON is
// copied and not rewritten. Views point into the payload or into `kept`.
struct Attributes {
    std::optional<std::string_view> id, source, type, subject, time, content_type, data_schema;
    std::vector<std::pair<std::string_view, std::string_view>> extensions;  // name, raw value
    Format format = Format::json;
    bool binary = false;  // came in HTTP binary mode
    bool defaulted = false;
    bool duplicate_keys = false;
    bool from_replay = false;
    std::forward_list<std::string> kept;

    // Quotes `text` and keeps the result. `text` must be valid UTF-8.
    std::string_view keep_quoted(std::string_view text);
};

using Headers = std::vector<std::pair<std::string, std::string>>;

// "key":…,"attributes":{…},"headers":{…}
std::string write_meta(const std::optional<std::string>& key, const Attributes& attributes,
                       const Headers& headers);

// Tarn's own attribute names, which no event may bring along.
bool is_internal_attribute(std::string_view name);
// application/json, text/json, anything/…+json; parameters do not matter.
bool is_json_content_type(std::string_view content_type);
// The same text with what is not UTF-8 replaced by U+FFFD.
std::string to_valid_utf8(std::string_view text);
// Line, column and byte of a part of `payload`.
Place place_in(std::string_view payload, std::string_view part);

}  // namespace tarn::event
