// A world for the tests of replay and verify: a lake over a vector of events, stores that remember what was
// applied, a stream that knows origins. They outlive simulated power cuts, as the outside would.
#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "codec/hash.h"
#include "event/meta.h"
#include "event/shapes.h"
#include "os/sim_file_system.h"
#include "replay/replay.h"

namespace tarn::replay::fakes {

struct FakeEvent {
    Position position;
    Sequence sequence = 0;
    Time ingested;
    std::string meta, payload;

    event::StoredEvent stored() const {
        return {
            position, sequence, ingested, meta, payload, event::PayloadForm::json, codec::xxh3_128(payload)};
    }
};

class FakeScan final : public lake::Scan {
public:
    FakeScan(std::vector<FakeEvent> events, lake::ScanOptions options)
        : events_(std::move(events)), options_(std::move(options)) {}

    Result<const event::StoredEvent*> next() override {
        while (at_ < events_.size()) {
            const FakeEvent& event = events_[at_++];
            if (!is_wanted(event)) continue;
            current_ = event.stored();
            ++counts_.events;
            return &current_;
        }
        return nullptr;
    }
    const lake::ScanCounts& counts() const override { return counts_; }

private:
    bool is_wanted(const FakeEvent& event) const {
        if (event.sequence < options_.from_sequence || event.sequence >= options_.until_sequence)
            return false;
        if (options_.within) {
            const auto within = options_.within->find(event.position.partition);
            if (within == options_.within->end() || !within->second.contains(event.position.offset))
                return false;
        }
        if (!options_.wanted) return true;
        const auto offsets = options_.wanted->find(event.position.partition);
        return offsets != options_.wanted->end() &&
               std::binary_search(offsets->second.begin(), offsets->second.end(), event.position.offset);
    }

    std::vector<FakeEvent> events_;
    lake::ScanOptions options_;
    std::size_t at_ = 0;
    event::StoredEvent current_;
    lake::ScanCounts counts_;
};

// Everything is in the log's tail: views have no objects.
class FakeLake final : public lake::Lake {
public:
    FakeLake(catalog::Catalog& catalog, os::FileSystem& fs) : catalog_(catalog), fs_(&fs) {}

    Position add(StreamId stream, Partition partition, std::string type, std::optional<std::string> key,
                 Time time, std::string payload = "", std::string extra_attributes = "") {
        const Sequence sequence = ++last_sequence;
        const Offset offset = next_offset_[{stream, partition}]++;
        FakeEvent event{.position = {stream, partition, offset},
                        .sequence = sequence,
                        .ingested = Time{time.us + 1'000'000},
                        .meta = "",
                        .payload = std::move(payload)};
        if (event.payload.empty()) event.payload = fmt::format("{{\"n\":{}}}", sequence);
        if (key) event.meta = "\"key\":" + codec::quoted(*key) + ",";
        event.meta += fmt::format(
            "\"attributes\":{{\"id\":\"e{}\",\"source\":\"/test\",\"type\":{},\"time\":\"{}\"{}}}", sequence,
            codec::quoted(type), format_rfc3339(time), extra_attributes);
        events.push_back(event);
        return event.position;
    }

    Result<lake::StreamView> view(std::string_view stream) override {
        TARN_ASSIGN(const catalog::StreamInfo info, catalog_.stream(stream));
        return view_of(info);
    }
    Result<lake::StreamView> view(StreamId stream) override {
        TARN_ASSIGN(const catalog::StreamInfo info, catalog_.stream(stream));
        return view_of(info);
    }
    Result<std::unique_ptr<lake::Scan>> scan(lake::StreamView view, lake::ScanOptions options) override {
        std::vector<FakeEvent> seen;
        for (const FakeEvent& event : events)
            if (event.position.stream == view.stream && event.sequence < view.tail.end_sequence)
                seen.push_back(event);
        return std::make_unique<FakeScan>(std::move(seen), std::move(options));
    }
    Result<lake::OwnedEvent> get(Position position) override {
        for (const FakeEvent& event : events) {
            if (event.position != position) continue;
            return lake::OwnedEvent(event.stored());
        }
        return fail(Code::unknown_position, "no event at this position");
    }
    Result<lake::RollResult> roll(StreamId) override { return lake::RollResult{}; }
    Result<std::int64_t> roll_due() override { return 0; }
    Result<std::vector<lake::Finding>> check() override { return std::vector<lake::Finding>(); }
    objects::ObjectStore& store() override { std::abort(); }  // nothing is in objects here
    os::FileSystem& file_system() override { return *fs_; }
    void use(os::FileSystem& fs) { fs_ = &fs; }

