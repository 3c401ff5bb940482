// Reads back which events changed a row of a copy (touches.h writes it).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sqlite/sqlite.h"

namespace tarn::state {

inline constexpr int events_shown_max = 20;

// `database` must outlive it.
class TouchReader {
public:
    explicit TouchReader(sqlite::Database& database) : database_(database) {}
    Status prepare();
    bool available() const { return available_; }  // only copies have notes
    // The newest of the events that changed the row, newest last: "bank 2:1180 verify_cash_deposit
    // 2024-03-04T10:02:11Z".
    Result<std::vector<std::string>> events(const std::string& table, std::int64_t rowid);

private:
    sqlite::Database& database_;
    sqlite::Statement select_;
    bool available_ = false;
};

}  // namespace tarn::state
