// One SELECT over a store, bounded in time, rows and bytes.
#include <fmt/core.h>
#include <sqlite3.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "codec/base64.h"
#include "state/cells.h"
#include "state/damage.h"
#include "state/sql_rules.h"
#include "state/state_impl.h"

namespace tarn::state {
namespace {

using codec::Json;

Json real_json(double value) {
    if (std::isfinite(value)) return value;
    return value > 0 ? "Infinity" : "-Infinity";  // SQLite turns what is not a number into NULL
}

Json cell_json(const Cell& cell) {
    if (const auto* integer = std::get_if<std::int64_t>(&cell)) return *integer;
    if (const auto* real = std::get_if<double>(&cell)) return real_json(*real);
    if (const auto* text = std::get_if<std::string>(&cell))
        return codec::is_valid_utf8(*text) ? Json(*text) : Json(codec::base64_encode(*text));
    if (const auto* blob = std::get_if<Blob>(&cell)) return codec::base64_encode(blob->bytes);
    return nullptr;
}

// Stops the statements of a connection when their time is over, also within one step.
class Deadline {
public:
    Deadline(sqlite3* database, os::Clock& clock, std::int64_t after_us)
        : database_(database), clock_(clock), end_us_(clock.monotonic_us() + after_us) {
        constexpr int instructions = 10'000;  // well below a millisecond
        sqlite3_progress_handler(
            database_, instructions,
            [](void* self) { return static_cast<const Deadline*>(self)->is_over() ? 1 : 0; }, this);
    }
    ~Deadline() { sqlite3_progress_handler(database_, 0, nullptr, nullptr); }
    Deadline(const Deadline&) = delete;
    Deadline& operator=(const Deadline&) = delete;
    bool is_over() const { return clock_.monotonic_us() >= end_us_; }

private:
    sqlite3* database_;
    os::Clock& clock_;
    std::int64_t end_us_;
};

// Takes rows until a limit is reached.
class AnswerBuilder {
public:
    AnswerBuilder(QueryAnswer& answer, const QueryLimits& limits) : answer_(answer), limits_(limits) {}

    // false: the row has no place any more.
    bool add(sqlite3_stmt* statement) {
        if (answer_.rows.size() >= limits_.max_rows)
            return stop(fmt::format("it has more than {} rows", format_count(limits_.max_rows)));
        std::vector<Json> row;
        for (int i = 0; i < sqlite3_column_count(statement); i++)
            bytes_ += row.emplace_back(cell_json(read_cell(statement, i))).dump().size() + 1;
        if (bytes_ > limits_.max_bytes)
            return stop(fmt::format("it has more than {}", format_bytes(limits_.max_bytes)));
        answer_.rows.push_back(std::move(row));
        return true;
    }
    bool stop(std::string why) {
        answer_.complete = false;
        answer_.why = std::move(why);
        return false;
    }

private:
    QueryAnswer& answer_;
    const QueryLimits& limits_;
    std::size_t bytes_ = 0;
};

// A single value may not take the memory that the answer as a whole may not take.
void limit_values(sqlite3* database, std::size_t max_bytes) {
    constexpr std::size_t most = std::numeric_limits<int>::max(), least = 1 << 20;
    sqlite3_limit(database, SQLITE_LIMIT_LENGTH, static_cast<int>(std::clamp(max_bytes, least, most)));
}

}  // namespace

Result<QueryAnswer> StateImpl::query(std::string_view store, const std::string& sql,
                                     const QueryLimits& limits) {
    TARN_ASSIGN(auto side, open_side(store));
    sqlite3* database = side.database().handle();
    TARN_ASSIGN(const auto statement, explained(prepare_select(side.database(), sql)));
    sqlite3_stmt* handle = statement.get();
    QueryAnswer answer;
    for (int i = 0; i < sqlite3_column_count(handle); i++)
        answer.columns.emplace_back(sqlite3_column_name(handle, i));
    limit_values(database, limits.max_bytes);
    const Deadline deadline(database, parts_.clock, limits.deadline_us);
    AnswerBuilder builder(answer, limits);
    int code = SQLITE_ROW;
    while ((code = sqlite3_step(handle)) == SQLITE_ROW) {
        if (deadline.is_over()) code = SQLITE_INTERRUPT;
        if (code == SQLITE_INTERRUPT || !builder.add(handle)) break;
    }
    if (is_damage(code)) return fail(explain_damage(damaged_database(side.database()).error()));
    if (code == SQLITE_INTERRUPT)
        builder.stop(fmt::format("it took longer than {}", format_duration(limits.deadline_us)));
    else if (code != SQLITE_DONE && code != SQLITE_ROW)
        return fail(Code::sql_invalid, sqlite3_errmsg(database), {.excerpt = sql});
    return answer;
}

}  // namespace tarn::state
