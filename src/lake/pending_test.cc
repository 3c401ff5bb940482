// What is counted of the log: all of it once, whether it is read or told.
#include "lake/pending.h"

#include <gtest/gtest.h>

#include "lake/test_lake.h"
#include "os/sim_file_system.h"

namespace tarn::lake {
namespace {

class PendingTest : public testing::Test {
protected:
    PendingTest() {
        EXPECT_TRUE(fs.make_directories("data"));
        open();
    }
    void open() {
        log.reset();
        auto opened = log::Log::open(
            fs, clock, "data/wal", {},
            {.segment_bytes = 64 << 10, .headroom_bytes = 0, .low_water_bytes = 0, .writer_thread = false});
        ASSERT_TRUE(opened) << opened.error().text();
        log = std::move(*opened);
    }
    void append(std::uint32_t stream, int events) {
        clock.advance_us(1000);
        log::Batch batch{.stream = {stream}, .origin = {}, .entries = {}};
        for (int i = 0; i < events; ++i)
            batch.entries.push_back({.partition = 0, .meta = "\"key\":\"k\"", .payload = "{\"n\":1}"});
        ASSERT_TRUE(log->append(batch));
    }
    // What a tracker says that has read everything from the files.
    std::map<StreamId, PendingEvents> read_all(std::map<StreamId, Sequence> rolled) {
        open();
        PendingTracker tracker(*log, fs, clock);
        tracker.begin(std::move(rolled));
        EXPECT_TRUE(tracker.catch_up());
        EXPECT_EQ(tracker.end(), log->durable_end());
        return tracker.pending();
    }
    static void expect_same(const std::map<StreamId, PendingEvents>& a,
                            const std::map<StreamId, PendingEvents>& b) {
        ASSERT_EQ(a.size(), b.size());
        for (auto x = a.begin(), y = b.begin(); x != a.end(); ++x, ++y) {
            EXPECT_EQ(x->first, y->first);
            EXPECT_EQ(x->second.events, y->second.events);
            EXPECT_EQ(x->second.bytes, y->second.bytes);
            EXPECT_EQ(x->second.first_sequence, y->second.first_sequence);
            EXPECT_EQ(x->second.oldest_ingested, y->second.oldest_ingested);
        }
    }

    os::SimFileSystem fs;
    os::SimClock clock;
    std::unique_ptr<log::Log> log;
};

TEST_F(PendingTest, WhatTheLogTellsIsWhatStandsInIt) {
    append(1, 3);
    append(2, 1);
    open();  // those came with the log and must be read
    PendingTracker tracker(*log, fs, clock);
    tracker.begin({{StreamId{1}, 3}});  // of the first batch the third event is in no object
    for (int i = 0; i < 5; ++i) {
        append(1 + i % 3, 2 + i);
        append(1, 1);
        ASSERT_TRUE(tracker.catch_up());
        EXPECT_EQ(tracker.end(), log->durable_end());
    }
    const auto told = tracker.pending();
    EXPECT_EQ(told.at({1}).events, 1u + 2 + 5 + 5);
    EXPECT_EQ(told.at({1}).first_sequence, 3u);
    EXPECT_EQ(told.at({2}).events, 1u + 3 + 6);
    EXPECT_EQ(told.at({3}).events, 4u);
    expect_same(told, read_all({{StreamId{1}, 3}}));
}

TEST_F(PendingTest, WhatCameThroughTheLogIsNotReadAgain) {
    os::SimFileSystem nothing;
    PendingTracker tracker(*log, nothing, clock);
    tracker.begin({});
    ASSERT_TRUE(tracker.catch_up());
    append(1, 3);
    ASSERT_TRUE(tracker.catch_up());
    tracker.rolled({1}, tracker.end());
    append(1, 4);
    ASSERT_TRUE(tracker.catch_up());
    EXPECT_EQ(tracker.pending().at({1}).events, 4u);
    EXPECT_EQ(tracker.pending().at({1}).first_sequence, 4u);
}

TEST_F(PendingTest, AFailedReadLosesNothingThatWasTold) {
    append(1, 300);  // several blocks: the writer puts the last one out again
    open();
    const std::string segment = log->tail(0).extents.at(0).path;
    PendingTracker tracker(*log, fs, clock);
    tracker.begin({});
    append(2, 4);
    fs.damage(segment, 4100, 1);
    ASSERT_FALSE(tracker.catch_up());
    append(2, 1);
    ASSERT_FALSE(tracker.catch_up());
    fs.damage(segment, 4100, 1);
    ASSERT_TRUE(tracker.catch_up());
    EXPECT_EQ(tracker.end(), log->durable_end());
    expect_same(tracker.pending(), read_all({}));
}

TEST_F(PendingTest, ASecondTrackerReadsWhatTheFirstWasTold) {
    PendingTracker first(*log, fs, clock), second(*log, fs, clock);
    first.begin({});
    second.begin({});
    append(1, 2);
    ASSERT_TRUE(first.catch_up());
    append(1, 3);
    ASSERT_TRUE(second.catch_up());
    ASSERT_TRUE(first.catch_up());
    expect_same(first.pending(), second.pending());
    EXPECT_EQ(first.pending().at({1}).events, 5u);
}

}  // namespace
}  // namespace tarn::lake
