// Restore to a point: a prefix of the log. The nearest snapshot not after it, then the events from there up
// to it.
#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "state/damage.h"
#include "state/state_impl.h"
#include "state/store_file.h"

namespace tarn::state {
namespace {

// Some event was applied before its turn, by a run: which, only the snapshot's own database knows.
bool has_applied_ahead(const FeederPosition& position) {
    return std::any_of(position.exceptions.begin(), position.exceptions.end(), [&](const Position& one) {
        const auto next = position.next.find(one.partition);
        return next == position.next.end() || one.offset >= next->second;
    });
}

// Does the snapshot hold nothing at or after the cut?
bool is_within(const SnapshotInfo& info, const Cut& cut) {
    return std::all_of(info.positions.begin(), info.positions.end(), [&](const FeederPosition& position) {
        return position.sequence <= cut.of(position.feeder) && !has_applied_ahead(position);
    });
}

Sequence reach_of(const SnapshotInfo& info) {
    Sequence sum = 0;
    for (const auto& position : info.positions) sum += position.sequence;
    return sum;
}

// Those that a restore may begin from, nearest first.
void keep_within(std::vector<SnapshotInfo>& past, const Cut& cut) {
    std::erase_if(past,
                  [&](const SnapshotInfo& info) { return info.positions.empty() || !is_within(info, cut); });
    std::ranges::stable_sort(past, std::ranges::greater(), reach_of);
}

Status check_store_of(const SnapshotInfo& info, const std::string& store) {
    if (info.store == store) return {};
    return fail(Code::bad_usage,
                fmt::format("snapshot {} is of store {}, expected one of {}", info.id, info.store, store),
                {.next = fmt::format("tarn snapshot list {}", store)});
}

}  // namespace

// ---- the point as a sequence
// ---------------------------------------------------------------------------------------------

// One past the last event that belongs to the state. With several streams the point is one place in their
// common order.
Result<Cut> StateImpl::cut_of(const std::string& store, const RestorePoint& point) {
    Cut cut;
    if (point.position) {
        TARN_ASSIGN(cut.others, cut_of_position(store, point.position->first, point.position->second));
    } else if (point.time) {
        TARN_ASSIGN(cut.others, cut_of_time(store, *point.time));
    } else {
        return fail(Code::bad_usage, "no point to restore to: expected a time, a position or a snapshot");
    }
    return cut;
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

// ---- the base
// ------------------------------------------------------------------------------------------------------------

// Whether the events that the damaged snapshot held can still be applied to an earlier one. Gives its own
// error when not.
Status StateImpl::pass_over(const SnapshotInfo& info, Error damage, RestoreResult& result) {
    if (damage.code != Code::snapshot_damaged) return fail(std::move(damage));
    const auto specs = specs_of(info.store);
    for (const auto& position : info.positions) {
        const auto spec = std::find_if(specs.begin(), specs.end(), [&](const ProjectionSpec& one) {
            return one.name == position.feeder;
        });
        const auto stream = parts_.catalog.stream(position.stream);
        if (spec == specs.end() || !stream || stream->id != position.stream_id)
            return fail(std::move(damage));  // deleted, or deleted and made again: its events are gone
    }
    result.damaged_snapshots.push_back(info.id);
    return {};
}

// The bytes of the nearest good snapshot of `past`, "" to begin from nothing.
Result<std::string> StateImpl::nearest_base(std::vector<SnapshotInfo> past, const Cut& cut,
                                            RestoreResult& result) {
    keep_within(past, cut);
    const auto& damaged = result.damaged_snapshots;
    for (const auto& info : past) {
        if (std::find(damaged.begin(), damaged.end(), info.id) != damaged.end()) continue;
        auto bytes = get_snapshot(parts_.lake.store(), info);
        if (bytes) {
            result.base = info.id;
            return bytes;
        }
        TARN_TRY(pass_over(info, std::move(bytes.error()), result));
    }
    result.base = "empty";
    return std::string();
}

// The snapshot's own bytes, nothing to be applied to them; or, when it is damaged, an earlier base and the
// cut that gives the same state.
Result<std::string> StateImpl::asked_snapshot(const std::string& store, std::string_view id, Cut& cut,
                                              RestoreResult& result) {
    TARN_ASSIGN(const auto info, snapshot(id));
    TARN_TRY(check_store_of(info, store));
    auto bytes = get_snapshot(parts_.lake.store(), info);
    if (bytes) {
        result.base = info.id;
        return bytes;
    }
    for (const auto& position : info.positions) cut.feeders[position.feeder] = position.sequence;
    const bool is_known = !info.positions.empty() &&
                          std::none_of(info.positions.begin(), info.positions.end(), has_applied_ahead);
    if (!is_known) return fail(std::move(bytes.error()));
    TARN_TRY(pass_over(info, std::move(bytes.error()), result));
    // Of its own past, which need not be that of the live state.
    TARN_ASSIGN(auto past, snapshots_on_line(store, info.line, snapshot_number(info.id)));
    return nearest_base(std::move(past), cut, result);
}

// ---- building
// ------------------------------------------------------------------------------------------------------------

// A database file at `path`, closed and standing alone, as the store was at the point.
Status StateImpl::build(const std::string& store, const std::string& path, const RestorePoint& point,
                        bool touches, RestoreResult& result) {
    Cut cut;
    std::string bytes;
    if (point.snapshot) {
        TARN_ASSIGN(bytes, asked_snapshot(store, *point.snapshot, cut, result));
    } else {
        TARN_ASSIGN(cut, cut_of(store, point));
        TARN_ASSIGN(auto past, past_snapshots(store));
        TARN_ASSIGN(bytes, nearest_base(std::move(past), cut, result));
    }
    if (!bytes.empty()) TARN_TRY(os::write_file_durably(parts_.fs, path, bytes));
    TARN_ASSIGN(auto database, open_store_file(path, parts_.vfs));
    if (touches) TARN_TRY(make_touch_tables(database));
    TARN_TRY(fold_up_to(store, database, cut, result));
    if (point.snapshot && result.base != "empty") {
        TARN_ASSIGN(const auto base, snapshot(result.base));
        TARN_TRY(write_outside_positions(store, database, base.positions));
    }
    TARN_ASSIGN(result.positions, read_positions(database));
    return fold_in(database);
}

Status StateImpl::fold_up_to(const std::string& store, sqlite::Database& database, const Cut& cut,
                             RestoreResult& result) {
    for (const auto& spec : specs_of(store)) {
        const Sequence until = cut.of(spec.name);
        if (until == 0) continue;
        TARN_ASSIGN(const auto view, parts_.lake.view(spec.stream));
        if (auto ready = ensure_feeder(database, spec, view.stream); !ready)
            return fail(explain_base(std::move(ready.error())));
        auto opened = Feeder::open(database, spec, FeedOrder::ascending, &parts_.clock);
        if (!opened) return fail(explain_base(std::move(opened.error())));
        const auto feeder = std::move(*opened);
        // Without pruning, so that the offsets at the cut are seen.
        TARN_ASSIGN(const auto counts, feed(parts_.lake, view, *feeder, {.until = until, .prune = false}));
        result.events += counts.applied;
    }
    return {};
}

// ---- replacing the file
// ----------------------------------------------------------------------------------------------------

// What is live must be found again after something else took its place: as a snapshot, or as the file itself
// where it is too damaged for one. Under slot.work.
Result<Replaced> StateImpl::keep_live(const std::string& store) {
    auto safety = create_snapshot_of(store, false);
    if (safety) return Replaced{safety->id, ""};
    if (safety.error().code != Code::store_damaged) return fail(std::move(safety.error()));
    TARN_ASSIGN(const auto file, parts_.fs.stat(path_of({store, ""})));
    if (!file) return Replaced();
    for (int number = 1;; number++) {
        auto path = fmt::format("{}.damaged-{}", path_of({store, ""}), number);
        TARN_ASSIGN(const auto taken, parts_.fs.stat(path));
        if (!taken) return Replaced{"", std::move(path)};
    }
}

// The database file with what SQLite keeps beside it, as it is.
Status StateImpl::move_aside(const std::string& path, const std::string& to) {
    for (const char* suffix : {"-wal", "-shm", ""}) {
        TARN_ASSIGN(const auto there, parts_.fs.stat(path + suffix));
        if (there) TARN_TRY(parts_.fs.rename(path + suffix, to + suffix));
    }
    return {};
}

// Swaps a finished file in under the store's name. Under slot.work, with slot.files exclusive. `moved_aside`:
// where the file that stands there goes; "": it goes away.
Status StateImpl::put_in_place(const std::string& from, const StoreName& name, Slot& slot,
                               const std::string& moved_aside) {
    TARN_TRY(check_unused(name, slot));
    slot.close();
    const auto path = path_of(name);
    TARN_ASSIGN(const auto old, parts_.fs.stat(path));
    if (old && !moved_aside.empty()) {
        TARN_TRY(move_aside(path, moved_aside));
    } else if (old && name.is_copy()) {
        TARN_TRY(remove_database(parts_.fs, path));  // left by a crash before its document was written
    } else if (old) {
        // The old file must not leave a write-ahead file behind that SQLite would take for the new one's.
        TARN_ASSIGN(auto database, open_store_file(path, parts_.vfs));
        TARN_TRY(fold_in(database));
    }
    for (const char* suffix : {"-wal", "-shm"}) {
        TARN_ASSIGN(const auto left, parts_.fs.stat(path + suffix));
        if (left) TARN_TRY(parts_.fs.remove(path + suffix));
    }
    // Names may reach the disk in any order: the new file must not meet the old one's write-ahead file there,
    // nor take its name before it has another.
    TARN_TRY(parts_.fs.sync_directory(directory_of(name.store)));
    TARN_TRY(parts_.fs.rename(from, path));
    TARN_TRY(parts_.fs.sync_directory(directory_of(name.store)));
    if (!name.is_copy()) set_damage(name.store, std::nullopt);
    return {};
}

// The file that was built becomes the live one. Feeders are paused before the swap, or in one step with it: a
// crash in between leaves the old state, never the restored one running on.
Result<Replaced> StateImpl::restore_in_place(const std::string& store, const std::string& built, Slot& slot,
                                             std::uint64_t until) {
    TARN_ASSIGN(const auto quiet, end_programs(store));
    TARN_ASSIGN(auto replaced, keep_live(store));
    TARN_ASSIGN(const auto placement, plan_placement(store, built, true));
    if (placement.is_null()) TARN_TRY(set_paused(store, true));
    std::unique_lock files(slot.files);
    TARN_TRY(replace_live(store, built, slot, replaced.moved_aside, placement, until));
    return replaced;
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
    const std::uint64_t until = snapshot_number(result.base);
    if (!name.is_copy()) {
        TARN_ASSIGN(result.replaced, restore_in_place(name.store, temporary, target, until));
        return result;
    }
    std::unique_lock files(target.files);
    TARN_TRY(put_in_place(temporary, name, target, ""));
    files.unlock();
    TARN_TRY(save_copy(name.text(), {parts_.clock.now(), result.base, true, until}));
    return result;
}

}  // namespace tarn::state
