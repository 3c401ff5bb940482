// SQLite as values and errors instead of codes. The only folder besides state/ that sees sqlite3.h.
// A Database is used by one thread at a time; open one a thread for concurrent readers (WAL mode).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace tarn::sqlite {

class Statement {
public:
    Statement() = default;
    Statement(Statement&& other) noexcept;
    Statement& operator=(Statement&& other) noexcept;
    ~Statement();

    // Parameters count from 1. Text and blobs are copied. A refused value is reported by the next step.
    Statement& bind(int index, std::int64_t value);
    Statement& bind(int index, std::string_view text);
    Statement& bind_blob(int index, std::string_view bytes);
    Statement& bind_null(int index);

    Result<bool> step();  // true: a row stands ready
    Status run();         // steps to the end, then resets and clears the bindings
    void reset();         // ready to bind and step again

    std::int64_t integer(int column) const;
    std::string_view text(int column) const;  // dies with the next step
    std::string_view blob(int column) const;
    bool is_null(int column) const;
    int columns() const;
    sqlite3_stmt* handle() const { return handle_; }

private:
    friend class Database;
    Statement& bound(int result);

    sqlite3_stmt* handle_ = nullptr;
    sqlite3* database_ = nullptr;
    Code error_code_ = Code::catalog_failed;
    int bind_result_ = 0;  // the first bind that failed since the last reset
};

struct OpenOptions {
    bool read_only = false;
    bool immutable = false;  // with read_only: the file alone, without a lock, a write-ahead or a shared file
    bool wal = true;         // journal_mode=WAL
    bool full_sync = true;   // synchronous=FULL, else NORMAL
    std::int64_t busy_timeout_us = 5'000'000;
    Code error_code = Code::catalog_failed;  // given to errors of this database
    const char* vfs = nullptr;               // a registered VFS by name; nullptr: SQLite's own
};

class Database {
public:
    static Result<Database> open(const std::string& path, const OpenOptions& options = {});
    Database(Database&& other) noexcept;
    Database& operator=(Database&& other) noexcept;
    ~Database();

    Status execute(const std::string& sql);  // one or more statements without parameters
    Result<Statement> prepare(std::string_view sql);
    std::int64_t changes() const;
    sqlite3* handle() const { return handle_; }
    // Runs `body` in BEGIN IMMEDIATE … COMMIT; rolls back when it fails.
    template <typename Body>
    Status transaction(Body&& body) {
        TARN_TRY(execute("BEGIN IMMEDIATE"));
        Status done = body();
        if (done) done = execute("COMMIT");
        if (!done) (void)execute("ROLLBACK");
        return done;
    }

private:
    Database() = default;
    sqlite3* handle_ = nullptr;
    Code error_code_ = Code::catalog_failed;
};

// What SQLite's own check finds in a database, one line each; none when it is whole.
Result<std::vector<std::string>> integrity_problems(Database& database);

}  // namespace tarn::sqlite
