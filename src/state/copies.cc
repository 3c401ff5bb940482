// Copies of a store beside the live one: made, written by runs, compared, then promoted or discarded.
#include <fmt/core.h>

#include "state/damage.h"
#include "state/state_impl.h"
#include "state/store_file.h"

namespace tarn::state {
namespace {

constexpr std::string_view copy_kind = "copy";

// A run's hand on a store: a connection and a transaction of its own.
class StoreApplier final : public Applier {
public:
    StoreApplier(Slot& slot, sqlite::Database database) : slot_(slot), database_(std::move(database)) {
        slot_.appliers++;
    }
    ~StoreApplier() override {
        feeder_.reset();
        database_.reset();
        slot_.appliers--;
    }
    StoreApplier(const StoreApplier&) = delete;
    StoreApplier& operator=(const StoreApplier&) = delete;

    Status open(const ProjectionSpec& spec, StreamId stream, os::Clock& clock) {
        TARN_TRY(ensure_feeder(*database_, spec, stream));
        TARN_ASSIGN(feeder_, Feeder::open(*database_, spec, FeedOrder::any, &clock));
        return {};
    }

    Result<Applied> apply(const event::StoredEvent& event) override {
        if (!feeder_->in_transaction()) TARN_TRY(feeder_->begin());
        auto applied = feeder_->apply(event);
        if (!applied) feeder_->roll_back();
        return explained(std::move(applied));
    }

