// The rows of one table, a page at a time by key: for programs that copy or follow a store.
#include <fmt/core.h>

#include <algorithm>

#include "codec/base64.h"
#include "state/damage.h"
#include "state/state_impl.h"
#include "state/table_reader.h"

namespace tarn::state {
namespace {

using codec::Json;

std::string joined(const std::vector<std::string>& parts, const char* between = ", ") {
    std::string text;
    for (const auto& part : parts) text += (text.empty() ? "" : between) + part;
    return text;
}

std::string quoted_name(const std::string& name) {
    std::string quoted = "\"";
    for (const char c : name) quoted += c == '"' ? "\"\"" : std::string(1, c);
    return quoted + "\"";
}

// As it stands in SQL.
std::string literal(std::string_view text) {
    std::string quoted = "'";
    for (const char c : text) quoted += c == '\'' ? "''" : std::string(1, c);
    return quoted + "'";
}

Failure bad_key(const std::string& table, const std::vector<std::string>& key) {
    return fail(Code::bad_usage,
                fmt::format("after: expected a key of {} as a JSON list of {}", table, joined(key)),
                {.next = "give back \"next\" of the page before"});
}

Result<std::string> literal_of(const Json& value, const std::string& table,
                               const std::vector<std::string>& key) {
    if (value.is_number()) return value.dump();
    if (value.is_string()) return literal(value.as_string());
    const auto bytes = codec::base64_decode(value["base64"].as_string());
    if (!value["base64"].is_string() || !bytes) return bad_key(table, key);
    std::string hex = "x'";
    for (const char c : *bytes) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
    return hex + "'";
}

// A key as a page gives it, or the one value of a key of one column as it is.
Result<std::string> literals(const std::string& after, const std::string& table,
                             const std::vector<std::string>& key) {
    const auto json = Json::parse(after);
    if (!json || !json->is_array()) {
        if (key.size() != 1) return bad_key(table, key);
        return literal(after);
    }
    if (json->size() != key.size()) return bad_key(table, key);
    std::vector<std::string> parts;
    for (const Json& value : json->elements()) {
        TARN_ASSIGN(auto part, literal_of(value, table, key));
        parts.push_back(std::move(part));
    }
    return joined(parts);
}

// `quoted`: the value as SQLite quotes it, which tells a BLOB from text.
Json key_value(const Json& value, const std::string& quoted) {
    if (!quoted.starts_with("X'")) return value;
    return Json::object({{"base64", value}});
}

}  // namespace

// A table's key; its rowid where it has none, or where NULL stands in it (SQLite allows that), because no
// comparison finds what comes after NULL.
Result<std::vector<std::string>> StateImpl::paging_key(sqlite::Database& database, const std::string& table,
                                                       const TableShape& shape) {
    std::vector<std::string> key, is_null;
    for (const auto& column : shape.key) {
        key.push_back(quoted_name(column));
        is_null.push_back(key.back() + " IS NULL");
    }
    if (!shape.has_rowid) return key;
    if (key.empty()) return std::vector<std::string>{"rowid"};
    TARN_ASSIGN(auto any, database.prepare(fmt::format("SELECT 1 FROM {} WHERE {} LIMIT 1",
                                                       quoted_name(table), joined(is_null, " OR "))));
    TARN_ASSIGN(const bool has_null, any.step());
    return has_null ? std::vector<std::string>{"rowid"} : key;
}

Result<RowsPage> StateImpl::rows(std::string_view store, std::string table,
                                 const std::optional<std::string>& after, std::size_t limit) {
    RowsPage page;
    std::vector<std::string> key;
    {
        TARN_ASSIGN(auto side, open_side(store));
        TARN_ASSIGN(const auto tables, explained(read_tables(side.database())));
        std::vector<std::string> names;
        for (const auto& [name, shape] : tables) names.push_back(name);
        if (table.empty() && names.size() == 1) table = names.front();
        if (!tables.contains(table))
            return fail(Code::bad_usage,
                        table.empty() ? fmt::format("store {}: which table?", store)
                                      : fmt::format("store {} has no table {}", store, table),
                        {.next = names.empty() ? "it has no tables yet"
                                               : fmt::format("its tables are: {}", joined(names))});
        TARN_ASSIGN(key, explained(paging_key(side.database(), table, tables.at(table))));
        page.table = table;
        page.answer.columns = tables.at(table).columns;
    }
    std::vector<std::string> selected, shown;
    for (const auto& column : page.answer.columns) selected.push_back(quoted_name(column));
    for (const auto& column : key) {
        shown.push_back(column == "rowid" ? column : column.substr(1, column.size() - 2));
        selected.push_back(column);
        selected.push_back(fmt::format("quote({})", column));
    }
    page.key = shown;
    std::string where;
    if (after) {
        TARN_ASSIGN(const auto values, literals(*after, table, shown));
        where = fmt::format(" WHERE ({}) > ({})", joined(key), values);
    }
    QueryLimits limits;
    limits.max_rows = limit;
    TARN_ASSIGN(auto answer, query(store,
                                   fmt::format("SELECT {} FROM {}{} ORDER BY {} LIMIT {}", joined(selected),
                                               quoted_name(table), where, joined(key), limit + 1),
                                   limits));
    const std::size_t columns = page.answer.columns.size();
    for (auto& row : answer.rows) {
        page.next = Json::array();
        for (std::size_t i = columns; i + 1 < row.size(); i += 2)
            page.next.push(key_value(row[i], row[i + 1].as_string()));
        row.resize(columns);
    }
    page.answer.rows = std::move(answer.rows);
    page.answer.complete = answer.complete;
    if (answer.complete) page.next = Json();
    return page;
}

}  // namespace tarn::state
