// State: stores (SQLite), the projections that feed them, snapshots, restore to a point, and differences
// between states. Design: "State, snapshots, point in time". A projection's effect and the record that it was
// applied are one transaction.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "codec/json.h"
#include "lake/lake.h"
#include "os/clock.h"
#include "os/rng.h"
#include "pattern/pattern.h"
#include "state/tolerance.h"

namespace tarn::state {

class OutsideFeeders;

// A projection as declared: in tarn.yaml, and in the catalog as document kind "projection".
struct ProjectionSpec {
    struct On {
        std::string pattern;  // JSON
        std::vector<std::string> sql;
    };
    std::string name, stream, store, schema;
    std::vector<On> on;

    static Result<ProjectionSpec> from_json(const std::string& name, const codec::Json& json);
    codec::Json to_json() const;
    std::string version() const;  // short hash of what it does; changes when schema, patterns or SQL change
};

// How far a feeder is: every event of its stream below `sequence` is applied or ruled out, except those
// listed.
struct FeederPosition {
    std::string feeder;  // name of the projection, or of the subscription whose function feeds the store
    std::string stream;
    StreamId stream_id;
    Sequence sequence = 1;             // next to look at
    std::map<Partition, Offset> next;  // the same per partition
    std::vector<Position> exceptions;  // below: not applied (failed, held); above: applied already
    codec::Json to_json() const;
    static Result<FeederPosition> from_json(const codec::Json& json);
};

// An event that its projection's SQL refused: nothing of it is in the tables, later events go on.
struct FailedEvent {
    std::string feeder, stream;
    Position position;
    std::string error;       // SQLite's, and the statement
    std::optional<Time> at;  // when it was last tried; not known of those from before format 2
};

// When snapshots are taken without being asked for.
struct SnapshotSchedule {
    std::int64_t every_us = 0;
    std::uint64_t keep = 0;  // the newest of those that the schedule took; 0: all

