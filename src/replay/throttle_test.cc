// The throttle against a simulated receiver: whatever way it pushes back, the rate settles near what it
// takes, and everything arrives.
#include "replay/throttle.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>

namespace tarn::replay {
namespace {

constexpr std::int64_t second_us = 1'000'000;

// Takes `capacity` a second; what is more it refuses, or lets wait.
struct Receiver {
    double capacity = 1'000;
    std::int64_t retry_after_us = 0;
    bool queues = false;
    std::uint64_t mishap_every = 0, asked = 0;  // one in so many fails, whatever the rate is
    double tokens = 0, busy_until_us = 0;
    std::int64_t seen_us = 0;

    struct Answer {
        bool taken = true;
        std::int64_t latency_us = 2'000;
    };
    Answer ask(std::int64_t now_us) {
        if (mishap_every > 0 && ++asked % mishap_every == 0) return {false};
        if (queues) {
            busy_until_us = std::max(busy_until_us, static_cast<double>(now_us)) + 1e6 / capacity;
            return {true, 2'000 + static_cast<std::int64_t>(busy_until_us) - now_us};
        }
        tokens = std::min(capacity / 20, tokens + capacity * static_cast<double>(now_us - seen_us) / 1e6);
        seen_us = now_us;
        if (tokens < 1) return {false};
        tokens -= 1;
        return {};
    }
};

// What the lanes do: so many under way at once, what was refused is asked again after a while.
struct Sender {
    Throttle throttle;
    Receiver receiver;
    std::size_t at_once = 64;
    std::int64_t pause_us = 100'000;
    std::int64_t now_us = 1'000;
    std::multimap<std::int64_t, Receiver::Answer> under_way = {};  // by the time of the answer
    std::deque<std::int64_t> resting = {};                         // when they may be asked again
    std::uint64_t taken = 0, refused = 0, asked = 0;