    std::vector<FakeEvent> events;  // in sequence order
    Sequence last_sequence = 0;

private:
    lake::StreamView view_of(const catalog::StreamInfo& info) {
        lake::StreamView view;
        view.stream = info.id;
        view.name = info.name;
        view.partitions = info.settings.partitions;
        view.tail.end_sequence = last_sequence + 1;
        return view;
    }

    catalog::Catalog& catalog_;
    os::FileSystem* fs_;
    std::map<std::pair<StreamId, Partition>, Offset> next_offset_;
};

// Answers with the rows it is given and keeps the SQL it was asked.
class FakeQuery final : public query::QueryService {
public:
    Result<query::QuerySummary> run(const std::string& sql, const query::QueryLimits&,
                                    const query::QuerySink& sink) override {
        asked.push_back(sql);
        if (error) return fail(*error);
        std::vector<query::QueryColumn> named;
        for (const std::string& name : columns) named.push_back({.name = name, .type = "VARCHAR"});
        TARN_TRY(sink.columns(named));
        for (const auto& row : rows) TARN_TRY(sink.row(row));
        return query::QuerySummary{};
    }
    std::vector<std::string> asked;
    std::vector<std::string> columns = {"tarn_partition", "tarn_offset"};
    std::vector<std::vector<std::optional<std::string>>> rows;
    std::optional<Error> error;
};

// A store is the list of the positions applied, in order; nothing of it is lost but what was not committed.
struct FakeStore {
    std::vector<Position> committed, open;
    std::optional<std::string> base;
    bool complete = true;
    std::map<std::string, Sequence> advanced;  // feeder → sequence
};

class FakeState final : public state::State {
public:
    class FakeApplier final : public state::Applier {
    public:
        FakeApplier(FakeState& world, std::string store) : world_(world), store_(std::move(store)) {
            world_.stores_[store_].open.clear();
        }
        Result<state::Applied> apply(const event::StoredEvent& event) override {
            FakeStore& store = world_.stores_[store_];
            for (const auto* list : {&store.committed, &store.open})
                if (std::find(list->begin(), list->end(), event.position) != list->end())
                    return state::Applied{state::Outcome::skipped, ""};
            if (world_.breaks.erase(event.position) > 0) {
                store.open.clear();  // as a rolled back transaction
                return fail(Code::store_failed, "disk I/O error");
            }
            if (world_.fails.contains(event.position))
                return state::Applied{state::Outcome::failed, "constraint failed"};
            store.open.push_back(event.position);
            return state::Applied{};
        }
        Status commit() override {
            FakeStore& store = world_.stores_[store_];
            store.committed.insert(store.committed.end(), store.open.begin(), store.open.end());
            store.open.clear();
            return {};
        }

    private:
        FakeState& world_;
        std::string store_;
    };

