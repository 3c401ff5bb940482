#include "server/check.h"

#include <fmt/core.h>

#include <set>

#include "lake/baseline.h"
#include "lake/fsck.h"
#include "log/reader.h"
#include "log/salvage.h"
#include "os/real_file_system.h"
#include "replay/ledger.h"
#include "replay/manifest.h"
#include "replay/plan_document.h"
#include "state/snapshot_file.h"
#include "state/store_file.h"

namespace tarn::server {
namespace {

using codec::Json;

constexpr const char* put_back = "put a good copy in its place";

// What there is to look at. `catalog` is nullptr where it cannot be opened.
struct Parts {
    os::FileSystem& fs;
    std::string directory;
    catalog::Catalog* catalog;
    objects::ObjectStore& store;
};

class StoredCheck {
public:
    explicit StoredCheck(Parts parts) : parts_(std::move(parts)) {}

    Result<Json> run() {
        TARN_TRY(check_catalog());
        TARN_TRY(check_log());
        if (parts_.catalog != nullptr) {
            TARN_ASSIGN(const auto objects, lake::check_objects(*parts_.catalog, parts_.store));
            for (const lake::Finding& found : objects) add(found.place, found.what, found.next);
            TARN_TRY(check_snapshots());
            TARN_TRY(check_plans());
            TARN_TRY(check_ledgers());
        }
        TARN_TRY(check_stores());
        Json out;
        out.set("schema_version", 1).set("items", std::move(items_));
        out.set("complete", parts_.catalog != nullptr);
        if (parts_.catalog == nullptr)
            out.set("why", "without the catalog objects, snapshots, plans and ledgers were not looked at");
        return out;
    }

    void add(const std::string& place, const std::string& what, const std::string& next) {
        items_.push(Json::object().set("place", place).set("what", what).set("next", next));
    }
    void add(const Error& error, std::string_view otherwise_place) {
        const std::string place = error.place.text();
        add(place.empty() ? std::string(otherwise_place) : place, error.message,
            error.next.empty() || error.next == "tarn fsck" ? put_back : error.next);
    }

private:
    std::string file(std::string_view name) const { return os::join(parts_.directory, name); }

    Status check_catalog() {
        if (parts_.catalog == nullptr) return {};
        const auto problems = parts_.catalog->problems();
        if (!problems) add(problems.error(), file("catalog.db"));
        if (problems)
            for (const std::string& problem : *problems) add(file("catalog.db"), problem, put_back);
        return {};
    }

    Status check_log() {
        std::optional<log::Baseline> baseline;
        if (parts_.catalog != nullptr) {
            auto known = lake::baseline_of(*parts_.catalog);
            if (!known) return add(known.error(), file("catalog.db")), Status();
            baseline = std::move(*known);
        }
        if (baseline && baseline->has_history) {
            if (const auto there = log::require_log(parts_.fs, file("wal")); !there)
                return add(there.error(), file("wal")), Status();
        }
        TARN_ASSIGN(const auto there, parts_.fs.stat(file("wal")));
        if (!there) return {};
        TARN_ASSIGN(const auto damages, log::check_directory(parts_.fs, file("wal")));
        for (const log::Damage& damage : damages) {
            // An unfinished tail is no damage: its end is being written, or the next start cuts it off.
            if (damage.is_tail) continue;
            add(fmt::format("{}: bytes {} to {}", damage.path, damage.begin, damage.end), damage.what,
                "put a good copy of the segment in its place; until then the rest is served for reading");
        }
        if (!baseline) return {};
        TARN_ASSIGN(const auto salvaged, log::salvage(parts_.fs, file("wal"), *baseline));
        for (const log::Gap& gap : salvaged.gaps) TARN_TRY(check_gap(gap));
        return {};
    }

    // What damage means for the streams.
    Status check_gap(const log::Gap& gap) {
        const std::string place = fmt::format("{}: byte {}", gap.path, gap.begin);
        const std::string next = "they come back with a good copy of the segment, and only with that";
        for (const log::Gap::Lost& lost : gap.lost) {
            const auto info = parts_.catalog->stream(lost.stream);
            if (!info && info.error().code == Code::unknown_stream) continue;  // deleted
            if (!info) return fail(info.error());
            add(place,
                fmt::format("stream {}: {} to {} cannot be read", info->name,
                            event::position_text(lost.partition, lost.first),
                            event::position_text(lost.partition, lost.last)),
                next);
        }
        if (gap.others)
            add(place,
                fmt::format(
                    "sequence {} to {} cannot be read; which streams these events are of is not known "
                    "of all",
                    gap.first, gap.until - 1),
                next);
        return {};
    }

    Status check_snapshots() {
        TARN_ASSIGN(const auto documents, parts_.catalog->documents("snapshot"));
        for (const catalog::Document& document : documents) {
            const auto info = state::SnapshotInfo::from_json(document.body);
            if (!info) {
                add(info.error(), document.id);
                continue;
            }
            if (const auto bytes = state::get_snapshot(parts_.store, *info); !bytes)
                add(bytes.error(), info->object);
            check_snapshot_manifest(*info, document.body);
        }
        return {};
    }

