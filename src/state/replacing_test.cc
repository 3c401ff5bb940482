// Stores that functions feed: their feeders' positions go with the state, into snapshots and copies, and back
// when a file takes another's place; wherever a crash cuts it off.
#include <gtest/gtest.h>

#include "state/outside_feeders.h"
#include "state/state_fixture.h"
#include "state/store_file.h"

namespace tarn::state {
namespace {

// The subscription "ledger" as its record on disk says; the test moves it.
class Ledger final : public OutsideFeeders {
public:
    FeederPosition stands{.feeder = "ledger", .stream = "bank"};
    bool paused = false;
    int quiet = 0, ended = 0, places = 0;
    int places_to_fail = 0;  // as when the process dies there
    bool was_quiet_when_asked = true;

    Result<std::vector<std::string>> feeders_of(const std::string& store) override {
        return store == "accounts" ? std::vector<std::string>{"ledger"} : std::vector<std::string>();
    }
    Result<std::shared_ptr<void>> quiesce(const std::string&) override { return handle(quiet); }
    Result<std::shared_ptr<void>> end_programs(const std::string&) override {
        ++ended;
        return handle(quiet);
    }
    Result<std::vector<FeederPosition>> positions(const std::string&) override {
        was_quiet_when_asked = was_quiet_when_asked && (quiet > 0 || !strict);
        return std::vector{stands};
    }
    Result<bool> is_paused(const std::string&) override { return paused; }
    Status set_paused(const std::string&, bool now) override {
        paused = now;
        return {};
    }
    Result<codec::Json> plan_placement(const std::string&, const std::vector<FeederPosition>& positions,
                                       bool pause) override {
        EXPECT_GT(quiet, 0);
        codec::Json plan = codec::Json::object({{"paused", pause}});
        if (!positions.empty()) plan.set("position", positions[0].to_json());
        return plan;
    }
    Status place(const codec::Json& plan) override {
        if (places_to_fail > 0) return fail(Code::store_failed, "made to fail");
        ++places;
        TARN_ASSIGN(stands, FeederPosition::from_json(plan["position"]));
        paused = plan["paused"].as_bool();
        return {};
    }
    bool strict = false;

private:
    static std::shared_ptr<void> handle(int& count) {
        ++count;
        return {&count, [](void* counted) { --*static_cast<int*>(counted); }};
    }
};

class FunctionFed : public Bank {
protected:
    FunctionFed() {
        open();
        must(state->declare_store("accounts"));
        ledger.stands.stream_id = stream;
        for (int i = 0; i < 6; ++i) add("deposit", "A", "1");
    }
    void open() {
        state.reset();
        state = must(State::open({*catalog, *lake, clock, *fs, directory + "/stores", &ledger}));
    }
    // As the function does: the store holds the number of events, the record says which.
    void handle_until(Sequence end, std::vector<Position> exceptions = {}) {
        auto database = must(open_existing_store_file(directory + "/stores/accounts/live.db"));
        must(database.execute(
            "CREATE TABLE IF NOT EXISTS counted(n INTEGER); DELETE FROM counted; INSERT INTO "
            "counted VALUES (" +
            std::to_string(end - 1) + ")"));
        ledger.stands.sequence = end;
        ledger.stands.next = {};
        for (Sequence i = 1; i < end; ++i) {
            const Position& position = lake->events[i - 1].position;
            ledger.stands.next[position.partition] = position.offset + 1;
        }
        ledger.stands.exceptions = std::move(exceptions);
    }
    std::string counted(const std::string& name = "accounts") {
        return rows(name, "SELECT n FROM counted").at(0);
    }
    static std::string text(const FeederPosition& position) { return position.to_json().dump(); }

