#include "state/touches.h"

#include <sqlite3.h>

#include <algorithm>

namespace tarn::state {

Result<std::unique_ptr<TouchRecorder>> TouchRecorder::open(sqlite::Database& database, std::int64_t feeder) {
    std::unique_ptr<TouchRecorder> recorder(new TouchRecorder(database, feeder));
    TARN_ASSIGN(recorder->insert_touch_,
                database.prepare("INSERT OR IGNORE INTO tarn_touch VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"));
    TARN_ASSIGN(recorder->insert_name_,
                database.prepare("INSERT OR IGNORE INTO tarn_name(name) VALUES (?1)"));
    TARN_ASSIGN(recorder->find_name_, database.prepare("SELECT id FROM tarn_name WHERE name=?1"));
    sqlite3_update_hook(database.handle(), &TouchRecorder::on_update, recorder.get());
    return recorder;
}

TouchRecorder::~TouchRecorder() { sqlite3_update_hook(database_.handle(), nullptr, nullptr); }

// Must not touch the connection: it only takes notes.
void TouchRecorder::on_update(void* self, int, const char*, const char* table, long long rowid) {
    auto& recorder = *static_cast<TouchRecorder*>(self);
    const std::string_view name(table);
    if (name.starts_with("tarn_") || name.starts_with("sqlite_")) return;
    auto found = std::find(recorder.tables_.begin(), recorder.tables_.end(), name);
    if (found == recorder.tables_.end())
        found = recorder.tables_.insert(recorder.tables_.end(), std::string(name));
    recorder.touched_.emplace_back(static_cast<std::size_t>(found - recorder.tables_.begin()), rowid);
}

Result<std::int64_t> TouchRecorder::id_of(const std::string& name) {
    if (const auto known = ids_.find(name); known != ids_.end()) return known->second;
    insert_name_.bind(1, name);
    TARN_TRY(insert_name_.run());
    find_name_.bind(1, name);
    TARN_TRY(find_name_.step());
    const auto id = find_name_.integer(0);
    find_name_.reset();
    return ids_[name] = id;
}

Status TouchRecorder::record(const event::StoredEvent& event, const event::Meta& meta) {
    if (touched_.empty()) return {};
    TARN_ASSIGN(const auto type, id_of(std::string(meta.type)));
    for (const auto& [table, rowid] : touched_) {
        TARN_ASSIGN(const auto name, id_of(tables_[table]));
        insert_touch_.bind(1, name)
            .bind(2, rowid)
            .bind(3, static_cast<std::int64_t>(event.sequence))
            .bind(4, feeder_);
        insert_touch_.bind(5, std::int64_t{event.position.partition})
            .bind(6, static_cast<std::int64_t>(event.position.offset));
        insert_touch_.bind(7, type).bind(8, meta.time.us);
        TARN_TRY(insert_touch_.run());
    }
    touched_.clear();
    return {};
}

}  // namespace tarn::state
