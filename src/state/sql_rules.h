// What projection SQL may do: change the store's own tables, as a pure function of the event. Everything that
// would make a rebuild differ from the first run, or reach outside the store, is refused when the projection
// is declared: random(), 'now', CURRENT_TIMESTAMP, last_insert_rowid() and their like; ATTACH, PRAGMA,
// transactions, temporary and virtual tables, and Tarn's own tables (tarn_…).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sqlite/sqlite.h"

struct sqlite3_stmt;

namespace tarn::state {

struct StatementCloser {
    void operator()(sqlite3_stmt* statement) const;
};
using StatementHandle = std::unique_ptr<sqlite3_stmt, StatementCloser>;

enum class SqlUse : std::uint8_t {
    schema,  // CREATE TABLE, INDEX, VIEW, TRIGGER; INSERT of first rows
    event,   // INSERT, UPDATE, DELETE on an event
};

struct UserStatement {
    StatementHandle handle;
    std::string sql;
    // Some failures in the middle leave part of the effect behind unless a savepoint is around it (see
    // Feeder::run_matching). Only a single-row INSERT evaluates everything before it writes.
    bool needs_savepoint = true;
};

// Runs each statement of a schema. projection_sql with SQLite's message and the statement; `where` begins the
// message.
Status run_schema(sqlite::Database& database, const std::string& sql, std::string_view where);
// Prepares the statements of one `sql` text.
Result<std::vector<UserStatement>> prepare_for_events(sqlite::Database& database, const std::string& sql,
                                                      std::string_view where);

// One SELECT (or EXPLAIN of one) that reads and nothing else: sql_not_select, sql_invalid.
Result<StatementHandle> prepare_select(sqlite::Database& database, const std::string& sql);

}  // namespace tarn::state
