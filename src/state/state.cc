#include "state/state.h"

#include <fmt/core.h>

#include <algorithm>

#include "state/check_projection.h"
#include "state/damage.h"
#include "state/outside_feeders.h"
#include "state/state_impl.h"

namespace tarn::state {

using codec::Json;

namespace {

constexpr std::size_t failed_shown_max = 5;
constexpr std::string_view store_kind = "store", projection_kind = "projection", copy_kind = "copy";

Failure unknown_store(std::string_view name) {
    return fail(Code::unknown_store, fmt::format("there is no store {}", name), {.next = "tarn store list"});
}

Status check_name(std::string_view what, std::string_view name) {
    if (is_valid_store_name(name)) return {};
    return fail(
        Code::bad_config,
        fmt::format("{} name \"{}\": expected 1 to 64 characters a-z, 0-9, _ or -, beginning with a letter",
                    what, name));
}

Status remove_leftovers(os::FileSystem& fs, const std::string& directory) {
    TARN_ASSIGN(const auto files, fs.list(directory));
    for (const auto& file : files)
        if (!file.is_directory && file.name.starts_with("tmp-"))
            TARN_TRY(fs.remove(os::join(directory, file.name)));
    return {};
}

}  // namespace

StoreName split_store_name(std::string_view name) {
    const auto at = name.find('@');
    if (at == std::string_view::npos) return {std::string(name), ""};
    return {std::string(name.substr(0, at)), std::string(name.substr(at + 1))};
}

bool is_valid_store_name(std::string_view name) {
    if (name.empty() || name.size() > 64 || name[0] < 'a' || name[0] > 'z') return false;
    return std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    });
}

Status remove_database(os::FileSystem& fs, const std::string& path) {
    for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
        TARN_ASSIGN(const auto there, fs.stat(path + suffix));
        if (there) TARN_TRY(fs.remove(path + suffix));
    }
    return {};
}

ReadSide::~ReadSide() {
    database_.reset();
    if (temporary_.empty()) return;
    // What cannot be removed now is removed at the next start.
    (void)remove_database(*fs_, temporary_);
}

// ---- opening
// -------------------------------------------------------------------------------------------------------------

Result<std::unique_ptr<State>> State::open(Parts parts) {
    auto state = std::make_unique<StateImpl>(std::move(parts));
    TARN_TRY(state->load());
    return std::unique_ptr<State>(std::move(state));
}

Status StateImpl::load() {
    TARN_TRY(parts_.fs.make_directories(parts_.directory));
    TARN_TRY(load_stores());
    TARN_TRY(load_projections());
    return load_copies();
}

Status StateImpl::load_stores() {
    TARN_ASSIGN(const auto documents, parts_.catalog.documents(store_kind));
    for (const auto& document : documents) {
        StoreDocument known{document.created, document.body["paused"].as_bool(), "", {}};
        if (document.body.has("snapshots")) {
            TARN_ASSIGN(known.schedule, SnapshotSchedule::from_json(document.body["snapshots"]));
        }
        stores_[document.id] = std::move(known);
        TARN_TRY(parts_.fs.make_directories(directory_of(document.id)));
        TARN_TRY(remove_leftovers(parts_.fs, directory_of(document.id)));
    }
    return {};
}

Status StateImpl::load_projections() {
    TARN_ASSIGN(const auto documents, parts_.catalog.documents(projection_kind));
    for (const auto& document : documents) {
        TARN_ASSIGN(auto spec, ProjectionSpec::from_json(document.id, document.body));
        projections_[document.id] = {document.created, std::move(spec)};
    }
    return {};
}

// A crash between promoting or discarding a copy and forgetting it leaves a document without a file.
Status StateImpl::load_copies() {
    TARN_ASSIGN(const auto documents, parts_.catalog.documents(copy_kind));
    for (const auto& document : documents) {
        TARN_ASSIGN(const auto file, parts_.fs.stat(path_of(split_store_name(document.id))));
        if (!file) {
            TARN_TRY(parts_.catalog.delete_document(copy_kind, document.id));
            continue;
        }
        const std::string base = document.body["base"].as_string();
        const auto& until = document.body["until"];
        copies_[document.id] = {document.created, base, document.body["complete"].as_bool(),
                                until.is_null() ? snapshot_number(base) : until.as_uint()};
    }
    return {};
}