    // {"every":"1h","keep":48}; bad_config.
    static Result<SnapshotSchedule> from_json(const codec::Json& json);
    codec::Json to_json() const;
    bool operator==(const SnapshotSchedule&) const = default;
};

struct StoreInfo {
    std::string name;  // "accounts" or "accounts@fix"
    std::string kind = "sqlite";
    std::vector<std::string> feeders;
    std::vector<FeederPosition> positions;
    std::uint64_t failed = 0;               // events that were refused and not applied since
    std::vector<FailedEvent> first_failed;  // the first few of them
    std::uint64_t bytes = 0;
    std::optional<std::string> base;  // of a copy: snapshot id, "empty" or "live"
    bool complete = true;             // of a copy: may be compared as equal and promoted
    bool paused = false;              // feeders wait (after a restore in place)
    std::string note;                 // why a feeder waits, or that it was changed since; "" normally
    std::string damage;               // why it cannot be read (positions are unknown then); "" normally
    codec::Json schedule;             // of its snapshots: when, the last and the next, trouble; null: none
    codec::Json to_json() const;
};

struct SnapshotInfo {
    std::string id, store;
    Time created;
    std::string object;  // name of the compressed database in the object store
    std::string sha256;  // of the uncompressed database file
    std::uint64_t bytes = 0;
    bool scheduled = false;  // taken by the store's schedule, which also deletes it
    // Which of the states it is that one after the other were live: 0, or the number of a replacement.
    std::uint64_t line = 0;
    std::vector<FeederPosition> positions;
    codec::Json to_json() const;
    static Result<SnapshotInfo> from_json(const codec::Json& json);
};

// What one look at the schedules did.
struct ScheduledRound {
    std::vector<SnapshotInfo> taken;
    std::vector<std::string> deleted;
    std::vector<std::pair<std::string, Error>> failed;  // by store; tried again after a minute at the latest
    std::int64_t wait_us = 0;                           // until the next look, at most
};

enum class Outcome : std::uint8_t { applied, skipped, failed, unmatched };  // skipped: applied before
struct Applied {
    Outcome outcome = Outcome::applied;
    std::string error;  // when failed
};

struct Difference {
    std::string table, key, column;            // column "" : the whole row is missing on one side
    std::optional<std::string> before, after;  // nullopt: no such row or NULL
    std::vector<std::string> events;           // "bank 2:1180 verify_cash_deposit 2024-03-04T10:02:11Z"
    // The events are only some that may be the cause: the last ones of the same key.
    bool are_candidates = false;
    codec::Json to_json() const;
};
struct DiffResult {
    std::vector<Difference> differences;  // at most the asked limit
    std::uint64_t total = 0;
    std::uint64_t rows_compared = 0;
    // "exact": each named event was applied on one side only, or folded with SQL that the other side has not.
    // "candidate": of some row only the events that changed it in the copy are known, or none.
    std::string events_note;
};

struct DiffOptions {
    std::vector<std::string> ignore_columns;
    Tolerances tolerances = {};  // of columns that are not in the primary key
    std::size_t limit = 1000;
};

// Where a restore goes to: an ingest time, a position of the feeding stream, a sequence, or a snapshot.
struct RestorePoint {
    std::optional<Time> time;  // events ingested before this instant
    std::optional<std::pair<Partition, Offset>>
        position;  // up to and including this event's place in the total order
    std::optional<std::string> snapshot;
};
// What became of a store's file when another took its place.
struct Replaced {
    std::string safety_snapshot;  // of it, taken before; "" when it was too damaged for one
    std::string moved_aside;      // then: the file as it was, kept under this name; "" when there was none
    // Of what took its place, where functions feed the store and a copy was promoted; "" when it could not be
    // taken, which undoes nothing.
    std::string new_snapshot = {};
};
struct RestoreResult {
    std::string store;                           // what was written: "accounts" or "accounts@copy"
    std::string base;                            // snapshot id or "empty"
    std::vector<std::string> damaged_snapshots;  // would have been a nearer base, newest first
    std::uint64_t events = 0;
    std::optional<Replaced> replaced;  // in place only
    std::vector<FeederPosition> positions;
};

// What one query may cost the server; what it has found until then is the answer, and the answer says so.
struct QueryLimits {
    std::int64_t deadline_us = 60'000'000;
    std::size_t max_rows = 100'000;
    std::size_t max_bytes = std::size_t{64} << 20;  // of the values as they are written in JSON
};
struct QueryAnswer {
    std::vector<std::string> columns;
    // INTEGER and finite REAL are numbers, TEXT is a string, NULL null, a BLOB a string in base64. Infinite
    // numbers are the strings "Infinity" and "-Infinity"; TEXT that is not UTF-8 stands as a BLOB does.
    std::vector<std::vector<codec::Json>> rows;
    bool complete = true;
    std::string why;  // when it is not
};

// Some rows of one table, by key.
struct RowsPage {
    std::string table;
    QueryAnswer answer;            // complete: it is the last page
    std::vector<std::string> key;  // the columns that pages go by; "rowid" where the table has no key
    codec::Json next;              // the key of the last row, to go on after; null when there is no more
};

// Applies events to one store or copy, in transactions of its own. One thread. Used by replay, in any order
// of events. Between the first apply and commit it holds the store's write lock: commit before asking State
// to change that store. Restore, promote and discard of the store are refused (store_busy) while an applier
// lives; the State must outlive it.
class Applier {
public:
    virtual ~Applier() = default;  // what was not committed is undone
    // Applies `event` if one of the feeder's patterns takes it. Within the current transaction. An event that
    // is marked as replayed (tarnrun) is unmatched, as in live feeding. After an Error everything since the
    // last commit is undone.
    virtual Result<Applied> apply(const event::StoredEvent& event) = 0;
    // Makes everything since the last commit durable together with the positions.
    virtual Status commit() = 0;
};

// Thread-safe; work on one store is serialised.
class State {
public:
    struct Parts {
        catalog::Catalog& catalog;
        lake::Lake& lake;
        os::Clock& clock;
        os::FileSystem& fs;
        std::string directory;  // <data>/stores
        OutsideFeeders* outside = nullptr;
        // Where SQLite finds what `fs` holds (sqlite/file_system_vfs.h); nullptr: on the real file system.
        const char* vfs = nullptr;
    };
    static Result<std::unique_ptr<State>> open(Parts parts);
    virtual ~State() = default;

    // Declares or changes. SQL is checked against a scratch database: syntax, determinism (random, 'now' …),
    // no ATTACH or PRAGMA (projection_sql). A changed projection keeps its store as it is until rebuilt: the
    // answer says so.
    virtual Status declare_store(const std::string& name) = 0;
    virtual Result<bool> declare_projection(const ProjectionSpec& spec) = 0;  // true: changed an existing one
    virtual Result<std::vector<ProjectionSpec>> projections() = 0;
    virtual Result<ProjectionSpec> projection(std::string_view name) = 0;

