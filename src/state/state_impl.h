// State as it is built: what is known of stores in memory, and one slot a database file. Internal to state/.
//
// Where things are done: declaring and listing in state.cc, live feeding in feeding.cc, snapshots in
// snapshots.cc, restore in restore.cc, copies in copies.cc, what stores that functions feed need in
// replacing.cc, comparing in diff.cc.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <vector>

#include "state/feed.h"
#include "state/snapshot_file.h"
#include "state/state.h"
#include "state/table_reader.h"

namespace tarn::state {

// One database file: of a store or of a copy. Locks are taken in this order; `work` of two slots only
// together (scoped_lock).
struct Slot {
    std::mutex work;          // held by whoever feeds it live or replaces it
    std::shared_mutex files;  // shared: the file is open; exclusive: it is being replaced
    std::atomic<int> appliers{0};

    // Live feeding; under `work`.
    struct Live {
        ProjectionSpec spec;
        std::unique_ptr<Feeder> feeder;
    };
    std::unique_ptr<sqlite::Database> database;
    std::vector<Live> feeders;     // they use `database`: close ends them first
    std::uint64_t generation = 0;  // of the declarations that `feeders` were made from; 0: make them again
    void close() {
        feeders.clear();
        database.reset();
        generation = 0;
    }
    ~Slot() { close(); }
};

// "accounts" or "accounts@fix".
struct StoreName {
    std::string store, copy;  // copy "" for the store itself
    bool is_copy() const { return !copy.empty(); }
    std::string text() const { return is_copy() ? store + "@" + copy : store; }
};
StoreName split_store_name(std::string_view name);
bool is_valid_store_name(std::string_view name);

// A database opened for reading; its file is not replaced meanwhile. Unpacked snapshots are removed
// afterwards.
class ReadSide {
public:
    ReadSide() = default;
    ReadSide(ReadSide&&) = default;
    ReadSide& operator=(ReadSide&&) = delete;
    ~ReadSide();
    sqlite::Database& database() { return *database_; }

private:
    friend class StateImpl;
    std::shared_lock<std::shared_mutex> lock_;
    std::optional<sqlite::Database> database_;
    os::FileSystem* fs_ = nullptr;
    std::string temporary_;
};

// Where the events after a base end: the first sequence that a feeder does not apply any more.
struct Cut {
    Sequence others = 0;                      // for feeders not named; 0: they feed nothing
    std::map<std::string, Sequence> feeders;  // by name
    Sequence of(const std::string& feeder) const {
        const auto found = feeders.find(feeder);
        return found == feeders.end() ? others : found->second;
    }
};

// Removes a database file with what SQLite keeps beside it; absent ones are fine.
Status remove_database(os::FileSystem& fs, const std::string& path);

// 7 of "sn-0007"; 0 of what is no snapshot.
std::uint64_t snapshot_number(std::string_view id);

class StateImpl final : public State {
public:
    explicit StateImpl(Parts parts) : parts_(std::move(parts)) {}
    Status load();