// ---- what is declared
// ----------------------------------------------------------------------------------------------------

std::string StateImpl::directory_of(const std::string& store) const {
    return os::join(parts_.directory, store);
}

std::string StateImpl::path_of(const StoreName& name) const {
    return os::join(directory_of(name.store),
                    name.is_copy() ? fmt::format("copy-{}.db", name.copy) : "live.db");
}

std::string StateImpl::temporary_path(const std::string& store) {
    std::lock_guard lock(mutex_);
    return os::join(directory_of(store), fmt::format("tmp-{}.db", ++temporary_number_));
}

Slot& StateImpl::slot(const std::string& name) {
    std::lock_guard lock(mutex_);
    auto& slot = slots_[name];
    if (slot == nullptr) slot = std::make_unique<Slot>();
    return *slot;
}

bool StateImpl::is_paused(const std::string& store) {
    std::lock_guard lock(mutex_);
    return stores_[store].paused;
}

void StateImpl::set_note(const std::string& store, std::string note) {
    std::lock_guard lock(mutex_);
    stores_[store].note = std::move(note);
}

void StateImpl::set_damage(const std::string& store, std::optional<Error> damage) {
    std::lock_guard lock(mutex_);
    stores_[store].damage = std::move(damage);
}

Status StateImpl::check_undamaged(const std::string& store) {
    std::lock_guard lock(mutex_);
    const auto& damage = stores_[store].damage;
    return damage ? Status(fail(*damage)) : Status();
}

Status StateImpl::check_exists(const StoreName& name) {
    std::lock_guard lock(mutex_);
    if (!stores_.contains(name.store)) return unknown_store(name.store);
    if (name.is_copy() && !copies_.contains(name.text())) return unknown_store(name.text());
    return {};
}

Status StateImpl::check_copy_exists(const StoreName& name) {
    if (name.is_copy()) return check_exists(name);
    return fail(Code::bad_usage, fmt::format("{} is a store, expected a copy as STORE@COPY", name.store),
                {.next = "tarn store list"});
}

Status StateImpl::save_store(const std::string& name, const StoreDocument& document) {
    Json body = Json::object({{"kind", "sqlite"}, {"paused", document.paused}});
    if (document.schedule) body.set("snapshots", document.schedule->to_json());
    TARN_TRY(parts_.catalog.put_document({std::string(store_kind), name, document.created, std::move(body)}));
    std::lock_guard lock(mutex_);
    stores_[name] = document;
    return {};
}

Status StateImpl::save_copy(const std::string& name, const CopyDocument& document) {
    TARN_TRY(parts_.catalog.put_document(
        {std::string(copy_kind), name, document.created,
         Json::object(
             {{"base", document.base}, {"complete", document.complete}, {"until", document.until}})}));
    std::lock_guard lock(mutex_);
    copies_[name] = document;
    return {};
}

Status StateImpl::declare_store(const std::string& name) {
    TARN_TRY(check_name("store", name));
    {
        std::lock_guard lock(mutex_);
        if (stores_.contains(name)) return {};
    }
    TARN_TRY(parts_.fs.make_directories(directory_of(name)));
    {
        // Functions are given its path: it must be there. On disk before the catalog says so, because a file
        // that is missing then is damage.
        TARN_ASSIGN(auto database, open_store_file(path_of({name, ""}), parts_.vfs));
        TARN_TRY(fold_in(database));
    }
    TARN_TRY(parts_.fs.sync_directory(directory_of(name)));
    return save_store(name, {parts_.clock.now(), false, "", {}});
}

std::vector<ProjectionSpec> StateImpl::specs_of(const std::string& store) {
    std::lock_guard lock(mutex_);
    std::vector<const ProjectionDocument*> documents;
    for (const auto& [name, document] : projections_)
        if (document.spec.store == store) documents.push_back(&document);
    // A later schema may build on the tables of an earlier one.
    std::stable_sort(documents.begin(), documents.end(),
                     [](const auto* a, const auto* b) { return a->created < b->created; });
    std::vector<ProjectionSpec> specs;
    for (const auto* document : documents) specs.push_back(document->spec);
    return specs;
}

