#include "verify/reconcile.h"

#include <gtest/gtest.h>

#include "codec/hash.h"

namespace tarn::verify {
namespace {

// Events 0…n-1 of ten keys, and a target that holds some of them.
struct World {
    explicit World(std::uint64_t n, std::uint64_t payloads = UINT64_MAX) : payloads(payloads) {
        for (std::uint64_t i = 0; i < n; ++i) {
            replay::ManifestEntry entry;
            entry.offset = i;
            entry.sequence = i + 1;
            entry.key_hash = i % 10;
            entries.push_back(entry);
            held.push_back(i);
        }
    }
    Hash128 item(std::uint64_t i) const { return codec::xxh3_128(std::to_string(i % payloads)); }

    Reconciled run(std::size_t keys_at_once = 1'000'000) {
        Holding holding;
        holding.keeps_keys = true;
        holding.entries = entries.size();
        holding.keys_at_once = keys_at_once;
        holding.expected = [this](const Expect& expect) {
            for (const auto& entry : entries) expect(entry, item(entry.offset));
            ++passes;
            return Status();
        };
        holding.found = [this](const Find& find) {
            for (std::uint64_t i = 0; i < held.size(); ++i) find({item(held[i]), held[i] % 10, {{}, 0, i}});
            return Status();
        };
        return reconcile(holding).value();
    }

    const std::uint64_t payloads;
    std::vector<replay::ManifestEntry> entries;
    std::vector<std::uint64_t> held;
    int passes = 0;
};

TEST(Reconcile, what_is_all_there_is_known_in_one_pass) {
    World world(5000);
    const Reconciled it = world.run();
    EXPECT_TRUE(it.is_same);
    EXPECT_TRUE(it.is_in_order);
    EXPECT_EQ(it.expected, 5000u);
    EXPECT_EQ(it.found, 5000u);
    EXPECT_EQ(world.passes, 1);
}

TEST(Reconcile, gaps_and_duplicates_are_named_with_their_keys) {
    World world(5000);
    world.held.erase(world.held.begin() + 1234);
    world.held.erase(world.held.begin() + 44);
    world.held.push_back(17);
    world.held.push_back(17);
    world.held.push_back(999'999);
    const Reconciled it = world.run();
    EXPECT_FALSE(it.is_same);
    EXPECT_TRUE(it.is_exact);
    EXPECT_EQ(it.missing, 2u);
    EXPECT_EQ(it.keys_missing.size(), 1u);  // both of key 4
    ASSERT_EQ(it.first_missing.size(), 2u);
    EXPECT_EQ(it.first_missing[0].offset, 44u);
    EXPECT_EQ(it.first_missing[1].offset, 1234u);
    EXPECT_EQ(it.repeated, 2u);
    EXPECT_EQ(it.first_repeated.front().offset, 17u);
    EXPECT_EQ(it.foreign, 1u);
    EXPECT_EQ(it.first_foreign.front().offset, 5000u);
}

TEST(Reconcile, a_gap_and_a_duplicate_of_the_same_number_do_not_cancel_out) {
    World world(100);
    world.held[50] = 51;
    const Reconciled it = world.run();
    EXPECT_EQ(it.expected, it.found);
    EXPECT_EQ(it.missing, 1u);
    EXPECT_EQ(it.repeated, 1u);
    EXPECT_EQ(it.first_missing.front().offset, 50u);
    EXPECT_EQ(it.first_repeated.front().offset, 51u);
}

TEST(Reconcile, equal_payloads_are_counted) {
    World world(100, 7);
    EXPECT_TRUE(world.run().is_same);
    world.held.pop_back();
    const Reconciled it = world.run();
    EXPECT_EQ(it.missing, 1u);
    EXPECT_EQ(it.first_missing.front().offset, 99u);
}

TEST(Reconcile, order_matters_within_a_key_only) {
    World world(1000);
    std::swap(world.held[100], world.held[101]);
    Reconciled it = world.run();
    EXPECT_TRUE(it.is_same);
    EXPECT_FALSE(it.is_in_order);
    EXPECT_EQ(it.keys_out_of_order, 0u);
    std::swap(world.held[200], world.held[210]);
    std::swap(world.held[303], world.held[313]);
    for (const std::size_t keys_at_once : {std::size_t{1'000'000}, std::size_t{100}}) {
        it = world.run(keys_at_once);
        EXPECT_TRUE(it.is_same);
        EXPECT_EQ(it.keys_out_of_order, 2u);
    }
}

TEST(Reconcile, of_too_much_that_differs_a_part_is_named) {
    World world(300'000);
    world.held.clear();
    const Reconciled it = world.run();
    EXPECT_FALSE(it.is_exact);
    EXPECT_GT(it.missing, 100'000u);
    EXPECT_LE(it.missing, 200'000u);
    EXPECT_EQ(it.first_missing.size(), 5u);
}

}  // namespace
}  // namespace tarn::verify
