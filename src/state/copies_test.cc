#include <algorithm>

#include "state/state_fixture.h"

namespace tarn::state {
namespace {

class Copies : public Bank {
protected:
    Outcome apply(Applier& applier, const BankEvent& event) {
        return must(applier.apply(event.stored())).outcome;
    }
};

TEST_F(Copies, BeginAtTheirBase) {
    declare();
    add("deposit", "A1", "1.00");
    must(state->catch_up());
    const auto snapshot = must(state->create_snapshot("accounts"));
    add("deposit", "A1", "2.00");
    must(state->catch_up());
    EXPECT_EQ(must(state->make_copy("accounts", "a", "empty")).base, "empty");
    EXPECT_EQ(must(state->make_copy("accounts", "b", "live")).base, "live");
    EXPECT_EQ(must(state->make_copy("accounts", "c", "sn-1")).base, snapshot.id);
    EXPECT_TRUE(rows("accounts@a").empty());
    EXPECT_EQ(rows("accounts@b"), expected(2));
    EXPECT_EQ(rows("accounts@c"), expected(1));
    EXPECT_EQ(state->make_copy("accounts", "a", "empty").error().code, Code::copy_exists);
    EXPECT_EQ(state->make_copy("accounts", "X y", "empty").error().code, Code::bad_usage);
    EXPECT_EQ(must(state->stores()).size(), 4u);
    EXPECT_FALSE(must(state->store("accounts@a")).complete);
}

TEST_F(Copies, AreNotFedLive) {
    declare();
    must(state->make_copy("accounts", "a", "empty"));
    add("deposit", "A1", "1.00");
    must(state->catch_up());
    EXPECT_TRUE(rows("accounts@a").empty());
}

// Any order, in any batches, with crashes in between and everything offered again: each event once.
TEST_F(Copies, ARunAppliesEachEventOnce) {
    declare();
    os::SeededRng rng(99);
    add_random(120, rng);
    must(state->make_copy("accounts", "fix", "empty"));
    std::vector<std::size_t> order(120);
    for (std::size_t i = 0; i < order.size(); i++) order[i] = i;
    for (int round = 0; round < 6; round++) {
        for (std::size_t i = order.size(); i > 1; i--) std::swap(order[i - 1], order[rng.below(i)]);
        const auto applier = must(state->applier("accounts@fix", "balances"));
        const std::size_t stop = round < 5 ? rng.below(120) : 120;
        for (std::size_t i = 0; i < stop; i++) {
            must(applier->apply(lake->events[order[i]].stored()));
            if (rng.below(10) == 0) must(applier->commit());
        }
        if (round == 5) must(applier->commit());  // otherwise the end of what was not committed
    }
    EXPECT_EQ(rows("accounts@fix"), expected(120));
}

TEST_F(Copies, OutcomesSayWhatHappened) {
    declare();
    const auto good = add("deposit", "A1", "1.00");
    const auto noise = add("noise", "A1", "1.00");
    const auto bad = add("deposit", "A1", "x");
    must(state->make_copy("accounts", "fix", "empty"));
    const auto applier = must(state->applier("accounts@fix", "balances"));
    EXPECT_EQ(apply(*applier, good), Outcome::applied);
    EXPECT_EQ(apply(*applier, good), Outcome::skipped);
    EXPECT_EQ(apply(*applier, noise), Outcome::unmatched);
    const auto failed = must(applier->apply(bad.stored()));
    EXPECT_EQ(failed.outcome, Outcome::failed);
    EXPECT_NE(failed.error.find("decimal_add: 'x'"), std::string::npos) << failed.error;
    must(applier->commit());
    EXPECT_EQ(rows("accounts@fix"), std::vector<std::string>{"A1|1|1.00"});
}

TEST_F(Copies, AReplayIntoTheLiveStoreFillsHolesOnly) {
    declare();
    const auto first = add("deposit", "A1", "1.00");
    const auto bad = add("deposit", "A1", "oops");
    must(state->catch_up());
    EXPECT_EQ(position().exceptions.size(), 1u);
    auto corrected = bad;
    corrected.payload = R"({"Account":"A1","Amount":"2.00"})";
    {
        const auto applier = must(state->applier("accounts", "balances"));
        EXPECT_EQ(apply(*applier, first), Outcome::skipped);
        EXPECT_EQ(apply(*applier, corrected), Outcome::applied);
        EXPECT_EQ(apply(*applier, corrected), Outcome::skipped);
        must(applier->commit());
    }
    EXPECT_EQ(rows("accounts"), std::vector<std::string>{"A1|2|3.00"});
    EXPECT_TRUE(position().exceptions.empty());
}

TEST_F(Copies, LiveFeedingSkipsWhatARunAppliedAhead) {
    declare();
    add("deposit", "A1", "1.00");
    const auto ahead = add("deposit", "A1", "2.00");
    {
        const auto applier = must(state->applier("accounts", "balances"));
        EXPECT_EQ(apply(*applier, ahead), Outcome::applied);
        must(applier->commit());
    }
    EXPECT_EQ(position().exceptions, std::vector<Position>{ahead.position});
    EXPECT_EQ(must(state->catch_up()), 1u);
    EXPECT_EQ(rows("accounts"), expected(2));
    EXPECT_TRUE(position().exceptions.empty());
    EXPECT_EQ(rows("accounts", "SELECT count(*) FROM tarn_exception"), std::vector<std::string>{"0"});
}

TEST_F(Copies, AdvanceForgetsTheListOfApplied) {
    declare();
    os::SeededRng rng(4);
    add_random(50, rng);
    must(state->make_copy("accounts", "fix", "empty"));
    {
        const auto applier = must(state->applier("accounts@fix", "balances"));
        for (const auto& event : lake->events) must(applier->apply(event.stored()));
        must(applier->commit());
    }
    EXPECT_FALSE(position("accounts@fix").exceptions.empty());
    must(state->advance("accounts@fix", "balances", 51, {{0, 9}, {1, 3}}));
    EXPECT_TRUE(position("accounts@fix").exceptions.empty());
    EXPECT_EQ(position("accounts@fix").sequence, 51u);
    EXPECT_EQ(position("accounts@fix").next.at(0), 9u);
    must(state->advance("accounts@fix", "balances", 7, {}));
    EXPECT_EQ(position("accounts@fix").sequence, 51u);
    const auto applier = must(state->applier("accounts@fix", "balances"));
    for (const auto& event : lake->events) EXPECT_NE(apply(*applier, event), Outcome::applied);
}

TEST_F(Copies, PromoteSwapsTheCompleteCopyIn) {
    declare();
    auto wrong = balances();
    wrong.on.pop_back();  // forgets withdrawals
    must(state->declare_projection(wrong));
    os::SeededRng rng(8);
    add_random(40, rng);
    must(state->catch_up());
    EXPECT_NE(rows("accounts"), expected(40));
    must(state->declare_projection(balances()));
    must(state->make_copy("accounts", "fix", "empty"));
    EXPECT_EQ(state->promote_copy("accounts@fix").error().code, Code::copy_incomplete);
    {
        const auto applier = must(state->applier("accounts@fix", "balances"));
        for (const auto& event : lake->events) must(applier->apply(event.stored()));
        must(applier->commit());
        must(state->mark_copy("accounts@fix", true));
        EXPECT_EQ(state->promote_copy("accounts@fix").error().code, Code::store_busy);
    }
    must(state->advance("accounts@fix", "balances", 41, {}));
    must(state->promote_copy("accounts@fix"));
    EXPECT_EQ(rows("accounts"), expected(40));
    EXPECT_EQ(must(state->stores()).size(), 1u);
    EXPECT_EQ(must(state->snapshots()).size(), 1u);
    EXPECT_EQ(rows("accounts", "SELECT name FROM sqlite_schema WHERE name LIKE 'tarn_touch%'").size(), 0u);
    add_random(10, rng);
    must(state->catch_up());
    EXPECT_EQ(rows("accounts"), expected(50));
    EXPECT_EQ(must(state->store("accounts")).note, "");
    reopen();
    EXPECT_EQ(rows("accounts"), expected(50));
}

TEST_F(Copies, DiscardRemovesTheFile) {
    declare();
    must(state->make_copy("accounts", "fix", "empty"));
    must(state->discard_copy("accounts@fix"));
    EXPECT_EQ(state->store("accounts@fix").error().code, Code::unknown_store);
    EXPECT_EQ(state->discard_copy("accounts").error().code, Code::bad_usage);
    for (const auto& file : must(fs->list(directory + "/stores/accounts")))
        EXPECT_FALSE(file.name.starts_with("copy-")) << file.name;
    must(state->make_copy("accounts", "fix", "empty"));
}

TEST_F(Copies, LeftoversOfACrashAreCleanedUp) {
    declare();
    must(state->make_copy("accounts", "fix", "empty"));
    must(os::write_file_durably(*fs, directory + "/stores/accounts/tmp-9.db", "half"));
    must(fs->remove(directory + "/stores/accounts/copy-fix.db"));
    reopen();
    EXPECT_FALSE(must(fs->stat(directory + "/stores/accounts/tmp-9.db")));
    EXPECT_EQ(state->store("accounts@fix").error().code, Code::unknown_store);
}

}  // namespace
}  // namespace tarn::state
