// A subscription as declared in tarn.yaml (contract, "tarn.yaml"): stream + pattern → function, stream or
// target outside.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "codec/json.h"
#include "event/shapes.h"

namespace tarn::process {

enum class Order : std::uint8_t { key, none };

struct Retries {
    std::uint32_t max = 5;  // attempts in all; then the event is a dead letter
    std::int64_t first_us = 1'000'000;
    std::int64_t longest_us = 60'000'000;
    std::optional<std::int64_t> max_age_us;  // since capture; unset: age alone kills nothing
};

struct SubscriptionSpec {
    std::string name, stream;
    std::string pattern = "";  // JSON; "" = every event
    std::string function;      // of `to: function:NAME`, or of `via`; "" = into the stream as it came
    std::string to_stream;     // of `to: stream:NAME`; "" otherwise
    std::string target;        // of `to: http(s)://…`, `target:NAME`, `null:`; "" otherwise
    event::Shape shape = event::Shape::cloudevents;
    Order order = Order::key;
    std::size_t batch_size = 1;
    std::int64_t batch_window_us = 0;
    Retries retries;
    bool takes_replayed = false;     // `replayed: take`
    std::optional<bool> from_start;  // `from: beginning | now`; unset: decided by what the function feeds

    // bad_config names the member and what it expects.
    static Result<SubscriptionSpec> from_json(const std::string& name, const codec::Json& json);
    codec::Json to_json() const;

    // What goes on is the event itself, with its attributes, not a document made of it for a function.
    bool passes_events_on() const { return !to_stream.empty() || !target.empty(); }
    // Of the document that waits here; whoever sends to a target makes the one in `shape`.
    event::Shape waiting_shape() const { return target.empty() ? shape : event::Shape::payload; }
};

}  // namespace tarn::process
