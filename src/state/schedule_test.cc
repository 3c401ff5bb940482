// Snapshots by schedule, on a clock that the test moves.
#include <gtest/gtest.h>

#include "state/state_fixture.h"

namespace tarn::state {
namespace {

constexpr std::int64_t minute = 60'000'000, hour = 60 * minute;

class Schedule : public Bank {
protected:
    Schedule() {
        declare();
        must(state->set_schedule("accounts", SnapshotSchedule{hour, 3}));
    }
    std::size_t taken() { return must(state->take_due_snapshots()).taken.size(); }
    std::vector<std::string> kept() {
        std::vector<std::string> ids;
        for (const auto& info : must(state->snapshots())) ids.push_back(info.id);
        return ids;
    }
};

TEST_F(Schedule, OneAnIntervalAndTheOldestGo) {
    EXPECT_EQ(taken(), 0u) << "a new store has nothing to keep yet";
    for (int i = 0; i < 5; ++i) {
        clock.advance_us(hour - minute);
        EXPECT_EQ(taken(), 0u);
        clock.advance_us(minute);
        EXPECT_EQ(taken(), 1u);
        EXPECT_EQ(taken(), 0u);
    }
    EXPECT_EQ(kept(), (std::vector<std::string>{"sn-0005", "sn-0004", "sn-0003"}));
    EXPECT_FALSE(must(objects->list("snapshots/accounts/sn-0001/")).size() > 0) << "its bytes too";
}

TEST_F(Schedule, WhatWasAskedForAndWhatIsNamedStays) {
    must(state->create_snapshot("accounts"));  // sn-0001, by hand
    clock.advance_us(hour);
    EXPECT_EQ(taken(), 1u);
    must(catalog->put_document(
        {"plan", "pl-1", clock.now(),
         codec::Json::object({{"coverage", codec::Json::object({{"base", "sn-0002"}})}})}));
    clock.advance_us(hour);
    EXPECT_EQ(taken(), 1u);
    must(state->make_copy("accounts", "fix", "sn-0003"));
    for (int i = 0; i < 5; ++i) {
        clock.advance_us(hour);
        EXPECT_EQ(taken(), 1u);
    }
    EXPECT_EQ(kept(),
              (std::vector<std::string>{"sn-0008", "sn-0007", "sn-0006", "sn-0003", "sn-0002", "sn-0001"}));
}

TEST_F(Schedule, ARestartCountsOn) {
    clock.advance_us(hour);
    EXPECT_EQ(taken(), 1u);
    clock.advance_us(hour / 2);
    reopen();
    EXPECT_EQ(taken(), 0u);
    clock.advance_us(hour / 2);
    EXPECT_EQ(taken(), 1u);
    clock.advance_us(10 * hour);  // nobody was there
    reopen();
    EXPECT_EQ(taken(), 1u) << "what was missed is not made up for";
    EXPECT_EQ(taken(), 0u);
}

TEST_F(Schedule, AClockThatJumpsDoesNoHarm) {
    clock.advance_us(hour);
    EXPECT_EQ(taken(), 1u);
    clock.jump_wall_us(-1000 * hour);
    EXPECT_EQ(taken(), 0u);
    clock.advance_us(hour);
    EXPECT_EQ(taken(), 1u) << "nobody waits longer than the interval";
    clock.jump_wall_us(5000 * hour);
    EXPECT_EQ(taken(), 1u);
    EXPECT_EQ(taken(), 0u) << "one, not five thousand";
    clock.jump_wall_us(-5000 * hour);
    for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(taken(), 0u);
        clock.advance_us(hour);
        EXPECT_EQ(taken(), 1u);
    }
    // By number, not by what the clock said.
    EXPECT_EQ(kept(), (std::vector<std::string>{"sn-0007", "sn-0006", "sn-0005"}));
}

TEST_F(Schedule, AFailureIsSaidAndTriedAgain) {
    must(fs->rename(directory + "/stores/accounts/live.db", directory + "/away.db"));
    clock.advance_us(hour);
    const auto round = must(state->take_due_snapshots());
    ASSERT_EQ(round.failed.size(), 1u);
    EXPECT_EQ(round.failed[0].second.code, Code::store_damaged);
    EXPECT_LE(round.wait_us, minute);
    EXPECT_EQ(state->snapshot_troubles().count("accounts"), 1u);
    EXPECT_TRUE(must(state->take_due_snapshots()).failed.empty()) << "not over and over";
    must(fs->rename(directory + "/away.db", directory + "/stores/accounts/live.db"));
    clock.advance_us(minute);
    EXPECT_EQ(taken(), 1u);
    EXPECT_TRUE(state->snapshot_troubles().empty());
    EXPECT_EQ(must(state->store("accounts")).schedule["last"].as_string(), "sn-0001");
}

TEST_F(Schedule, WhatItMaySay) {
    const auto parse = [](const char* text) {
        return SnapshotSchedule::from_json(must(codec::Json::parse(text)));
    };
    EXPECT_EQ(must(parse(R"({"every":"1h","keep":48})")), (SnapshotSchedule{hour, 48}));
    EXPECT_EQ(must(parse(R"({"every":"15m"})")).keep, 0u);
    for (const char* bad : {R"({"keep":3})", R"({"every":"soon"})", R"({"every":"1ms"})", R"("1h")",
                            R"({"every":"1h","keep":0})", R"({"every":"1h","keep":"all"})"})
        EXPECT_EQ(parse(bad).error().code, Code::bad_config) << bad;
    must(state->set_schedule("accounts", std::nullopt));
    clock.advance_us(3 * hour);
    EXPECT_EQ(taken(), 0u);
    EXPECT_EQ(state->set_schedule("nothing", std::nullopt).error().code, Code::unknown_store);
}

}  // namespace
}  // namespace tarn::state
