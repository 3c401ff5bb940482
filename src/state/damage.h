// A store's database that is damaged: told apart from other failures, and said in the words of whoever asked
// about the store.
#pragma once

#include <string_view>

#include "sqlite/sqlite.h"
#include "state/state_impl.h"

namespace tarn::state {

// Whether SQLite's result code means that the file's bytes are not what SQLite wrote.
bool is_damage(int sqlite_code);
// store_failed of kind corrupt, which explain_damage knows; the second with SQLite's message, for code that
// steps statements by itself.
Failure damaged_file(const char* path, std::string_view what);
Failure damaged_database(sqlite::Database& database);

// Names the store and the command that goes on when `error` is damage of a store's or a copy's file
// (store_damaged); any other error stays as it is.
Error explain_damage(Error error);
template <typename T>
Result<T> explained(Result<T> result) {
    if (result) return result;
    return fail(explain_damage(std::move(result.error())));
}
// The file is not there, or not a store of Tarn's.
Failure unusable_store(const StoreName& name, std::string_view path, std::string_view what);

// Reads all pages and rows; what the rows say cannot be checked. In the caller's transaction.
Status check_structure(sqlite::Database& database);
Status check_structure(sqlite::Database& database, const char* path);  // as it is to be named

}  // namespace tarn::state