    Status declare_store(const std::string& name) override {
        stores_[name];
        return {};
    }
    Result<bool> declare_projection(const state::ProjectionSpec& spec) override {
        for (state::ProjectionSpec& known : projections_)
            if (known.name == spec.name) {
                known = spec;
                return true;
            }
        projections_.push_back(spec);
        stores_[spec.store];
        return false;
    }
    Result<std::vector<state::ProjectionSpec>> projections() override { return projections_; }
    Result<state::ProjectionSpec> projection(std::string_view name) override {
        for (const auto& spec : projections_)
            if (spec.name == name) return spec;
        return fail(Code::unknown_projection, fmt::format("no projection {}", name));
    }
    Result<std::vector<state::StoreInfo>> stores() override {
        std::vector<state::StoreInfo> list;
        for (const auto& [name, store] : stores_) list.push_back(info_of(name, store));
        return list;
    }
    Result<state::StoreInfo> store(std::string_view name) override {
        const auto found = stores_.find(std::string(name));
        if (found == stores_.end()) return fail(Code::unknown_store, fmt::format("no store {}", name));
        return info_of(found->first, found->second);
    }
    Result<state::QueryAnswer> query(std::string_view, const std::string&,
                                     const state::QueryLimits&) override {
        return fail(Code::not_built, "not in the fake");
    }
    Result<std::uint64_t> catch_up() override { return 0; }
    Status set_paused(std::string_view, bool) override { return {}; }
    Result<state::SnapshotInfo> create_snapshot(std::string_view) override {
        return fail(Code::not_built, "not in the fake");
    }
    Result<std::vector<state::SnapshotInfo>> past_snapshots(std::string_view) override { return snapshots(); }
    Result<std::vector<state::SnapshotInfo>> snapshots() override { return snapshots_list; }
    Result<state::SnapshotInfo> snapshot(std::string_view id) override {
        for (const auto& snapshot : snapshots_list)
            if (snapshot.id == id) return snapshot;
        return fail(Code::unknown_snapshot, fmt::format("no snapshot {}", id));
    }
    Status delete_snapshot(std::string_view) override { return {}; }
    Result<state::RestoreResult> restore(std::string_view, const state::RestorePoint&,
                                         std::optional<std::string>) override {
        return fail(Code::not_built, "not in the fake");
    }
    Result<state::StoreInfo> make_copy(std::string_view store, std::string_view copy,
                                       std::string_view base) override {
        const std::string name = fmt::format("{}@{}", store, copy);
        if (stores_.contains(name)) return fail(Code::copy_exists, "the copy exists");
        stores_[name].base = std::string(base);
        ++copies_made;
        return info_of(name, stores_[name]);
    }
    Status mark_copy(std::string_view name, bool complete) override {
        stores_[std::string(name)].complete = complete;
        return {};
    }
    Status advance(std::string_view store, std::string_view feeder, Sequence sequence,
                   const std::map<Partition, Offset>&) override {
        stores_[std::string(store)].advanced[std::string(feeder)] = sequence;
        return {};
    }
    Status discard_copy(std::string_view name) override {
        stores_.erase(std::string(name));
        return {};
    }
    Result<state::Replaced> promote_copy(std::string_view, bool) override { return state::Replaced(); }
    Status finish_replacements() override { return {}; }
    Result<std::optional<state::SnapshotSchedule>> schedule(std::string_view) override {
        return std::optional<state::SnapshotSchedule>();
    }
    Result<std::vector<state::FailedEvent>> failed_events(std::string_view) override {
        return std::vector<state::FailedEvent>();
    }
    Result<state::RowsPage> rows(std::string_view, std::string, const std::optional<std::string>&,
                                 std::size_t) override {
        return fail(Code::not_built, "not in the fake");
    }
    std::map<std::string, std::string> snapshot_troubles() override { return {}; }
    Status set_schedule(std::string_view, const std::optional<state::SnapshotSchedule>&) override {
        return {};
    }
    Result<state::ScheduledRound> take_due_snapshots() override { return state::ScheduledRound(); }
    Result<state::DiffResult> diff(std::string_view before, std::string_view after,
                                   const state::DiffOptions&) override {
        diffed.emplace_back(before, after);
        return diff_result;
    }
    Result<std::unique_ptr<state::Applier>> applier(std::string_view store, std::string_view) override {
        return std::make_unique<FakeApplier>(*this, std::string(store));
    }
    Result<std::shared_ptr<void>> claim(std::string_view) override { return std::shared_ptr<void>(); }

    FakeStore& at(const std::string& name) { return stores_[name]; }
    bool has(const std::string& name) const { return stores_.contains(name); }

