// The user tables of a store, and their rows in key order.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "sqlite/sqlite.h"
#include "state/cells.h"
#include "state/sql_rules.h"

namespace tarn::state {

struct TableShape {
    std::vector<std::string> columns;
    std::vector<std::string> key;  // the primary key's columns in its order; empty: none
    bool has_rowid = true;
};
// User tables by name, without Tarn's and SQLite's own, views and virtual tables.
Result<std::map<std::string, TableShape>> read_tables(sqlite::Database& database);

struct TableRow {
    std::vector<Cell> key;     // one a key column
    std::vector<Cell> values;  // one a compared column
    std::int64_t rowid = 0;    // 0 for a table without
};

// Rows of one table ordered by its key columns, under COLLATE BINARY.
class TableReader {
public:
    static Result<TableReader> open(sqlite::Database& database, const std::string& table,
                                    const std::vector<std::string>& key,
                                    const std::vector<std::string>& columns, bool with_rowid);
    // Steps to the next row; false at the end.
    Result<bool> next();
    const TableRow& row() const { return row_; }

private:
    TableReader(sqlite::Statement statement, std::size_t key_columns)
        : statement_(std::move(statement)), key_columns_(key_columns) {}
    sqlite::Statement statement_;
    std::size_t key_columns_;
    TableRow row_;
};

int compare_keys(const std::vector<Cell>& a, const std::vector<Cell>& b);

}  // namespace tarn::state
