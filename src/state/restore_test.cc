#include <algorithm>

#include "codec/zstd.h"
#include "state/state_fixture.h"

namespace tarn::state {
namespace {

class Snapshots : public Bank {};

TEST_F(Snapshots, HoldTheStateAndItsPositions) {
    declare();
    add("deposit", "A1", "1.00");
    must(state->catch_up());
    const auto first = must(state->create_snapshot("accounts"));
    EXPECT_EQ(first.id, "sn-0001");
    ASSERT_EQ(first.positions.size(), 1u);
    EXPECT_EQ(first.positions[0].sequence, 2u);
    add("deposit", "A1", "2.00");
    must(state->catch_up());
    const auto second = must(state->create_snapshot("accounts"));
    reopen();
    const auto all = must(state->snapshots());
    ASSERT_EQ(all.size(), 2u);
    EXPECT_EQ(all[0].id, second.id);
    EXPECT_EQ(all[1].sha256, first.sha256);
    EXPECT_EQ(all[1].positions[0].next, first.positions[0].next);
    EXPECT_EQ(must(state->snapshot("sn-1")).id, "sn-0001");
    EXPECT_EQ(rows("snapshot:sn-1"), std::vector<std::string>{"A1|1|1.00"});
    EXPECT_EQ(rows("snapshot:sn-0002"), std::vector<std::string>{"A1|2|3.00"});
    must(state->delete_snapshot("sn-0001"));
    EXPECT_EQ(state->snapshot("sn-0001").error().code, Code::unknown_snapshot);
    EXPECT_EQ(must(objects->list("snapshots/")).size(), 2u);
}

TEST_F(Snapshots, LeaveNoTemporaryFilesBehind) {
    declare();
    must(state->create_snapshot("accounts"));
    rows("snapshot:sn-1");
    for (const auto& file : must(fs->list(directory + "/stores/accounts")))
        EXPECT_FALSE(file.name.starts_with("tmp-")) << file.name;
}

TEST_F(Snapshots, DamageIsSeen) {
    declare();
    add("deposit", "A1", "1.00");
    must(state->catch_up());
    const auto info = must(state->create_snapshot("accounts"));
    const auto good = must(objects->get(info.object));
    os::SeededRng rng(5);
    int noticed = 0;
    for (int i = 0; i < 40; i++) {
        auto bytes = good;
        bytes[rng.below(bytes.size())] ^= static_cast<char>(1 + rng.below(255));
        must(objects->remove(info.object));
        must(objects->put_if_absent(info.object, bytes));
        const auto copied = state->make_copy("accounts", "fix", info.id);
        // A frame has bits that mean nothing: what unpacks to the same bytes is not damaged.
        if (copied) {
            EXPECT_EQ(rows("accounts@fix"), expected(1)) << "byte flip " << i << " was not noticed";
            must(state->discard_copy("accounts@fix"));
            continue;
        }
        ++noticed;
        EXPECT_EQ(copied.error().code, Code::snapshot_damaged);
        EXPECT_NE(copied.error().next.find("the one before"), std::string::npos);
    }
    EXPECT_GT(noticed, 35);
    must(objects->remove(info.object));
    must(objects->put_if_absent(info.object, good.substr(0, good.size() / 2)));
    EXPECT_EQ(state->make_copy("accounts", "fix", info.id).error().code, Code::snapshot_damaged);
    must(objects->remove(info.object));
    EXPECT_EQ(state->make_copy("accounts", "fix", info.id).error().code, Code::snapshot_damaged);
    EXPECT_EQ(rows("accounts"), expected(1));
}

// A sound object that is not the one the snapshot named.
TEST_F(Snapshots, AnotherDatabaseInItsPlaceIsSeen) {
    declare();
    add("deposit", "A1", "1.00");
    must(state->catch_up());
    const auto info = must(state->create_snapshot("accounts"));
    std::string bytes, packed;
    must(codec::ZstdDecompressor().frame(must(objects->get(info.object)), info.bytes, bytes));
    const auto at = bytes.find("A11.00");
    ASSERT_NE(at, std::string::npos);
    bytes[at + 2] = '9';
    codec::ZstdCompressor().append_frame(packed, bytes);
    must(objects->remove(info.object));
    must(objects->put_if_absent(info.object, packed));
    const auto restored = state->make_copy("accounts", "fix", info.id);
    ASSERT_FALSE(restored);
    EXPECT_EQ(restored.error().code, Code::snapshot_damaged);
}

class Restore : public Bank {};

// Snapshots at random places; then every prefix, by position and by time, equals the plain fold of that
// prefix.
TEST_F(Restore, EveryPrefixEqualsTheFoldFromNothing) {
    declare();
    os::SeededRng rng(2024);
    for (int part = 0; part < 4; part++) {
        add_random(1 + rng.below(12), rng);
        must(state->catch_up());
        if (part < 3) must(state->create_snapshot("accounts"));
    }
    const std::size_t total = lake->events.size();
    for (std::size_t count = 1; count <= total; count++) {
        const auto& last = lake->events[count - 1];
        const bool by_position = rng.below(2) == 0;
        const RestorePoint point =
            by_position ? RestorePoint{.position = {{last.position.partition, last.position.offset}}}
                        : RestorePoint{.time = Time{last.ingested.us + 1}};
        const auto result = must(state->restore("accounts", point, "fix"));
        ASSERT_EQ(rows("accounts@fix"), expected(count)) << "prefix " << count << " from " << result.base;
        ASSERT_EQ(result.positions.at(0).sequence, count + 1);
        ASSERT_EQ(position("accounts@fix").sequence, count + 1);
        must(state->discard_copy("accounts@fix"));
    }
    EXPECT_EQ(rows("accounts"), expected(total));
}

TEST_F(Restore, TimeIsExclusiveAndEarlyTimesGiveNothing) {
    declare();
    add("deposit", "A1", "1.00");
    const auto second = add("deposit", "A1", "2.00");
    must(state->catch_up());
    must(state->restore("accounts", {.time = second.ingested}, "at"));
    EXPECT_EQ(rows("accounts@at"), std::vector<std::string>{"A1|1|1.00"});
    const auto result = must(state->restore("accounts", {.time = Time{0}}, "start"));
    EXPECT_EQ(result.base, "empty");
    EXPECT_TRUE(rows("accounts@start").empty());
    must(state->restore("accounts", {.time = Time{clock.now().us + 1'000'000}}, "end"));
    EXPECT_EQ(rows("accounts@end"), expected(2));
}

TEST_F(Restore, ASnapshotAfterThePointIsNotUsed) {
    declare();
    add("deposit", "A1", "1.00");
    must(state->catch_up());
    const auto early = must(state->create_snapshot("accounts"));
    const auto event = add("deposit", "A1", "2.00");
    add("deposit", "A1", "4.00");
    must(state->catch_up());
    must(state->create_snapshot("accounts"));
    const auto result = must(
        state->restore("accounts", {.position = {{event.position.partition, event.position.offset}}}, "fix"));
    EXPECT_EQ(result.base, early.id);
    EXPECT_EQ(result.events, 1u);
    EXPECT_EQ(rows("accounts@fix"), std::vector<std::string>{"A1|2|3.00"});
}

TEST_F(Restore, InPlaceTakesASnapshotFirstAndLeavesFeedersPaused) {
    declare();
    add("deposit", "A1", "1.00");
    const auto cut = add("deposit", "A2", "5.00");
    must(state->catch_up());
    const auto result = must(state->restore("accounts", {.time = cut.ingested}, std::nullopt));
    EXPECT_EQ(result.store, "accounts");
    EXPECT_EQ(rows("accounts"), std::vector<std::string>{"A1|1|1.00"});
    EXPECT_EQ(rows("snapshot:" + result.replaced->safety_snapshot), expected(2));
    EXPECT_TRUE(must(state->store("accounts")).paused);
    EXPECT_EQ(must(state->catch_up()), 0u);
    reopen();
    EXPECT_EQ(rows("accounts"), std::vector<std::string>{"A1|1|1.00"});
    must(state->set_paused("accounts", false));
    EXPECT_EQ(must(state->catch_up()), 1u);
    EXPECT_EQ(rows("accounts"), expected(2));
}

TEST_F(Restore, ToASnapshotIsExactlyThat) {
    declare();
    os::SeededRng rng(1);
    add_random(10, rng);
    must(state->catch_up());
    const auto info = must(state->create_snapshot("accounts"));
    add_random(10, rng);
    must(state->catch_up());
    const auto result = must(state->restore("accounts", {.snapshot = info.id}, std::nullopt));
    EXPECT_EQ(result.events, 0u);
    EXPECT_EQ(rows("accounts"), expected(10));
    must(state->set_paused("accounts", false));
    must(state->catch_up());
    EXPECT_EQ(rows("accounts"), expected(20));
}

TEST_F(Restore, IsRefusedWhileARunWrites) {
    declare();
    add("deposit", "A1", "1.00");
    must(state->catch_up());
    const auto applier = must(state->applier("accounts", "balances"));
    EXPECT_EQ(state->restore("accounts", {.time = Time{0}}, std::nullopt).error().code, Code::store_busy);
    EXPECT_EQ(rows("accounts"), expected(1));
}

TEST_F(Restore, RefusesWhatItCannotMean) {
    declare();
    must(state->declare_store("other"));
    const auto info = must(state->create_snapshot("other"));
    EXPECT_EQ(state->restore("accounts", {.snapshot = info.id}, std::nullopt).error().code, Code::bad_usage);
    EXPECT_EQ(state->restore("accounts", {}, std::nullopt).error().code, Code::bad_usage);
    EXPECT_EQ(state->restore("other", {.time = Time{1}}, std::nullopt).error().code, Code::bad_usage);
    EXPECT_EQ(state->restore("accounts", {.position = {{0, 99}}}, std::nullopt).error().code,
              Code::unknown_position);
    EXPECT_EQ(state->restore("accounts", {.snapshot = "sn-9"}, std::nullopt).error().code,
              Code::unknown_snapshot);
    EXPECT_FALSE(must(state->store("accounts")).paused);
    must(state->make_copy("accounts", "fix", "empty"));
    EXPECT_EQ(state->restore("accounts", {.time = Time{1}}, "fix").error().code, Code::copy_exists);
    EXPECT_EQ(state->restore("accounts", {.time = Time{1}}, "other@fix").error().code, Code::bad_usage);
}

TEST_F(Restore, AClockSetBackDoesNotBreakThePrefix) {
    declare();
    add("deposit", "A1", "1.00");
    const auto noon = add("deposit", "A1", "2.00").ingested;
    clock.jump_wall_us(-3'600'000'000);
    add("deposit", "A1", "4.00");  // ingested "before" noon, but after the event at noon
    must(state->catch_up());
    must(state->restore("accounts", {.time = noon}, "fix"));
    EXPECT_EQ(rows("accounts@fix"), std::vector<std::string>{"A1|1|1.00"});
}

}  // namespace
}  // namespace tarn::state