    std::set<Position> fails;
    std::set<Position> breaks;  // once: the store itself fails, and what was not committed is gone
    std::vector<state::SnapshotInfo> snapshots_list;
    state::DiffResult diff_result;
    std::vector<std::pair<std::string, std::string>> diffed;
    int copies_made = 0;
    StreamId stream_id;  // of the stream that all projections read

private:
    state::StoreInfo info_of(const std::string& name, const FakeStore& store) const {
        state::StoreInfo info;
        info.name = name;
        info.base = store.base;
        info.complete = store.complete;
        for (const auto& spec : projections_) {
            if (spec.store != name.substr(0, name.find('@'))) continue;
            state::FeederPosition position;
            position.feeder = spec.name;
            position.stream = spec.stream;
            position.stream_id = stream_id;
            position.exceptions = store.committed;
            if (const auto advanced = store.advanced.find(spec.name); advanced != store.advanced.end()) {
                position.sequence = advanced->second;
                position.exceptions.clear();
            }
            info.feeders.push_back(spec.name);
            info.positions.push_back(std::move(position));
        }
        return info;
    }

    std::vector<state::ProjectionSpec> projections_;
    std::map<std::string, FakeStore> stores_;
};

// Takes batches as the log does: whole, and a known producer's lower or equal sequence is answered, not
// stored.
struct FakeStream {
    struct Kept {
        Position position;
        std::string payload, run;
    };
    std::vector<Kept> kept;
    std::map<std::string, std::uint64_t> origins;
    std::set<Position> refused;  // too large for this stream

    StreamAppend append() {
        return [this](const std::string&, const std::vector<Outgoing>& batch, const log::Origin& origin,
                      const std::string& run) -> Result<log::Appended> {
            std::uint64_t& known = origins[origin.producer];
            if (origin.sequence <= known) {
                log::Appended repeated;
                repeated.repeated = true;
                repeated.origin_sequence = known;
                return repeated;
            }
            for (const Outgoing& outgoing : batch)
                if (refused.contains(outgoing.event.position))
                    return fail(Code::too_large, "larger than the stream takes");
            for (const Outgoing& outgoing : batch)
                kept.push_back({outgoing.event.position, std::string(outgoing.event.payload), run});
            known = origin.sequence;
            return log::Appended{};
        };
    }
};

// Functions whose answers a test decides. Each at work has as many threads as instances, so that answers come
// in any order.
class FakeFunctions final : public Functions {
public:
    struct Called {
        std::string function, copy;
        FunctionCall call;
    };

    Result<FunctionInfo> function(std::string_view name) override {
        const auto found = declared.find(std::string(name));
        if (found == declared.end()) return fail(Code::unknown_function, fmt::format("no function {}", name));
        return found->second;
    }
    Result<std::vector<SubscriptionInfo>> subscriptions() override { return subscribed; }
    Status dead_letters(std::string_view group, const std::function<Status(const Position&)>& take) override {
        const auto found = dead.find(std::string(group));
        if (found == dead.end()) return fail(Code::unknown_dead_letter, fmt::format("no group {}", group));
        for (const Position& position : found->second) TARN_TRY(take(position));
        return {};
    }
    Status check_can_run(std::string_view what) override {
        if (can_run) return {};
        return fail(Code::bad_usage, fmt::format("{} needs a server", what));
    }
    Result<std::unique_ptr<FunctionAtWork>> open(const std::string& function,
                                                 const std::string& copy) override {
        return std::make_unique<AtWork>(*this, function, copy);
    }

    std::vector<Called> calls() {
        const std::scoped_lock lock(mutex_);
        return calls_;
    }
    void forget_calls() {
        const std::scoped_lock lock(mutex_);
        calls_.clear();
    }