    Ledger ledger;
};

TEST_F(FunctionFed, ASnapshotSaysWhatTheFunctionHadApplied) {
    handle_until(4, {lake->events[1].position});
    ledger.strict = true;
    const auto snapshot = must(state->create_snapshot("accounts"));
    EXPECT_TRUE(ledger.was_quiet_when_asked);
    EXPECT_EQ(ledger.quiet, 0) << "and it goes on";
    ASSERT_EQ(snapshot.positions.size(), 1u);
    EXPECT_EQ(text(snapshot.positions[0]), text(ledger.stands));
    EXPECT_EQ(must(state->store("accounts")).feeders, std::vector<std::string>{"ledger"});
}

TEST_F(FunctionFed, ACopyStandsWhereItsBaseStood) {
    handle_until(4, {lake->events[1].position, lake->events[4].position});
    const auto then = text(ledger.stands);
    const auto snapshot = must(state->create_snapshot("accounts"));
    const auto live = must(state->make_copy("accounts", "live", "live"));
    handle_until(7);
    const auto back = must(state->make_copy("accounts", "back", snapshot.id));
    const auto empty = must(state->make_copy("accounts", "empty", "empty"));
    EXPECT_EQ(text(live.positions.at(0)), then);
    EXPECT_EQ(text(back.positions.at(0)), then);
    EXPECT_EQ(empty.positions.at(0).sequence, 1u);
    EXPECT_EQ(counted("accounts@back"), "3");
}

TEST_F(FunctionFed, PromotingMovesTheSubscription) {
    handle_until(4);
    const auto then = text(ledger.stands);
    must(state->make_copy("accounts", "fix", "live"));
    must(state->mark_copy("accounts@fix", true));
    handle_until(7);
    const auto replaced = must(state->promote_copy("accounts@fix"));
    EXPECT_EQ(counted(), "3");
    EXPECT_EQ(text(ledger.stands), then);
    EXPECT_FALSE(ledger.paused);
    EXPECT_EQ(ledger.ended, 1);
    EXPECT_EQ(ledger.quiet, 0);
    EXPECT_EQ(must(state->snapshot(replaced.safety_snapshot)).positions.at(0).sequence, 7u);
    EXPECT_EQ(must(state->snapshot(replaced.new_snapshot)).positions.at(0).sequence, 4u);
    const auto past = must(state->past_snapshots("accounts"));
    ASSERT_EQ(past.size(), 1u) << "restores begin from the new state, not from the one it replaced";
    EXPECT_EQ(past[0].id, replaced.new_snapshot);
    EXPECT_TRUE(must(catalog->documents("replacement")).empty());
    must(state->make_copy("accounts", "again", "live"));
    must(state->mark_copy("accounts@again", true));
    must(state->promote_copy("accounts@again", true));
    EXPECT_TRUE(ledger.paused);
}

TEST_F(FunctionFed, RestoringInPlaceLeavesItPaused) {
    handle_until(4);
    const auto then = text(ledger.stands);
    const auto snapshot = must(state->create_snapshot("accounts"));
    handle_until(7);
    must(state->restore("accounts", {.snapshot = snapshot.id}, std::nullopt));
    EXPECT_EQ(counted(), "3");
    EXPECT_EQ(text(ledger.stands), then);
    EXPECT_TRUE(must(state->store("accounts")).paused);
    must(state->set_paused("accounts", false));
    EXPECT_FALSE(ledger.paused);
}

// The file is in its place, the subscription is not: the next start moves it.
TEST_F(FunctionFed, ACrashAfterTheSwapIsFinishedAtTheNextStart) {
    handle_until(4);
    const auto then = text(ledger.stands);
    const auto snapshot = must(state->create_snapshot("accounts"));
    handle_until(7);
    ledger.places_to_fail = 1;
    EXPECT_FALSE(state->restore("accounts", {.snapshot = snapshot.id}, std::nullopt));
    open();
    EXPECT_FALSE(state->finish_replacements());
    ledger.places_to_fail = 0;
    open();
    must(state->finish_replacements());
    EXPECT_EQ(counted(), "3");
    EXPECT_EQ(text(ledger.stands), then);
    EXPECT_TRUE(ledger.paused);
    EXPECT_EQ(ledger.places, 1);
    must(state->finish_replacements());
    EXPECT_EQ(ledger.places, 1);
}

// It was written down, and the file never came.
TEST_F(FunctionFed, ACrashBeforeTheSwapIsForgottenAtTheNextStart) {
    handle_until(7);
    const auto now = text(ledger.stands);
    must(catalog->put_document(
        {"replacement", "accounts", clock.now(),
         codec::Json::object({{"number", 9}, {"placement", codec::Json::object({{"paused", true}})}})}));
    open();
    must(state->finish_replacements());
    EXPECT_EQ(counted(), "6");
    EXPECT_EQ(text(ledger.stands), now);
    EXPECT_FALSE(ledger.paused);
    EXPECT_TRUE(must(catalog->documents("replacement")).empty());
}

}  // namespace
}  // namespace tarn::state
