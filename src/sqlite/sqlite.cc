#include "sqlite/sqlite.h"

#include <fmt/core.h>
#include <sqlite3.h>

namespace tarn::sqlite {

namespace {

// What a caller can do next depends on SQLite's primary result code more than on who asked.
Error error_of(sqlite3* database, Code code, int result, std::string_view doing) {
    const char* filename = database != nullptr ? sqlite3_db_filename(database, "main") : nullptr;
    const std::string place = filename != nullptr ? filename : "";
    const char* reason = database != nullptr ? sqlite3_errmsg(database) : sqlite3_errstr(result);
    const std::string message = fmt::format("{}: {}", doing, reason);
    const int primary = result & 0xFF;
    if (primary == SQLITE_FULL) return make_error(Code::disk_full, message, {.place = {.source = place}});

    Error error = make_error(code, message, {.place = {.source = place}});
    if (primary == SQLITE_BUSY || primary == SQLITE_LOCKED) {
        error.kind = ErrorKind::locked;
        error.next = "another process is writing the database: try again when it has finished";
    } else if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB) {
        error.kind = ErrorKind::corrupt;
        error.next = "tarn fsck";
    }
    return error;
}

// The beginning of a statement, enough to find it.
std::string_view head_of(std::string_view sql) { return sql.substr(0, 120); }

std::string_view view_of(const void* bytes, int size) {
    return bytes == nullptr
               ? std::string_view()
               : std::string_view(static_cast<const char*>(bytes), static_cast<std::size_t>(size));
}

// "file:" and the path, with what SQLite would take for syntax written as %XX.
std::string immutable_uri(std::string_view path) {
    std::string uri = "file:";
    for (const char c : path) {
        if (c == '%' || c == '?' || c == '#')
            uri += fmt::format("%{:02X}", c);
        else
            uri += c;
    }
    return uri + "?immutable=1";
}

// SQLite takes a null pointer for SQL's NULL; an empty view is an empty text.
const char* data_of(std::string_view bytes) { return bytes.data() == nullptr ? "" : bytes.data(); }

}  // namespace

// ---- Statement
// --------------------------------------------------------------------------------------------------------

Statement::Statement(Statement&& other) noexcept { *this = std::move(other); }

Statement& Statement::operator=(Statement&& other) noexcept {
    if (this == &other) return *this;
    sqlite3_finalize(handle_);
    handle_ = std::exchange(other.handle_, nullptr);
    database_ = other.database_;
    error_code_ = other.error_code_;
    bind_result_ = std::exchange(other.bind_result_, 0);
    return *this;
}

Statement::~Statement() { sqlite3_finalize(handle_); }

Statement& Statement::bound(int result) {
    if (bind_result_ == SQLITE_OK) bind_result_ = result;
    return *this;
}

Statement& Statement::bind(int index, std::int64_t value) {
    return bound(sqlite3_bind_int64(handle_, index, value));
}