    std::map<std::string, FunctionInfo> declared;
    std::vector<SubscriptionInfo> subscribed;
    std::map<std::string, std::vector<Position>> dead;  // by group
    bool can_run = true;
    std::size_t instances = 3;
    RetryRule rule{.attempts = 2, .first_us = 10, .longest_us = 20};
    std::function<FunctionAnswer(const FunctionCall&)> decide = [](const FunctionCall&) {
        return FunctionAnswer();
    };

private:
    class AtWork final : public FunctionAtWork {
    public:
        AtWork(FakeFunctions& world, std::string function, std::string copy)
            : world_(world), function_(std::move(function)), copy_(std::move(copy)) {
            for (std::size_t i = 0; i < world.instances; ++i) threads_.emplace_back([this] { work(); });
        }
        ~AtWork() override {
            {
                const std::scoped_lock lock(mutex_);
                ending_ = true;
            }
            changed_.notify_all();
            for (std::thread& thread : threads_) thread.join();
        }
        std::size_t instances() const override { return world_.instances; }
        RetryRule retries() const override { return world_.rule; }
        void call(FunctionCall call, std::function<void(FunctionAnswer)> done) override {
            const std::scoped_lock lock(mutex_);
            queue_.emplace_back(std::move(call), std::move(done));
            changed_.notify_one();
        }
        // Record by record on one thread, as one instance would.
        void transform(std::vector<FunctionCall> calls,
                       std::function<void(std::vector<FunctionAnswer>)> done) override {
            call(calls.front(), [this, calls, done](FunctionAnswer first) {
                std::vector<FunctionAnswer> answers = {std::move(first)};
                for (std::size_t i = 1; i < calls.size(); ++i)
                    answers.push_back(world_.answer(function_, copy_, calls[i]));
                done(std::move(answers));
            });
        }

    private:
        void work() {
            std::unique_lock lock(mutex_);
            while (true) {
                changed_.wait(lock, [this] { return ending_ || !queue_.empty(); });
                if (queue_.empty()) return;
                auto [call, done] = std::move(queue_.front());
                queue_.pop_front();
                lock.unlock();
                done(world_.answer(function_, copy_, call));
                lock.lock();
            }
        }

        FakeFunctions& world_;
        const std::string function_, copy_;
        std::mutex mutex_;
        std::condition_variable changed_;
        std::deque<std::pair<FunctionCall, std::function<void(FunctionAnswer)>>> queue_;
        bool ending_ = false;
        std::vector<std::thread> threads_;
    };

    FunctionAnswer answer(const std::string& function, const std::string& copy, const FunctionCall& call) {
        const std::scoped_lock lock(mutex_);
        calls_.push_back({function, copy, call});
        return decide(call);
    }

    std::mutex mutex_;
    std::vector<Called> calls_;  // guarded by mutex_
};

// All of it together. `cut_power` goes on with what the disk holds; the catalog, stores and streams survive.
class World {
public:
    explicit World(const std::string& catalog_path)
        : fs(std::make_unique<os::SimFileSystem>()), catalog_path_(catalog_path) {
        catalog = std::move(*catalog::Catalog::open(catalog_path, {.sync = false}));
        lake = std::make_unique<FakeLake>(*catalog, *fs);
        (void)fs->make_directories("/out");
        open();
    }

    ~World() {
        replay.reset();
        lake.reset();
        catalog.reset();
        for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(catalog_path_ + suffix);
    }
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    StreamId make_stream(const std::string& name, std::uint32_t partitions = 2) {
        event::StreamSettings settings;
        settings.partitions = partitions;
        return catalog->create_stream(name, settings, clock.now())->id;
    }

    void open() {
        replay.reset();
        lake->use(*fs);
        replay = std::move(*Replay::open({.catalog = *catalog,
                                          .lake = *lake,
                                          .query = query,
                                          .state = state,
                                          .fs = *fs,
                                          .clock = clock,
                                          .rng = rng,
                                          .directory = "/data/jobs",
                                          .append = stream.append(),
                                          .functions = &functions}));
    }

    void cut_power(std::uint64_t seed) {
        replay.reset();
        fs = fs->crash({.seed = seed});
        open();
    }

    Result<codec::Json> run_new(const std::string& plan, const RunOptions& options = {}) {
        const std::atomic<bool> stop = false;
        const auto run = replay->create_run(plan, options);
        if (!run) return fail(run.error());
        return replay->run(plan, *run, stop, {});
    }
    Result<codec::Json> resume(const std::string& run) {
        const std::atomic<bool> stop = false;
        return replay->resume(run, stop, {});
    }

    std::unique_ptr<os::SimFileSystem> fs;
    std::unique_ptr<catalog::Catalog> catalog;
    std::unique_ptr<FakeLake> lake;
    FakeQuery query;
    FakeState state;
    FakeStream stream;
    FakeFunctions functions;
    os::SimClock clock;
    os::SeededRng rng{7};
    std::unique_ptr<Replay> replay;

private:
    std::string catalog_path_;
};

}  // namespace tarn::replay::fakes
