#include "state/feeder.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "event/shapes.h"
#include "state/binding.h"
#include "state/damage.h"
#include "state/decimal_functions.h"

namespace tarn::state {

struct Feeder::On {
    struct Prepared {
        UserStatement statement;
        Bindings bindings;
    };
    pattern::Pattern pattern;
    bool asks_only_type = false;  // then its list of types decides and no document needs to be made
    std::vector<Prepared> statements;
};

struct Feeder::Statements {
    sqlite::Statement find_exception, put_exception, delete_exception;
    sqlite::Statement save, go_back, release;
};

namespace {

constexpr std::size_t shown_sql_bytes = 200;  // kept with every failed event

Result<pattern::Pattern> compile_pattern(const ProjectionSpec& spec, const std::string& text) {
    auto compiled = pattern::Pattern::compile(text);
    if (compiled) return compiled;
    Error error = std::move(compiled.error());
    error.message = fmt::format("projection {}: pattern {}: {}", spec.name, text, error.message);
    return fail(std::move(error));
}

bool has_only_type(const pattern::Pattern& compiled) {
    if (compiled.types() == nullptr) return false;
    const auto json = codec::Json::parse(compiled.text());
    return json && json->members().size() == 1 && json->members()[0].first == "type";
}

std::string place_of(const ProjectionSpec& spec, std::size_t on) {
    return fmt::format("projection {}, on {}", spec.name, on + 1);
}

bool contains(const std::vector<std::string>& list, std::string_view text) {
    return std::any_of(list.begin(), list.end(), [text](const std::string& one) { return one == text; });
}

bool contains_text(std::string_view text, std::string_view what) {
    return memmem(text.data(), text.size(), what.data(), what.size()) != nullptr;
}

// Refused because of what the event holds, as opposed to a disk or a lock.
bool is_about_the_event(int code) {
    switch (code & 0xFF) {
        case SQLITE_ERROR:
        case SQLITE_CONSTRAINT:
        case SQLITE_MISMATCH:
        case SQLITE_TOOBIG:
        case SQLITE_RANGE:
            return true;
        default:
            return false;
    }
}

Result<bool> has_triggers(sqlite::Database& database) {
    TARN_ASSIGN(auto statement, database.prepare("SELECT 1 FROM sqlite_schema WHERE type='trigger' LIMIT 1"));
    return statement.step();
}

std::int64_t signed_of(std::uint64_t value) { return static_cast<std::int64_t>(value); }

}  // namespace

Feeder::Feeder(sqlite::Database& database, ProjectionSpec spec, FeedOrder order, os::Clock* clock)
    : database_(database),
      spec_(std::move(spec)),
      order_(order),
      clock_(clock),
      own_(std::make_unique<Statements>()) {}

Feeder::~Feeder() {
    if (in_transaction_) roll_back();
}

Result<std::unique_ptr<Feeder>> Feeder::open(sqlite::Database& database, ProjectionSpec spec, FeedOrder order,
                                             os::Clock* clock) {
    std::unique_ptr<Feeder> feeder(new Feeder(database, std::move(spec), order, clock));
    TARN_ASSIGN(auto row, read_feeder(database, feeder->spec_.name));
    if (!row)
        return fail(Code::unknown_projection,
                    fmt::format("projection {} does not feed this store", feeder->spec_.name));
    feeder->row_ = std::move(*row);
    TARN_TRY(feeder->prepare());
    TARN_TRY(note_declaration(database, feeder->row_, feeder->spec_));
    TARN_ASSIGN(const bool touches, has_table(database, "tarn_touch"));
    if (touches) {
        TARN_ASSIGN(feeder->touches_, TouchRecorder::open(database, feeder->row_.number));
    }
    return feeder;
}

Status Feeder::prepare() {
    // User SQL first: the authorizer makes SQLite compile older statements again.
    for (std::size_t i = 0; i < spec_.on.size(); i++) {
        TARN_ASSIGN(auto compiled, compile_pattern(spec_, spec_.on[i].pattern));
        On on{compiled, has_only_type(compiled), {}};
        for (const auto& sql : spec_.on[i].sql) {
            TARN_ASSIGN(auto statements, prepare_for_events(database_, sql, place_of(spec_, i)));
            for (auto& statement : statements) {
                TARN_ASSIGN(auto bindings, find_bindings(statement, place_of(spec_, i)));
                on.statements.push_back({std::move(statement), std::move(bindings)});
            }
        }
        ons_.push_back(std::move(on));
    }
    collect_types();
    TARN_ASSIGN(has_triggers_, has_triggers(database_));
    return prepare_own_statements();
}

void Feeder::collect_types() {
    for (const auto& on : ons_) {
        if (on.pattern.types() == nullptr) return types_.clear();
        for (const auto& type : *on.pattern.types())
            if (!contains(types_, type)) types_.push_back(type);
    }
}

Status Feeder::prepare_own_statements() {
    TARN_ASSIGN(own_->find_exception,
                database_.prepare("SELECT state FROM tarn_exception WHERE feeder=?1 AND sequence=?2"));
    TARN_ASSIGN(
        own_->put_exception,
        database_.prepare("INSERT OR REPLACE INTO tarn_exception VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"));
    TARN_ASSIGN(own_->delete_exception,
                database_.prepare("DELETE FROM tarn_exception WHERE feeder=?1 AND sequence=?2"));
    TARN_ASSIGN(own_->save, database_.prepare("SAVEPOINT tarn_event"));
    TARN_ASSIGN(own_->go_back, database_.prepare("ROLLBACK TO tarn_event"));
    TARN_ASSIGN(own_->release, database_.prepare("RELEASE tarn_event"));
    return {};
}

// ---- transactions
// --------------------------------------------------------------------------------------------------------

Status Feeder::begin() {
    TARN_TRY(database_.execute("BEGIN IMMEDIATE"));
    in_transaction_ = true;
    auto row = read_feeder(database_, spec_.name);
    if (!row || !*row) {
        roll_back();
        if (!row) return fail(std::move(row.error()));
        return fail(Code::unknown_projection,
                    fmt::format("projection {} does not feed this store any more", spec_.name));
    }
    row_ = std::move(**row);
    moved_ = false;
    return {};
}

Status Feeder::commit() {
    Status done = moved_ ? write_watermark(database_, row_) : Status();
    if (done) done = database_.execute("COMMIT");
    if (!done) {
        roll_back();
        return done;
    }
    in_transaction_ = false;
    moved_ = false;
    return {};
}

// Without a transaction (SQLite may have ended it by itself) there is nothing to undo, and the refusal does
// not matter.
void Feeder::roll_back() {
    if (sqlite3_get_autocommit(database_.handle()) == 0) (void)database_.execute("ROLLBACK");
    in_transaction_ = false;
    moved_ = false;
    if (touches_ == nullptr) return;
    touches_->discard();
    touches_->forget_names();
}

void Feeder::move_to(Sequence sequence, const std::map<Partition, Offset>& next) {
    if (sequence > row_.sequence) {
        row_.sequence = sequence;
        moved_ = true;
    }
    for (const auto& [partition, offset] : next) {
        auto& known = row_.next[partition];
        if (offset <= known) continue;
        known = offset;
        moved_ = true;
    }
}

void Feeder::follow_stream(StreamId stream) {
    if (row_.stream_id == stream) return;
    row_.stream_id = stream;
    row_.next.clear();
    moved_ = true;
}

// ---- one event
// -----------------------------------------------------------------------------------------------------------

Result<Applied> Feeder::apply(const event::StoredEvent& event) {
    if (event.position.stream != row_.stream_id) return Applied{Outcome::unmatched, {}};
    const auto& meta = meta_reader_.read(event, spec_.stream);
    select_matching(event, meta);
    if (matching_.empty()) {
        pass(event);
        return Applied{Outcome::unmatched, {}};
    }
    return apply_matching(event, meta);
}

Result<Applied> Feeder::apply_matching(const event::StoredEvent& event, const event::Meta& meta) {
    TARN_ASSIGN(const bool done_before, is_applied(event.sequence));
    if (done_before) {
        pass(event);
        return Applied{Outcome::skipped, {}};
    }
    Applied applied;
    TARN_TRY(run_matching(event, meta, applied.error));
    if (!applied.error.empty()) {
        applied.outcome = Outcome::failed;
        TARN_TRY(record_failed(event, applied.error));
    } else {
        if (touches_ != nullptr) TARN_TRY(touches_->record(event, meta));
        TARN_TRY(record_applied(event));
    }
    pass(event);
    return applied;
}

// An event that a run sent into the stream reaches only subscriptions named for it: a projection took the
// original. In events that came as a document of their own, the mark may stand in the document alone.
bool Feeder::was_replayed(const event::StoredEvent& event, const event::Meta& meta) const {
    if (!meta.run.empty()) return true;
    const bool is_document =
        meta.format == event::Format::cloudevents || meta.format == event::Format::eventbridge;
    return is_document && contains_text(event.payload, "\"tarnrun\"") &&
           codec::find_member(event.payload, "tarnrun").has_value();
}

void Feeder::select_matching(const event::StoredEvent& event, const event::Meta& meta) {
    matching_.clear();
    document_.clear();
    for (const auto& on : ons_) {
        const auto* types = on.pattern.types();
        if (types != nullptr && !contains(*types, meta.type)) continue;
        if (!on.asks_only_type) {
            if (document_.empty()) event::append_shape(document_, event::Shape::cloudevents, event, meta);
            if (!on.pattern.matches(document_)) continue;
        }
        matching_.push_back(&on);
    }
    if (!matching_.empty() && was_replayed(event, meta)) matching_.clear();
}

Result<bool> Feeder::is_applied(Sequence sequence) {
    const bool below = sequence < row_.sequence;
    if (!row_.has_exceptions) return below;
    own_->find_exception.bind(1, row_.number).bind(2, signed_of(sequence));
    TARN_ASSIGN(const bool found, own_->find_exception.step());
    const bool failed = found && own_->find_exception.text(0) == "failed";
    own_->find_exception.reset();
    return found ? !failed : below;
}

void Feeder::pass(const event::StoredEvent& event) {
    if (order_ != FeedOrder::ascending || event.sequence < row_.sequence) return;
    row_.sequence = event.sequence + 1;
    auto& next = row_.next[event.position.partition];
    next = std::max(next, event.position.offset + 1);
    moved_ = true;
}

// SQLite undoes a failed statement by itself where its program holds a constraint or a function call. A value
// that grows over the length limit in a plain expression (v || v) ends a many-row UPDATE half-way, though:
// measured with 3.54.1. So everything but one single-row INSERT, which evaluates before it writes, runs
// inside a savepoint.
Status Feeder::run_matching(const event::StoredEvent& event, const event::Meta& meta, std::string& error) {
    std::size_t statements = 0;
    bool fragile = has_triggers_;
    for (const auto* on : matching_) {
        statements += on->statements.size();
        for (const auto& prepared : on->statements) fragile = fragile || prepared.statement.needs_savepoint;
    }
    if (statements == 1 && !fragile) return run_statements(event, meta, error);
    TARN_TRY(own_->save.run());
    TARN_TRY(run_statements(event, meta, error));
    if (!error.empty()) TARN_TRY(own_->go_back.run());
    return own_->release.run();
}

Status Feeder::run_statements(const event::StoredEvent& event, const event::Meta& meta, std::string& error) {
    EventValues values(event, meta);
    for (const auto* on : matching_) {
        for (const auto& prepared : on->statements) {
            const int bound = values.bind(prepared.statement.handle.get(), prepared.bindings);
            if (bound != SQLITE_OK) error = sqlite3_errstr(bound);
            if (error.empty()) TARN_TRY(run_one(prepared.statement, error));
            if (error.empty()) continue;
            if (touches_ != nullptr) touches_->discard();
            return {};
        }
    }
    return {};
}

Status Feeder::run_one(const UserStatement& statement, std::string& error) {
    int code = SQLITE_ROW;
    while (code == SQLITE_ROW) code = sqlite3_step(statement.handle.get());
    if (code == SQLITE_DONE) {
        sqlite3_reset(statement.handle.get());
        return {};
    }
    const std::string message = sqlite3_errmsg(database_.handle());
    if (is_damage(code)) return damaged_database(database_);
    sqlite3_reset(statement.handle.get());
    const bool transaction_lives = sqlite3_get_autocommit(database_.handle()) == 0;
    if (transaction_lives && is_about_the_event(code)) {
        error = fmt::format("{} (in: {})", message.empty() ? sqlite3_errstr(code) : message,
                            statement.sql.substr(0, shown_sql_bytes));
        return {};
    }
    const bool full = (code & 0xFF) == SQLITE_FULL;
    return fail(full ? Code::disk_full : Code::store_failed,
                fmt::format("projection {}: {}: {}", spec_.name, message, statement.sql));
}

Status Feeder::record_applied(const event::StoredEvent& event) {
    const bool watermark_will_tell = order_ == FeedOrder::ascending || event.sequence < row_.sequence;
    if (watermark_will_tell) {
        if (!row_.has_exceptions) return {};
        own_->delete_exception.bind(1, row_.number).bind(2, signed_of(event.sequence));
        return own_->delete_exception.run();
    }
    row_.has_exceptions = true;
    auto& put = own_->put_exception;
    put.bind(1, row_.number)
        .bind(2, signed_of(event.sequence))
        .bind(3, std::int64_t{event.position.partition});
    put.bind(4, signed_of(event.position.offset)).bind(5, std::string_view("applied")).bind_null(6);
    put.bind_null(7);
    return put.run();
}

Status Feeder::record_failed(const event::StoredEvent& event, const std::string& error) {
    row_.has_exceptions = true;
    auto& put = own_->put_exception;
    put.bind(1, row_.number)
        .bind(2, signed_of(event.sequence))
        .bind(3, std::int64_t{event.position.partition});
    put.bind(4, signed_of(event.position.offset)).bind(5, std::string_view("failed")).bind(6, error);
    if (clock_ != nullptr)
        put.bind(7, clock_->now().us);
    else
        put.bind_null(7);
    return put.run();
}

// ---- before the first event
// ----------------------------------------------------------------------------------------------

Error explain_base(Error error) {
    if (error.code != Code::projection_sql) return error;
    error.message += " (the tables come from a base that another version of the projection made)";
    error.next = "begin from nothing: --base empty";
    return error;
}

Status ensure_feeder(sqlite::Database& database, const ProjectionSpec& spec, StreamId stream) {
    TARN_ASSIGN(const auto row, read_feeder(database, spec.name));
    if (row) return {};
    return database.transaction([&]() -> Status {
        TARN_TRY(run_schema(database, spec.schema, fmt::format("projection {}, schema", spec.name)));
        return add_feeder(database, spec, stream);
    });
}

}  // namespace tarn::state
