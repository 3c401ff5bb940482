// Events for the tests of this folder.
#pragma once

#include <fmt/core.h>

#include <string>
#include <vector>

#include "codec/hash.h"
#include "codec/json.h"
#include "event/derive.h"
#include "event/event.h"
#include "os/rng.h"

namespace tarn::lake {

// An event's own bytes, comparable.
struct TestEvent {
    Partition partition = 0;
    Offset offset = 0;
    Sequence sequence = 0;
    Time ingested;
    std::string meta, payload;
    event::PayloadForm form = event::PayloadForm::json;

    bool operator==(const TestEvent&) const = default;
    event::StoredEvent stored(StreamId stream) const {
        return {{stream, partition, offset}, sequence, ingested, meta, payload, form,
                codec::xxh3_128(payload)};
    }
};

inline TestEvent copy_of(const event::StoredEvent& event) {
    return {event.position.partition, event.position.offset,      event.sequence, event.ingested,
            std::string(event.meta),  std::string(event.payload), event.form};
}

inline void PrintTo(const TestEvent& event, std::ostream* out) {
    *out << fmt::format("{}:{} seq {} {} {}", event.partition, event.offset, event.sequence,
                        event.meta.substr(0, 60), event.payload.substr(0, 40));
}

// All bytes there are, of any length.
inline std::string random_bytes(os::Rng& rng, std::size_t most) {
    std::string bytes(rng.below(most + 1), '\0');
    for (char& byte : bytes) byte = static_cast<char>(rng.next());
    return bytes;
}

// A payload in any of the three forms.
inline TestEvent random_event(os::Rng& rng, std::size_t most_bytes) {
    TestEvent event;
    switch (rng.below(4)) {
        case 0:
            event.payload = random_bytes(rng, most_bytes);
            break;
        case 1:
            event.payload = "line one\r\nline two \"quoted\" \t\xE2\x82\xAC " +
                            std::string(rng.below(most_bytes + 1), 'x');
            break;
        default:
            event.payload = fmt::format(R"({{"n":{},"text":{}}})", rng.next(),
                                        codec::quoted(std::string(rng.below(most_bytes + 1),
                                                                  static_cast<char>('a' + rng.below(26)))));
            event.form = event::PayloadForm::json;
            event.meta = fmt::format(
                R"("key":"k{}","attributes":{{"type":"type{}","time":"2023-11-{:02}T00:00:00Z"}})",
                rng.below(50), rng.below(5), 1 + rng.below(28));
            return event;
    }
    event.form = event::form_of_bytes(event.payload);
    event.meta = R"("attributes":{"tarnformat":"bytes"})";
    return event;
}

}  // namespace tarn::lake
