// A value of a store's row, as it is compared and shown.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

struct sqlite3_stmt;

namespace tarn::state {

struct Blob {
    std::string bytes;
    auto operator<=>(const Blob&) const = default;
};
// In SQLite's order of kinds: NULL, numbers, text, blobs.
using Cell = std::variant<std::monostate, std::int64_t, double, std::string, Blob>;

Cell read_cell(sqlite3_stmt* statement, int column);
// nullopt for NULL; reals in the shortest text that gives the same number back; blobs as x'0a1b'.
std::optional<std::string> cell_text(const Cell& cell);
// SQLite's order under COLLATE BINARY: < 0, 0, > 0.
int compare_cells(const Cell& a, const Cell& b);

}  // namespace tarn::state
