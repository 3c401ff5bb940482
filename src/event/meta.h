// Reads StoredEvent::meta: the attributes of an event with the defaults of the contract filled in (id =
// position, type = stream name, source = /tarn/<stream>, time = ingest time).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "event/event.h"

namespace tarn::event {

struct Meta {
    std::optional<std::string_view> key;
    std::string_view id, source, type;
    std::optional<std::string_view> subject;
    Time time;                                     // event time
    std::string_view time_text;                    // as it came when it came as RFC 3339, else formatted
    std::optional<std::string_view> content_type;  // datacontenttype
    Format format = Format::json;
    std::string_view run;         // tarnrun: the run that put a copy of an event here; "" when it is no copy
    bool defaulted = false;       // tarndefaulted
    bool duplicate_keys = false;  // tarnduplicatekeys
    std::string_view attributes;  // the raw JSON object of attributes
    std::string_view headers;     // the raw JSON object, "" when none
};

// Reuses its buffers: the views in the answer die with the next read or with the event. One a thread.
class MetaReader {
public:
    const Meta& read(const StoredEvent& event, std::string_view stream_name);

private:
    std::string_view formatted(Time time);

    Meta meta_;
    std::string scratch_[8];
    // Events of one request came at the same time, and formatting it costs more than all else here.
    Time formatted_{INT64_MIN};
    std::string formatted_text_;
};

}  // namespace tarn::event
