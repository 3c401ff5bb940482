// Rolls on a disk that forgets and fails: after a power cut at any call, and after any call has failed, every
// acknowledged event is there exactly once, and the next roll goes on. The catalog is a real SQLite file,
// copied at the moment of the cut: what it has committed it has synced (synchronous=FULL).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lake/test_lake.h"
#include "os/sim_file_system.h"

namespace tarn::lake {
namespace {

void copy_catalog(const std::string& from, const std::string& to) {
    for (const std::string suffix : {"", "-wal"}) {
        std::filesystem::remove(to + suffix);
        if (std::filesystem::exists(from + suffix)) std::filesystem::copy_file(from + suffix, to + suffix);
    }
    std::filesystem::remove(to + "-shm");
}

struct LakeCrash : ::testing::Test {
    TestFolder folder;
    os::SimFileSystem fs;
    os::SimClock clock;
    Model model;
    StreamId one, two;

    // Two streams with a history: something rolled, something in the log, over an hour's boundary.
    void fill(TestLake& at, std::uint64_t seed) {
        os::SeededRng rng(seed);
        event::StreamSettings settings;
        settings.partitions = 2;
        one = at.catalog->create_stream("one", settings, clock.now())->id;
        two = at.catalog->create_stream("two", {}, clock.now())->id;
        for (int i = 0; i < 12; ++i) {
            auto made = random_batch(rng, i % 3 == 2 ? two : one, i % 3 == 2 ? 1 : 2, 10, 3000);
            made.batch.origin = {fmt::format("producer{}", i % 3), static_cast<std::uint64_t>(i), 7};
            const auto answer = at.append(made.batch);
            ASSERT_TRUE(answer) << answer.error().text();
            model.add(made.batch, *answer);
            clock.advance_us(900'000'000);
            if (i == 4) {
                ASSERT_TRUE(at.lake->roll(one));
            }
        }
    }

    void expect_all(TestLake& at, const std::string& where) { expect_all(at, model, where); }
    void expect_all(TestLake& at, const Model& expected, const std::string& where) {
        for (const auto& [name, id] : {std::pair("one", one), std::pair("two", two)}) {
            const auto events = at.read(name);
            ASSERT_TRUE(events) << where << ": " << events.error().text();
            ASSERT_EQ(*events, expected.events(id)) << where;
            const auto quarantined = at.read(name, {.quarantine = true});
            ASSERT_TRUE(quarantined) << where << ": " << quarantined.error().text();
            ASSERT_EQ(*quarantined, expected.quarantine(id)) << where;
        }
        for (int producer = 0; producer < 3; ++producer) {
            const auto known = at.log->find_origin(fmt::format("producer{}", producer));
            ASSERT_TRUE(known) << where;
            ASSERT_EQ(known->origin_sequence, static_cast<std::uint64_t>(9 + producer)) << where;
        }
    }

