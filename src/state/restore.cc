// Restore to a point: a prefix of the log. The nearest snapshot not after it, then the events from there up
// to it.
#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "state/state_impl.h"
#include "state/store_file.h"

namespace tarn::state {
namespace {

// Does the snapshot hold nothing at or after the cut?
bool is_within(const SnapshotInfo& info, Sequence cut) {
    for (const auto& position : info.positions) {
        if (position.sequence > cut) return false;
        for (const auto& exception : position.exceptions) {
            const auto next = position.next.find(exception.partition);
            const bool applied_above = next == position.next.end() || exception.offset >= next->second;
            if (applied_above) return false;  // how far above is not known here
        }
    }
    return true;
}

}  // namespace

// ---- the point as a sequence
// ---------------------------------------------------------------------------------------------

// One past the last event that belongs to the state. With several streams the point is one place in their
// common order.
Result<Sequence> StateImpl::cut_of(const std::string& store, const RestorePoint& point) {
    if (point.position) return cut_of_position(store, point.position->first, point.position->second);
    if (point.time) return cut_of_time(store, *point.time);
    return fail(Code::bad_usage, "no point to restore to: expected a time, a position or a snapshot");
}

Result<Sequence> StateImpl::cut_of_position(const std::string& store, Partition partition, Offset offset) {
    std::set<std::string> streams;
    for (const auto& spec : specs_of(store)) streams.insert(spec.stream);
    if (streams.size() != 1)
        return fail(Code::bad_usage, fmt::format("store {} is fed by {} streams, so a position does not say "
                                                 "which; expected an ingest time or a snapshot",
                                                 store, streams.size()));
    TARN_ASSIGN(const auto stream, parts_.catalog.stream(*streams.begin()));
    TARN_ASSIGN(const auto event, parts_.lake.get({stream.id, partition, offset}));
    return event.event.sequence + 1;
}

// The first event that was not ingested before `time` ends the prefix, even if the clock was set back after
// it.
Result<Sequence> StateImpl::cut_of_time(const std::string& store, Time time) {
    Sequence cut = UINT64_MAX;
    for (const auto& spec : specs_of(store)) {
        TARN_ASSIGN(auto view, parts_.lake.view(spec.stream));
        lake::ScanOptions options;
        options.min_ingested = time;
        options.with_hash = false;
        const Sequence end = view_end(view);
        TARN_ASSIGN(const auto scan, parts_.lake.scan(std::move(view), std::move(options)));
        const event::StoredEvent* event = nullptr;
        do {
            TARN_ASSIGN(event, scan->next());
        } while (event != nullptr && event->ingested < time);
        cut = std::min(cut, event != nullptr ? event->sequence : std::max(end, Sequence{1}));
    }
    if (cut == UINT64_MAX)
        return fail(
            Code::bad_usage,
            fmt::format("store {} is not fed by projections, so it is restored to a snapshot only", store),
            {.next = fmt::format("tarn snapshot list {}", store)});
    return cut;
}

Result<std::optional<SnapshotInfo>> StateImpl::nearest_snapshot(const std::string& store, Sequence cut) {
    TARN_ASSIGN(auto all, snapshots());
    std::optional<SnapshotInfo> nearest;
    const auto reach = [](const SnapshotInfo& info) {
        Sequence sum = 0;
        for (const auto& position : info.positions) sum += position.sequence;
        return sum;
    };
    for (auto& info : all) {
        if (info.store != store || info.positions.empty() || !is_within(info, cut)) continue;
        if (!nearest || reach(info) > reach(*nearest)) nearest = std::move(info);
    }
    return nearest;
}

// ---- building
// ------------------------------------------------------------------------------------------------------------

// A database file at `path`, closed and standing alone, as the store was at the point.
Status StateImpl::build(const std::string& store, const std::string& path, const RestorePoint& point,
                        bool touches, RestoreResult& result) {
    std::optional<SnapshotInfo> base;
    Sequence cut = 0;
    if (point.snapshot) {
        TARN_ASSIGN(base, snapshot(*point.snapshot));
        if (base->store != store)
            return fail(
                Code::bad_usage,
                fmt::format("snapshot {} is of store {}, expected one of {}", base->id, base->store, store),
                {.next = fmt::format("tarn snapshot list {}", store)});
    } else {
        TARN_ASSIGN(cut, cut_of(store, point));
        TARN_ASSIGN(base, nearest_snapshot(store, cut));
    }
    if (base) {
        TARN_ASSIGN(const auto bytes, get_snapshot(parts_.lake.store(), *base));
        TARN_TRY(os::write_file_durably(parts_.fs, path, bytes));
    }
    result.base = base ? base->id : "empty";
    TARN_ASSIGN(auto database, open_store_file(path));
    if (touches) TARN_TRY(make_touch_tables(database));
    if (!point.snapshot) TARN_TRY(fold_up_to(store, database, cut, result));
    TARN_ASSIGN(result.positions, read_positions(database));
    return fold_in(database);
}

Status StateImpl::fold_up_to(const std::string& store, sqlite::Database& database, Sequence cut,
                             RestoreResult& result) {
    for (const auto& spec : specs_of(store)) {
        TARN_ASSIGN(const auto view, parts_.lake.view(spec.stream));
        if (auto ready = ensure_feeder(database, spec, view.stream); !ready)
            return fail(explain_base(std::move(ready.error())));
        auto opened = Feeder::open(database, spec, FeedOrder::ascending);
        if (!opened) return fail(explain_base(std::move(opened.error())));
        const auto feeder = std::move(*opened);
        // Without pruning, so that the offsets at the cut are seen.
        TARN_ASSIGN(const auto counts, feed(parts_.lake, view, *feeder, {.until = cut, .prune = false}));
        result.events += counts.applied;
    }
    return {};
}

// Swaps a finished file in under the store's name. Under slot.work, with slot.files exclusive.
Status StateImpl::put_in_place(const std::string& from, const StoreName& name, Slot& slot) {
    TARN_TRY(check_unused(name, slot));
    slot.close();
    const auto path = path_of(name);
    TARN_ASSIGN(const auto old, parts_.fs.stat(path));
    if (old) {
        // The old file must not leave a write-ahead file behind that SQLite would take for the new one's.
        TARN_ASSIGN(auto database, open_store_file(path));
        TARN_TRY(fold_in(database));
    }
    for (const char* suffix : {"-wal", "-shm"}) {
        TARN_ASSIGN(const auto left, parts_.fs.stat(path + suffix));
        if (left) TARN_TRY(parts_.fs.remove(path + suffix));
    }
    TARN_TRY(parts_.fs.rename(from, path));
    return parts_.fs.sync_directory(directory_of(name.store));
}

Result<RestoreResult> StateImpl::restore(std::string_view store, const RestorePoint& point,
                                         std::optional<std::string> into_copy) {
    StoreName name = split_store_name(store);
    TARN_TRY(check_exists(name));
    if (name.is_copy())
        return fail(Code::bad_usage,
                    fmt::format("{} is a copy; a store is restored, in place or into a copy", store));
    if (into_copy) {
        const auto into = split_store_name(*into_copy);
        if (into.is_copy() && into.store != name.store)
            return fail(Code::bad_usage, fmt::format("copy {} belongs to store {}, expected {}@NAME",
                                                     *into_copy, into.store, name.store));
        name.copy = into.is_copy() ? into.copy : into.store;
        TARN_TRY(check_new_copy(name));
    }
    auto& target = slot(name.text());
    std::lock_guard work(target.work);
    if (name.is_copy()) TARN_TRY(check_new_copy(name));

    RestoreResult result;
    result.store = name.text();
    const auto temporary = temporary_path(name.store);
    const auto built = build(name.store, temporary, point, name.is_copy(), result);
    if (!built) {
        (void)remove_database(parts_.fs, temporary);  // the first error is the one to tell
        return fail(built.error());
    }
    if (!name.is_copy()) {
        TARN_ASSIGN(const auto safety, create_snapshot_of(name.store));
        result.safety_snapshot = safety.id;
        // Before the swap: a crash in between leaves the old state and waiting feeders, never the restored
        // one running on.
        TARN_TRY(set_paused(name.store, true));
    }
    std::unique_lock files(target.files);
    TARN_TRY(put_in_place(temporary, name, target));
    files.unlock();
    if (name.is_copy()) TARN_TRY(save_copy(name.text(), {parts_.clock.now(), result.base, true}));
    return result;
}

}  // namespace tarn::state
