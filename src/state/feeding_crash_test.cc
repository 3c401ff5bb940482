// Feeding and snapshots on a disk that forgets: after a power cut at any call every event is in the store
// exactly once, and every snapshot that is listed is whole.
#include <gmock/gmock.h>

#include "state/crash_fixture.h"
#include "state/feed.h"
#include "state/store_file.h"

namespace tarn::state {
namespace {

constexpr std::size_t all = 60;

class FeedingCrash : public testing::Test {
protected:
    os::SimFileSystem fs;
    const std::vector<BankEvent> events = World::make_events(all);
    std::vector<BankEvent> first(std::size_t count) const {
        return {events.begin(), events.begin() + static_cast<std::ptrdiff_t>(count)};
    }
};

// Small batches and a checkpoint every few pages, which a State of its own has rarely.
TEST_F(FeedingCrash, BatchesAreThereOrNotWithTheirPositions) {
    World world(fs, events);
    world.declare();
    const auto view = must(world.lake->view("bank"));
    const auto feed_all = [&](os::FileSystem& disk) {
        const sqlite::FileSystemVfs vfs(disk);
        auto database = must(open_store_file("batches.db", vfs.name()));
        must(database.execute("PRAGMA wal_autocheckpoint=5"));
        must(ensure_feeder(database, World::projection(), view.stream));
        const auto feeder = must(Feeder::open(database, World::projection(), FeedOrder::ascending));
        const auto expect_exactly = [&](std::size_t count) {
            auto statement = must(database.prepare("SELECT count(*), max(times), max(n) FROM seen"));
            must(statement.step());
            ASSERT_EQ(statement.integer(0), static_cast<std::int64_t>(count - count / 5));
            ASSERT_EQ(statement.integer(1), count == 0 ? 0 : 1);
            ASSERT_LE(statement.integer(2), static_cast<std::int64_t>(count));
        };
        expect_exactly(feeder->row().sequence - 1);
        must(feed(*world.lake, view, *feeder, {.batch_events = 4}));
        expect_exactly(all);
    };
    const PowerCuts cuts(fs, 3, feed_all);
    feed_all(fs);
    RecordProperty("cuts", cuts.count());
    EXPECT_GT(cuts.count(), 300);
}

// From the first declaration on, with a restart in the middle.
TEST_F(FeedingCrash, FromTheDeclarationOnNothingIsLostOrDoubled) {
    bool declared = false;
    const PowerCuts cuts(fs, 2, [&](os::SimFileSystem& disk) {
        World after(disk, events);
        if (!after.catalog->stream("bank")) must(after.catalog->create_stream("bank", {}, after.clock.now()));
        if (declared) {
            ASSERT_TRUE(after.state->projection("balances"));
        }
        must(after.state->declare_store("accounts"));
        must(after.state->declare_projection(World::projection()));
        (void)after.folded();
        must(after.state->catch_up());
        ASSERT_EQ(after.folded(), all);
    });
    World world(fs, {});
    world.declare();
    declared = true;
    for (const std::size_t count : {7u, 20u, 41u, 60u}) {
        world.lake->events = first(count);
        must(world.state->catch_up());
        if (count == 20) world.open();
    }
    RecordProperty("cuts", cuts.count());
    EXPECT_GT(cuts.count(), 100);
}

TEST_F(FeedingCrash, ASnapshotIsThereWholeOrNotAtAll) {
    World world(fs, first(30));
    world.declare();
    must(world.state->catch_up());
    std::set<std::string> taken, deleted;
    std::string being_deleted;
    const PowerCuts cuts(fs, 3, [&](os::SimFileSystem& disk) {
        World after(disk, events);
        std::set<std::string> listed;
        for (const auto& info : must(after.state->snapshots())) {
            listed.insert(info.id);
            const auto copy =
                must(after.state->restore("accounts", {.snapshot = info.id}, "from-" + info.id));
            ASSERT_EQ(copy.base, info.id) << "damaged";
            ASSERT_EQ(after.folded(copy.store), info.positions.at(0).sequence - 1);
        }
        for (const auto& id : taken)
            ASSERT_TRUE(listed.contains(id) || id == being_deleted) << id << " was taken and is not there";
        for (const auto& id : deleted) ASSERT_FALSE(listed.contains(id)) << id << " is there again";
        (void)after.folded();
        must(after.state->catch_up());
        ASSERT_EQ(after.folded(), all);
        ASSERT_FALSE(listed.contains(must(after.state->create_snapshot("accounts")).id));
    });
    taken.insert(must(world.state->create_snapshot("accounts")).id);
    world.lake->events = first(45);
    must(world.state->catch_up());
    taken.insert(must(world.state->create_snapshot("accounts")).id);
    being_deleted = *taken.begin();
    must(world.state->delete_snapshot(being_deleted));
    taken.erase(being_deleted);
    deleted.insert(being_deleted);
    RecordProperty("cuts", cuts.count());
    EXPECT_GT(cuts.count(), 60);
}

}  // namespace
}  // namespace tarn::state
