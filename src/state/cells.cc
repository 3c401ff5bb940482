#include "state/cells.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include <charconv>
#include <compare>

namespace tarn::state {
namespace {

std::string bytes_of(const void* bytes, int size) {
    return bytes == nullptr ? std::string()
                            : std::string(static_cast<const char*>(bytes), static_cast<std::size_t>(size));
}

std::string real_text(double value) {
    char buffer[40];
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
    return std::string(buffer, end);
}

std::string blob_text(const std::string& bytes) {
    std::string text = "x'";
    for (const char c : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(c));
    return text + "'";
}

int kind_rank(const Cell& cell) {
    static constexpr int ranks[] = {0, 1, 1, 2, 3};
    return ranks[cell.index()];
}

int sign(std::partial_ordering order) { return order < 0 ? -1 : order > 0 ? 1 : 0; }

// A long double holds every 64-bit integer and every double exactly on the machines we build for.
long double number_of(const Cell& cell) {
    if (const auto* integer = std::get_if<std::int64_t>(&cell)) return static_cast<long double>(*integer);
    return std::get<double>(cell);
}

}  // namespace

Cell read_cell(sqlite3_stmt* statement, int column) {
    switch (sqlite3_column_type(statement, column)) {
        case SQLITE_INTEGER:
            return std::int64_t{sqlite3_column_int64(statement, column)};
        case SQLITE_FLOAT:
            return sqlite3_column_double(statement, column);
        case SQLITE_TEXT: {
            const auto* text = sqlite3_column_text(statement, column);
            return bytes_of(text, sqlite3_column_bytes(statement, column));
        }
        case SQLITE_BLOB: {
            const auto* bytes = sqlite3_column_blob(statement, column);
            return Blob{bytes_of(bytes, sqlite3_column_bytes(statement, column))};
        }
        default:
            return std::monostate();
    }
}

std::optional<std::string> cell_text(const Cell& cell) {
    if (const auto* integer = std::get_if<std::int64_t>(&cell)) return std::to_string(*integer);
    if (const auto* real = std::get_if<double>(&cell)) return real_text(*real);
    if (const auto* text = std::get_if<std::string>(&cell)) return *text;
    if (const auto* blob = std::get_if<Blob>(&cell)) return blob_text(blob->bytes);
    return std::nullopt;
}

int compare_cells(const Cell& a, const Cell& b) {
    if (kind_rank(a) != kind_rank(b)) return kind_rank(a) < kind_rank(b) ? -1 : 1;
    switch (kind_rank(a)) {
        case 0:
            return 0;
        case 1:
            return sign(number_of(a) <=> number_of(b));
        case 2:
            return sign(std::get<std::string>(a) <=> std::get<std::string>(b));
        default:
            return sign(std::get<Blob>(a).bytes <=> std::get<Blob>(b).bytes);
    }
}

}  // namespace tarn::state
