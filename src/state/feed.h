// Feeding a stretch of a stream through one projection, in transactions of a bounded number of events.
// Whatever the number, and wherever it is cut short, the state and the positions agree.
#pragma once

#include <cstdint>

#include "lake/lake.h"
#include "state/feeder.h"

namespace tarn::state {

inline constexpr std::size_t feed_batch_events = 10'000;

struct FeedCounts {
    std::uint64_t seen = 0, applied = 0, failed = 0;
};

// One past the last event of the view, in the total order.
Sequence view_end(const lake::StreamView& view);
// Where the next event of each partition would stand after every event of `view` before `until` that is in an
// object.
std::map<Partition, Offset> next_in_objects(const lake::StreamView& view, Sequence until);

// Where the next event of each partition stands after every event of `view` before `sequence`. Reads the
// log's tail, and of the objects those that hold events on both sides.
Result<std::map<Partition, Offset>> next_at(lake::Lake& lake, const lake::StreamView& view,
                                            Sequence sequence);

struct FeedRange {
    Sequence until = UINT64_MAX;  // exclusive; the watermark ends there, or at the view's end
    bool prune =
        true;  // skip objects without a type that can match: then offsets before `until` are as objects say
    std::size_t batch_events = feed_batch_events;
};

// From the feeder's watermark up to the end of the range. After an error what was committed before stands,
// and the same call again goes on from there.
Result<FeedCounts> feed(lake::Lake& lake, const lake::StreamView& view, Feeder& feeder,
                        const FeedRange& range);

}  // namespace tarn::state
