// Which event changed which row of a copy: SQLite tells the rows while an event is applied, and they are
// noted in tarn_touch so that a difference can name its causes. Rows of WITHOUT ROWID tables are not told:
// they have no note.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "event/event.h"
#include "event/meta.h"
#include "sqlite/sqlite.h"

namespace tarn::state {

// One per connection; must be destroyed before it.
class TouchRecorder {
public:
    static Result<std::unique_ptr<TouchRecorder>> open(sqlite::Database& database, std::int64_t feeder);
    ~TouchRecorder();
    TouchRecorder(const TouchRecorder&) = delete;
    TouchRecorder& operator=(const TouchRecorder&) = delete;

    void discard() { touched_.clear(); }  // the event's effects were undone
    // Notes the rows changed since the last call as touched by `event`. Within the caller's transaction.
    Status record(const event::StoredEvent& event, const event::Meta& meta);
    // After a rollback: ids given since may be gone.
    void forget_names() { ids_.clear(); }

private:
    TouchRecorder(sqlite::Database& database, std::int64_t feeder) : database_(database), feeder_(feeder) {}
    static void on_update(void* self, int action, const char* database, const char* table, long long rowid);
    Result<std::int64_t> id_of(const std::string& name);

    sqlite::Database& database_;
    std::int64_t feeder_;
    sqlite::Statement insert_touch_, insert_name_, find_name_;
    std::vector<std::string> tables_;  // as they were first touched; an index into it stands for the name
    std::vector<std::pair<std::size_t, std::int64_t>> touched_;
    std::unordered_map<std::string, std::int64_t> ids_;
};

}  // namespace tarn::state
