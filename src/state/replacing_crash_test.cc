// Restore, copies, promote and discard on a disk that forgets: after a power cut at any call either the old
// state is there or the new one, whole, and its feeders stand where it stands.
#include <gmock/gmock.h>

#include "state/crash_fixture.h"
#include "state/store_file.h"

namespace tarn::state {
namespace {

constexpr std::size_t base = 30, between = 45, all = 60;

class ReplacingCrash : public testing::Test {
protected:
    ReplacingCrash() {
        world.declare();
        must(world.state->catch_up());
        snapshot = must(world.state->create_snapshot("accounts")).id;
        world.lake->events = events;
        must(world.state->catch_up());
        world.open();  // which writes everything into the file
        EXPECT_EQ(world.folded(), all);
    }

    static RestorePoint at_position(std::size_t count) {
        return {.position = std::pair<Partition, Offset>(0, count - 1)};
    }

    // The store is the old one or `restored`, and goes on from there.
    void expect_old_or(World& after, std::size_t restored, bool waits) {
        const std::size_t found = after.folded();
        ASSERT_TRUE(found == all || found == restored) << found;
        if (finished) {
            ASSERT_EQ(found, restored);
        }
        if (found == restored) {
            ASSERT_EQ(must(after.state->store("accounts")).paused, waits);
            const auto safety = must(after.state->snapshots()).at(0);
            ASSERT_EQ(safety.positions.at(0).sequence, all + 1) << "what was live is kept";
            must(after.state->restore("accounts", {.snapshot = safety.id}, "kept"));
            ASSERT_EQ(after.folded("accounts@kept"), all);
        }
        must(after.state->set_paused("accounts", false));
        must(after.state->catch_up());
        ASSERT_EQ(after.folded(), all);
    }
    static bool has(World& after, const std::string& name) {
        for (const auto& info : must(after.state->stores()))
            if (info.name == name) return true;
        return false;
    }
    // Cuts while `step` works, and once more when it has answered.
    void cut_during(const std::function<void()>& step, const std::function<void(World& after)>& check) {
        finished = false;
        const PowerCuts cuts(fs, 3, [&](os::SimFileSystem& disk) {
            World after(disk, events);
            check(after);
        });
        step();
        finished = true;
        must(fs.make_directories("afterwards"));
        expect_cuts(cuts, 100);
    }
    // All events are in the live store again, and on the disk.
    void go_on() {
        must(world.state->set_paused("accounts", false));
        must(world.state->catch_up());
        world.open();
        (void)fs.remove("afterwards");
    }
    void expect_cuts(const PowerCuts& cuts, int at_least) {
        RecordProperty("cuts", cuts.count());
        EXPECT_GT(cuts.count(), at_least);
    }

