#include "process/process_store.h"

#include <fmt/core.h>

#include "codec/json.h"

namespace tarn::process {
namespace {

constexpr const char* schema = R"(
CREATE TABLE IF NOT EXISTS subscription(
  name TEXT PRIMARY KEY, stream INTEGER NOT NULL, low INTEGER NOT NULL, scan INTEGER NOT NULL,
  matched INTEGER NOT NULL, delivered INTEGER NOT NULL, discarded INTEGER NOT NULL, paused INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS settled(
  subscription TEXT NOT NULL, sequence INTEGER NOT NULL, PRIMARY KEY(subscription, sequence)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS discarded(
  subscription TEXT NOT NULL, sequence INTEGER NOT NULL, PRIMARY KEY(subscription, sequence)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS held(
  subscription TEXT NOT NULL, sequence INTEGER NOT NULL, stream INTEGER NOT NULL, part INTEGER NOT NULL,
  off INTEGER NOT NULL, key_hash INTEGER NOT NULL, keyed INTEGER NOT NULL, released INTEGER NOT NULL,
  PRIMARY KEY(subscription, sequence)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS held_by_key ON held(subscription, key_hash, sequence);
CREATE TABLE IF NOT EXISTS dead(
  subscription TEXT NOT NULL, sequence INTEGER NOT NULL, stream INTEGER NOT NULL, part INTEGER NOT NULL,
  off INTEGER NOT NULL, key_hash INTEGER NOT NULL, keyed INTEGER NOT NULL, cause TEXT NOT NULL,
  error_type TEXT NOT NULL, error_message TEXT NOT NULL, attempts TEXT NOT NULL, first_us INTEGER NOT NULL,
  last_us INTEGER NOT NULL, edited BLOB, redrive_us INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY(subscription, sequence)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS dead_by_cause ON dead(cause);
CREATE INDEX IF NOT EXISTS dead_by_position ON dead(stream, part, off);
CREATE INDEX IF NOT EXISTS dead_to_redrive ON dead(subscription, redrive_us) WHERE redrive_us > 0;
PRAGMA user_version = 2;
)";
constexpr int format_version = 2;

// Version 1 did not remember what was to be sent again.
Status convert(sqlite::Database& database, std::int64_t version) {
    if (version != 1) return {};
    return database.execute("ALTER TABLE dead ADD COLUMN redrive_us INTEGER NOT NULL DEFAULT 0");
}

// The conditions of a selection; its values are bound by bind_selection, the first six numbers are taken.
#define TARN_SELECTED                                                         \
    "(?1 IS NULL OR subscription = ?1) AND (?2 IS NULL OR cause = ?2) AND "   \
    "(?3 IS NULL OR instr(error_type || ': ' || error_message, ?3) > 0) AND " \
    "(?4 IS NULL OR last_us >= ?4) AND (?5 IS NULL OR last_us < ?5)"
#define TARN_LETTER                                                                          \
    "SELECT subscription, sequence, stream, part, off, key_hash, keyed, cause, error_type, " \
    "error_message, attempts, first_us, last_us, edited, redrive_us FROM dead "

std::int64_t number(std::uint64_t value) { return static_cast<std::int64_t>(value); }
std::uint64_t unsigned_of(std::int64_t value) { return static_cast<std::uint64_t>(value); }

codec::Json to_json(const std::vector<Attempt>& attempts) {
    codec::Json list = codec::Json::array();
    for (const Attempt& each : attempts)
        list.push(codec::Json::object({{"at_us", each.at_us},
                                       {"duration_us", each.duration_us},
                                       {"end", each.end},
                                       {"error_type", each.error_type},
                                       {"message", each.message},
                                       {"stack", each.stack},
                                       {"logs", each.log_tail},
                                       {"version", each.version},
                                       {"batch", each.batch}}));
    return list;
}

std::vector<Attempt> attempts_from(std::string_view text) {
    std::vector<Attempt> attempts;
    const auto json = codec::Json::parse(text);
    if (!json) return attempts;
    for (const codec::Json& each : json->elements())
        attempts.push_back({.at_us = each["at_us"].as_int(),
                            .duration_us = each["duration_us"].as_int(),
                            .end = each["end"].as_string(),
                            .error_type = each["error_type"].as_string(),
                            .message = each["message"].as_string(),
                            .stack = each["stack"].as_string(),
                            .log_tail = each["logs"].as_string(),
                            .version = each["version"].as_string(),
                            .batch = each["batch"].as_uint(1)});
    return attempts;
}

// The numbers in the first column of all rows.
Result<std::vector<std::uint64_t>> first_column(sqlite::Statement& row) {
    std::vector<std::uint64_t> list;
    while (true) {
        TARN_ASSIGN(const bool there, row.step());
        if (!there) return list;
        list.push_back(unsigned_of(row.integer(0)));
    }
}

Position position_at(const sqlite::Statement& row, int column) {
    return {StreamId{static_cast<std::uint32_t>(row.integer(column))},
            static_cast<Partition>(row.integer(column + 1)), unsigned_of(row.integer(column + 2))};
}

}  // namespace

Result<std::unique_ptr<ProcessStore>> ProcessStore::open(const std::string& path, const char* vfs) {
    TARN_ASSIGN(sqlite::Database database, sqlite::Database::open(path, {.full_sync = false, .vfs = vfs}));
    TARN_ASSIGN(auto version, database.prepare("PRAGMA user_version"));
    TARN_TRY(version.step());
    const std::int64_t found = version.integer(0);
    version.reset();
    if (found > format_version)
        return fail(Code::newer_format,
                    fmt::format("{} has format version {}, this Tarn knows {}", path, found, format_version));
    TARN_TRY(convert(database, found));
    TARN_TRY(database.execute(schema));
    return std::unique_ptr<ProcessStore>(new ProcessStore(std::move(database)));
}

Result<sqlite::Statement*> ProcessStore::statement(const char* sql) {
    auto found = statements_.find(sql);
    if (found == statements_.end()) {
        TARN_ASSIGN(sqlite::Statement prepared, database_.prepare(sql));
        found = statements_.emplace(sql, std::move(prepared)).first;
    }
    found->second.reset();
    return &found->second;
}

Result<std::optional<Progress>> ProcessStore::progress(const std::string& subscription) {
    TARN_ASSIGN(auto* row, statement("SELECT stream, low, scan, matched, delivered, discarded, paused FROM "
                                     "subscription WHERE name = ?"));
    row->bind(1, subscription);
    TARN_ASSIGN(const bool there, row->step());
    if (!there) return std::optional<Progress>();
    Progress progress{.stream = StreamId{static_cast<std::uint32_t>(row->integer(0))},
                      .low = unsigned_of(row->integer(1)),
                      .scan = unsigned_of(row->integer(2)),
                      .matched = unsigned_of(row->integer(3)),
                      .delivered = unsigned_of(row->integer(4)),
                      .discarded = unsigned_of(row->integer(5)),
                      .paused = row->integer(6) != 0};
    row->reset();
    return std::optional(progress);
}

Status ProcessStore::set_progress(const std::string& subscription, const Progress& progress) {
    TARN_ASSIGN(auto* row, statement("INSERT OR REPLACE INTO subscription VALUES (?, ?, ?, ?, ?, ?, ?, ?)"));
    row->bind(1, subscription).bind(2, std::int64_t{progress.stream.value}).bind(3, number(progress.low));
    row->bind(4, number(progress.scan)).bind(5, number(progress.matched)).bind(6, number(progress.delivered));
    row->bind(7, number(progress.discarded)).bind(8, std::int64_t{progress.paused});
    return row->run();
}

Status ProcessStore::remove(const std::string& subscription) {
    return transaction([&]() -> Status {
        for (const char* sql :
             {"DELETE FROM subscription WHERE name = ?", "DELETE FROM settled WHERE subscription = ?",
              "DELETE FROM discarded WHERE subscription = ?", "DELETE FROM held WHERE subscription = ?",
              "DELETE FROM dead WHERE subscription = ?"}) {
            TARN_ASSIGN(auto row, database_.prepare(sql));
            TARN_TRY(row.bind(1, subscription).run());
        }
        return {};
    });
}

Result<std::vector<ProcessStore::Waiting>> ProcessStore::waiting(const std::string& subscription) {
    TARN_ASSIGN(auto* row, statement("SELECT sequence, stream, part, off, keyed, key_hash, 0 FROM held "
                                     "WHERE subscription = ?1 UNION ALL "
                                     "SELECT sequence, stream, part, off, keyed, key_hash, 1 FROM dead "
                                     "WHERE subscription = ?1 ORDER BY 1"));
    row->bind(1, subscription);
    std::vector<Waiting> list;
    while (true) {
        TARN_ASSIGN(const bool there, row->step());
        if (!there) return list;
        list.push_back({{unsigned_of(row->integer(0)), position_at(*row, 1), unsigned_of(row->integer(5)),
                         row->integer(4) != 0},
                        row->integer(6) != 0});
    }
}

Result<std::vector<Sequence>> ProcessStore::settled(const std::string& subscription) {
    TARN_ASSIGN(auto* row, statement("SELECT sequence FROM settled WHERE subscription = ? ORDER BY 1"));
    row->bind(1, subscription);
    return first_column(*row);
}

Status ProcessStore::add_discarded(const std::string& subscription, Sequence sequence) {
    TARN_ASSIGN(auto* row, statement("INSERT OR IGNORE INTO discarded VALUES (?, ?)"));
    return row->bind(1, subscription).bind(2, number(sequence)).run();
}

Result<std::vector<Sequence>> ProcessStore::discarded(const std::string& subscription) {
    TARN_ASSIGN(auto* row, statement("SELECT sequence FROM discarded WHERE subscription = ? ORDER BY 1"));
    row->bind(1, subscription);
    return first_column(*row);
}

// A checkpoint writes the database file and syncs it.
Status ProcessStore::sync() {
    TARN_ASSIGN(auto row, database_.prepare("PRAGMA wal_checkpoint(FULL)"));
    TARN_ASSIGN(const bool there, row.step());
    if (there && row.integer(0) == 0) return {};
    return fail(Code::store_busy, "process.db is being read by another program",
                {.next = "close the other program's connection, then try again"});
}

Status ProcessStore::add_settled(const std::string& subscription, Sequence sequence) {
    TARN_ASSIGN(auto* row, statement("INSERT OR IGNORE INTO settled VALUES (?, ?)"));
    return row->bind(1, subscription).bind(2, number(sequence)).run();
}

Status ProcessStore::forget_settled(const std::string& subscription, Sequence low) {
    TARN_ASSIGN(auto* row, statement("DELETE FROM settled WHERE subscription = ? AND sequence < ?"));
    return row->bind(1, subscription).bind(2, number(low)).run();
}

Result<std::vector<Sequence>> ProcessStore::known_from(const std::string& subscription, Sequence low) {
    TARN_ASSIGN(auto* row,
                statement("SELECT sequence FROM settled WHERE subscription = ?1 AND sequence >= ?2 "
                          "UNION SELECT sequence FROM held WHERE subscription = ?1 AND sequence >= ?2 "
                          "UNION SELECT sequence FROM dead WHERE subscription = ?1 AND sequence >= ?2 "
                          "ORDER BY 1"));
    row->bind(1, subscription).bind(2, number(low));
    return first_column(*row);
}

Status ProcessStore::add_held(const std::string& subscription, const HeldEvent& held, bool released) {
    TARN_ASSIGN(auto* row, statement("INSERT OR REPLACE INTO held VALUES (?, ?, ?, ?, ?, ?, ?, ?)"));
    row->bind(1, subscription)
        .bind(2, number(held.sequence))
        .bind(3, std::int64_t{held.position.stream.value});
    row->bind(4, std::int64_t{held.position.partition}).bind(5, number(held.position.offset));
    row->bind(6, number(held.key_hash)).bind(7, std::int64_t{held.keyed});
    return row->bind(8, std::int64_t{released}).run();
}

Status ProcessStore::remove_held(const std::string& subscription, Sequence sequence) {
    TARN_ASSIGN(auto* row, statement("DELETE FROM held WHERE subscription = ? AND sequence = ?"));
    return row->bind(1, subscription).bind(2, number(sequence)).run();
}

Status ProcessStore::set_released(const std::string& subscription, std::uint64_t key_hash, bool released) {
    TARN_ASSIGN(auto* row,
                statement("UPDATE held SET released = ?3 WHERE subscription = ?1 AND key_hash = ?2"));
    return row->bind(1, subscription).bind(2, number(key_hash)).bind(3, std::int64_t{released}).run();
}

Result<std::vector<HeldEvent>> ProcessStore::held(const std::string& subscription, std::uint64_t key_hash,
                                                  Sequence after, std::size_t limit) {
    TARN_ASSIGN(auto* row,
                statement("SELECT sequence, stream, part, off, keyed FROM held WHERE subscription = ? "
                          "AND key_hash = ? AND sequence > ? ORDER BY sequence LIMIT ?"));
    row->bind(1, subscription).bind(2, number(key_hash)).bind(3, number(after)).bind(4, number(limit));
    std::vector<HeldEvent> list;
    while (true) {
        TARN_ASSIGN(const bool there, row->step());
        if (!there) return list;
        list.push_back({unsigned_of(row->integer(0)), position_at(*row, 1), key_hash, row->integer(4) != 0});
    }
}

Result<std::vector<std::uint64_t>> ProcessStore::released_keys(const std::string& subscription) {
    TARN_ASSIGN(auto* row,
                statement("SELECT DISTINCT key_hash FROM held WHERE subscription = ? AND released = 1"));
    row->bind(1, subscription);
    return first_column(*row);
}

Result<ProcessStore::HeldCounts> ProcessStore::held_counts(const std::string& subscription) {
    TARN_ASSIGN(auto* row, statement("SELECT COUNT(*) - TOTAL(released), TOTAL(released) FROM held WHERE "
                                     "subscription = ?"));
    row->bind(1, subscription);
    TARN_TRY(row->step());
    const HeldCounts counts{unsigned_of(row->integer(0)), unsigned_of(row->integer(1))};
    row->reset();
    return counts;
}

Status ProcessStore::add_dead(const DeadLetter& letter) {
    TARN_ASSIGN(auto* row,
                statement("INSERT OR REPLACE INTO dead VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
                          "0)"));
    row->bind(1, letter.subscription).bind(2, number(letter.sequence));
    row->bind(3, std::int64_t{letter.position.stream.value}).bind(4, std::int64_t{letter.position.partition});
    row->bind(5, number(letter.position.offset)).bind(6, number(letter.key_hash));
    row->bind(7, std::int64_t{letter.keyed}).bind(8, letter.group).bind(9, letter.error_type);
    row->bind(10, letter.error_message).bind(11, to_json(letter.attempts).dump());
    row->bind(12, letter.first_us).bind(13, letter.last_us);
    if (letter.edited)
        row->bind_blob(14, *letter.edited);
    else
        row->bind_null(14);
    return row->run();
}

Status ProcessStore::remove_dead(const std::string& subscription, Sequence sequence) {
    TARN_ASSIGN(auto* row, statement("DELETE FROM dead WHERE subscription = ? AND sequence = ?"));
    return row->bind(1, subscription).bind(2, number(sequence)).run();
}

Status ProcessStore::set_edited(const std::string& subscription, Sequence sequence,
                                const std::string& payload) {
    TARN_ASSIGN(auto* row,
                statement("UPDATE dead SET edited = ?3 WHERE subscription = ?1 AND sequence = ?2"));
    return row->bind(1, subscription).bind(2, number(sequence)).bind_blob(3, payload).run();
}

namespace {

void bind_text(sqlite::Statement& row, int index, const std::optional<std::string>& text) {
    if (text)
        row.bind(index, *text);
    else
        row.bind_null(index);
}
void bind_number(sqlite::Statement& row, int index, const std::optional<std::int64_t>& value) {
    if (value)
        row.bind(index, *value);
    else
        row.bind_null(index);
}

void bind_selection(sqlite::Statement& row, const DeadSelection& selection) {
    bind_text(row, 1, selection.subscription);
    bind_text(row, 2, selection.group);
    bind_text(row, 3, selection.cause);
    bind_number(row, 4, selection.since_us);
    bind_number(row, 5, selection.until_us);
}

}  // namespace

Result<std::vector<DeadLetter>> ProcessStore::letters(sqlite::Statement& row) {
    std::vector<DeadLetter> list;
    while (true) {
        TARN_ASSIGN(const bool there, row.step());
        if (!there) return list;
        DeadLetter letter{.subscription = std::string(row.text(0)),
                          .sequence = unsigned_of(row.integer(1)),
                          .position = position_at(row, 2),
                          .key_hash = unsigned_of(row.integer(5)),
                          .keyed = row.integer(6) != 0,
                          .group = std::string(row.text(7)),
                          .error_type = std::string(row.text(8)),
                          .error_message = std::string(row.text(9)),
                          .attempts = attempts_from(row.text(10)),
                          .first_us = row.integer(11),
                          .last_us = row.integer(12),
                          .edited = {},
                          .redrive_us = row.integer(14)};
        if (!row.is_null(13)) letter.edited = std::string(row.blob(13));
        list.push_back(std::move(letter));
    }
}

Result<std::vector<DeadLetter>> ProcessStore::dead(const DeadSelection& selection, std::size_t limit) {
    TARN_ASSIGN(
        auto* row,
        selection.position
            ? statement(TARN_LETTER "WHERE " TARN_SELECTED " AND (sequence, subscription) > (?6, ?7) AND "
                                    "stream = ?9 AND part = ?10 AND off = ?11 "
                                    "ORDER BY sequence, subscription LIMIT ?8")
            : statement(TARN_LETTER "WHERE " TARN_SELECTED " AND (sequence, subscription) > (?6, ?7) "
                                    "ORDER BY sequence, subscription LIMIT ?8"));
    bind_selection(*row, selection);
    const DeadPlace after = selection.after.value_or(DeadPlace());
    row->bind(6, number(after.sequence)).bind(7, after.subscription).bind(8, number(limit));
    if (selection.position) {
        row->bind(9, std::int64_t{selection.position->stream.value});
        row->bind(10, std::int64_t{selection.position->partition});
        row->bind(11, number(selection.position->offset));
    }
    return letters(*row);
}

Status ProcessStore::set_redrive(const std::string& subscription, Sequence sequence, std::int64_t at_us) {
    TARN_ASSIGN(auto* row,
                statement("UPDATE dead SET redrive_us = ?3 WHERE subscription = ?1 AND sequence = ?2"));
    return row->bind(1, subscription).bind(2, number(sequence)).bind(3, at_us).run();
}

Status ProcessStore::reset_redrives(const std::string& subscription) {
    TARN_ASSIGN(auto* row,
                statement("UPDATE dead SET redrive_us = 1 WHERE subscription = ? AND redrive_us < 0"));
    return row->bind(1, subscription).run();
}

Result<std::vector<DeadLetter>> ProcessStore::due(const std::string& subscription, std::int64_t now_us,
                                                  std::size_t limit) {
    TARN_ASSIGN(auto* row, statement(TARN_LETTER "WHERE subscription = ? AND redrive_us > 0 AND "
                                                 "redrive_us <= ? ORDER BY redrive_us, sequence LIMIT ?"));
    row->bind(1, subscription).bind(2, now_us).bind(3, number(limit));
    return letters(*row);
}

Result<std::optional<std::int64_t>> ProcessStore::next_redrive_us(const std::string& subscription) {
    TARN_ASSIGN(auto* row,
                statement("SELECT MIN(redrive_us) FROM dead WHERE subscription = ? AND redrive_us > 0"));
    row->bind(1, subscription);
    TARN_TRY(row->step());
    std::optional<std::int64_t> next;
    if (!row->is_null(0)) next = row->integer(0);
    row->reset();
    return next;
}

Result<std::uint64_t> ProcessStore::dead_count(const std::string& subscription) {
    TARN_ASSIGN(auto* row, statement("SELECT COUNT(*) FROM dead WHERE subscription = ?"));
    row->bind(1, subscription);
    TARN_TRY(row->step());
    const std::uint64_t count = unsigned_of(row->integer(0));
    row->reset();
    return count;
}

Result<std::vector<std::uint64_t>> ProcessStore::dead_keys(const std::string& subscription) {
    TARN_ASSIGN(auto* row, statement("SELECT key_hash FROM dead WHERE subscription = ? AND keyed = 1"));
    row->bind(1, subscription);
    return first_column(*row);
}

Result<std::vector<DeadGroup>> ProcessStore::groups(const DeadSelection& selection) {
    TARN_ASSIGN(
        auto* row,
        statement("SELECT cause, subscription, MIN(error_type), MIN(error_message), COUNT(*), MIN(first_us), "
                  "MAX(last_us), MIN(sequence), (SELECT COUNT(*) FROM held h WHERE h.subscription = "
                  "d.subscription AND h.released = 0 AND h.key_hash IN (SELECT key_hash FROM dead k WHERE "
                  "k.cause = d.cause AND k.subscription = d.subscription AND k.keyed = 1)) "
                  "FROM dead d WHERE " TARN_SELECTED
                  " GROUP BY cause, subscription ORDER BY MAX(last_us) DESC, cause"));
    bind_selection(*row, selection);
    std::vector<DeadGroup> list;
    std::vector<Sequence> samples;
    while (true) {
        TARN_ASSIGN(const bool there, row->step());
        if (!there) break;
        list.push_back({.group = std::string(row->text(0)),
                        .subscription = std::string(row->text(1)),
                        .error_type = std::string(row->text(2)),
                        .error_message = std::string(row->text(3)),
                        .count = unsigned_of(row->integer(4)),
                        .held = unsigned_of(row->integer(8)),
                        .first_us = row->integer(5),
                        .last_us = row->integer(6),
                        .sample = {}});
        samples.push_back(unsigned_of(row->integer(7)));
    }
    for (std::size_t i = 0; i < list.size(); ++i) {
        TARN_ASSIGN(auto* place,
                    statement("SELECT stream, part, off FROM dead WHERE subscription = ? AND sequence = ?"));
        place->bind(1, list[i].subscription).bind(2, number(samples[i]));
        TARN_ASSIGN(const bool there, place->step());
        if (there) list[i].sample = position_at(*place, 0);
        place->reset();
    }
    return list;
}

}  // namespace tarn::process
