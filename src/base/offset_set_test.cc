#include "base/offset_set.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace tarn {
namespace {

std::vector<Offset> listed(const OffsetSet& set) {
    std::vector<Offset> all;
    for (auto at = set.first_from(0); at; at = set.first_from(*at + 1)) all.push_back(*at);
    return all;
}

// Sparse, dense and at the edges of chunks, in random order: the same as std::set.
TEST(OffsetSetTest, says_the_same_as_a_plain_set) {
    std::mt19937_64 random(7);
    for (const Offset range : {Offset{100}, Offset{70'000}, Offset{3'000'000}}) {
        OffsetSet set, other;
        std::set<Offset> plain, plain_other;
        for (int i = 0; i < 20'000; ++i) {
            const Offset offset = random() % range, elsewhere = random() % range;
            set.add(offset);
            plain.insert(offset);
            other.add(elsewhere);
            plain_other.insert(elsewhere);
        }
        EXPECT_EQ(set.size(), plain.size());
        EXPECT_EQ(listed(set), std::vector<Offset>(plain.begin(), plain.end()));
        for (int i = 0; i < 2'000; ++i) {
            const Offset asked = random() % (range + 10);
            EXPECT_EQ(set.contains(asked), plain.contains(asked));
            const auto next = plain.lower_bound(asked);
            EXPECT_EQ(set.first_from(asked), next == plain.end() ? std::nullopt : std::optional(*next));
        }
        set.intersect(other);
        std::vector<Offset> both;
        std::ranges::set_intersection(plain, plain_other, std::back_inserter(both));
        EXPECT_EQ(listed(set), both);
        EXPECT_EQ(set.size(), both.size());
    }
}

TEST(OffsetSetTest, chunks_meet) {
    OffsetSet set;
    for (const Offset offset : {Offset{65'535}, Offset{65'536}, Offset{1} << 40, Offset{65'535}})
        set.add(offset);
    EXPECT_EQ(listed(set), (std::vector<Offset>{65'535, 65'536, Offset{1} << 40}));
    EXPECT_EQ(set.size(), 3u);
    EXPECT_FALSE(set.contains(65'534));
    EXPECT_EQ(set.first_from((Offset{1} << 40) + 1), std::nullopt);
}

}  // namespace
}  // namespace tarn