Result<bool> StateImpl::declare_projection(const ProjectionSpec& spec) {
    TARN_TRY(check_name("projection", spec.name));
    TARN_TRY(check_exists({spec.store, ""}));
    auto others = specs_of(spec.store);
    std::erase_if(others, [&](const auto& other) { return other.name == spec.name; });
    TARN_TRY(check_projection(spec, others));

    ProjectionDocument document{parts_.clock.now(), spec};
    bool changed = false;
    {
        std::lock_guard lock(mutex_);
        if (const auto known = projections_.find(spec.name); known != projections_.end()) {
            if (known->second.spec.store != spec.store)
                return fail(Code::bad_config,
                            fmt::format("projection {} feeds store {}; to feed {} give it another name",
                                        spec.name, known->second.spec.store, spec.store));
            changed = known->second.spec.version() != spec.version();
            if (!changed) return false;
            document.created = known->second.created;
        }
    }
    TARN_TRY(parts_.catalog.put_document(
        {std::string(projection_kind), spec.name, document.created, spec.to_json()}));
    {
        std::lock_guard lock(mutex_);
        projections_[spec.name] = std::move(document);
        generation_++;
    }
    // Its tables are there from now on, empty, so that a query finds them.
    auto& live = slot(spec.store);
    std::lock_guard work(live.work);
    std::shared_lock files(live.files);
    auto opened = open_live(spec.store, live);
    if (!opened && opened.error().code != Code::store_damaged) return fail(std::move(opened.error()));
    return changed;
}

Result<std::vector<ProjectionSpec>> StateImpl::projections() {
    std::lock_guard lock(mutex_);
    std::vector<ProjectionSpec> specs;
    for (const auto& [name, document] : projections_) specs.push_back(document.spec);
    return specs;
}

Result<ProjectionSpec> StateImpl::projection(std::string_view name) {
    std::lock_guard lock(mutex_);
    const auto found = projections_.find(std::string(name));
    if (found == projections_.end())
        return fail(Code::unknown_projection, fmt::format("there is no projection {}", name),
                    {.next = "declare it in tarn.yaml and run tarn apply"});
    return found->second.spec;
}

Status StateImpl::set_paused(std::string_view store, bool paused) {
    const auto name = split_store_name(store);
    TARN_TRY(check_exists(name));
    if (name.is_copy())
        return fail(Code::bad_usage, fmt::format("{} is a copy; only a store's feeders are paused", store));
    TARN_ASSIGN(const auto outside, outside_feeders(name.store));
    if (!outside.empty()) TARN_TRY(parts_.outside->set_paused(name.store, paused));
    StoreDocument document;
    {
        std::lock_guard lock(mutex_);
        document = stores_[name.store];
    }
    document.paused = paused && outside.empty();
    document.damage.reset();  // looked at again
    return save_store(name.store, document);
}

// ---- looking
// -------------------------------------------------------------------------------------------------------------

Status StateImpl::check_file(const StoreName& name) {
    const auto path = path_of(name);
    TARN_ASSIGN(const auto file, parts_.fs.stat(path));
    return file ? Status() : unusable_store(name, path, "is missing");
}

Result<sqlite::Database> StateImpl::open_writer(const StoreName& name) {
    TARN_TRY(check_file(name));
    return explained(open_existing_store_file(path_of(name), parts_.vfs));
}

StoreInfo StateImpl::declared(const StoreName& name) {
    StoreInfo info;
    info.name = name.text();
    for (const auto& spec : specs_of(name.store)) info.feeders.push_back(spec.name);
    std::lock_guard lock(mutex_);
    if (const auto copy = copies_.find(info.name); copy != copies_.end()) {
        info.base = copy->second.base;
        info.complete = copy->second.complete;
    } else if (!name.is_copy()) {
        info.paused = stores_[name.store].paused;
        info.note = stores_[name.store].note;
    }
    return info;
}

