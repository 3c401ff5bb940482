// One projection at work on one connection: decides whether an event is taken, runs its SQL, and keeps the
// record of what was applied in the same transaction. Used by live feeding, by restore and by replay.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "event/meta.h"
#include "os/clock.h"
#include "pattern/pattern.h"
#include "state/sql_rules.h"
#include "state/state.h"
#include "state/store_file.h"
#include "state/touches.h"

namespace tarn::state {

enum class FeedOrder : std::uint8_t {
    ascending,  // every event of the stream from the watermark on, by sequence: the watermark moves
    any,        // some events in any order: each is recorded by itself
};

// One thread. `database` must outlive it and hold the projection's tables and its row in tarn_feeder.
class Feeder {
public:
    // `clock`: tells when an event was refused; it must outlive the feeder. Without one that is not noted.
    static Result<std::unique_ptr<Feeder>> open(sqlite::Database& database, ProjectionSpec spec,
                                                FeedOrder order, os::Clock* clock = nullptr);
    ~Feeder();
    Feeder(const Feeder&) = delete;
    Feeder& operator=(const Feeder&) = delete;

    // A transaction: begin, apply …, commit. begin reads again how far the feeder is.
    Status begin();
    // On an Error the transaction is lost: roll back. An event that its SQL refuses is Outcome::failed, not
    // an Error.
    Result<Applied> apply(const event::StoredEvent& event);
    Status commit();
    void roll_back();
    bool in_transaction() const { return in_transaction_; }

    // Ascending only: everything below `sequence` has been seen. Written by the next commit.
    void move_to(Sequence sequence, const std::map<Partition, Offset>& next);
    // The stream was deleted and made again: its offsets begin anew, sequences go on.
    void follow_stream(StreamId stream);

    const FeederRow& row() const { return row_; }
    // Event types that can match at all, for pruning; empty: any.
    const std::vector<std::string>& types() const { return types_; }

private:
    struct On;
    struct Statements;
    Feeder(sqlite::Database& database, ProjectionSpec spec, FeedOrder order, os::Clock* clock);
    Status prepare();
    Status prepare_own_statements();
    void collect_types();

    bool was_replayed(const event::StoredEvent& event, const event::Meta& meta) const;
    void select_matching(const event::StoredEvent& event, const event::Meta& meta);
    Result<Applied> apply_matching(const event::StoredEvent& event, const event::Meta& meta);
    Result<bool> is_applied(Sequence sequence);
    void pass(const event::StoredEvent& event);
    Status run_matching(const event::StoredEvent& event, const event::Meta& meta, std::string& error);
    Status run_statements(const event::StoredEvent& event, const event::Meta& meta, std::string& error);
    Status run_one(const UserStatement& statement, std::string& error);
    Status record_applied(const event::StoredEvent& event);
    Status record_failed(const event::StoredEvent& event, const std::string& error);

    sqlite::Database& database_;
    ProjectionSpec spec_;
    FeedOrder order_;
    os::Clock* clock_;
    FeederRow row_;
    std::vector<On> ons_;
    std::vector<const On*> matching_;
    std::vector<std::string> types_;
    std::string document_;
    event::MetaReader meta_reader_;
    std::unique_ptr<Statements> own_;
    std::unique_ptr<TouchRecorder> touches_;
    bool has_triggers_ = false;
    bool in_transaction_ = false;
    bool moved_ = false;  // the watermark differs from what is stored
};

// The same error, saying what helps when tables from a base do not fit the projection's SQL of today.
Error explain_base(Error error);
// Gives the file the tables and the row of a projection that has not fed it yet.
Status ensure_feeder(sqlite::Database& database, const ProjectionSpec& spec, StreamId stream);

}  // namespace tarn::state
