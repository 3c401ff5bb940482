// DuckDB behind dlopen: this folder alone names it. 1.5.6 and 2.0 are interchangeable files beside the
// binary. Used in the query worker process only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tarn::duck {

enum class ColumnType : std::uint8_t { varchar, json, bigint, ubigint, integer, timestamp_tz, boolean, blob };

struct Column {
    std::string name;
    ColumnType type;
};

// One chunk of at most capacity() rows that a table function fills; only projected columns need values.
class ChunkWriter {
public:
    virtual ~ChunkWriter() = default;
    virtual std::size_t capacity() const = 0;
    virtual void set_text(std::size_t column, std::size_t row,
                          std::string_view text) = 0;  // varchar, json, blob
    // integers (as bits when ubigint), timestamp (µs), boolean
    virtual void set_integer(std::size_t column, std::size_t row, std::int64_t value) = 0;
    virtual void set_null(std::size_t column, std::size_t row) = 0;
};

// Rows of a table, produced by us. open() is called once a scan of the table in a query.
class TableScan {
public:
    virtual ~TableScan() = default;
    // Fills rows from 0; returns how many, 0 at the end. `wanted[i]` says whether column i is read by the
    // query.
    virtual Result<std::size_t> fill(ChunkWriter& chunk) = 0;
};
class Table {
public:
    virtual ~Table() = default;
    virtual std::vector<Column> columns() const = 0;
    virtual Result<std::unique_ptr<TableScan>> open(const std::vector<bool>& wanted) = 0;
};

struct Limits {
    std::uint64_t memory_bytes = 1ull << 30;
    int threads = 2;
    std::string temp_directory;  // "" = no spilling
    std::uint64_t temp_bytes = 1ull << 30;
};

// A value as text for people and JSON: numbers, timestamps (RFC 3339, UTC) and decimals exactly, blobs as
// base64, nested values as JSON on one line. The text of a number is a JSON number but for NaN, Infinity and
// -Infinity.
struct ResultColumn {
    std::string name;
    std::string type;  // DuckDB's name: BIGINT, VARCHAR, DECIMAL(18,2), …
    bool is_number = false;
    bool is_boolean = false;
    bool is_nested = false;  // the text is JSON
};
class RowSink {
public:
    virtual ~RowSink() = default;
    virtual Status columns(const std::vector<ResultColumn>& columns) = 0;
    // nullopt = NULL. Views die with the call.
    virtual Status row(const std::vector<std::optional<std::string_view>>& values) = 0;
};

// One in-memory database without access to files or network. One thread.
class Engine {
public:
    // query_engine when the library cannot be loaded.
    static Result<std::unique_ptr<Engine>> open(const std::string& library_path, const Limits& limits);
    virtual ~Engine() = default;
    // Makes `table` readable as "schema"."name". The engine keeps it.
    virtual Status add_table(const std::string& schema, const std::string& name,
                             std::shared_ptr<Table> table) = 0;
    // Changes the memory limit that open() set, until lock(). What is exceeded later fails with query_memory.
    virtual Status limit_memory(std::uint64_t bytes) = 0;
    // A table that is there but was not added: an error about an unknown table names it as well.
    virtual void suggest_table(const std::string& schema_and_name) = 0;
    // After this no setting can be changed and nothing outside the added tables can be read or written.
    virtual Status lock() = 0;
    // Exactly one SELECT, or EXPLAIN of one (sql_not_select otherwise). sql_invalid carries the engine's
    // message. An error of a TableScan comes back as it was given, an error of the sink too.
    virtual Result<std::uint64_t> select(const std::string& sql, RowSink& sink) = 0;  // rows
    virtual std::string version() const = 0;
};

}  // namespace tarn::duck