    virtual Result<std::vector<StoreInfo>> stores() = 0;  // copies and damaged ones included
    virtual Result<StoreInfo> store(std::string_view name) = 0;
    // The events that its projections refused, in the order of the log.
    virtual Result<std::vector<FailedEvent>> failed_events(std::string_view store) = 0;
    // Rows of one SELECT over a store, read-only.
    virtual Result<QueryAnswer> query(std::string_view store, const std::string& sql,
                                      const QueryLimits& limits = {}) = 0;

    // A page of a table: the first `limit` rows whose key comes after `after`, which is a page's `next` as
    // text, or the value of a key of one column. An empty table name means the only one.
    virtual Result<RowsPage> rows(std::string_view store, std::string table,
                                  const std::optional<std::string>& after, std::size_t limit) = 0;

    // Feeds every store that is not paused with what is durable now. Returns the events applied. One that
    // fails does not hold up the others; its error comes afterwards, store_damaged only when there is no
    // other. A damaged store is left alone until it is restored, promoted over or resumed.
    virtual Result<std::uint64_t> catch_up() = 0;
    virtual Status set_paused(std::string_view store, bool paused) = 0;

    virtual Result<std::optional<SnapshotSchedule>> schedule(
        std::string_view store) = 0;  // also of a damaged one
    // nullopt: none any more. What was taken stays.
    virtual Status set_schedule(std::string_view store, const std::optional<SnapshotSchedule>& schedule) = 0;
    // Takes those that are due, and deletes what is beyond `keep` and named by no plan and no copy.
    virtual Result<ScheduledRound> take_due_snapshots() = 0;
    virtual std::map<std::string, std::string> snapshot_troubles() = 0;  // by store: why the last try failed
    virtual Result<SnapshotInfo> create_snapshot(std::string_view store) = 0;
    virtual Result<std::vector<SnapshotInfo>> snapshots() = 0;  // newest first
    // Of these, the ones that the state that is live now came through: not those of a state that was
    // replaced.
    virtual Result<std::vector<SnapshotInfo>> past_snapshots(std::string_view store) = 0;
    virtual Result<SnapshotInfo> snapshot(std::string_view id) = 0;
    virtual Status delete_snapshot(std::string_view id) = 0;

    // into empty: in place (first snapshots, or moves a damaged file aside; then leaves the feeders paused).
    // A damaged snapshot is passed over for the one before and the events after that.
    virtual Result<RestoreResult> restore(std::string_view store, const RestorePoint& point,
                                          std::optional<std::string> into_copy) = 0;
    // A copy starting at a base: a snapshot id, "empty" or "live". copy_exists when there is one.
    virtual Result<StoreInfo> make_copy(std::string_view store, std::string_view copy,
                                        std::string_view base) = 0;
    virtual Status mark_copy(std::string_view store_at_copy, bool complete) = 0;
    // After a complete run: `feeder` has applied or ruled out everything below `sequence` (`next`: the same
    // per partition), so its list of applied positions below is no longer needed. Never moves backwards.
    virtual Status advance(std::string_view store, std::string_view feeder, Sequence sequence,
                           const std::map<Partition, Offset>& next) = 0;
    virtual Status discard_copy(std::string_view store_at_copy) = 0;
    // Swaps it in, keeping what was live as restore does. copy_incomplete unless complete. Feeders go on from
    // where the copy is, or, with `pause`, wait there until they are resumed.
    virtual Result<Replaced> promote_copy(std::string_view store_at_copy, bool pause = false) = 0;
    // To be called once before anything feeds: a replacement that a crash cut off is carried to its end, or
    // forgotten when the old file is still there.
    virtual Status finish_replacements() = 0;

    // Sides: "accounts", "accounts@fix", "snapshot:sn-7".
    virtual Result<DiffResult> diff(std::string_view before, std::string_view after,
                                    const DiffOptions& options) = 0;

    // For replay: applies to a store or copy through the projection's patterns.
    virtual Result<std::unique_ptr<Applier>> applier(std::string_view store, std::string_view projection) = 0;
    // The same claim on a store or copy for a run that writes it through functions: while the handle lives,
    // restore, promote and discard of it are refused (store_busy).
    virtual Result<std::shared_ptr<void>> claim(std::string_view store) = 0;
};

}  // namespace tarn::state
