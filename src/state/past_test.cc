// Restores begin from what the live state came through, not from states that another one replaced.
#include <gtest/gtest.h>

#include "state/state_fixture.h"
#include "state/store_file.h"

namespace tarn::state {
namespace {

class Past : public Bank {
protected:
    Past() { declare(); }
    void add_some(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) add("deposit", "A1", "1.00");
        must(state->catch_up());
    }
    // As a buggy fold would: whatever is built on it is wrong.
    void spoil() {
        auto database = must(open_existing_store_file(directory + "/stores/accounts/live.db"));
        must(database.execute("UPDATE balance SET amount = '666.00'"));
    }
    void promote(const std::string& base) {
        must(state->make_copy("accounts", "fix", base));
        must(state->mark_copy("accounts@fix", true));
        must(state->promote_copy("accounts@fix"));
        must(state->catch_up());
    }
    RestoreResult restore_to_now() {
        auto result = must(state->restore("accounts", {.time = Time{clock.now().us + 1}}, "now"));
        seen = rows("accounts@now");
        must(state->discard_copy("accounts@now"));
        return result;
    }
    std::vector<std::string> past() {
        std::vector<std::string> ids;
        for (const auto& info : must(state->past_snapshots("accounts"))) ids.push_back(info.id);
        return ids;
    }
    using Ids = std::vector<std::string>;

    std::vector<std::string> seen;
};

TEST_F(Past, AfterAPromoteNothingBeginsFromTheStateThatItReplaced) {
    add_some(2);
    must(state->create_snapshot("accounts"));
    add_some(2);
    spoil();
    promote("sn-1");  // which keeps what was live as sn-2: it reaches further than anything else
    EXPECT_EQ(restore_to_now().base, "sn-0001");
    EXPECT_EQ(seen, expected(4));
    EXPECT_EQ(past(), (Ids{"sn-0001"}));
    must(state->create_snapshot("accounts"));
    add_some(1);
    EXPECT_EQ(restore_to_now().base, "sn-0003");
    EXPECT_EQ(seen, expected(5));
    reopen();
    EXPECT_EQ(past(), (Ids{"sn-0003", "sn-0001"}));
}

TEST_F(Past, WhatWasBuiltFromNothingHasNoPast) {
    add_some(2);
    must(state->create_snapshot("accounts"));
    spoil();
    must(state->create_snapshot("accounts"));
    promote("empty");
    EXPECT_EQ(restore_to_now().base, "empty");
    EXPECT_EQ(seen, expected(2));
}

TEST_F(Past, ACopyOfTheLiveStateCameThroughWhatWasThereThen) {
    add_some(1);
    must(state->create_snapshot("accounts"));
    must(state->make_copy("accounts", "fix", "live"));
    spoil();
    must(state->create_snapshot("accounts"));
    must(state->mark_copy("accounts@fix", true));
    must(state->promote_copy("accounts@fix"));
    EXPECT_EQ(past(), (Ids{"sn-0001"}));
}

TEST_F(Past, GoingBackForgetsWhatWasLeftAndGoingForthFindsItAgain) {
    add_some(1);
    must(state->create_snapshot("accounts"));
    add_some(1);
    spoil();
    must(state->create_snapshot("accounts"));
    must(state->restore("accounts", {.snapshot = "sn-1"}, std::nullopt));  // keeps sn-3
    must(state->set_paused("accounts", false));
    must(state->catch_up());
    EXPECT_EQ(restore_to_now().base, "sn-0001");
    EXPECT_EQ(seen, expected(2));
    must(state->create_snapshot("accounts"));  // sn-4
    EXPECT_EQ(past(), (Ids{"sn-0004", "sn-0001"}));
    must(state->restore("accounts", {.snapshot = "sn-3"}, std::nullopt));
    EXPECT_EQ(past(), (Ids{"sn-0003", "sn-0002", "sn-0001"}));
}

TEST_F(Past, ADamagedSnapshotIsMadeAgainFromItsOwnPast) {
    add_some(1);
    spoil();
    must(state->create_snapshot("accounts"));
    add_some(1);
    must(state->create_snapshot("accounts"));
    promote("empty");
    must(objects->remove(must(state->snapshot("sn-2")).object));
    const auto result = must(state->restore("accounts", {.snapshot = "sn-2"}, "old"));
    EXPECT_EQ(result.base, "sn-0001");
    EXPECT_EQ(rows("accounts@old"), std::vector<std::string>{"A1|2|667.00"});
}

TEST_F(Past, ADamagedLiveFileStillHasOne) {
    add_some(1);
    must(state->create_snapshot("accounts"));
    spoil();
    promote("sn-1");
    must(state->create_snapshot("accounts"));  // sn-3
    state.reset();
    must(fs->remove(directory + "/stores/accounts/live.db"));
    reopen();
    EXPECT_EQ(past(), (Ids{"sn-0003", "sn-0001"}));
    must(state->restore("accounts", {.time = Time{clock.now().us + 1}}, std::nullopt));
    EXPECT_EQ(rows("accounts"), expected(1));
}

// What was written of a replacement that a crash kept from happening.
TEST_F(Past, ALineThatNoFileHasIsNobodys) {
    add_some(1);
    must(state->create_snapshot("accounts"));
    must(catalog->put_document({"past", "accounts", clock.now(),
                                must(codec::Json::parse(R"({"lines":[{"number":9,"from":0,"until":0}]})"))}));
    EXPECT_EQ(past(), (Ids{"sn-0001"}));
}

}  // namespace
}  // namespace tarn::state