Result<StoreInfo> StateImpl::describe(const StoreName& name) {
    TARN_TRY(check_exists(name));
    // Opened before anything is looked up, so that a copy is not discarded meanwhile.
    TARN_ASSIGN(auto side, open_side(name.text()));
    auto info = declared(name);
    if (!name.is_copy()) {
        TARN_ASSIGN(const auto all, snapshots());
        info.schedule = schedule_json(name.store, all);
    }
    TARN_ASSIGN(const auto file, parts_.fs.stat(path_of(name)));
    if (file) info.bytes = file->size;
    TARN_ASSIGN(info.positions, explained(read_positions(side.database())));
    TARN_TRY(describe_outside(name, info));
    TARN_ASSIGN(info.failed, explained(count_failed(side.database())));
    TARN_ASSIGN(info.first_failed, explained(read_failed(side.database(), failed_shown_max)));
    return info;
}

// A copy's own file says where they stand in it.
Status StateImpl::describe_outside(const StoreName& name, StoreInfo& info) {
    TARN_ASSIGN(const auto outside, outside_feeders(name.store));
    if (outside.empty()) return {};
    info.feeders.insert(info.feeders.end(), outside.begin(), outside.end());
    if (name.is_copy()) return {};
    TARN_ASSIGN(info.positions, parts_.outside->positions(name.store));
    TARN_ASSIGN(info.paused, parts_.outside->is_paused(name.store));
    return {};
}

Result<StoreInfo> StateImpl::store(std::string_view name) { return describe(split_store_name(name)); }

Result<std::vector<FailedEvent>> StateImpl::failed_events(std::string_view store) {
    TARN_ASSIGN(auto side, open_side(store));
    return explained(read_failed(side.database(), INT64_MAX));
}

Result<std::vector<StoreInfo>> StateImpl::stores() {
    std::vector<StoreInfo> infos;
    for (const auto& name : names()) {
        auto info = store(name);
        if (!info && info.error().code == Code::unknown_store) continue;  // discarded meanwhile
        if (!info && info.error().code == Code::store_damaged) {
            infos.push_back(declared(split_store_name(name)));
            infos.back().damage = info.error().message;
            continue;
        }
        if (!info) return fail(std::move(info.error()));
        infos.push_back(std::move(*info));
    }
    return infos;
}

// Stores and copies.
std::vector<std::string> StateImpl::names() {
    std::lock_guard lock(mutex_);
    std::vector<std::string> names;
    for (const auto& [name, document] : stores_) names.push_back(name);
    for (const auto& [name, document] : copies_) names.push_back(name);
    std::sort(names.begin(), names.end());
    return names;
}

Result<ReadSide> StateImpl::open_side(std::string_view name) {
    static constexpr std::string_view prefix = "snapshot:";
    if (name.starts_with(prefix)) return open_snapshot_side(name.substr(prefix.size()));
    static constexpr std::string_view store_prefix = "store:";
    if (name.starts_with(store_prefix)) name.remove_prefix(store_prefix.size());
    const auto which = split_store_name(name);
    TARN_TRY(check_exists(which));
    ReadSide side;
    side.lock_ = std::shared_lock(slot(which.text()).files);
    TARN_TRY(check_exists(which));  // it may have been discarded while we waited
    if (!which.is_copy()) TARN_TRY(check_undamaged(which.store));
    TARN_TRY(check_file(which));
    TARN_ASSIGN(side.database_, explained(open_store_reader(path_of(which), parts_.vfs)));
    return side;
}

Result<ReadSide> StateImpl::open_snapshot_side(std::string_view id) {
    TARN_ASSIGN(const auto info, snapshot(id));
    TARN_ASSIGN(const auto bytes, get_snapshot(parts_.lake.store(), info));
    TARN_TRY(parts_.fs.make_directories(directory_of(info.store)));
    ReadSide side;
    side.fs_ = &parts_.fs;
    side.temporary_ = temporary_path(info.store);
    TARN_TRY(os::write_file_durably(parts_.fs, side.temporary_, bytes));
    TARN_ASSIGN(side.database_, open_store_reader(side.temporary_, parts_.vfs));
    return side;
}

}  // namespace tarn::state
