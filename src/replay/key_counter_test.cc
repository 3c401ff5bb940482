#include "replay/key_counter.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "codec/hash.h"

namespace tarn::replay {
namespace {

void add(KeyCounter& counter, const std::string& key, int times = 1) {
    for (int i = 0; i < times; ++i) counter.add(key, codec::xxh3_64(key));
}

TEST(KeyCounterTest, few_keys_are_counted_exactly) {
    KeyCounter counter;
    for (int i = 0; i < 1000; ++i) add(counter, fmt::format("K{}", i), i % 7 + 1);
    add(counter, "most", 50);
    EXPECT_TRUE(counter.is_exact());
    EXPECT_EQ(counter.distinct(), 1001u);
    const auto top = counter.top(3);
    ASSERT_EQ(top.size(), 3u);
    EXPECT_EQ(top[0].key, "most");
    EXPECT_EQ(top[0].count, 50u);
    EXPECT_EQ(top[1].key, "K104");  // of equal ones the first by name
    EXPECT_EQ(top[1].count, 7u);
}

TEST(KeyCounterTest, very_many_are_estimated_and_the_frequent_ones_are_found) {
    KeyCounter counter;
    constexpr int keys = 1'000'000;
    for (int i = 0; i < keys; ++i) {
        add(counter, fmt::format("K{}", i));
        if (i % 1000 == 0) add(counter, "hot", 3);
    }
    EXPECT_FALSE(counter.is_exact());
    EXPECT_NEAR(static_cast<double>(counter.distinct()), keys, keys * 0.03);
    EXPECT_EQ(counter.top(1)[0].key, "hot");
}

TEST(KeyCounterTest, a_long_key_is_cut_between_characters) {
    KeyCounter counter;
    std::string key(127, 'x');
    key += "ü and more";
    add(counter, key);
    EXPECT_EQ(counter.top(1)[0].key, std::string(127, 'x') + "…");
}

}  // namespace
}  // namespace tarn::replay
