#include "process/lanes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "os/rng.h"

namespace tarn::process {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::uint64_t no_jitter(std::uint64_t) { return 0; }

Item item(Sequence sequence, std::uint64_t key, bool keyed = true) {
    return {.sequence = sequence, .position = {}, .key_hash = key, .keyed = keyed, .document = "{}"};
}
std::vector<Sequence> sequences(const std::vector<Item>& items) {
    std::vector<Sequence> list;
    for (const Item& each : items) list.push_back(each.sequence);
    return list;
}
std::vector<Verdict> all(const std::vector<Item>& items, Verdict::Kind kind) {
    return std::vector<Verdict>(items.size(), Verdict{.kind = kind, .attempt = {}});
}

class LanesTest : public testing::Test {
protected:
    std::vector<Sequence> take() {
        batches_.push_back(lanes_.take(now_us_));
        return sequences(batches_.back());
    }
    std::vector<std::pair<Fate, Sequence>> settle(Verdict::Kind kind) {
        auto items = std::move(batches_.front());
        batches_.pop_front();
        auto verdicts = all(items, kind);
        std::vector<std::pair<Fate, Sequence>> list;
        for (const auto& each : lanes_.settle(std::move(items), std::move(verdicts), now_us_, freed_))
            list.emplace_back(each.fate, each.item.sequence);
        return list;
    }
    LaneOptions options_{.batch_size = 1,
                         .retries = {.max = 2, .first_us = 1000, .longest_us = 8000, .max_age_us = {}}};
    Lanes lanes_{options_, no_jitter};
    std::int64_t now_us_ = 0;
    std::deque<std::vector<Item>> batches_;
    std::vector<std::uint64_t> freed_;
};

using F = std::pair<Fate, Sequence>;

TEST_F(LanesTest, one_event_of_a_key_at_a_time_other_keys_beside_it) {
    for (const auto& [sequence, key] : {std::pair{1, 7}, {2, 7}, {3, 8}})
        lanes_.add(item(static_cast<Sequence>(sequence), static_cast<std::uint64_t>(key)), 0);
    EXPECT_THAT(take(), ElementsAre(1));
    EXPECT_THAT(take(), ElementsAre(3));
    EXPECT_THAT(lanes_.take(0), IsEmpty()) << "2 waits for 1";
    EXPECT_THAT(settle(Verdict::Kind::done), ElementsAre(F{Fate::delivered, 1}));
    EXPECT_EQ(lanes_.oldest_scanned(), 2u);
    EXPECT_THAT(sequences(lanes_.take(0)), ElementsAre(2));
}

TEST_F(LanesTest, what_will_never_be_taken_is_dead_at_its_first_attempt) {
    lanes_.add(item(1, 7), 0);
    lanes_.add(item(2, 7), 0);
    take();
    EXPECT_THAT(settle(Verdict::Kind::refused), ElementsAre(F{Fate::dead, 1}, F{Fate::held, 2}));
    EXPECT_EQ(lanes_.pending(), 0u);
}

TEST_F(LanesTest, a_receiver_that_says_when_is_not_asked_before) {
    lanes_.add(item(1, 7), 0);
    auto items = lanes_.take(0);
    Verdict later{.kind = Verdict::Kind::fault, .attempt = {}, .pause_us = 5000};
    EXPECT_THAT(lanes_.settle(std::move(items), {later}, 0, freed_), IsEmpty());
    EXPECT_THAT(lanes_.take(4999), IsEmpty()) << "its own pause would be over at 1000";
    EXPECT_THAT(sequences(lanes_.take(5000)), ElementsAre(1));
}

TEST_F(LanesTest, a_failed_event_waits_and_its_key_with_it) {
    lanes_.add(item(1, 7), 0);
    lanes_.add(item(2, 7), 0);
    lanes_.add(item(3, 8), 0);
    take();
    EXPECT_THAT(settle(Verdict::Kind::fault), IsEmpty());
    EXPECT_THAT(take(), ElementsAre(3)) << "the other key goes on";
    EXPECT_THAT(lanes_.take(now_us_), IsEmpty());
    EXPECT_EQ(lanes_.next_us(), 1000);
    now_us_ = 1000;
    EXPECT_THAT(sequences(lanes_.take(now_us_)), ElementsAre(1)) << "first what failed";
}

TEST_F(LanesTest, a_dead_event_holds_those_behind_it_until_it_is_redriven) {
    lanes_.add(item(1, 7), 0);
    lanes_.add(item(2, 7), 0);
    take();
    settle(Verdict::Kind::fault);
    now_us_ = 1000;
    take();
    EXPECT_THAT(settle(Verdict::Kind::fault), ElementsAre(F{Fate::dead, 1}, F{Fate::held, 2}));
    EXPECT_EQ(lanes_.add(item(3, 7), now_us_), Lanes::Added::held) << "a later one is held at once";
    EXPECT_EQ(lanes_.pending(), 0u);

    Item redriven = item(1, 7);
    redriven.origin = Item::Origin::dead;
    lanes_.add_redriven(redriven, now_us_);
    EXPECT_EQ(lanes_.add(item(4, 7), now_us_), Lanes::Added::held);
    EXPECT_THAT(take(), ElementsAre(1));
    EXPECT_THAT(settle(Verdict::Kind::done), ElementsAre(F{Fate::delivered, 1}));
    EXPECT_THAT(freed_, ElementsAre(7u));
    EXPECT_EQ(lanes_.add(item(2, 7), now_us_), Lanes::Added::taken) << "the held ones may go";
}

TEST_F(LanesTest, a_redriven_event_that_dies_again_keeps_its_key_shut) {
    lanes_.mark_dead(7);
    Item redriven = item(1, 7);
    redriven.origin = Item::Origin::dead;
    redriven.attempts.resize(1);
    lanes_.add_redriven(redriven, 0);
    take();
    EXPECT_THAT(settle(Verdict::Kind::fault), ElementsAre(F{Fate::dead, 1}));
    EXPECT_EQ(lanes_.add(item(2, 7), 0), Lanes::Added::held);
    EXPECT_TRUE(lanes_.forget_dead(7));
    EXPECT_EQ(lanes_.add(item(2, 7), 0), Lanes::Added::taken);
}

TEST_F(LanesTest, events_without_a_key_stand_alone) {
    lanes_.add(item(1, 0, false), 0);
    lanes_.add(item(2, 0, false), 0);
    take();
    EXPECT_THAT(take(), ElementsAre(2)) << "nothing waits for 1";
    settle(Verdict::Kind::fault);
    now_us_ = 1000;
    batches_.push_back(lanes_.take(now_us_));
    batches_.pop_front();
    EXPECT_THAT(settle(Verdict::Kind::fault), ElementsAre(F{Fate::dead, 1}));
    EXPECT_EQ(lanes_.add(item(3, 0, false), now_us_), Lanes::Added::taken);
}

TEST_F(LanesTest, what_was_not_tried_uses_up_no_attempt) {
    lanes_.add(item(1, 7), 0);
    for (int i = 0; i < 20; ++i) {
        ASSERT_THAT(take(), ElementsAre(1));
        ASSERT_THAT(settle(Verdict::Kind::not_tried), IsEmpty());
        now_us_ += 1000;
    }
}

class BatchTest : public LanesTest {
protected:
    BatchTest() {
        options_.batch_size = 4;
        options_.batch_window_us = 500;
        lanes_ = Lanes(options_, no_jitter);
    }
};

TEST_F(BatchTest, a_batch_waits_for_its_window_or_until_it_is_full) {
    lanes_.add(item(1, 7), 0);
    EXPECT_THAT(lanes_.take(0), IsEmpty());
    EXPECT_EQ(lanes_.next_us(), 500);
    lanes_.add(item(2, 7), 0);
    lanes_.add(item(3, 8), 0);
    lanes_.add(item(4, 9), 0);
    EXPECT_THAT(sequences(lanes_.take(0)), ElementsAre(1, 2, 3, 4));
}

TEST_F(BatchTest, a_batch_that_fails_is_halved_down_to_the_guilty_event) {
    for (Sequence i = 1; i <= 4; ++i) lanes_.add(item(i, i), 0);
    std::vector<Sequence> delivered, dead;
    for (int calls = 0; calls < 20 && dead.empty(); ++calls) {
        now_us_ += 1000;
        auto batch = lanes_.take(now_us_);
        if (batch.empty()) continue;
        const bool poisoned = std::ranges::any_of(batch, [](const Item& each) { return each.sequence == 3; });
        const auto kind = !poisoned          ? Verdict::Kind::done
                          : batch.size() > 1 ? Verdict::Kind::split
                                             : Verdict::Kind::fault;
        auto verdicts = all(batch, kind);
        for (const auto& each : lanes_.settle(std::move(batch), std::move(verdicts), now_us_, freed_))
            (each.fate == Fate::dead ? dead : delivered).push_back(each.item.sequence);
    }
    EXPECT_THAT(dead, ElementsAre(3));
    EXPECT_THAT(delivered, testing::UnorderedElementsAre(1, 2, 4));
}

// Whatever fails, whenever: per key the order of the first success is the order of capture, nothing is lost,
// and the numbers add up.
TEST(LanesPropertyTest, order_and_numbers_hold_under_random_failures) {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        os::SeededRng rng(seed);
        const Order order = seed % 5 == 0 ? Order::none : Order::key;
        Lanes lanes({.order = order,
                     .batch_size = 1 + rng.below(5),
                     .batch_window_us = 0,
                     .retries = {.max = 3, .first_us = 100, .longest_us = 400, .max_age_us = {}}},
                    [&](std::uint64_t bound) { return rng.below(bound); });
        constexpr Sequence events = 300;
        std::map<Sequence, Fate> last;
        std::map<std::uint64_t, Sequence> newest_delivered;
        std::map<std::uint64_t, std::vector<Sequence>> held;
        std::deque<std::vector<Item>> out;
        Sequence next = 1;
        std::int64_t now = 0;
        std::uint64_t dead_now = 0;
        const auto key_of = [](Sequence sequence) { return sequence % 11; };
        const auto note = [&](Settled& settled) {
            const Sequence sequence = settled.item.sequence;
            const std::uint64_t key = key_of(sequence);
            ASSERT_TRUE(!last.contains(sequence) || last[sequence] != Fate::delivered);
            if (settled.fate == Fate::delivered) {
                if (settled.item.origin == Item::Origin::dead) --dead_now;
                if (order == Order::key) {
                    ASSERT_GT(sequence, newest_delivered[key]) << "seed " << seed;
                    newest_delivered[key] = sequence;
                }
            }
            if (settled.fate == Fate::dead && settled.item.origin != Item::Origin::dead) ++dead_now;
            if (settled.fate == Fate::held) held[key].push_back(sequence);
            last[sequence] = settled.fate;
        };
        for (int step = 0; step < 20'000 && (next <= events || lanes.pending() > 0 || dead_now > 0); ++step) {
            now += 20;
            if (next <= events) {
                Item fresh = item(next, key_of(next));
                if (lanes.add(std::move(fresh), now) != Lanes::Added::taken) {
                    held[key_of(next)].push_back(next);
                    last[next] = Fate::held;
                }
                ++next;
            }
            if (auto batch = lanes.take(now); !batch.empty()) out.push_back(std::move(batch));
            if (!out.empty() && rng.below(3) == 0) {
                auto batch = std::move(out.front());
                out.pop_front();
                std::vector<Verdict> verdicts;
                const bool whole = batch.size() > 1 && rng.below(6) == 0;
                bool failed = false;  // a function stops at its first failure, so that nothing overtakes
                for (std::size_t i = 0; i < batch.size(); ++i) {
                    failed = failed || rng.below(4) == 0;
                    verdicts.push_back({.kind = whole    ? Verdict::Kind::split
                                                : failed ? Verdict::Kind::fault
                                                         : Verdict::Kind::done,
                                        .attempt = {}});
                }
                std::vector<std::uint64_t> freed;
                for (Settled& settled : lanes.settle(std::move(batch), std::move(verdicts), now, freed))
                    note(settled);
                for (const std::uint64_t key : freed) {
                    auto waiting = std::move(held[key]);
                    held[key].clear();
                    std::ranges::sort(waiting);
                    for (const Sequence sequence : waiting) {
                        Item again = item(sequence, key);
                        again.origin = Item::Origin::held;
                        ASSERT_EQ(lanes.add(std::move(again), now), Lanes::Added::taken);
                    }
                }
            }
            if (rng.below(10) == 0) {
                for (const auto& [sequence, fate] : last) {
                    if (fate != Fate::dead || rng.below(2) == 0) continue;
                    Item again = item(sequence, key_of(sequence));
                    again.origin = Item::Origin::dead;
                    lanes.add_redriven(again, now);
                    last[sequence] = Fate::held;  // under way; not dead any more for this loop
                    break;
                }
            }
        }
        EXPECT_EQ(lanes.pending(), 0u) << "seed " << seed;
        EXPECT_EQ(lanes.document_bytes(), 0u);
        for (Sequence sequence = 1; sequence <= events; ++sequence)
            EXPECT_EQ(last[sequence], Fate::delivered) << "seed " << seed << " event " << sequence;
    }
}

}  // namespace
}  // namespace tarn::process