    void check_snapshot_manifest(const state::SnapshotInfo& info, const Json& expected) {
        const std::string name = state::snapshot_manifest_name(info.store, info.id);
        const auto text = parts_.store.get(name);
        if (!text) return add(text.error(), name);
        const auto json = Json::parse(*text);
        if (!json || json->dump() != expected.dump())
            add(name, fmt::format("it is not what the catalog says of snapshot {}", info.id),
                "the snapshot itself is used by what the catalog says; put a good copy of the file in its "
                "place");
    }

    // SQLite's own check: pages, order of rows, indexes.
    Status check_stores() {
        const auto stores = parts_.fs.list(file("stores"));
        if (!stores) return stores.error().kind == ErrorKind::not_found ? Status() : fail(stores.error());
        for (const os::FileInfo& store : *stores) {
            if (!store.is_directory) continue;
            const std::string folder = os::join(file("stores"), store.name);
            TARN_ASSIGN(const auto files, parts_.fs.list(folder));
            for (const os::FileInfo& found : files)
                if (found.name.ends_with(".db") && !found.name.starts_with("tmp-"))
                    check_store_file(store.name, os::join(folder, found.name));
        }
        return {};
    }

    void check_store_file(const std::string& store, const std::string& path) {
        const std::string next = fmt::format(
            "rebuild it: tarn store restore {0} --to SNAPSHOT, or tarn replay plan --rebuild {0}", store);
        auto database = state::open_store_reader(path);
        if (!database) return add(path, database.error().message, next);
        const auto problems = sqlite::integrity_problems(*database);
        if (!problems) return add(path, problems.error().message, next);
        for (const std::string& problem : *problems) add(path, problem, next);
    }

    Status check_plans() {
        TARN_ASSIGN(const auto documents, parts_.catalog->documents("plan"));
        for (const catalog::Document& document : documents)
            check_plan(document, file("jobs/" + document.id + "/manifest.bin"));
        return {};
    }

    void check_plan(const catalog::Document& document, const std::string& path) {
        const std::string next = fmt::format(
            "{} cannot be run or verified until a good copy is in its place; or plan again", document.id);
        const auto manifest = replay::ManifestReader::open(parts_.fs, path);
        if (!manifest) return add(manifest.error().place.text(), manifest.error().message, next);
        // The blocks name the byte; the seal over all of them is compared afterwards.
        replay::ManifestEntry entry;
        while (true) {
            const auto more = (*manifest)->next(entry);
            if (!more) return add(more.error().place.text(), more.error().message, next);
            if (!*more) break;
        }
        if (const auto sealed = (*manifest)->check(); !sealed) return add(path, sealed.error().message, next);
        if (replay::plan_digest(document.body, (*manifest)->sha256()) != document.body["digest"].as_string())
            add(path, fmt::format("it and the catalog's {} do not give the plan's digest", document.id),
                next);
    }

    Status check_ledgers() {
        TARN_ASSIGN(const auto documents, parts_.catalog->documents("run"));
        for (const catalog::Document& document : documents) {
            const std::string path = file("jobs/" + document.id + "/ledger.bin");
            const std::string next = fmt::format(
                "records before the damage are good; {} cannot be resumed without a good copy", document.id);
            TARN_ASSIGN(const auto there, parts_.fs.stat(path));
            if (!there && document.body["state"].as_string() == "finished")
                add(path, fmt::format("the ledger of {}, which is finished, is missing", document.id), next);
            if (const auto read = replay::read_ledger(parts_.fs, path); !read)
                add(read.error().place.text().empty() ? path : read.error().place.text(),
                    read.error().message, next);
        }
        return {};
    }

    Parts parts_;
    Json items_ = Json::array();
};

}  // namespace

Result<Json> check_stored(Engine& engine) {
    TARN_ASSIGN(Json found, StoredCheck({engine.fs(), engine.directory().path(), &engine.catalog(),
                                         engine.lake().store()})
                                .run());
    const log::Recovery& recovery = engine.log().recovery();
    Json log;
    log.set("records", recovery.records).set("events", recovery.events).set("bytes", recovery.bytes);
    log.set("torn_bytes", recovery.torn_bytes).set("torn_at", recovery.torn_at);
    found.set("recovery", std::move(log));
    return found;
}

Result<Json> check_stored(const std::string& path, const std::string& command) {
    const auto fs = os::make_real_file_system();
    const auto clock = os::make_real_clock();
    const auto rng = os::make_real_rng();
    TARN_ASSIGN(const auto directory, DataDirectory::take(*fs, *clock, *rng, path, command));
    const auto store = objects::make_local_object_store(*fs, directory->file("lake"));
    const Status there = require_catalog(*fs, *directory);
    std::unique_ptr<catalog::Catalog> catalog;
    std::optional<Error> closed;
    if (!there) {
        closed = there.error();
    } else if (!directory->is_new()) {
        auto opened = catalog::Catalog::open(directory->file("catalog.db"));
        if (!opened && opened.error().kind != ErrorKind::corrupt) return fail(std::move(opened.error()));
        if (opened) catalog = std::move(*opened);
        if (!catalog) closed = opened.error();
    }
    StoredCheck check({*fs, path, catalog.get(), *store});
    if (closed) check.add(*closed, directory->file("catalog.db"));
    return check.run();
}

}  // namespace tarn::server
