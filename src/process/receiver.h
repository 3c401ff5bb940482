// Targets outside of Tarn as deliveries see them: whoever knows how to send takes one event for one attempt
// and says what came of it. When it is tried again, what waits behind it and when it is a dead letter is
// decided here, as for functions.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "process/lanes.h"

namespace tarn::process {

// One event on its way out, whole: nothing in it points anywhere.
struct Parcel {
    Position position;
    Sequence sequence = 0;
    std::int64_t ingested_us = 0;
    std::string meta;     // as StoredEvent has it
    std::string payload;  // of its correction, when it has one
    event::PayloadForm form = event::PayloadForm::json;
    bool corrected = false;
};

// What came of one attempt.
struct Receipt {
    enum class End : std::uint8_t {
        delivered,
        refused,      // the receiver will never take it: no other attempt
        failed,       // it may take it later
        unknown,      // it was sent and no answer came: again, because a loss is worse than a double
        unreachable,  // nothing was sent, and nothing else would get through either
        pushed_back,  // the receiver has too much to do, and wants nothing at all for `again_us`
    };
    End end = End::delivered;
    std::string error;                     // unless delivered
    std::optional<std::int64_t> again_us;  // of failed and pushed_back: not sooner than after so long
    std::int64_t duration_us = 0;
};

// `done` is called once, on any thread, perhaps before it returns. Must not block.
using Deliver =
    std::function<void(const SubscriptionSpec& spec, Parcel parcel, std::function<void(Receipt)> done)>;

Parcel parcel_of(const Item& item);
Verdict verdict_of(const Receipt& receipt, std::int64_t now_us);

}  // namespace tarn::process
