// Reads back which events changed a row of a copy (touches.h writes it).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "sqlite/sqlite.h"

namespace tarn::state {

inline constexpr std::size_t events_shown_max = 20;

// An event that changed a row.
struct Touch {
    std::string feeder, stream, type;
    Sequence sequence = 0;
    Position position;
    Time time;
    std::string text() const;  // "bank 2:1180 verify_cash_deposit 2024-03-04T10:02:11Z"
};

// `database` must outlive it.
class TouchReader {
public:
    explicit TouchReader(sqlite::Database& database) : database_(database) {}
    Status prepare();
    bool available() const { return available_; }  // only copies have notes
    // The events that changed the row, oldest first, until `look` says false.
    Status for_each(const std::string& table, std::int64_t rowid,
                    const std::function<Result<bool>(const Touch&)>& look);

private:
    sqlite::Database& database_;
    sqlite::Statement select_;
    bool available_ = false;
};

}  // namespace tarn::state
