// A store's database file: Tarn's own tables in it, and what they say. Format: docs/formats/store.md.
//
// Connections are used by one thread at a time. Writers are serialised by SQLite's own lock (BEGIN
// IMMEDIATE).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sqlite/sqlite.h"
#include "state/state.h"

namespace tarn::state {

inline constexpr int store_format_version = 2;

// A row of tarn_feeder: how far one projection is in this file.
struct FeederRow {
    std::int64_t number = 0;  // stands for the name in the other tables
    std::string version;      // of the projection that made the effects since it was last rebuilt
    std::string stream;
    StreamId stream_id;
    Sequence sequence = 1;
    std::map<Partition, Offset> next;
    bool has_exceptions = false;
};

// `vfs`: where the file is, as SQLite knows it (sqlite/file_system_vfs.h); nullptr: on the real file system.
//
// Opens for writing, making the file and Tarn's tables when absent; newer_format when a newer Tarn made them.
// Commits do not sync (synchronous=NORMAL): effects and positions are one transaction, so what a power cut
// takes away is applied again.
Result<sqlite::Database> open_store_file(const std::string& path, const char* vfs = nullptr);
// The same for a file that is a store already; a damaged error when it is not.
Result<sqlite::Database> open_existing_store_file(const std::string& path, const char* vfs = nullptr);
// For reading only, beside a writer: sees the last commit.
Result<sqlite::Database> open_store_reader(const std::string& path, const char* vfs = nullptr);
// An empty one that knows the functions a store's tables may use.
Result<sqlite::Database> open_in_memory();
// Moves everything from the write-ahead file into the database file, so that the file stands alone once it is
// closed. store_busy when another program keeps the file open.
Status fold_in(sqlite::Database& database);

Result<std::optional<FeederRow>> read_feeder(sqlite::Database& database, std::string_view feeder);
Status add_feeder(sqlite::Database& database, const ProjectionSpec& spec, StreamId stream);
// Says that a feeder which State does not run stands there; `sequences`: of the position's exceptions.
Status put_position(sqlite::Database& database, const FeederPosition& position,
                    const std::vector<Sequence>& sequences);
Status remove_feeder(sqlite::Database& database, std::string_view feeder);
// The number of the replacement that put this file in its place; 0: none did.
Status mark_replacement(sqlite::Database& database, std::uint64_t number);
Result<std::uint64_t> read_replacement(sqlite::Database& database);
Status set_feeder_version(sqlite::Database& database, std::string_view feeder, std::string_view version);
// Never backwards. Forgets the applied positions below it. Within the caller's transaction.
Status write_watermark(sqlite::Database& database, const FeederRow& row);
// Of an outside feeder: nothing below the watermark is missing any more.
Status forget_missed(sqlite::Database& database, const FeederRow& row);
Result<std::vector<FeederPosition>> read_positions(sqlite::Database& database);
// The first `limit` of the events that were refused, and how many there are.
Result<std::vector<FailedEvent>> read_failed(sqlite::Database& database, std::size_t limit);
Result<std::uint64_t> count_failed(sqlite::Database& database);
Result<std::map<std::string, std::string>> read_versions(sqlite::Database& database);  // by feeder

// Which declaration of a projection folded the events from a sequence on.
struct Declaration {
    std::string feeder;
    Sequence sequence = 1;
    std::string declaration;  // JSON
};
// Notes that from the row's watermark on `spec` folds, unless it does already.
Status note_declaration(sqlite::Database& database, const FeederRow& row, const ProjectionSpec& spec);
Result<std::vector<Declaration>> read_declarations(sqlite::Database& database);

// The tables in which a copy notes which event changed which row; gone again when it is promoted.
Status make_touch_tables(sqlite::Database& database);
Status drop_touch_tables(sqlite::Database& database);
Result<bool> has_table(sqlite::Database& database, std::string_view name);

codec::Json next_to_json(const std::map<Partition, Offset>& next);
std::map<Partition, Offset> next_from_json(const codec::Json& json);

}  // namespace tarn::state
