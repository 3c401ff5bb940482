// The catalog: what exists, where, and how far each stage got. One SQLite database, rebuildable from objects,
// log and the system stream. Thread-safe: one connection writes, others read, each behind a mutex of its own;
// calls are short, but a write waits for the disk. What has returned is durable. Tables:
// docs/formats/catalog.md.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash128.h"
#include "base/ids.h"
#include "codec/json.h"
#include "event/stream_settings.h"
#include "os/file_system.h"

namespace tarn::catalog {

struct StreamInfo {
    StreamId id;
    std::string name;
    event::StreamSettings settings;
    Time created;
    Sequence rolled_sequence = 1;  // events of the stream below this are in objects, the others in the log
};

// One raw (or quarantine) object: the events [first, last] of one partition, all of them.
struct ObjectInfo {
    std::string name;
    StreamId stream;
    Partition partition = 0;
    Offset first = 0, last = 0;
    Sequence first_sequence = 0, last_sequence = 0;
    Time first_ingested, last_ingested;
    Time min_time, max_time;  // event time
    std::uint64_t events = 0;
    std::uint64_t bytes = 0;         // stored
    std::uint64_t raw_bytes = 0;     // of the lines
    std::string sha256;              // of the stored bytes
    std::vector<std::string> types;  // sorted; empty when there are more than 64
    std::string min_key, max_key;    // "" when some event has no key

    codec::Json to_json() const;
    static Result<ObjectInfo> from_json(const codec::Json& json);
};

// A stream's objects and how far they reach, read at one moment.
struct StreamObjects {
    std::vector<ObjectInfo> objects;  // by (partition, first); quarantine objects last
    Sequence rolled_sequence = 1;
};

struct OriginRecord {
    std::string producer;
    std::uint64_t sequence = 0;
    std::uint64_t tag = 0;
    codec::Json answer;  // of log::Appended, as the log's owner wrote it
};

// A roll decided but maybe not finished: the same events go to the same objects again after a crash.
struct RollIntent {
    StreamId stream;
    Sequence from = 0, until = 0;  // [from, until)
};

// Everything a finished roll changes, in one transaction.
struct RollCommit {
    StreamId stream;
    Sequence rolled_sequence = 0;
    std::map<Partition, Offset> next_offsets;
    std::vector<ObjectInfo> objects;
    std::vector<OriginRecord> origins;
};

// A named JSON document: plans, runs, jobs, snapshots, stores, projections, imports. Kinds are listed in
// catalog.cc.
struct Document {
    std::string kind, id;
    Time created;
    codec::Json body;
};

struct CatalogOptions {
    bool sync = true;  // false: a power cut may damage it. For tests that open very many.
    // Where its files are, as SQLite knows it (sqlite/file_system_vfs.h); nullptr: on the real file system.
    const char* vfs = nullptr;
};

class Catalog {
public:
    // Creates or opens catalog.db; newer_format when a newer Tarn wrote it.
    static Result<std::unique_ptr<Catalog>> open(const std::string& path, const CatalogOptions& options = {});
    virtual ~Catalog() = default;

    // Streams. Names are unique among the living; ids are never reused. The system stream (id 0, `_tarn`) is
    // made by open.
    virtual Result<StreamInfo> create_stream(const std::string& name, const event::StreamSettings& settings,
                                             Time now) = 0;
    virtual Result<StreamInfo> stream(std::string_view name) = 0;  // unknown_stream names the nearest
    virtual Result<StreamInfo> stream(StreamId id) = 0;
    virtual Result<std::vector<StreamInfo>> streams() = 0;  // by name, `_tarn` last
    virtual Status update_stream(StreamId id,
                                 const event::StreamSettings& settings) = 0;  // not its partitions
    virtual Status delete_stream(StreamId id) = 0;

    // Objects and positions.
    virtual Result<std::optional<RollIntent>> pending_roll(StreamId stream) = 0;
    virtual Status begin_roll(const RollIntent& intent) = 0;
    virtual Status commit_roll(const RollCommit& commit) = 0;
    // By (partition, first); quarantine objects have partition quarantine_partition.
    virtual Result<std::vector<ObjectInfo>> objects(StreamId stream) = 0;
    virtual Result<StreamObjects> stream_objects(StreamId stream) = 0;
    // The object that holds the position, nullopt when none does.
    virtual Result<std::optional<ObjectInfo>> object_at(Position position) = 0;
    // Where the log's own counting begins: all streams' offsets and the next sequence known from objects.
    virtual Result<std::map<std::pair<StreamId, Partition>, Offset>> next_offsets() = 0;
    virtual Result<Sequence> max_sequence() = 0;  // highest that any roll has passed, 0 when none
    // Whether anything has ever been put in: then a log was written beside it.
    virtual Result<bool> has_history() = 0;
    // What SQLite's own check finds, one line each; none when the catalog is whole. Reads all of it.
    virtual Result<std::vector<std::string>> problems() = 0;
    // The last one of the producer, by its sequence. Waits for no writer.
    virtual Result<std::optional<OriginRecord>> origin(std::string_view producer) = 0;

    // Documents.
    virtual Status put_document(const Document& document) = 0;  // inserts or replaces; created stays
    virtual Result<std::optional<Document>> document(std::string_view kind, std::string_view id) = 0;
    virtual Result<std::vector<Document>> documents(std::string_view kind) = 0;  // newest first
    virtual Status delete_document(std::string_view kind, std::string_view id) = 0;
    virtual Result<std::uint64_t> next_number(std::string_view counter) = 0;  // 1, 2, 3 … durable
};

}  // namespace tarn::catalog
