// The write-ahead log: one for all streams. An event is acknowledged when the record that holds it has been
// synced. Format: docs/formats/log.md. Records hold whole batches: a batch is there entirely or not at all.
//
// Threads: submit, tail, release and the getters are safe from any thread. One writer thread of the log's own
// does group commit: it writes and syncs whatever has gathered, then runs the callbacks, in submission order.
// The first failed write or sync poisons the log: everything pending and later fails with log_poisoned until
// reopened.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "event/event.h"
#include "os/clock.h"
#include "os/file_system.h"

namespace tarn::log {

// Who sent a batch: the same producer with the same or a lower sequence again is recognised and not stored
// twice. An empty producer is never recognised. `tag` is free for the producer and given back (for example a
// hash of what came).
struct Origin {
    std::string producer;
    std::uint64_t sequence = 0;
    std::uint64_t tag = 0;
};

// One event to be written; offset, sequence and ingest time are given by the log. Views are read only during
// submit.
struct Entry {
    Partition partition = 0;  // quarantine_partition for what could not be accepted
    std::string_view meta;
    std::string_view payload;
    event::PayloadForm form = event::PayloadForm::json;
    Hash128 hash;
};

struct Batch {
    StreamId stream;
    Origin origin;
    std::vector<Entry> entries;  // in order; at least one
    bool essential = false;      // tells of what is done already: taken below the low-water mark too
};

struct Range {
    Partition partition = 0;
    Offset first = 0;
    Offset last = 0;
    bool operator==(const Range&) const = default;
};

struct Appended {
    Sequence first_sequence = 0;
    std::uint64_t events = 0;
    Time ingested;
    std::vector<Range> ranges;  // ascending by partition
    bool repeated = false;      // recognised by its origin: nothing was written, this is the first answer
    std::uint64_t origin_sequence = 0;  // when repeated: the last sequence known of the producer
    std::uint64_t origin_tag = 0;       //                and its tag
};

// What is known from before the oldest segment; comes from the catalog.
struct Baseline {
    Sequence next_sequence = 1;
    std::map<std::pair<StreamId, Partition>, Offset> next_offsets;
    bool has_history = false;  // there must be a log: it was written before
    // Origins whose records have left the log. nullopt when unknown. Called under the log's lock: must not
    // call back.
    std::function<std::optional<Appended>(std::string_view producer)> older_origin;
};

struct LogOptions {
    std::uint64_t segment_bytes = 64ull << 20;
    std::uint64_t headroom_bytes = 32ull << 20;  // reserved file that is given up when the disk is full
    std::uint64_t low_water_bytes = 64ull
                                    << 20;  // below this much free space capture is refused with disk_full
    std::uint64_t max_pending_bytes = 64ull << 20;
    bool writer_thread = true;  // false: tests drive the log with commit()
};

// What opening found and did.
struct Recovery {
    std::uint64_t records = 0;
    std::uint64_t events = 0;
    std::uint64_t bytes = 0;
    std::uint64_t torn_bytes = 0;  // cut off an invalid tail
    std::string torn_at;           // "segment …: byte …" or ""
};

// A stretch of valid records in one segment file.
struct Extent {
    std::string path;
    std::uint64_t begin = 0;  // byte offsets of whole records
    std::uint64_t end = 0;
};

// What cannot be read of a damaged log: bytes of one file, and what is known of the events that stood there.
struct Gap {
    struct Lost {
        StreamId stream;
        Partition partition = 0;
        Offset first = 0, last = 0;
        bool operator==(const Lost&) const = default;
    };
    std::string path;
    std::uint64_t begin = 0, end = 0;  // byte range; both 0 when the whole file is gone
    std::string what;
    Sequence first = 0, until = 0;  // the events were those of [first, until)
    std::vector<Lost> lost;         // their positions as far as they are known and in no object
    bool others = false;            // there were more, of streams that are not known
    std::size_t extent = 0;         // in a Tail: it stands before this one of the extents
};

// Durable records from some sequence on. While it lives, none of its segments is recycled.
struct Tail {
    std::vector<Extent> extents;
    std::vector<Gap> gaps;      // only of a damaged log, ascending
    Sequence end_sequence = 0;  // one past the last durable event
    std::shared_ptr<void> pin;
};

// What became durable in a stretch of sequences, by stream.
struct Arrivals {
    struct Events {
        std::uint64_t events = 0;
        std::uint64_t bytes = 0;  // of metas and payloads
        Sequence first_sequence = 0;
        Time first_ingested;
    };
    Sequence from = 0;  // [from, until)
    Sequence until = 0;
    std::map<StreamId, Events> streams;
};

class Log {
public:
    using Done = std::function<void(Result<Appended>)>;

    // Creates the directory's log or recovers it. log_corrupt when damage is not a torn tail.
    static Result<std::unique_ptr<Log>> open(os::FileSystem& fs, os::Clock& clock, std::string directory,
                                             Baseline baseline, LogOptions options = {});
    // What still verifies of a log that open refused with `why` (log_corrupt): for reading alone. Every batch
    // is refused with damage(), nothing on disk is changed, and tails say what they lack.
    static Result<std::unique_ptr<Log>> open_damaged(os::FileSystem& fs, const std::string& directory,
                                                     const Baseline& baseline, const Error& why);
    virtual ~Log() = default;

    // Queues the batch; `done` runs once, on the writer thread, when it is durable or has failed. For a
    // repeated origin it runs when the first one is durable. overloaded, disk_full and log_poisoned come
    // through `done` too (maybe at once).
    virtual void submit(const Batch& batch, Done done) = 0;
    // submit and wait.
    Result<Appended> append(const Batch& batch);

    // The answer the producer's last batch got, from the log or from before it.
    virtual std::optional<Appended> find_origin(std::string_view producer) = 0;

    virtual Sequence durable_end() const = 0;  // one past the last durable event
    // What became durable since the last call, or since opening: each event is told once.
    virtual Arrivals take_arrivals() {
        return {.from = durable_end(), .until = durable_end(), .streams = {}};
    }
    virtual Tail tail(Sequence from) = 0;  // extents may begin earlier than `from`: skip by sequence
    // Events below `before` are safe elsewhere: segments wholly below are recycled (kept for rewriting or
    // removed).
    virtual Status release(Sequence before) = 0;
    // Looks at the disk now and gives up the reserve when there is next to nothing left: for whoever is
    // about to move events out of the log and needs room for it.
    virtual void check_space() {}
    // Bytes of records at or after `from`: what a roll would move. An estimate is fine.
    virtual std::uint64_t bytes_since(Sequence from) const = 0;

    virtual const Recovery& recovery() const = 0;
    virtual std::optional<Error> poisoned() const = 0;
    // Set when this is what is left of a damaged log.
    virtual std::optional<Error> damage() const { return std::nullopt; }
    // Writes and syncs what is pending, runs callbacks. Only when options.writer_thread is false.
    virtual void commit() = 0;
    // Called after each commit with durable_end, on the writer thread. Set before the first submit.
    virtual void on_durable(std::function<void(Sequence)> observer) = 0;
};

}  // namespace tarn::log
