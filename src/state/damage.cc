#include "state/damage.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include <optional>

namespace tarn::state {
namespace {

std::string next_command(const StoreName& name) {
    if (name.is_copy()) return fmt::format("tarn store discard {}", name.text());
    return fmt::format("tarn store restore {} --to now", name.store);
}

// "…/stores/accounts/copy-fix.db" is accounts@fix; nullopt for other files, such as an unpacked snapshot.
std::optional<StoreName> store_of_file(std::string_view path) {
    const auto slash = path.rfind('/');
    if (slash == std::string_view::npos || slash == 0) return std::nullopt;
    auto file = path.substr(slash + 1);
    const auto directory = path.substr(0, slash);
    StoreName name{std::string(directory.substr(directory.rfind('/') + 1)), ""};
    if (file == "live.db") return name;
    if (!file.starts_with("copy-") || !file.ends_with(".db")) return std::nullopt;
    file.remove_prefix(5);
    file.remove_suffix(3);
    name.copy = file;
    return name;
}

}  // namespace

bool is_damage(int sqlite_code) {
    const int primary = sqlite_code & 0xFF;
    return primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB;
}

Failure damaged_file(const char* path, std::string_view what) {
    Error error =
        make_error(Code::store_failed, std::string(what), {.place = {.source = path != nullptr ? path : ""}});
    error.kind = ErrorKind::corrupt;
    return fail(std::move(error));
}

Failure damaged_database(sqlite::Database& database) {
    return damaged_file(sqlite3_db_filename(database.handle(), "main"), sqlite3_errmsg(database.handle()));
}

Error explain_damage(Error error) {
    if (error.code != Code::store_failed || error.kind != ErrorKind::corrupt) return error;
    const auto name = store_of_file(error.place.source);
    if (!name) return error;
    return make_error(Code::store_damaged,
                      fmt::format("the database of store {} is damaged ({})", name->text(), error.message),
                      {.place = error.place, .next = next_command(*name)});
}

Failure unusable_store(const StoreName& name, std::string_view path, std::string_view what) {
    return fail(Code::store_damaged, fmt::format("the database of store {} {}", name.text(), what),
                {.place = {.source = std::string(path)}, .next = next_command(name)});
}

Status check_structure(sqlite::Database& database) {
    return check_structure(database, sqlite3_db_filename(database.handle(), "main"));
}

Status check_structure(sqlite::Database& database, const char* path) {
    TARN_ASSIGN(auto statement, database.prepare("PRAGMA quick_check(1)"));
    TARN_ASSIGN(const bool row, statement.step());
    if (row && statement.text(0) == "ok") return {};
    // "*** in database main ***\nTree 2 page 7: …"
    const std::string_view found = row ? statement.text(0) : "it cannot be checked";
    return damaged_file(path, found.substr(found.rfind('\n') + 1));
}

}  // namespace tarn::state
