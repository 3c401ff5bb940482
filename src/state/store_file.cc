#include "state/store_file.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include "state/damage.h"
#include "state/decimal_functions.h"

namespace tarn::state {

using codec::Json;

namespace {

constexpr std::int64_t busy_timeout_us = 60'000'000;  // a writer holds the lock for one batch

constexpr const char* own_tables = R"(
CREATE TABLE IF NOT EXISTS tarn_feeder(
    number INTEGER PRIMARY KEY, feeder TEXT NOT NULL UNIQUE, version TEXT NOT NULL,
    stream TEXT NOT NULL, stream_id INTEGER NOT NULL, sequence INTEGER NOT NULL, next TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS tarn_exception(
    feeder INTEGER NOT NULL, sequence INTEGER NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL,
    state TEXT NOT NULL, error TEXT, at_us INTEGER, PRIMARY KEY(feeder, sequence)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tarn_declaration(
    feeder INTEGER NOT NULL, sequence INTEGER NOT NULL, declaration TEXT NOT NULL,
    PRIMARY KEY(feeder, sequence)) WITHOUT ROWID;
)";

constexpr const char* touch_tables = R"(
CREATE TABLE IF NOT EXISTS tarn_name(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS tarn_touch(
    tab INTEGER NOT NULL, key ANY NOT NULL, sequence INTEGER NOT NULL, feeder INTEGER NOT NULL, partition INTEGER NOT NULL,
    offset INTEGER NOT NULL, type INTEGER NOT NULL, time INTEGER NOT NULL, PRIMARY KEY(tab, key, sequence)) WITHOUT ROWID;
)";

// SQLite's own file access with a clock that does not answer: date(:x) is NULL when an event brings the text
// 'now', which no reading of the statement can see, instead of another value in each rebuild.
const char* clockless_vfs() {
    static const char* const name = []() -> const char* {
        static sqlite3_vfs vfs = *sqlite3_vfs_find(nullptr);
        vfs.zName = "tarn-clockless";
        vfs.pNext = nullptr;
        vfs.xCurrentTime = [](sqlite3_vfs*, double*) { return SQLITE_ERROR; };
        vfs.xCurrentTimeInt64 = [](sqlite3_vfs*, sqlite3_int64*) { return SQLITE_ERROR; };
        return sqlite3_vfs_register(&vfs, 0) == SQLITE_OK ? vfs.zName : nullptr;
    }();
    return name;
}

std::int64_t signed_of(std::uint64_t value) { return static_cast<std::int64_t>(value); }
std::uint64_t unsigned_of(std::int64_t value) { return static_cast<std::uint64_t>(value); }

Result<std::int64_t> one_integer(sqlite::Database& database, std::string_view sql) {
    TARN_ASSIGN(auto statement, database.prepare(sql));
    TARN_ASSIGN(const bool row, statement.step());
    return row ? statement.integer(0) : 0;
}

// No statement may reach another file, whatever the authorizer overlooks; and big sorts stay in memory.
Status harden(sqlite::Database& database) {
    sqlite3_limit(database.handle(), SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_db_config(database.handle(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    TARN_TRY(database.execute("PRAGMA temp_store=MEMORY; PRAGMA cache_size=-32768;"));
    return register_decimal_functions(database);
}

Status check_version(sqlite::Database& database, const std::string& path) {
    TARN_ASSIGN(const auto version, one_integer(database, "PRAGMA user_version"));
    if (version <= store_format_version) return {};
    return fail(Code::newer_format,
                fmt::format("store {} has format {}, this Tarn knows up to {}; it was left untouched", path,
                            version, store_format_version));
}

FeederRow row_of(const sqlite::Statement& statement) {
    FeederRow row;
    row.number = statement.integer(0);
    row.version = statement.text(1);
    row.stream = statement.text(2);
    row.stream_id.value = static_cast<std::uint32_t>(statement.integer(3));
    row.sequence = unsigned_of(statement.integer(4));
    auto next = Json::parse(statement.text(5));
    if (next) row.next = next_from_json(*next);
    return row;
}

Result<std::vector<Position>> read_exceptions(sqlite::Database& database, const FeederRow& row) {
    // Below the watermark only failures are news, above it only what is applied already.
    TARN_ASSIGN(
        auto statement,
        database.prepare(
            "SELECT partition, offset FROM tarn_exception WHERE feeder=?1 AND "
            "((sequence<?2 AND state='failed') OR (sequence>=?2 AND state='applied')) ORDER BY sequence"));
    statement.bind(1, row.number).bind(2, signed_of(row.sequence));
    std::vector<Position> positions;
    while (true) {
        TARN_ASSIGN(const bool more, statement.step());
        if (!more) return positions;
        positions.push_back(
            {row.stream_id, static_cast<Partition>(statement.integer(0)), unsigned_of(statement.integer(1))});
    }
}

}  // namespace

Json next_to_json(const std::map<Partition, Offset>& next) {
    auto json = Json::object();
    for (const auto& [partition, offset] : next) json.set(std::to_string(partition), offset);
    return json;
}

std::map<Partition, Offset> next_from_json(const Json& json) {
    std::map<Partition, Offset> next;
    for (const auto& [partition, offset] : json.members())
        next[static_cast<Partition>(Json::number_text(partition).as_uint())] = offset.as_uint();
    return next;
}

namespace {

Result<bool> has_column(sqlite::Database& database, std::string_view table, std::string_view column) {
    TARN_ASSIGN(auto statement, database.prepare("SELECT 1 FROM pragma_table_info(?1) WHERE name=?2"));
    statement.bind(1, table).bind(2, column);
    return statement.step();
}

sqlite::OpenOptions store_options() {
    sqlite::OpenOptions options;
    options.full_sync = false;
    options.busy_timeout_us = busy_timeout_us;
    options.error_code = Code::store_failed;
    return options;
}

// SQLite takes an empty file, and any other program's database, for a store without tables.
Status check_is_store(sqlite::Database& database, const std::string& path) {
    TARN_ASSIGN(const bool is_store, has_table(database, "tarn_feeder"));
    if (is_store) return {};
    return damaged_file(path.c_str(), "the file holds none of Tarn's tables");
}

// Format 1 did not say when an event was refused. One of two that open the file at once converts it.
Status convert(sqlite::Database& database) {
    TARN_ASSIGN(const auto version, one_integer(database, "PRAGMA user_version"));
    if (version != 1) return {};
    return database.transaction([&]() -> Status {
        TARN_ASSIGN(const bool is_done, has_column(database, "tarn_exception", "at_us"));
        if (!is_done) TARN_TRY(database.execute("ALTER TABLE tarn_exception ADD COLUMN at_us INTEGER"));
        return database.execute(fmt::format("PRAGMA user_version={}", store_format_version));
    });
}

}  // namespace

Result<sqlite::Database> open_store_file(const std::string& path, const char* vfs) {
    auto options = store_options();
    options.vfs = vfs != nullptr ? vfs : clockless_vfs();
    TARN_ASSIGN(auto database, sqlite::Database::open(path, options));
    TARN_TRY(check_version(database, path));
    TARN_TRY(harden(database));
    TARN_TRY(database.execute(own_tables));
    TARN_TRY(convert(database));
    TARN_TRY(database.execute(fmt::format("PRAGMA user_version={}", store_format_version)));
    return database;
}

Result<sqlite::Database> open_existing_store_file(const std::string& path, const char* vfs) {
    auto options = store_options();
    options.vfs = vfs != nullptr ? vfs : clockless_vfs();
    options.wal = false;  // it is in that mode, or damaged: then nothing is to be written
    TARN_ASSIGN(auto database, sqlite::Database::open(path, options));
    TARN_TRY(check_version(database, path));
    TARN_TRY(check_is_store(database, path));
    TARN_TRY(harden(database));
    TARN_TRY(convert(database));
    return database;
}

Result<sqlite::Database> open_store_reader(const std::string& path, const char* vfs) {
    // Not read_only: a reader may have to build the shared-memory index of the write-ahead file after a
    // crash.
    auto options = store_options();
    options.vfs = vfs;
    options.wal = false;
    TARN_ASSIGN(auto database, sqlite::Database::open(path, options));
    TARN_TRY(check_version(database, path));
    TARN_TRY(check_is_store(database, path));
    TARN_TRY(harden(database));
    TARN_TRY(database.execute("PRAGMA query_only=1"));
    return database;
}

Result<sqlite::Database> open_in_memory() {
    auto options = store_options();
    options.wal = false;
    TARN_ASSIGN(auto database, sqlite::Database::open(":memory:", options));
    TARN_TRY(harden(database));
    return database;
}

Status fold_in(sqlite::Database& database) {
    TARN_ASSIGN(auto statement, database.prepare("PRAGMA wal_checkpoint(TRUNCATE)"));
    TARN_ASSIGN(const bool row, statement.step());
    if (row && statement.integer(0) == 0) return {};
    return fail(Code::store_busy, "the store's database is being read by another program",
                {.next = "close the other program's connection, then try again"});
}

Result<std::optional<FeederRow>> read_feeder(sqlite::Database& database, std::string_view feeder) {
    TARN_ASSIGN(auto statement, database.prepare("SELECT number, version, stream, stream_id, sequence, next, "
                                                 "EXISTS(SELECT 1 FROM tarn_exception e WHERE "
                                                 "e.feeder=f.number) FROM tarn_feeder f WHERE feeder=?1"));
    statement.bind(1, feeder);
    TARN_ASSIGN(const bool found, statement.step());
    if (!found) return std::optional<FeederRow>();
    auto row = row_of(statement);
    row.has_exceptions = statement.integer(6) != 0;
    return std::optional<FeederRow>(std::move(row));
}

Status add_feeder(sqlite::Database& database, const ProjectionSpec& spec, StreamId stream) {
    TARN_ASSIGN(
        auto statement,
        database.prepare("INSERT INTO tarn_feeder(feeder, version, stream, stream_id, sequence, next) "
                         "VALUES (?1, ?2, ?3, ?4, 1, '{}')"));
    statement.bind(1, spec.name)
        .bind(2, spec.version())
        .bind(3, spec.stream)
        .bind(4, std::int64_t{stream.value});
    return statement.run();
}

Status put_position(sqlite::Database& database, const FeederPosition& position,
                    const std::vector<Sequence>& sequences) {
    TARN_TRY(remove_feeder(database, position.feeder));
    TARN_ASSIGN(
        auto feeder,
        database.prepare("INSERT INTO tarn_feeder(feeder, version, stream, stream_id, sequence, next) "
                         "VALUES (?1, '', ?2, ?3, ?4, ?5) RETURNING number"));
    feeder.bind(1, position.feeder).bind(2, position.stream).bind(3, std::int64_t{position.stream_id.value});
    feeder.bind(4, signed_of(position.sequence)).bind(5, next_to_json(position.next).dump());
    TARN_TRY(feeder.step());
    const std::int64_t number = feeder.integer(0);
    feeder.reset();
    TARN_ASSIGN(auto exception,
                database.prepare("INSERT INTO tarn_exception(feeder, sequence, partition, offset, state) "
                                 "VALUES (?1, ?2, ?3, ?4, ?5)"));
    for (std::size_t i = 0; i < sequences.size(); ++i) {
        exception.bind(1, number).bind(2, signed_of(sequences[i]));
        exception.bind(3, std::int64_t{position.exceptions[i].partition});
        exception.bind(4, signed_of(position.exceptions[i].offset));
        exception.bind(5, std::string_view(sequences[i] < position.sequence ? "failed" : "applied"));
        TARN_TRY(exception.run());
    }
    return {};
}

Status remove_feeder(sqlite::Database& database, std::string_view feeder) {
    for (const char* sql : {"DELETE FROM tarn_exception WHERE feeder IN (SELECT number FROM tarn_feeder "
                            "WHERE feeder=?1)",
                            "DELETE FROM tarn_feeder WHERE feeder=?1"}) {
        TARN_ASSIGN(auto statement, database.prepare(sql));
        TARN_TRY(statement.bind(1, feeder).run());
    }
    return {};
}

Status mark_replacement(sqlite::Database& database, std::uint64_t number) {
    return database.execute(
        fmt::format("CREATE TABLE IF NOT EXISTS tarn_replacement(number INTEGER NOT NULL); "
                    "DELETE FROM tarn_replacement; "
                    "INSERT INTO tarn_replacement VALUES ({});",
                    number));
}

Result<std::uint64_t> read_replacement(sqlite::Database& database) {
    TARN_ASSIGN(const bool is_marked, has_table(database, "tarn_replacement"));
    if (!is_marked) return std::uint64_t{0};
    TARN_ASSIGN(const auto number, one_integer(database, "SELECT number FROM tarn_replacement"));
    return unsigned_of(number);
}

Status set_feeder_version(sqlite::Database& database, std::string_view feeder, std::string_view version) {
    TARN_ASSIGN(auto statement, database.prepare("UPDATE tarn_feeder SET version=?2 WHERE feeder=?1"));
    statement.bind(1, feeder).bind(2, version);
    return statement.run();
}

Status write_watermark(sqlite::Database& database, const FeederRow& row) {
    TARN_ASSIGN(
        auto update,
        database.prepare(
            "UPDATE tarn_feeder SET stream_id=?2, sequence=?3, next=?4 WHERE number=?1 AND sequence<=?3"));
    update.bind(1, row.number)
        .bind(2, std::int64_t{row.stream_id.value})
        .bind(3, signed_of(row.sequence))
        .bind(4, next_to_json(row.next).dump());
    TARN_TRY(update.run());
    if (!row.has_exceptions) return {};
    TARN_ASSIGN(
        auto forget,
        database.prepare("DELETE FROM tarn_exception WHERE feeder=?1 AND sequence<?2 AND state='applied'"));
    forget.bind(1, row.number).bind(2, signed_of(row.sequence));
    return forget.run();
}

Status forget_missed(sqlite::Database& database, const FeederRow& row) {
    TARN_ASSIGN(auto forget, database.prepare("DELETE FROM tarn_exception WHERE feeder=?1 AND sequence<?2"));
    forget.bind(1, row.number).bind(2, signed_of(row.sequence));
    return forget.run();
}

Result<std::vector<FeederPosition>> read_positions(sqlite::Database& database) {
    TARN_ASSIGN(auto statement, database.prepare("SELECT number, version, stream, stream_id, sequence, next, "
                                                 "feeder FROM tarn_feeder ORDER BY feeder"));
    std::vector<FeederPosition> positions;
    while (true) {
        TARN_ASSIGN(const bool more, statement.step());
        if (!more) return positions;
        auto row = row_of(statement);
        FeederPosition position;
        position.feeder = statement.text(6);
        TARN_ASSIGN(position.exceptions, read_exceptions(database, row));
        position.stream = std::move(row.stream);
        position.stream_id = row.stream_id;
        position.sequence = row.sequence;
        position.next = std::move(row.next);
        positions.push_back(std::move(position));
    }
}

// A file that nothing has written to since format 1 is read as it is.
Result<std::vector<FailedEvent>> read_failed(sqlite::Database& database, std::size_t limit) {
    TARN_ASSIGN(const bool has_times, has_column(database, "tarn_exception", "at_us"));
    TARN_ASSIGN(auto statement,
                database.prepare(
                    fmt::format("SELECT f.feeder, f.stream, f.stream_id, e.partition, e.offset, e.error, {} "
                                "FROM tarn_exception e JOIN tarn_feeder f ON f.number=e.feeder "
                                "WHERE e.state='failed' ORDER BY e.sequence LIMIT ?1",
                                has_times ? "e.at_us" : "NULL")));
    statement.bind(1, signed_of(limit));
    std::vector<FailedEvent> events;
    while (true) {
        TARN_ASSIGN(const bool more, statement.step());
        if (!more) return events;
        events.push_back({std::string(statement.text(0)),
                          std::string(statement.text(1)),
                          {StreamId{static_cast<std::uint32_t>(statement.integer(2))},
                           static_cast<Partition>(statement.integer(3)), unsigned_of(statement.integer(4))},
                          std::string(statement.text(5)),
                          statement.is_null(6) ? std::nullopt : std::optional(Time{statement.integer(6)})});
    }
}

Result<std::uint64_t> count_failed(sqlite::Database& database) {
    TARN_ASSIGN(const auto count,
                one_integer(database, "SELECT count(*) FROM tarn_exception WHERE state='failed'"));
    return unsigned_of(count);
}

Result<std::map<std::string, std::string>> read_versions(sqlite::Database& database) {
    TARN_ASSIGN(auto statement, database.prepare("SELECT feeder, version FROM tarn_feeder"));
    std::map<std::string, std::string> versions;
    while (true) {
        TARN_ASSIGN(const bool more, statement.step());
        if (!more) return versions;
        versions.emplace(statement.text(0), statement.text(1));
    }
}

Status note_declaration(sqlite::Database& database, const FeederRow& row, const ProjectionSpec& spec) {
    const auto declaration = spec.to_json().dump();
    TARN_ASSIGN(auto latest, database.prepare("SELECT declaration FROM tarn_declaration WHERE feeder=?1 "
                                              "ORDER BY sequence DESC LIMIT 1"));
    latest.bind(1, row.number);
    TARN_ASSIGN(const bool is_known, latest.step());
    const bool is_same = is_known && latest.text(0) == declaration;
    latest.reset();
    if (is_same) return {};
    TARN_ASSIGN(auto put, database.prepare("INSERT OR REPLACE INTO tarn_declaration VALUES (?1, ?2, ?3)"));
    put.bind(1, row.number).bind(2, signed_of(row.sequence)).bind(3, declaration);
    return put.run();
}

Result<std::vector<Declaration>> read_declarations(sqlite::Database& database) {
    std::vector<Declaration> all;
    TARN_ASSIGN(auto statement,
                database.prepare("SELECT f.feeder, d.sequence, d.declaration FROM tarn_declaration d "
                                 "JOIN tarn_feeder f ON f.number=d.feeder"));
    while (true) {
        TARN_ASSIGN(const bool more, statement.step());
        if (!more) return all;
        all.push_back({std::string(statement.text(0)), unsigned_of(statement.integer(1)),
                       std::string(statement.text(2))});
    }
}

Status make_touch_tables(sqlite::Database& database) { return database.execute(touch_tables); }

Status drop_touch_tables(sqlite::Database& database) {
    return database.execute("DROP TABLE IF EXISTS tarn_touch; DROP TABLE IF EXISTS tarn_name;");
}

Result<bool> has_table(sqlite::Database& database, std::string_view name) {
    TARN_ASSIGN(auto statement,
                database.prepare("SELECT 1 FROM sqlite_schema WHERE type='table' AND name=?1"));
    statement.bind(1, name);
    return statement.step();
}

}  // namespace tarn::state