    Status commit() override { return feeder_->in_transaction() ? explained(feeder_->commit()) : Status(); }

private:
    Slot& slot_;
    std::optional<sqlite::Database> database_;
    std::unique_ptr<Feeder> feeder_;
};

}  // namespace

Result<std::unique_ptr<Applier>> StateImpl::applier(std::string_view store,
                                                    std::string_view projection_name) {
    const auto name = split_store_name(store);
    TARN_TRY(check_exists(name));
    TARN_ASSIGN(const auto spec, projection(projection_name));
    if (spec.store != name.store)
        return fail(Code::unknown_projection, fmt::format("projection {} feeds store {}, not {}",
                                                          projection_name, spec.store, name.store));
    TARN_ASSIGN(const auto stream, parts_.catalog.stream(spec.stream));
    auto& target = slot(name.text());
    std::shared_lock files(target.files);
    TARN_TRY(check_exists(name));  // it may have been discarded while we waited
    TARN_ASSIGN(auto database, open_writer(name));
    auto made = std::make_unique<StoreApplier>(target, std::move(database));
    if (auto opened = made->open(spec, stream.id, parts_.clock); !opened)
        return fail(explain_damage(explain_base(std::move(opened.error()))));
    return std::unique_ptr<Applier>(std::move(made));
}

Result<std::shared_ptr<void>> StateImpl::claim(std::string_view store) {
    const auto name = split_store_name(store);
    TARN_TRY(check_exists(name));
    auto& target = slot(name.text());
    std::shared_lock files(target.files);
    TARN_TRY(check_exists(name));  // it may have been discarded while we waited
    target.appliers++;
    return std::shared_ptr<void>(&target, [&target](void*) { target.appliers--; });
}

Status StateImpl::advance(std::string_view store, std::string_view feeder, Sequence sequence,
                          const std::map<Partition, Offset>& next) {
    const auto name = split_store_name(store);
    TARN_TRY(check_exists(name));
    auto& target = slot(name.text());
    std::shared_lock files(target.files);
    TARN_TRY(check_exists(name));  // it may have been discarded while we waited
    TARN_ASSIGN(auto database, open_writer(name));
    const auto set = [&]() -> Status {
        TARN_ASSIGN(auto row, read_feeder(database, feeder));
        if (!row)
            return fail(Code::unknown_projection, fmt::format("projection {} has not fed {}", feeder, store));
        if (sequence < row->sequence) return {};
        row->sequence = sequence;
        for (const auto& [partition, offset] : next)
            row->next[partition] = std::max(row->next[partition], offset);
        TARN_TRY(write_watermark(database, *row));
        // A projection has noted by itself what it refused; what a function had missed it has had by now.
        const bool is_outside = row->version.empty();
        return is_outside ? forget_missed(database, *row) : Status();
    };
    return explained(database.transaction(set));
}

Status StateImpl::check_new_copy(const StoreName& name) {
    if (!is_valid_store_name(name.copy))
        return fail(
            Code::bad_usage,
            fmt::format(
                "copy name \"{}\": expected 1 to 64 characters a-z, 0-9, _ or -, beginning with a letter",
                name.copy));
    std::lock_guard lock(mutex_);
    if (!copies_.contains(name.text())) return {};
    return fail(Code::copy_exists, fmt::format("there is a copy {} already", name.text()),
                {.next = fmt::format("tarn store discard {}", name.text())});
}

Result<StoreInfo> StateImpl::make_copy(std::string_view store, std::string_view copy, std::string_view base) {
    StoreName name = split_store_name(store);
    TARN_TRY(check_exists({name.store, ""}));
    name.copy = copy;
    TARN_TRY(check_new_copy(name));
    auto& target = slot(name.text());
    std::lock_guard work(target.work);
    TARN_TRY(check_new_copy(name));

    TARN_ASSIGN(const auto newest, newest_snapshot_number());
    const auto temporary = temporary_path(name.store);
    const auto built = build_copy(name.store, temporary, base);
    if (!built) {
        (void)remove_database(parts_.fs, temporary);  // the first error is the one to tell
        return fail(built.error());
    }
    const std::uint64_t until = *built == "live" ? newest : snapshot_number(*built);
    std::unique_lock files(target.files);
    TARN_TRY(put_in_place(temporary, name, target, ""));
    files.unlock();
    TARN_TRY(save_copy(name.text(), {parts_.clock.now(), *built, false, until}));
    return describe(name);
}

// Gives the base as it is recorded: "empty", "live" or the snapshot's full id.
Result<std::string> StateImpl::build_copy(const std::string& store, const std::string& path,
                                          std::string_view base) {
    std::string recorded(base);
    std::string bytes;
    std::vector<FeederPosition> positions;
    if (base == "live") {
        TARN_ASSIGN(auto image, read_live_image(store, {}));
        bytes = std::move(image.bytes);
        positions = std::move(image.positions);
    } else if (base != "empty") {
        TARN_ASSIGN(const auto info, snapshot(base));
        if (info.store != store)
            return fail(Code::bad_usage, fmt::format("snapshot {} is of store {}, expected one of {}",
                                                     info.id, info.store, store));
        TARN_ASSIGN(bytes, get_snapshot(parts_.lake.store(), info));
        recorded = info.id;
        positions = info.positions;
    }
    if (!bytes.empty()) TARN_TRY(os::write_file_durably(parts_.fs, path, bytes));
    TARN_ASSIGN(auto database, open_store_file(path, parts_.vfs));
    TARN_TRY(make_touch_tables(database));
    for (const auto& spec : specs_of(store)) {
        TARN_ASSIGN(const auto stream, parts_.catalog.stream(spec.stream));
        if (auto ready = ensure_feeder(database, spec, stream.id); !ready)
            return fail(explain_base(std::move(ready.error())));
    }
    TARN_TRY(write_outside_positions(store, database, positions));
    TARN_TRY(fold_in(database));
    return recorded;
}

Status StateImpl::mark_copy(std::string_view store_at_copy, bool complete) {
    const auto name = split_store_name(store_at_copy);
    TARN_TRY(check_copy_exists(name));
    std::lock_guard work(slot(name.text()).work);
    TARN_ASSIGN(auto document, copy_document(name));
    document.complete = complete;
    return save_copy(name.text(), document);
}

Status StateImpl::forget_copy(const StoreName& name) {
    TARN_TRY(parts_.catalog.delete_document(copy_kind, name.text()));
    std::lock_guard lock(mutex_);
    copies_.erase(name.text());
    return {};
}

Status StateImpl::discard_copy(std::string_view store_at_copy) {
    const auto name = split_store_name(store_at_copy);
    TARN_TRY(check_copy_exists(name));
    auto& target = slot(name.text());
    std::lock_guard work(target.work);
    std::unique_lock files(target.files);
    TARN_TRY(check_copy_exists(name));
    TARN_TRY(check_unused(name, target));
    TARN_TRY(forget_copy(name));
    return remove_database(parts_.fs, path_of(name));
}

// The copy's file becomes the store's; what was live is kept as a snapshot. Feeding goes on from where the
// copy is.
Result<Replaced> StateImpl::promote_copy(std::string_view store_at_copy, bool pause) {
    TARN_ASSIGN(auto replaced, put_copy_in_place(store_at_copy, pause));
    const std::string store = split_store_name(store_at_copy).store;
    TARN_ASSIGN(const auto outside, outside_feeders(store));
    if (outside.empty()) return replaced;
    // The new state has what no snapshot of the old one has, and only its functions could make it again.
    const auto snapshot = create_snapshot_of(store, false);
    if (snapshot) replaced.new_snapshot = snapshot->id;
    return replaced;
}

Result<Replaced> StateImpl::put_copy_in_place(std::string_view store_at_copy, bool pause) {
    const auto name = split_store_name(store_at_copy);
    TARN_TRY(check_copy_exists(name));
    auto& copy = slot(name.text());
    auto& live = slot(name.store);
    std::scoped_lock work(live.work, copy.work);
    TARN_ASSIGN(const auto document, copy_document(name));
    if (!document.complete)
        return fail(
            Code::copy_incomplete,
            fmt::format("copy {} does not hold every event its store's feeders take after its base",
                        name.text()),
            {.next = fmt::format("tarn replay plan --rebuild {} --base empty --into NAME", name.store)});
    TARN_TRY(check_unused(name, copy));
    TARN_ASSIGN(const auto quiet, end_programs(name.store));
    TARN_ASSIGN(const auto replaced, keep_live(name.store));
    TARN_TRY(check_file(name));
    TARN_ASSIGN(const auto placement, plan_placement(name.store, path_of(name), pause));
    if (pause && placement.is_null()) TARN_TRY(set_paused(name.store, true));

    // Both at once: a comparison that holds one of them must be able to get the other.
    std::scoped_lock files(live.files, copy.files);
    TARN_TRY(check_unused(name, copy));
    TARN_TRY(check_unused({name.store, ""}, live));
    TARN_TRY(make_live(name));
    TARN_TRY(replace_live(name.store, path_of(name), live, replaced.moved_aside, placement, document.until));
    TARN_TRY(forget_copy(name));
    return replaced;
}

// A copy's document; it may have been discarded since it was asked for.
Result<StateImpl::CopyDocument> StateImpl::copy_document(const StoreName& name) {
    TARN_TRY(check_copy_exists(name));
    std::lock_guard lock(mutex_);
    return copies_.at(name.text());
}

Status StateImpl::check_unused(const StoreName& name, const Slot& slot) {
    if (slot.appliers == 0) return {};
    return fail(Code::store_busy, fmt::format("a run is writing to {}", name.text()),
                {.next = "tarn replay list"});
}

// Takes off what only a copy has, and stands the file alone.
Status StateImpl::make_live(const StoreName& name) {
    TARN_ASSIGN(auto database, open_writer(name));
    TARN_TRY(explained(check_structure(database)));
    TARN_TRY(explained(drop_touch_tables(database)));
    for (const auto& spec : specs_of(name.store))
        TARN_TRY(explained(set_feeder_version(database, spec.name, spec.version())));
    return explained(fold_in(database));
}

}  // namespace tarn::state
