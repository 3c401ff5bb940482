// The three JSON forms in which patterns, functions, targets and projections see an event (contract, "Events
// in three shapes").
#pragma once

#include <string>
#include <string_view>

#include "event/meta.h"

namespace tarn::event {

enum class Shape : std::uint8_t { cloudevents, eventbridge, payload };
Result<Shape> parse_shape(std::string_view name);
std::string_view shape_name(Shape shape);

// What a run adds to each event it sends; written as extension attributes tarnrun, tarnattempt and, unless it
// is empty, tarnkey (not in shape payload).
struct ShapeExtras {
    std::string_view run;  // "" = none
    int attempt = 0;
    std::string_view key = {};  // the idempotency key, where it cannot stand beside the event
};

// Appends the document without a line feed at its end. An event that came in the asked form is given back as
// it came (plus extras), except that in shapes cloudevents and eventbridge line breaks between tokens become
// blanks: they are always one line. Shape payload is the exact bytes.
void append_shape(std::string& out, Shape shape, const StoredEvent& event, const Meta& meta,
                  const ShapeExtras& extras = {});

// The raw JSON of what the event is about: the payload, or its `data` / `detail`. For bytes and data_base64:
// nullopt.
std::optional<std::string_view> data_json(const StoredEvent& event, const Meta& meta);

}  // namespace tarn::event