    // Opens what is left, compares, appends more, rolls everything, compares again.
    void expect_recovery(os::FileSystem& disk, const std::string& catalog_path, const std::string& where) {
        TestLake at(disk, clock);
        const Status opened = at.open(catalog_path);
        ASSERT_TRUE(opened) << where << ": " << opened.error().text();
        expect_all(at, where + ", reopened");
        // A roll that forgot what was decided before the cut would now make other objects.
        Model later = model;
        os::SeededRng rng(4);
        for (const StreamId id : {one, two}) {
            const auto made = random_batch(rng, id, 1, 5, 100);
            const auto answer = at.append(made.batch);
            ASSERT_TRUE(answer) << where << ": " << answer.error().text();
            later.add(made.batch, *answer);
        }
        for (const StreamId id : {one, two}) {
            const auto rolled = at.lake->roll(id);
            ASSERT_TRUE(rolled) << where << ": " << rolled.error().text();
        }
        expect_all(at, later, where + ", rolled");
        const auto findings = at.lake->check();
        ASSERT_TRUE(findings);
        for (const Finding& finding : *findings)
            ADD_FAILURE() << where << ": " << finding.place << ": " << finding.what;
        EXPECT_FALSE(*at.catalog->pending_roll(one));
    }
};

TEST_F(LakeCrash, APowerCutAtAnyCallOfARollLosesAndDoublesNothing) {
    TestLake at(fs, clock);
    ASSERT_TRUE(at.open(folder / "catalog.db"));
    ASSERT_NO_FATAL_FAILURE(fill(at, 1));
    const std::string copy = folder / "copy.db";
    int states = 0;
    fs.after_call([&] {
        for (std::uint64_t seed = 0; seed < 3; ++seed) {
            if (HasFatalFailure()) return;
            const auto disk = fs.crash(
                {.seed = seed, .keep = seed == 0 ? os::CrashPlan::Keep::nothing : os::CrashPlan::Keep::any});
            copy_catalog(folder / "catalog.db", copy);
            expect_recovery(*disk, copy,
                            fmt::format("call {} ({}), seed {}", fs.calls(), fs.trace().back(), seed));
            ++states;
        }
    });
    ASSERT_TRUE(at.lake->roll(one));
    ASSERT_TRUE(at.lake->roll(two));
    fs.after_call({});
    EXPECT_GT(states, 60);
}

// One roll for each call that it makes, with that call failing.
TEST_F(LakeCrash, AnyFailingCallOfARollLosesAndDoublesNothing) {
    int failed = 0;
    for (std::uint64_t number = 0;; ++number) {
        os::SimFileSystem disk;
        TestFolder fresh;
        clock = os::SimClock();
        model = Model();
        TestLake at(disk, clock);
        ASSERT_TRUE(at.open(fresh / "catalog.db"));
        ASSERT_NO_FATAL_FAILURE(fill(at, 2));
        const std::uint64_t before = disk.calls();
        disk.fail_call(before + number, number % 2 == 0 ? os::Fault::eio : os::Fault::enospc);
        const auto first = at.lake->roll(one);
        const auto second = at.lake->roll(two);
        const bool all_passed = disk.calls() - before <= number;
        disk.heal();
        const std::string where = fmt::format("call {}", number);
        ASSERT_NO_FATAL_FAILURE(expect_all(at, where + ", still open"));
        if (!first || !second) ++failed;
        at.close();
        ASSERT_NO_FATAL_FAILURE(expect_recovery(disk, fresh / "catalog.db", where));
        if (all_passed) break;
    }
    EXPECT_GT(failed, 10);
}

// The steps of a roll as the catalog sees them: stopped before the commit, with and without its objects.
TEST_F(LakeCrash, StoppedBetweenItsStepsARollIsRepeated) {
    TestLake at(fs, clock);
    ASSERT_TRUE(at.open(folder / "catalog.db"));
    ASSERT_NO_FATAL_FAILURE(fill(at, 3));
    const auto before = *at.catalog->stream("one");
    ASSERT_TRUE(at.catalog->begin_roll({one, before.rolled_sequence, at.log->durable_end()}));
    const std::string copy = folder / "copy.db";
    copy_catalog(folder / "catalog.db", copy);  // decided, not committed
    const auto disk = fs.crash({.keep = os::CrashPlan::Keep::everything});
    ASSERT_NO_FATAL_FAILURE(expect_recovery(*disk, copy, "decided, nothing put"));

    // `disk` now has all objects of the roll, the copy made here still has only the decision; the log of `fs`
    // is whole.
    copy_catalog(folder / "catalog.db", copy);
    const auto from = objects::make_local_object_store(*disk, "lake");
    const auto made = from->list("raw/one~1/");
    for (const auto& entry : *made) {
        const Status put = at.store->put_if_absent(entry.name, *from->get(entry.name));
        ASSERT_TRUE(put || put.error().code == Code::object_exists);
    }
    at.close();
    ASSERT_NO_FATAL_FAILURE(expect_recovery(fs, copy, "decided, everything put"));
}

}  // namespace
}  // namespace tarn::lake
