// An event as Tarn keeps it: where it stands, what was derived from it at capture, and its payload's exact
// bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/hash128.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"

namespace tarn::event {

// How the payload came, which decides what its data is and how the shapes are made.
enum class Format : std::uint8_t { json = 0, cloudevents = 1, eventbridge = 2, bytes = 3 };
std::string_view format_name(Format format);

// How the payload stands in a line of a raw object: as it is ("event"), escaped ("event_text") or
// "event_base64".
enum class PayloadForm : std::uint8_t { json = 0, text = 1, base64 = 2 };

// An event read from the log or a raw object. All views belong to the reader that gave it and die with its
// next step.
struct StoredEvent {
    Position position;
    Sequence sequence = 0;
    Time ingested;
    // JSON members without braces, as in the raw line: "key":…,"attributes":{…},"headers":{…}. key and
    // headers are optional.
    std::string_view meta;
    std::string_view payload;  // the exact bytes as they came
    PayloadForm form = PayloadForm::json;
    Hash128 hash;  // XXH3-128 of payload: what `xxhsum -H2` prints for it
};

// "0:41". parse_position takes the same.
std::string position_text(Partition partition, Offset offset);
Result<Position> parse_position(StreamId stream, std::string_view text);

// Kafka's default partitioner: the same key goes to the same partition number as there. partitions > 0.
Partition partition_of(std::string_view key, std::uint32_t partitions);

}  // namespace tarn::event
