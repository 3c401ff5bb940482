// One line of a raw object (docs/formats/raw-object.md):
//   {"partition":0,"offset":41,"seq":977,"ingested":"…","key":"…","attributes":{…},"headers":{…},"event":<the
//   bytes>}
// `event` is replaced by event_text or event_base64 where the bytes cannot stand in a line as they are.
#pragma once

#include <string>
#include <string_view>

#include "event/event.h"

namespace tarn::event {

// Appends the line with its LF.
void append_raw_line(std::string& out, const StoredEvent& event);

// Reads a line (without LF). Views point into `line` or, for escaped payloads, into `scratch`. `with_hash`
// computes hash. object_corrupt when it is not such a line.
Result<StoredEvent> parse_raw_line(StreamId stream, std::string_view line, std::string& scratch,
                                   bool with_hash);

}  // namespace tarn::event