    Status declare_store(const std::string& name) override;
    Result<bool> declare_projection(const ProjectionSpec& spec) override;
    Result<std::vector<ProjectionSpec>> projections() override;
    Result<ProjectionSpec> projection(std::string_view name) override;
    Result<std::vector<StoreInfo>> stores() override;
    Result<StoreInfo> store(std::string_view name) override;
    Result<std::vector<FailedEvent>> failed_events(std::string_view store) override;
    Result<QueryAnswer> query(std::string_view store, const std::string& sql,
                              const QueryLimits& limits) override;
    Result<RowsPage> rows(std::string_view store, std::string table, const std::optional<std::string>& after,
                          std::size_t limit) override;
    Result<std::uint64_t> catch_up() override;
    Status set_paused(std::string_view store, bool paused) override;
    Result<std::optional<SnapshotSchedule>> schedule(std::string_view store) override;
    Status set_schedule(std::string_view store, const std::optional<SnapshotSchedule>& schedule) override;
    Result<ScheduledRound> take_due_snapshots() override;
    std::map<std::string, std::string> snapshot_troubles() override;
    Result<SnapshotInfo> create_snapshot(std::string_view store) override;
    Result<std::vector<SnapshotInfo>> snapshots() override;
    Result<std::vector<SnapshotInfo>> past_snapshots(std::string_view store) override;
    Result<SnapshotInfo> snapshot(std::string_view id) override;
    Status delete_snapshot(std::string_view id) override;
    Result<RestoreResult> restore(std::string_view store, const RestorePoint& point,
                                  std::optional<std::string> into_copy) override;
    Result<StoreInfo> make_copy(std::string_view store, std::string_view copy,
                                std::string_view base) override;
    Status mark_copy(std::string_view store_at_copy, bool complete) override;
    Status advance(std::string_view store, std::string_view feeder, Sequence sequence,
                   const std::map<Partition, Offset>& next) override;
    Status discard_copy(std::string_view store_at_copy) override;
    Result<Replaced> promote_copy(std::string_view store_at_copy, bool pause) override;
    Status finish_replacements() override;
    Result<DiffResult> diff(std::string_view before, std::string_view after,
                            const DiffOptions& options) override;
    Result<std::unique_ptr<Applier>> applier(std::string_view store, std::string_view projection) override;
    Result<std::shared_ptr<void>> claim(std::string_view store) override;

private:
    struct StoreDocument {
        Time created;
        bool paused = false;
        std::string note;             // not stored: why feeders wait
        std::optional<Error> damage;  // not stored: found while feeding; kept until the file is another
        std::optional<SnapshotSchedule> schedule;
        // Not stored, of the schedule: from when and since when it counts, and why the last try failed.
        std::string counting_from;           // the last one's id
        std::int64_t counting_since_us = 0;  // monotonic, as the next
        std::int64_t retry_not_before_us = 0;
        std::string schedule_trouble;
    };
    struct CopyDocument {
        Time created;
        std::string base;
        bool complete = false;
        std::uint64_t until = 0;  // the last snapshot that it came through, by number
    };
    struct ProjectionDocument {
        Time created;
        ProjectionSpec spec;
    };

    // ---- what is declared (state.cc)
    Status load_stores();
    Status load_projections();
    Status load_copies();
    Status save_store(const std::string& name, const StoreDocument& document);
    Status save_copy(const std::string& name, const CopyDocument& document);
    Status check_exists(const StoreName& name);
    Status check_copy_exists(const StoreName& name);
    bool is_paused(const std::string& store);
    void set_note(const std::string& store, std::string note);
    void set_damage(const std::string& store, std::optional<Error> damage);
    Status check_undamaged(const std::string& store);
    std::vector<ProjectionSpec> specs_of(const std::string& store);  // in the order they were declared
    Slot& slot(const std::string& name);
    std::string directory_of(const std::string& store) const;
    std::string path_of(const StoreName& name) const;
    std::string temporary_path(const std::string& store);
    Status check_file(const StoreName& name);                     // it is there
    Result<sqlite::Database> open_writer(const StoreName& name);  // of a file that must be there
    std::vector<std::string> names();                             // stores and copies
    StoreInfo declared(const StoreName& name);                    // without looking into the file
    Result<StoreInfo> describe(const StoreName& name);
    Status describe_outside(const StoreName& name, StoreInfo& info);
    Result<ReadSide> open_side(std::string_view name);
    Result<ReadSide> open_snapshot_side(std::string_view id);

    // ---- live feeding (feeding.cc); under slot.work
    Result<std::uint64_t> feed_store(const std::string& name);
    Result<std::uint64_t> feed_live(const std::string& name, Slot& slot);
    Status open_live(const std::string& name, Slot& slot);
    Status load_feeders(const std::string& name, Slot& slot);

