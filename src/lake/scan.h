// Reading a stream's events from objects and the log's tail as one: each exactly once, whatever is rolled
// meanwhile.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/offset_set.h"
#include "catalog/catalog.h"
#include "codec/json.h"
#include "event/event.h"
#include "log/log.h"
#include "objects/object_store.h"
#include "os/file_system.h"

namespace tarn::lake {

// A stream as it was at one moment: every event acknowledged before, none after. Copyable; pins what it needs
// of the log.
struct StreamView {
    StreamId stream;
    std::string name;
    std::vector<catalog::ObjectInfo> objects;  // of ordinary partitions, by (partition, first)
    std::vector<catalog::ObjectInfo> quarantine_objects;
    Sequence rolled_sequence = 1;
    log::Tail tail;
    std::uint32_t partitions = 1;

    // For a worker process that reads the same files; the pin stays with the sender.
    codec::Json to_json() const;
    static Result<StreamView> from_json(const codec::Json& json);
};

// What a scan may skip. Skipping is a promise by the caller: events it rules out may still appear.
struct ScanOptions {
    bool quarantine = false;               // read the quarantine entries instead of the events
    std::optional<Partition> partition;    // only this one
    std::map<Partition, Offset> from;      // begin at these offsets (default 0)
    Sequence from_sequence = 0;            // begin at this sequence
    Sequence until_sequence = UINT64_MAX;  // stop before it
    std::optional<Time> min_time,
        max_time;  // event time, both inclusive: prunes objects and frames by statistics only
    std::optional<Time> min_ingested, max_ingested;
    // Prunes objects that hold none of these types and none that begins so; both empty: any.
    std::vector<std::string> types, type_prefixes;
    // Prunes objects that hold none of these keys (sorted, not empty), and other partitions than theirs.
    // Events without key are of no interest then.
    std::vector<std::string> keys;
    // Only these offsets matter (sorted): frames without any are skipped, events between them too. Exact.
    std::optional<std::map<Partition, std::vector<Offset>>> wanted;
    std::shared_ptr<const std::map<Partition, OffsetSet>> within;  // the same, for very many
    bool in_sequence =
        true;               // merge partitions by sequence; false: objects one after the other, then the tail
    bool with_hash = true;  // compute StoredEvent::hash
    // Damaged objects and records: false stops with the error; true reports each to on_damage and goes on
    // with the rest.
    bool skip_damage = false;
    std::function<void(const Error&)> on_damage;
};

// What objects hold together, by the catalog.
struct ObjectShare {
    std::uint64_t objects = 0, events = 0, bytes = 0;  // stored bytes
    void add(const catalog::ObjectInfo& info) {
        ++objects;
        events += info.events;
        bytes += info.bytes;
    }
    void add(const ObjectShare& other) {
        objects += other.objects;
        events += other.events;
        bytes += other.bytes;
    }
};

struct ScanCounts {
    // Known when the scan is opened: what will be looked at, and what is not, by the statistic that rules it
    // out ("event time", "type", …; the first that does).
    ObjectShare to_read;
    std::map<std::string_view, ObjectShare> skipped;
    std::uint64_t tail_bytes = 0;  // of the log

    std::uint64_t objects_total = 0, objects_read = 0;
    std::uint64_t frames_read = 0;
    std::uint64_t bytes_read = 0;  // compressed, plus log bytes
    std::uint64_t events = 0;      // given out

    void add(const ScanCounts& other) {
        to_read.add(other.to_read);
        for (const auto& [why, share] : other.skipped) skipped[why].add(share);
        tail_bytes += other.tail_bytes;
        objects_total += other.objects_total;
        objects_read += other.objects_read;
        frames_read += other.frames_read;
        bytes_read += other.bytes_read;
        events += other.events;
    }
};

// Not thread-safe. `store` and `fs` must outlive it.
class Scan {
public:
    static Result<std::unique_ptr<Scan>> open(objects::ObjectStore& store, os::FileSystem& fs,
                                              StreamView view, ScanOptions options);
    virtual ~Scan() = default;
    // nullptr at the end. The event dies with the next call.
    virtual Result<const event::StoredEvent*> next() = 0;
    virtual const ScanCounts& counts() const = 0;
};

}  // namespace tarn::lake
