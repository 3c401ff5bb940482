// Moves events from the log to raw objects: when (age, size) and what (a range of sequences, decided durably
// before the first object is put, so that a crash anywhere leads to the same objects and every event exactly
// once).
#pragma once

#include <mutex>

#include "lake/lake.h"
#include "lake/pending.h"

namespace tarn::lake {

// One roll at a time; safe from any thread.
class Roller {
public:
    Roller(catalog::Catalog& catalog, log::Log& log, objects::ObjectStore& store, os::FileSystem& fs,
           os::Clock& clock)
        : catalog_(catalog), log_(log), store_(store), fs_(fs), clock_(clock), pending_(log, fs, clock) {}

    // Once, before anything else.
    Status begin();
    Result<RollResult> roll(StreamId stream);
    Result<std::int64_t> roll_due();
    const PendingTracker& pending() const { return pending_; }

private:
    Result<RollResult> roll_locked(StreamId stream);
    Result<RollResult> execute(const catalog::StreamInfo& info, const catalog::RollIntent& intent);
    Sequence end_of_step(Sequence from, Sequence end) const;
    bool is_due(const catalog::StreamInfo& info, const PendingEvents& pending, std::int64_t* wait_us);
    Status put(const std::string& bytes, catalog::ObjectInfo& info);
    Status accept_existing(const std::string& bytes, catalog::ObjectInfo& info);
    Status release();

    catalog::Catalog& catalog_;
    log::Log& log_;
    objects::ObjectStore& store_;
    os::FileSystem& fs_;
    os::Clock& clock_;
    PendingTracker pending_;
    std::mutex mutex_;
};

}  // namespace tarn::lake
