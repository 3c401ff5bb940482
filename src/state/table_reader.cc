#include "state/table_reader.h"

#include <fmt/core.h>

#include <algorithm>

namespace tarn::state {
namespace {

std::string quoted_name(const std::string& name) {
    std::string quoted = "\"";
    for (const char c : name) quoted += c == '"' ? "\"\"" : std::string(1, c);
    return quoted + "\"";
}

std::string select_of(const std::string& table, const std::vector<std::string>& key,
                      const std::vector<std::string>& columns, bool with_rowid) {
    std::string order, list;
    for (const auto& column : key) {
        list += quoted_name(column) + ", ";
        order += fmt::format("{}{} COLLATE BINARY", order.empty() ? " ORDER BY " : ", ", quoted_name(column));
    }
    for (const auto& column : columns) list += quoted_name(column) + ", ";
    return fmt::format("SELECT {}{} FROM {}{}", list, with_rowid ? "rowid" : "0", quoted_name(table), order);
}

Result<TableShape> read_shape(sqlite::Database& database, const std::string& table) {
    // hidden 2 and 3 are generated columns: they follow from the others but are seen like them.
    TARN_ASSIGN(auto statement,
                database.prepare("SELECT name, pk FROM pragma_table_xinfo(?1) WHERE hidden<>1 ORDER BY cid"));
    statement.bind(1, table);
    TableShape shape;
    std::map<std::int64_t, std::string> key;
    while (true) {
        TARN_ASSIGN(const bool more, statement.step());
        if (!more) break;
        shape.columns.emplace_back(statement.text(0));
        if (statement.integer(1) > 0) key[statement.integer(1)] = shape.columns.back();
    }
    for (const auto& [place, column] : key) shape.key.push_back(column);
    return shape;
}

}  // namespace

Result<std::map<std::string, TableShape>> read_tables(sqlite::Database& database) {
    TARN_ASSIGN(auto statement,
                database.prepare(
                    "SELECT name, wr FROM pragma_table_list WHERE schema='main' AND type='table' "
                    "AND name NOT LIKE 'tarn\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"));
    std::vector<std::pair<std::string, bool>> names;
    while (true) {
        TARN_ASSIGN(const bool more, statement.step());
        if (!more) break;
        names.emplace_back(statement.text(0), statement.integer(1) != 0);
    }
    std::map<std::string, TableShape> tables;
    for (const auto& [name, without_rowid] : names) {
        TARN_ASSIGN(auto shape, read_shape(database, name));
        // A column may be called rowid itself; then the number of the row cannot be asked for.
        shape.has_rowid = !without_rowid && std::find(shape.columns.begin(), shape.columns.end(), "rowid") ==
                                                shape.columns.end();
        tables.emplace(name, std::move(shape));
    }
    return tables;
}

Result<TableReader> TableReader::open(sqlite::Database& database, const std::string& table,
                                      const std::vector<std::string>& key,
                                      const std::vector<std::string>& columns, bool with_rowid) {
    TARN_ASSIGN(auto statement, database.prepare(select_of(table, key, columns, with_rowid)));
    return TableReader(std::move(statement), key.size());
}

Result<bool> TableReader::next() {
    TARN_ASSIGN(const bool more, statement_.step());
    if (!more) return false;
    row_.key.clear();
    row_.values.clear();
    const int last = statement_.columns() - 1;
    for (int i = 0; i < last; i++) {
        auto& part = static_cast<std::size_t>(i) < key_columns_ ? row_.key : row_.values;
        part.push_back(read_cell(statement_.handle(), i));
    }
    row_.rowid = statement_.integer(last);
    return true;
}

int compare_keys(const std::vector<Cell>& a, const std::vector<Cell>& b) {
    for (std::size_t i = 0; i < a.size() && i < b.size(); i++)
        if (const int order = compare_cells(a[i], b[i]); order != 0) return order;
    return 0;
}

}  // namespace tarn::state
