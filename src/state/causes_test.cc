// Which events are named for a differing row.
#include "state/causes.h"

#include "state/state_fixture.h"

namespace tarn::state {
namespace {

class CausesOfRows : public Bank {
protected:
    // A copy from nothing, folded by what is declared now, of the events in [from, until).
    void fold_copy(std::size_t from, std::size_t until) {
        must(state->make_copy("accounts", "fix", "empty"));
        const auto applier = must(state->applier("accounts@fix", "balances"));
        for (std::size_t i = from; i < until; i++) must(applier->apply(lake->events[i].stored()));
        must(applier->commit());
    }
    std::vector<std::string> events_of(const std::string& before, const std::string& after,
                                       const std::string& note) {
        const auto result = must(state->diff(before, after, {}));
        EXPECT_EQ(result.events_note, note);
        return result.differences.empty() ? std::vector<std::string>() : result.differences[0].events;
    }
    std::string name(std::size_t i) const {
        const auto& event = lake->events[i];
        const bool deposit = event.meta.find("\"deposit\"") != std::string::npos;
        return fmt::format("bank {}:{} {} 2024-03-04T10:02:{:02}Z", event.position.partition,
                           event.position.offset, deposit ? "deposit" : "withdrawal", event.sequence % 60);
    }
};

TEST_F(CausesOfRows, AreTheEventsThatOnlyOneSideHas) {
    declare();
    for (int i = 0; i < 5; i++) add("deposit", "A1", "1.00");
    must(state->catch_up());
    must(state->create_snapshot("accounts"));
    for (int i = 0; i < 30; i++) add("deposit", "A1", "1.00");
    fold_copy(0, 8);
    EXPECT_EQ(events_of("snapshot:sn-1", "accounts@fix", "exact"),
              (std::vector<std::string>{name(5), name(6), name(7)}));
    EXPECT_EQ(events_of("accounts@fix", "snapshot:sn-1", "exact"),
              (std::vector<std::string>{name(5), name(6), name(7)}));
}

TEST_F(CausesOfRows, AreFirstToLastAndBounded) {
    declare();
    must(state->create_snapshot("accounts"));
    for (int i = 0; i < 30; i++) add("deposit", "A1", "1.00");
    fold_copy(0, 30);
    const auto events = events_of("snapshot:sn-1", "accounts@fix", "exact");
    ASSERT_EQ(events.size(), events_shown_max);
    EXPECT_EQ(events.front(), name(0));
}

// Only the pattern differs, and not by type: the events themselves are asked.
TEST_F(CausesOfRows, AreTheEventsThatAChangedPatternTakes) {
    auto narrow = balances();
    narrow.on[0].pattern = R"({"type":["deposit"],"data":{"Amount":["1.00"]}})";
    must(state->declare_store("accounts"));
    must(state->declare_projection(narrow));
    add("deposit", "A1", "1.00");
    add("withdrawal", "A1", "1.00");
    add("deposit", "A1", "7.00");
    must(state->catch_up());
    must(state->declare_projection(balances()));
    fold_copy(0, 3);
    EXPECT_EQ(events_of("accounts", "accounts@fix", "exact"), (std::vector<std::string>{name(0), name(2)}));
}

TEST_F(CausesOfRows, AreCandidatesWhenNothingExplainsTheRow) {
    declare();
    add("deposit", "A1", "1.00");
    add("deposit", "A1", "2.00");
    must(state->catch_up());
    fold_copy(0, 2);
    must(state->set_paused("accounts", true));
    reopen();
    {
        auto live = must(sqlite::Database::open(directory + "/stores/accounts/live.db"));
        must(live.execute("UPDATE balance SET amount='9.00'"));  // by hand
    }
    EXPECT_EQ(events_of("accounts", "accounts@fix", "candidate"),
              (std::vector<std::string>{name(0), name(1)}));
}

TEST_F(CausesOfRows, KnowFromWhichEventOnALiveStoreWasFoldedAnew) {
    declare();
    add("deposit", "A1", "1.00");
    must(state->catch_up());
    auto doubled = balances();
    doubled.on[0].sql = {
        "INSERT INTO balance VALUES (:data ->> 'Account', 2, :data ->> 'Amount') "
        "ON CONFLICT(account) DO UPDATE SET n = n + 2"};
    must(state->declare_projection(doubled));
    add("deposit", "A1", "2.00");
    must(state->catch_up());
    fold_copy(0, 2);
    EXPECT_EQ(events_of("accounts", "accounts@fix", "exact"), std::vector<std::string>{name(0)});
}

}  // namespace
}  // namespace tarn::state