    // ---- replacing files (restore.cc, copies.cc)
    Result<SnapshotInfo> create_snapshot_of(const std::string& store, bool scheduled);
    Result<DatabaseImage> read_live_image(const std::string& store, const UseImage& meanwhile);
    Result<Cut> cut_of(const std::string& store, const RestorePoint& point);
    Result<Sequence> cut_of_time(const std::string& store, Time time);
    Result<Sequence> cut_of_position(const std::string& store, Partition partition, Offset offset);
    Result<std::string> nearest_base(std::vector<SnapshotInfo> past, const Cut& cut, RestoreResult& result);
    Status build(const std::string& store, const std::string& path, const RestorePoint& point, bool touches,
                 RestoreResult& result);
    Result<std::string> asked_snapshot(const std::string& store, std::string_view id, Cut& cut,
                                       RestoreResult& result);
    Status pass_over(const SnapshotInfo& info, Error damage, RestoreResult& result);
    Status fold_up_to(const std::string& store, sqlite::Database& database, const Cut& cut,
                      RestoreResult& result);
    Result<Replaced> restore_in_place(const std::string& store, const std::string& built, Slot& slot,
                                      std::uint64_t until);
    Result<Replaced> keep_live(const std::string& store);
    Status put_in_place(const std::string& from, const StoreName& name, Slot& slot,
                        const std::string& moved_aside);
    Status move_aside(const std::string& path, const std::string& to);
    Status check_new_copy(const StoreName& name);
    Result<std::string> build_copy(const std::string& store, const std::string& path, std::string_view base);
    Result<CopyDocument> copy_document(const StoreName& name);
    Status check_unused(const StoreName& name, const Slot& slot);  // no run writes to it
    Status forget_copy(const StoreName& name);
    Status make_live(const StoreName& name);
    Result<Replaced> put_copy_in_place(std::string_view store_at_copy, bool pause);

    Result<std::vector<std::string>> paging_key(sqlite::Database& database, const std::string& table,
                                                const TableShape& shape);

    // ---- snapshots by schedule (schedule.cc)
    std::int64_t wait_for_snapshot(const std::string& store, const SnapshotInfo* last);
    void take_scheduled(const std::string& store, ScheduledRound& round);
    Status delete_old_snapshots(const std::string& store, ScheduledRound& round);
    Result<std::string> plans_and_copies();
    codec::Json schedule_json(const std::string& store, const std::vector<SnapshotInfo>& all);

    // ---- stores that functions feed (replacing.cc)
    Result<std::vector<std::string>> outside_feeders(const std::string& store);
    Result<std::shared_ptr<void>> end_programs(const std::string& store);
    Status write_outside_positions(const std::string& store, sqlite::Database& database,
                                   const std::vector<FeederPosition>& base);
    Result<codec::Json> plan_placement(const std::string& store, const std::string& path, bool pause);
    Status replace_live(const std::string& store, const std::string& from, Slot& slot,
                        const std::string& moved_aside, const codec::Json& placement, std::uint64_t until);
    Status finish_replacement(const std::string& store);
    Result<bool> came_to_its_place(const std::string& store, std::uint64_t number);

    // ---- which snapshots the live state came through (past.cc)
    Status begin_line(const std::string& store, std::uint64_t number, std::uint64_t from,
                      std::uint64_t until);
    Result<std::uint64_t> live_line(const std::string& store);
    Result<std::vector<SnapshotInfo>> snapshots_on_line(const std::string& store, std::uint64_t line,
                                                        std::uint64_t until);
    Result<std::uint64_t> newest_snapshot_number();

    Parts parts_;
    std::mutex mutex_;  // guards what follows; never held while a slot is worked on
    std::map<std::string, StoreDocument> stores_;
    std::map<std::string, CopyDocument> copies_;  // by "store@copy"
    std::map<std::string, ProjectionDocument> projections_;
    std::map<std::string, std::unique_ptr<Slot>> slots_;
    std::uint64_t generation_ = 1;
    std::uint64_t temporary_number_ = 0;
};

}  // namespace tarn::state
