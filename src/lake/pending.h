// What the log holds of each stream that no object holds yet: what stood in the log when it was opened is
// counted by reading it once, what comes then the log tells. Thread-safe.
#pragma once

#include <map>
#include <mutex>
#include <optional>

#include "log/log.h"
#include "os/clock.h"

namespace tarn::lake {

struct PendingEvents {
    std::uint64_t events = 0;
    std::uint64_t bytes = 0;  // about what their lines will take
    Sequence first_sequence = 0;
    Time oldest_ingested;
    std::int64_t noticed_us = 0;  // monotonic; the wall clock may jump
};

class PendingTracker {
public:
    PendingTracker(log::Log& log, os::FileSystem& fs, os::Clock& clock) : log_(log), fs_(fs), clock_(clock) {}

    // Where counting begins: `rolled` says per stream what is in objects already. Once, before anything else.
    void begin(std::map<StreamId, Sequence> rolled);
    // Counts on to the end of the log. Afterwards everything below end() has been counted. One thread at a
    // time.
    Status catch_up();
    // Events of the stream below `until` are in objects now; nothing else of it was counted.
    void rolled(StreamId stream, Sequence until);
    // What a deleted stream left in the log is nobody's.
    void forget(StreamId stream);

    std::map<StreamId, PendingEvents> pending() const;
    Sequence end() const;
    // No event of the stream at or above its rolled sequence is below this.
    Sequence start_of(StreamId stream, Sequence rolled_sequence) const;

private:
    Status read_until(Sequence until);
    // Under mutex_. `events` in one stretch of the stream.
    void count(StreamId stream, const log::Arrivals::Events& events);

    log::Log& log_;
    os::FileSystem& fs_;
    os::Clock& clock_;
    mutable std::mutex mutex_;
    std::map<StreamId, Sequence> rolled_;
    std::map<StreamId, PendingEvents> pending_;
    Sequence end_ = 0;
    std::optional<log::Arrivals> told_;  // by the log, not counted yet: what is before must be read first
};

}  // namespace tarn::lake