    void go_on_for(std::int64_t us) {
        for (const std::int64_t end = now_us + us; now_us < end; now_us += 250) {
            while (!under_way.empty() && under_way.begin()->first <= now_us) {
                const Receiver::Answer answer = under_way.begin()->second;
                under_way.erase(under_way.begin());
                if (answer.taken) {
                    ++taken;
                    throttle.answered(now_us, answer.latency_us);
                } else {
                    ++refused;
                    throttle.pushed_back(now_us, receiver.retry_after_us);
                    resting.push_back(now_us + std::max(pause_us, receiver.retry_after_us));
                }
            }
            while (under_way.size() < at_once && throttle.may_begin(now_us)) {
                throttle.count(now_us);
                if (!resting.empty() && resting.front() <= now_us) resting.pop_front();
                const Receiver::Answer answer = receiver.ask(now_us);
                under_way.emplace(now_us + answer.latency_us, answer);
                ++asked;
            }
        }
    }
    double taken_a_second(std::int64_t us) {
        const std::uint64_t before = taken;
        go_on_for(us);
        return static_cast<double>(taken - before) * 1e6 / static_cast<double>(us);
    }
};

TEST(Throttle, no_limit_until_the_target_pushes_back) {
    Sender sender{Throttle(0, true), {.capacity = 1e9}};
    sender.go_on_for(5 * second_us);
    EXPECT_FALSE(sender.throttle.limit());
    EXPECT_EQ(sender.throttle.pushbacks(), 0u);
}

TEST(Throttle, settles_near_what_the_target_takes) {
    for (const double capacity : {50.0, 1'000.0, 8'000.0}) {
        Sender sender{Throttle(0, true), {.capacity = capacity}};
        sender.go_on_for(5 * second_us);
        const std::uint64_t refused = sender.refused, taken = sender.taken;
        const double rate = sender.taken_a_second(30 * second_us);
        EXPECT_GT(rate, 0.8 * capacity) << capacity;
        EXPECT_LE(rate, 1.02 * capacity) << capacity;
        // It is asked in vain now and then, not most of the time.
        EXPECT_LT(sender.refused - refused, (sender.taken - taken) / 10) << capacity;
        ASSERT_TRUE(sender.throttle.limit());
    }
}

TEST(Throttle, a_mishap_among_many_is_no_sign_of_too_much) {
    Sender sender{Throttle(0, true), {.capacity = 1e9, .mishap_every = 100}};
    sender.go_on_for(2 * second_us);
    const double rate = sender.taken_a_second(20 * second_us);
    EXPECT_GT(rate, 20'000) << "64 at once, 2 ms each";
    EXPECT_GT(sender.throttle.pushbacks(), 1'000u);
    // One in ten is one.
    sender.receiver.mishap_every = 10;
    sender.go_on_for(10 * second_us);
    EXPECT_TRUE(sender.throttle.limit());
}

TEST(Throttle, asks_nothing_while_retry_after_runs) {
    Sender sender{Throttle(0, true), {.capacity = 1'000, .retry_after_us = second_us}};
    sender.go_on_for(10 * second_us);
    sender.throttle.pushed_back(sender.now_us, 3 * second_us);
    sender.under_way.clear();
    const std::uint64_t asked = sender.asked;
    sender.go_on_for(3 * second_us - 1'000);
    EXPECT_EQ(sender.asked, asked);
    EXPECT_LE(sender.throttle.wait_us(sender.now_us), 1'000);
    const double rate = sender.taken_a_second(30 * second_us);
    EXPECT_GT(rate, 0.55 * 1'000) << "a second of silence for each overrun";
    EXPECT_LE(rate, 1'020);
}

TEST(Throttle, follows_a_target_that_becomes_slower_and_faster) {
    Sender sender{Throttle(0, true), {.capacity = 2'000}};
    sender.go_on_for(10 * second_us);
    sender.receiver.capacity = 200;
    sender.go_on_for(5 * second_us);
    EXPECT_LE(sender.taken_a_second(10 * second_us), 204);
    sender.receiver.capacity = 2'000;
    sender.go_on_for(60 * second_us);
    EXPECT_GT(sender.taken_a_second(10 * second_us), 1'500);
    sender.receiver.capacity = 1e9;
    sender.go_on_for(120 * second_us);
    EXPECT_FALSE(sender.throttle.limit()) << "a limit that is not in the way goes";
}

TEST(Throttle, answers_that_become_slower_are_heeded) {
    Sender sender{Throttle(0, true), {.capacity = 2'000, .queues = true}};
    sender.go_on_for(5 * second_us);
    EXPECT_EQ(sender.throttle.pushbacks(), 0u) << "its usual time";
    sender.receiver.capacity = 400;
    sender.go_on_for(10 * second_us);
    EXPECT_GT(sender.throttle.pushbacks(), 0u);
    const double rate = sender.taken_a_second(10 * second_us);
    EXPECT_GT(rate, 0.6 * 400);
    EXPECT_LE(rate, 410);
    Sender deaf{Throttle(0, false), {.capacity = 2'000, .queues = true}};
    deaf.go_on_for(5 * second_us);
    deaf.receiver.capacity = 400;
    deaf.go_on_for(10 * second_us);
    EXPECT_FALSE(deaf.throttle.limit());
}

TEST(Throttle, says_since_when_nothing_is_taken) {
    Throttle throttle(0, true);
    EXPECT_FALSE(throttle.closed_since_us());
    throttle.pushed_back(5 * second_us);
    throttle.pushed_back(9 * second_us);
    EXPECT_EQ(throttle.closed_since_us(), 5 * second_us);
    EXPECT_GE(*throttle.limit(), 1);
    throttle.answered(10 * second_us, 1'000);
    EXPECT_FALSE(throttle.closed_since_us());
}

TEST(Throttle, a_clock_that_leaps_neither_stalls_nor_floods) {
    Sender sender{Throttle(0, true), {.capacity = 1'000}};
    sender.go_on_for(10 * second_us);
    for (const std::int64_t leap : {3'600 * second_us, -3'000 * second_us}) {
        sender.under_way.clear();
        sender.now_us += leap;
        sender.receiver.seen_us = sender.now_us;
        const std::uint64_t before = sender.asked;
        sender.go_on_for(5 * second_us);
        EXPECT_GT(sender.asked - before, 2'500u) << leap;
        EXPECT_LT(sender.asked - before, 8'000u) << leap;
    }
}

}  // namespace
}  // namespace tarn::replay