    os::SimFileSystem fs;
    const std::vector<BankEvent> events = World::make_events(all);
    World world{fs, {events.begin(), events.begin() + base}};
    std::string snapshot;
    bool finished = false;
};

TEST_F(ReplacingCrash, ARestoreInPlaceLeavesTheOldOrTheNew) {
    for (const bool to_snapshot : {true, false}) {
        const auto point = to_snapshot ? RestorePoint{.snapshot = snapshot} : at_position(between);
        const std::size_t restored = to_snapshot ? base : between;
        cut_during([&] { must(world.state->restore("accounts", point, std::nullopt)); },
                   [&](World& after) {
                       ASSERT_NO_FATAL_FAILURE(expect_old_or(after, restored, true));
                       must(after.state->restore("accounts", point, std::nullopt));
                       ASSERT_EQ(after.folded(), restored);
                   });
        go_on();
    }
}

// A copy is there whole or not at all, and neither it nor its remains touch the live store or the next copy.
TEST_F(ReplacingCrash, ACopyIsMadeAndDiscardedWhole) {
    enum class Step { making, made, discarding, discarded } step = Step::making;
    const PowerCuts cuts(fs, 4, [&](os::SimFileSystem& disk) {
        World after(disk, events);
        ASSERT_EQ(after.folded(), all);
        const bool there = has(after, "accounts@fix");
        if (step == Step::made) {
            ASSERT_TRUE(there);
        }
        if (step == Step::discarded) {
            ASSERT_FALSE(there);
        }
        if (there) {
            ASSERT_EQ(after.folded("accounts@fix"), between);
            must(after.state->discard_copy("accounts@fix"));
        }
        must(after.state->restore("accounts", {.snapshot = snapshot}, "fix"));
        ASSERT_EQ(after.folded("accounts@fix"), base);
        after.open();
        ASSERT_EQ(after.folded("accounts@fix"), base);
        ASSERT_EQ(after.folded(), all);
    });
    for (int round = 0; round < 2; ++round) {
        must(world.state->restore("accounts", at_position(between), "fix"));
        step = Step::made;
        must(world.fs.make_directories(fmt::format("made-{}", round)));
        step = Step::discarding;
        must(world.state->discard_copy("accounts@fix"));
        step = Step::discarded;
        must(world.fs.make_directories(fmt::format("discarded-{}", round)));
        step = Step::making;
    }
    expect_cuts(cuts, 100);
}

// What a run does into a copy: in any order, a few events a transaction, and all of it again after a crash.
TEST_F(ReplacingCrash, ARunIntoACopyAppliesEachEventOnce) {
    must(world.state->make_copy("accounts", "fix", "empty"));
    const auto run = [&](World& at) {
        const auto applier = must(at.state->applier("accounts@fix", "balances"));
        for (std::size_t i = 0; i < all; ++i) {
            must(applier->apply(events[(i * 7) % all].stored()));
            if (i % 6 == 5) must(applier->commit());
        }
        must(applier->commit());
    };
    const PowerCuts cuts(fs, 3, [&](os::SimFileSystem& disk) {
        World after(disk, events);
        ASSERT_TRUE(has(after, "accounts@fix"));
        run(after);
        must(after.state->advance("accounts@fix", "balances", all + 1, {{0, all}}));
        ASSERT_EQ(after.folded("accounts@fix"), all);
        ASSERT_EQ(after.folded(), all);
    });
    run(world);
    must(world.state->advance("accounts@fix", "balances", all + 1, {{0, all}}));
    expect_cuts(cuts, 100);
}

TEST_F(ReplacingCrash, APromotionLeavesTheOldOrTheNew) {
    for (const bool waits : {false, true}) {
        must(world.state->restore("accounts", at_position(between), "fix"));
        cut_during([&] { must(world.state->promote_copy("accounts@fix", waits)); },
                   [&](World& after) {
                       const bool is_old = after.folded() == all;
                       ASSERT_EQ(has(after, "accounts@fix"), is_old) << "the copy is where it was, or live";
                       if (is_old) {
                           ASSERT_EQ(after.folded("accounts@fix"), between);
                       }
                       ASSERT_NO_FATAL_FAILURE(expect_old_or(after, between, waits));
                       if (!is_old) must(after.state->restore("accounts", at_position(between), "fix"));
                       must(after.state->promote_copy("accounts@fix"));
                       ASSERT_EQ(after.folded(), between);
                   });
        go_on();
    }
}

// One restore, one promotion for each call that they make, with that call failing: what is there is the old
// or the new, at once and after a restart, and the same can be asked for again.
TEST(ReplacingFault, AFailingCallLeavesTheOldOrTheNew) {
    const auto events = World::make_events(all);
    int failed = 0;
    for (const bool promotes : {false, true}) {
        for (std::uint64_t number = 0; !testing::Test::HasFailure(); ++number) {
            os::SimFileSystem fs;
            World world(fs, events);
            world.declare();
            must(world.state->catch_up());
            must(world.state->restore("accounts", {.position = std::pair<Partition, Offset>(0, between - 1)},
                                      "fix"));
            const auto replace = [&]() -> Status {
                if (promotes) {
                    TARN_TRY(world.state->promote_copy("accounts@fix"));
                    return {};
                }
                TARN_TRY(world.state->restore(
                    "accounts", {.position = std::pair<Partition, Offset>(0, between - 1)}, std::nullopt));
                return {};
            };
            const std::uint64_t before = fs.calls();
            fs.fail_call(before + number, number % 2 == 0 ? os::Fault::eio : os::Fault::enospc);
            const Status done = replace();
            const bool all_passed = fs.calls() - before <= number;
            fs.heal();
            SCOPED_TRACE(fmt::format("{} with call {} failing: {}", promotes ? "promote" : "restore", number,
                                     done ? "it was done" : done.error().text()));
            const std::size_t found = world.folded();
            ASSERT_TRUE(found == (done ? between : all) || (!done && found == between)) << found;
            world.open();
            ASSERT_EQ(world.folded(), found);
            if (!done) ++failed;
            if (!done && found == all) must(replace());
            ASSERT_EQ(world.folded(), between);
            must(world.state->set_paused("accounts", false));
            must(world.state->catch_up());
            ASSERT_EQ(world.folded(), all);
            if (all_passed) break;
        }
    }
    RecordProperty("failed", failed);
    EXPECT_GT(failed, 60);
}

// A damaged file is kept under another name; where the cut comes in between, the store is damaged still.
TEST_F(ReplacingCrash, RestoringADamagedStoreKeepsItsFile) {
    const std::string live = "stores/accounts/live.db";
    must(fs.sync_directory("stores/accounts"));  // no write-ahead file comes back and mends it
    for (std::uint64_t at = 0; at < 100; ++at) fs.damage(live, at, 'x');
    const std::string damaged = must(os::read_file(fs, live));
    world.open();
    const PowerCuts cuts(fs, 4, [&](os::SimFileSystem& disk) {
        int kept = 0;
        for (const auto& file : must(disk.list("stores/accounts")))
            kept += must(os::read_file(disk, "stores/accounts/" + file.name)) == damaged ? 1 : 0;
        ASSERT_EQ(kept, 1) << "the damaged file is there, once";
        World after(disk, events);
        const auto info = after.state->store("accounts");
        ASSERT_TRUE(info || info.error().code == Code::store_damaged) << info.error().text();
        if (info) {
            ASSERT_EQ(after.folded(), between);
            ASSERT_TRUE(info->paused);
        } else {
            ASSERT_FALSE(finished);
            must(after.state->restore("accounts", at_position(between), std::nullopt));
        }
        must(after.state->set_paused("accounts", false));
        must(after.state->catch_up());
        ASSERT_EQ(after.folded(), all);
    });
    must(world.state->restore("accounts", at_position(between), std::nullopt));
    finished = true;
    must(world.fs.make_directories("afterwards"));
    expect_cuts(cuts, 100);
}

// ---- stores that functions feed: the file and the subscription's record move together

class FunctionFedCrash : public testing::Test {
protected:
    FunctionFedCrash() {
        must(world.catalog->create_stream("bank", {}, world.clock.now()));
        must(world.state->declare_store("counted"));
        handle_until(4);
        snapshot = must(world.state->create_snapshot("counted")).id;
        must(world.state->make_copy("counted", "fix", "live"));
        must(world.state->mark_copy("counted@fix", true));
        handle_until(7);
    }
    // As the function does: the store holds the number of events, the record says which. Both are on the
    // disk.
    void handle_until(Sequence end) {
        auto database = must(open_existing_store_file("stores/counted/live.db", world.vfs.name()));
        must(database.execute(
            fmt::format("CREATE TABLE IF NOT EXISTS counted(n INTEGER); DELETE FROM counted; "
                        "INSERT INTO counted VALUES ({})",
                        end - 1)));
        must(fold_in(database));
        world.ledger.put({.feeder = "ledger",
                          .stream = "bank",
                          .stream_id = StreamId{1},
                          .sequence = end,
                          .next = {{0, end - 1}}});
    }
    static Sequence counted(World& at) {
        return std::stoull(at.column("counted", "SELECT n FROM counted").at(0));
    }

