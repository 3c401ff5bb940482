// One SQLite connection with its statements kept prepared. Lock `mutex` around everything.
#pragma once

#include <mutex>
#include <unordered_map>

#include "sqlite/sqlite.h"

namespace tarn::catalog {

// A prepared statement in use; ready for the next user when it goes.
class Use {
public:
    explicit Use(sqlite::Statement& statement) : statement_(&statement) {}
    Use(Use&& other) noexcept : statement_(std::exchange(other.statement_, nullptr)) {}
    Use& operator=(Use&&) = delete;
    ~Use() {
        if (statement_ != nullptr) statement_->reset();
    }
    sqlite::Statement* operator->() const { return statement_; }
    sqlite::Statement& operator*() const { return *statement_; }

private:
    sqlite::Statement* statement_;
};

struct Connection {
    explicit Connection(sqlite::Database opened) : database(std::move(opened)) {}

    // `sql` is a string literal: its address is its identity.
    Result<Use> use(const char* sql) {
        const auto known = statements.find(sql);
        if (known != statements.end()) return Use(known->second);
        TARN_ASSIGN(sqlite::Statement prepared, database.prepare(sql));
        return Use(statements.emplace(sql, std::move(prepared)).first->second);
    }

    std::mutex mutex;
    sqlite::Database database;
    std::unordered_map<const char*, sqlite::Statement> statements;
};

}  // namespace tarn::catalog
