#include "query/named_streams.h"

#include <algorithm>
#include <array>

namespace tarn::query {
namespace {

bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; }

}  // namespace

std::string lower_case(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return out;
}

bool mentions(std::string_view sql, std::string_view name) {
    for (std::size_t at = sql.find(name); at != sql.npos; at = sql.find(name, at + 1)) {
        const std::size_t end = at + name.size();
        if ((at == 0 || !is_word(sql[at - 1])) && (end == sql.size() || !is_word(sql[end]))) return true;
    }
    return false;
}

bool lists_tables(std::string_view sql) {
    static constexpr std::array<std::string_view, 4> names = {"information_schema", "duckdb_", "pg_",
                                                              "sqlite_"};
    return std::ranges::any_of(names, [sql](std::string_view name) { return sql.find(name) != sql.npos; });
}

}  // namespace tarn::query
