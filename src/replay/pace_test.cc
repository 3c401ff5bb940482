// The pacer against a clock that a test moves: rates, stalls, leaps.
#include "replay/pace.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace tarn::replay {
namespace {

constexpr std::int64_t second_us = 1'000'000;

Pace pace(std::string_view text) { return *Pace::parse(text); }

// How many events go until `until_us`, looking each `step_us`; event n has the time n × `gap_us`.
struct Runway {
    Pacer pacer;
    std::int64_t now_us;
    std::int64_t gap_us = second_us;
    std::uint64_t bytes = 100;
    std::uint64_t gone = 0;
    std::uint64_t most_at_once = 0;

    void look() {
        const std::uint64_t before = gone;
        while (gone - before < 1'000'000 &&
               pacer.take(now_us, static_cast<std::int64_t>(gone) * gap_us, bytes))
            ++gone;
        most_at_once = std::max(most_at_once, gone - before);
    }
    void go_on_for(std::int64_t us, std::int64_t step_us = 1'000) {
        for (const std::int64_t end = now_us + us; now_us < end; now_us += step_us) look();
    }
};

TEST(Pacer, keeps_events_bytes_and_original_speed) {
    for (const std::int64_t step : {100, 1'000, 20'000}) {
        Runway events{Pacer(pace("5000/s"), 7), 7};
        events.go_on_for(30 * second_us, step);
        EXPECT_NEAR(static_cast<double>(events.gone), 150'000, 150) << step;
        Runway bytes{Pacer(pace("1MB/s"), 7), 7};
        bytes.go_on_for(10 * second_us, step);
        EXPECT_NEAR(static_cast<double>(bytes.gone), 100'000, 300) << step;
        Runway original{Pacer(pace("4x"), 7), 7, 10'000};
        original.go_on_for(10 * second_us, step);
        EXPECT_NEAR(static_cast<double>(original.gone), 4'000, 10) << step;
    }
}

TEST(Pacer, waits_exactly_until_the_next_event_is_due) {
    Pacer pacer(pace("100/s"), 0);
    EXPECT_TRUE(pacer.take(0, 0, 1));
    EXPECT_FALSE(pacer.take(0, 0, 1));
    EXPECT_EQ(pacer.wait_us(0), 10'000);
    EXPECT_FALSE(pacer.take(9'999, 0, 1));
    EXPECT_EQ(pacer.wait_us(9'999), 1);
    EXPECT_TRUE(pacer.take(10'000, 0, 1));
    EXPECT_EQ(pacer.lag_us(), 0);
}

// Also what a clock that leaps forward looks like.
TEST(Pacer, a_stall_is_followed_by_no_flood) {
    for (const char* text : {"1000/s", "100kB/s", "10x"}) {
        Runway runway{Pacer(pace(text), 0), 0, 10'000};
        runway.go_on_for(second_us);
        const std::uint64_t before = runway.gone;
        EXPECT_NEAR(static_cast<double>(before), 1'000, 5) << text;
        runway.most_at_once = 0;
        runway.now_us += 3'600 * second_us;
        runway.go_on_for(second_us);
        // What it makes good, and the second itself.
        EXPECT_LE(runway.most_at_once, 205u) << text;
        EXPECT_NEAR(static_cast<double>(runway.gone - before), 1'200, 10) << text;
        EXPECT_NEAR(static_cast<double>(runway.pacer.lag_us()), 3'600e6, 1e6) << text;
    }
}

TEST(Pacer, a_clock_that_goes_back_neither_stalls_nor_floods) {
    for (const char* text : {"1000/s", "100kB/s", "10x"}) {
        Runway runway{Pacer(pace(text), 10'000 * second_us), 10'000 * second_us, 10'000};
        runway.go_on_for(second_us);
        const std::uint64_t before = runway.gone;
        runway.now_us -= 9'000 * second_us;
        runway.go_on_for(second_us);
        EXPECT_NEAR(static_cast<double>(runway.gone - before), 1'000, 5) << text;
        EXPECT_LE(runway.pacer.wait_us(runway.now_us), 10'000) << text;
    }
}

TEST(Pacer, a_new_pace_begins_where_it_is_set) {
    Runway runway{Pacer(pace("10/s"), 0), 0};
    runway.go_on_for(second_us);
    EXPECT_NEAR(static_cast<double>(runway.gone), 10, 1);
    runway.pacer.change(pace("1000/s"), runway.now_us);
    runway.go_on_for(second_us);
    EXPECT_NEAR(static_cast<double>(runway.gone), 1'010, 3);
}

TEST(Pacer, events_out_of_order_go_at_once_and_move_nothing) {
    Pacer pacer(pace("1x"), 0);
    EXPECT_TRUE(pacer.take(0, 100 * second_us, 1));
    EXPECT_TRUE(pacer.take(50 * second_us, 150 * second_us, 1));
    EXPECT_TRUE(pacer.take(50 * second_us, 101 * second_us, 1));
    EXPECT_TRUE(pacer.take(50 * second_us, 20 * second_us, 1));
    EXPECT_EQ(pacer.lag_us(), 0);
    EXPECT_FALSE(pacer.take(50 * second_us, 151 * second_us, 1));
    EXPECT_EQ(pacer.wait_us(50 * second_us), second_us);
}

}  // namespace
}  // namespace tarn::replay
