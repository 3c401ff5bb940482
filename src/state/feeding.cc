// Live feeding: every store that is not paused follows its streams.
#include <fmt/core.h>
#include <sqlite3.h>

#include "state/damage.h"
#include "state/state_impl.h"

namespace tarn::state {
namespace {

// Tables that a changed projection needs are made by a rebuild, not by changing what lives.
std::string waiting_note(const ProjectionSpec& spec, const Error& error) {
    return fmt::format("{} waits: {}; rebuild it: tarn replay plan --rebuild {}", spec.name, error.message,
                       spec.store);
}

std::string changed_note(const ProjectionSpec& spec) {
    return fmt::format(
        "{} was changed; what it had applied before is as it was until rebuilt: tarn replay plan --rebuild "
        "{}",
        spec.name, spec.store);
}

// The file was removed, or another put in its place, while it was open.
bool has_moved(sqlite::Database& database) {
    int moved = 0;
    sqlite3_file_control(database.handle(), "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    return moved != 0;
}

void add_note(std::string& notes, const std::string& note) { notes += (notes.empty() ? "" : "\n") + note; }

}  // namespace

Result<std::uint64_t> StateImpl::catch_up() {
    std::vector<std::string> names;
    {
        std::lock_guard lock(mutex_);
        for (const auto& [name, document] : stores_)
            if (!document.paused) names.push_back(name);
    }
    std::uint64_t applied = 0;
    std::optional<Error> first;
    for (const auto& name : names) {
        auto fed = feed_store(name);
        if (fed) {
            applied += *fed;
        } else if (!first || first->code == Code::store_damaged) {
            first = std::move(fed.error());
        }
    }
    if (first) return fail(std::move(*first));
    return applied;
}

Result<std::uint64_t> StateImpl::feed_store(const std::string& name) {
    // One that functions feed may be held for as long as a function takes: it holds up nobody else.
    if (specs_of(name).empty()) return 0;
    auto& live = slot(name);
    std::lock_guard work(live.work);
    if (is_paused(name)) return 0;  // paused while we waited for the lock
    TARN_TRY(check_undamaged(name));
    std::shared_lock files(live.files);
    auto fed = explained(feed_live(name, live));
    if (!fed && fed.error().code == Code::store_damaged) {
        live.close();
        set_damage(name, fed.error());
    }
    return fed;
}

Result<std::uint64_t> StateImpl::feed_live(const std::string& name, Slot& slot) {
    TARN_TRY(open_live(name, slot));
    std::uint64_t applied = 0;
    for (auto& [spec, feeder] : slot.feeders) {
        auto view = parts_.lake.view(spec.stream);
        if (!view && view.error().code == Code::unknown_stream) continue;  // deleted: what it fed stays
        if (!view) return fail(std::move(view.error()));
        TARN_ASSIGN(const auto counts, feed(parts_.lake, *view, *feeder, {}));
        applied += counts.applied;
    }
    return applied;
}

Status StateImpl::open_live(const std::string& name, Slot& slot) {
    std::uint64_t generation = 0;
    {
        std::lock_guard lock(mutex_);
        generation = generation_;
    }
    if (slot.generation == generation && !has_moved(*slot.database)) return {};
    slot.close();
    TARN_ASSIGN(auto database, open_writer({name, ""}));
    slot.database = std::make_unique<sqlite::Database>(std::move(database));
    slot.generation = generation;
    return explained(load_feeders(name, slot));
}

Status StateImpl::load_feeders(const std::string& name, Slot& slot) {
    std::string notes;
    for (auto& spec : specs_of(name)) {
        auto stream = parts_.catalog.stream(spec.stream);
        if (!stream) {
            if (stream.error().code != Code::unknown_stream) return fail(std::move(stream.error()));
            add_note(notes, fmt::format("{} waits for stream {}", spec.name, spec.stream));
            slot.generation = 0;  // look again next time
            continue;
        }
        auto ready = ensure_feeder(*slot.database, spec, stream->id);
        auto feeder = ready ? Feeder::open(*slot.database, spec, FeedOrder::ascending, &parts_.clock)
                            : fail(std::move(ready.error()));
        if (!feeder) {
            if (feeder.error().code != Code::projection_sql) return fail(std::move(feeder.error()));
            add_note(notes, waiting_note(spec, feeder.error()));
            continue;
        }
        if ((*feeder)->row().version != spec.version()) add_note(notes, changed_note(spec));
        slot.feeders.push_back({std::move(spec), std::move(*feeder)});
    }
    set_note(name, std::move(notes));
    return {};
}

}  // namespace tarn::state