Statement& Statement::bind(int index, std::string_view text) {
    return bound(
        sqlite3_bind_text64(handle_, index, data_of(text), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
}

Statement& Statement::bind_blob(int index, std::string_view bytes) {
    return bound(sqlite3_bind_blob64(handle_, index, data_of(bytes), bytes.size(), SQLITE_TRANSIENT));
}

Statement& Statement::bind_null(int index) { return bound(sqlite3_bind_null(handle_, index)); }

Result<bool> Statement::step() {
    int result = bind_result_;
    if (result == SQLITE_OK) result = sqlite3_step(handle_);
    if (result == SQLITE_ROW) return true;
    if (result == SQLITE_DONE) return false;
    const char* sql = handle_ != nullptr ? sqlite3_sql(handle_) : nullptr;
    Error error = error_of(database_, error_code_, result, head_of(sql != nullptr ? sql : "no statement"));
    reset();
    return fail(std::move(error));
}

Status Statement::run() {
    for (;;) {
        TARN_ASSIGN(const bool row, step());
        if (!row) break;
    }
    reset();
    sqlite3_clear_bindings(handle_);
    return {};
}

void Statement::reset() {
    sqlite3_reset(handle_);
    bind_result_ = SQLITE_OK;
}

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(handle_, column); }

std::string_view Statement::text(int column) const {
    const auto* bytes = sqlite3_column_text(handle_, column);
    return view_of(bytes, sqlite3_column_bytes(handle_, column));
}

std::string_view Statement::blob(int column) const {
    const void* bytes = sqlite3_column_blob(handle_, column);
    return view_of(bytes, sqlite3_column_bytes(handle_, column));
}

bool Statement::is_null(int column) const { return sqlite3_column_type(handle_, column) == SQLITE_NULL; }
int Statement::columns() const { return sqlite3_column_count(handle_); }

// ---- Database
// ---------------------------------------------------------------------------------------------------------

Result<Database> Database::open(const std::string& path, const OpenOptions& options) {
    Database database;
    database.error_code_ = options.error_code;
    const int flags =
        (options.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) |
        SQLITE_OPEN_NOMUTEX | (options.immutable ? SQLITE_OPEN_URI : 0);
    const std::string name = options.immutable ? immutable_uri(path) : path;
    const int result = sqlite3_open_v2(name.c_str(), &database.handle_, flags, options.vfs);
    if (result != SQLITE_OK)
        return fail(error_of(database.handle_, options.error_code, result, fmt::format("open {}", path)));

    sqlite3_extended_result_codes(database.handle_, 1);
    sqlite3_busy_timeout(database.handle_, static_cast<int>(options.busy_timeout_us / 1000));
    TARN_TRY(database.execute("PRAGMA trusted_schema=OFF"));
    if (options.read_only) return database;
    if (options.wal) TARN_TRY(database.execute("PRAGMA journal_mode=WAL"));
    TARN_TRY(database.execute(options.full_sync ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL"));
    return database;
}

Database::Database(Database&& other) noexcept { *this = std::move(other); }

Database& Database::operator=(Database&& other) noexcept {
    if (this == &other) return *this;
    sqlite3_close_v2(handle_);
    handle_ = std::exchange(other.handle_, nullptr);
    error_code_ = other.error_code_;
    return *this;
}

// close_v2 waits for the last statement, so that members may be destroyed in any order.
Database::~Database() { sqlite3_close_v2(handle_); }

Status Database::execute(const std::string& sql) {
    const int result = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
    if (result != SQLITE_OK) return fail(error_of(handle_, error_code_, result, head_of(sql)));
    return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
    Statement statement;
    statement.database_ = handle_;
    statement.error_code_ = error_code_;
    const char* rest = nullptr;
    int result =
        sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()), 0, &statement.handle_, &rest);
    if (result != SQLITE_OK) return fail(error_of(handle_, error_code_, result, head_of(sql)));
    if (statement.handle_ == nullptr)
        return fail(error_code_, fmt::format("{}: expected a statement", head_of(sql)));

    // What follows the first statement may be blank or a comment, nothing else.
    const std::string_view tail = sql.substr(static_cast<std::size_t>(rest - sql.data()));
    Statement second;
    result = tail.empty() ? SQLITE_OK
                          : sqlite3_prepare_v3(handle_, tail.data(), static_cast<int>(tail.size()), 0,
                                               &second.handle_, nullptr);
    if (result != SQLITE_OK || second.handle_ != nullptr)
        return fail(error_code_, fmt::format("{}: expected one statement, found more", head_of(sql)));
    return statement;
}

std::int64_t Database::changes() const { return sqlite3_changes64(handle_); }

Result<std::vector<std::string>> integrity_problems(Database& database) {
    TARN_ASSIGN(Statement check, database.prepare("PRAGMA integrity_check"));
    std::vector<std::string> problems;
    for (;;) {
        TARN_ASSIGN(const bool row, check.step());
        if (!row) return problems;
        if (check.text(0) != "ok") problems.emplace_back(check.text(0));
    }
}

}  // namespace tarn::sqlite