    template <typename Replace>
    void expect_both_or_neither(bool waits, Replace replace) {
        bool finished = false;
        const PowerCuts cuts(fs, 4, [&](os::SimFileSystem& disk) {
            World after(disk, events);
            const Sequence found = counted(after);
            ASSERT_TRUE(found == 6 || found == 3) << found;
            ASSERT_EQ(after.ledger.stands().sequence, found + 1) << "the record fits the file";
            ASSERT_EQ(must(after.ledger.is_paused("counted")), found == 3 && waits);
            if (finished) {
                ASSERT_EQ(found, 3u);
            }
            ASSERT_THAT(must(after.catalog->documents("replacement")), testing::IsEmpty());
            must(after.state->restore("counted", {.snapshot = snapshot}, std::nullopt));
            ASSERT_EQ(counted(after), 3u);
        });
        replace();
        finished = true;
        must(fs.make_directories("afterwards"));
        RecordProperty("cuts", cuts.count());
        EXPECT_GT(cuts.count(), 100);
    }

    os::SimFileSystem fs;
    const std::vector<BankEvent> events = World::make_events(10);
    World world{fs, events};
    std::string snapshot;
};

TEST_F(FunctionFedCrash, ARestoreMovesFileAndRecordTogether) {
    expect_both_or_neither(
        true, [&] { must(world.state->restore("counted", {.snapshot = snapshot}, std::nullopt)); });
}

TEST_F(FunctionFedCrash, APromotionMovesFileAndRecordTogether) {
    expect_both_or_neither(false, [&] { must(world.state->promote_copy("counted@fix")); });
}

}  // namespace
}  // namespace tarn::state
