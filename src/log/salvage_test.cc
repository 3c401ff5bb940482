// What is served of a damaged log: all that verifies, nothing else, and each missing event is accounted for.
#include "log/salvage.h"

#include <fmt/core.h>

#include "log/log_fixture.h"

namespace tarn::log {
namespace {

constexpr const char* wal = "data/wal";

class SalvageTest : public testing::Test {
protected:
    SalvageTest() {
        EXPECT_TRUE(fs.make_directories("data"));
        auto log = open(fs);
        EXPECT_TRUE(log);
        // Three segments; single events and batches over streams and partitions.
        for (std::uint64_t n = 1; n <= 24; ++n) {
            const std::size_t bytes = n == 3 || n == 12 ? 8000 : n == 4 || n == 13 ? 3000 : 30;
            OwnedBatch batch = batch_of(n, bytes, 1 + n % 2, static_cast<Partition>(n % 3 == 0));
            if (n % 4 == 0) batch.items.push_back({0, "", "{\"second\":true}"});
            if (n % 5 == 0) batch.items.push_back({quarantine_partition, "", "{bad"});
            EXPECT_TRUE((*log)->append(batch.view()));
        }
        original = *read_log(fs, **log);
        segments = (*log)->tail(0).extents;
        EXPECT_EQ(segments.size(), 3u);
    }

    Result<std::unique_ptr<Log>> open(os::SimFileSystem& disk, const Baseline& baseline = {}) {
        return Log::open(
            disk, clock, wal, baseline,
            {.segment_bytes = 16 << 10, .headroom_bytes = 0, .low_water_bytes = 0, .writer_thread = false});
    }
    std::string contents() {
        std::string all;
        const auto files = fs.list(wal);
        for (const os::FileInfo& file : *files)
            all += file.name + *os::read_file(fs, os::join(wal, file.name));
        return all;
    }

    struct Judged {
        std::size_t read = 0, missing = 0, by_position = 0;
    };
    // Opens what open refuses and holds it against what was written.
    Judged judge(const std::string& where, const Baseline& baseline = {}) {
        Judged judged;
        const auto refused = open(fs, baseline);
        if (refused) return judged;
        EXPECT_EQ(refused.error().code, Code::log_corrupt) << where;
        const std::string before = contents();
        const auto log = Log::open_damaged(fs, wal, baseline, refused.error());
        EXPECT_TRUE(log) << where;
        if (!log) return judged;
        const Tail tail = (*log)->tail(0);
        std::map<Sequence, ReadBatch> found;
        for (const Extent& extent : tail.extents) {
            const auto batches = read_extents(fs, {extent});
            EXPECT_TRUE(batches) << where << ": " << (batches ? "" : batches.error().text());
            if (!batches) return judged;
            for (const ReadBatch& batch : *batches)
                EXPECT_TRUE(found.emplace(batch.first_sequence, batch).second) << where << ": twice";
        }
        const Sequence last_found = found.empty() ? 0 : found.rbegin()->first;
        for (const ReadBatch& batch : original) {
            const auto read = found.find(batch.first_sequence);
            if (read != found.end()) {
                EXPECT_TRUE(same(read->second.batch, batch.batch) && read->second.offsets == batch.offsets)
                    << where;
                found.erase(read);
                ++judged.read;
                continue;
            }
            // Damage with no good record behind it looks like a torn write.
            if (batch.first_sequence > last_found) continue;
            for (std::size_t i = 0; i < batch.offsets.size(); ++i) {
                ++judged.missing;
                const bool named = is_named(
                    tail.gaps, {batch.batch.stream, batch.batch.items[i].partition, batch.offsets[i]});
                judged.by_position += named;
                EXPECT_TRUE(named || is_within(tail.gaps, batch.first_sequence + i))
                    << where << ": sequence " << batch.first_sequence + i << " is missing without a word";
            }
        }
        EXPECT_TRUE(found.empty()) << where << ": more than was written";
        EXPECT_EQ((*log)->append(batch_of(99).view()).error().code, Code::log_corrupt);
        EXPECT_EQ(contents(), before) << where;
        return judged;
    }
    static bool is_named(const std::vector<Gap>& gaps, const Position& at) {
        for (const Gap& gap : gaps)
            for (const Gap::Lost& lost : gap.lost)
                if (lost.stream == at.stream && lost.partition == at.partition && lost.first <= at.offset &&
                    at.offset <= lost.last)
                    return true;
        return false;
    }
    static bool is_within(const std::vector<Gap>& gaps, Sequence sequence) {
        return std::ranges::any_of(gaps, [&](const Gap& gap) {
            return gap.others && gap.first <= sequence && sequence < gap.until;
        });
    }

    os::SimFileSystem fs;
    os::SimClock clock;
    std::vector<ReadBatch> original;
    std::vector<Extent> segments;
};

TEST_F(SalvageTest, EveryFlippedByteCostsItsRecordAndNoMore) {
    std::size_t refused = 0;
    for (const Extent& segment : segments) {
        for (std::uint64_t at = 0; at < segment.end; at += at >= header_bytes && at < data_begin ? 503 : 5) {
            fs.damage(segment.path, at, 0x10);
            const Judged judged = judge(fmt::format("{} byte {}", segment.path, at));
            if (judged.read > 0) {
                ++refused;
                EXPECT_GE(judged.read + 2, original.size()) << segment.path << " byte " << at;
            }
            fs.damage(segment.path, at, 0x10);
        }
    }
    EXPECT_GT(refused, 1000u);
}

TEST_F(SalvageTest, ADamagedPayloadIsNamedByItsPositions) {
    const std::string bytes = *os::read_file(fs, segments[1].path);
    const std::uint64_t payload = bytes.find("{\"second\":true}");
    ASSERT_NE(payload, std::string::npos);
    fs.damage(segments[1].path, payload + 3, 0x10);
    const Judged judged = judge("payload");
    EXPECT_GE(judged.missing, 2u);
    EXPECT_EQ(judged.by_position, judged.missing);
}

TEST_F(SalvageTest, ManyPlacesAtOnce) {
    os::SeededRng rng(11);
    for (int round = 0; round < 300; ++round) {
        std::vector<std::pair<std::string, std::uint64_t>> places;
        for (std::uint64_t i = 0; i < 1 + rng.below(6); ++i) {
            const Extent& segment = segments[rng.below(segments.size())];
            places.emplace_back(segment.path, rng.below(segment.end));
        }
        for (const auto& [path, at] : places) fs.damage(path, at, 0x04);
        judge(fmt::format("round {}", round));
        for (const auto& [path, at] : places) fs.damage(path, at, 0x04);
    }
}

TEST_F(SalvageTest, AMissingSegmentIsAGap) {
    ASSERT_TRUE(fs.remove(segments[1].path));
    const Judged judged = judge("the second segment");
    EXPECT_GT(judged.read, 0u);
    EXPECT_GT(judged.missing, 0u);
    const auto salvaged = salvage(fs, wal, {});
    ASSERT_EQ(salvaged->gaps.size(), 1u);
    EXPECT_EQ(salvaged->gaps[0].path, segments[1].path);
    EXPECT_EQ(salvaged->gaps[0].what, "the segment is missing");
}

TEST_F(SalvageTest, WhatObjectsHoldIsNotLost) {
    const std::string bytes = *os::read_file(fs, segments[0].path);
    fs.damage(segments[0].path, bytes.find("\"n\":2,") + 4, 0x10);
    EXPECT_EQ(salvage(fs, wal, {})->gaps.at(0).lost.size(), 1u);
    Baseline baseline;
    for (std::uint32_t stream : {1u, 2u})
        for (Partition partition : {0u, 1u, quarantine_partition})
            baseline.next_offsets[{StreamId{stream}, partition}] = 3;
    const auto salvaged = salvage(fs, wal, baseline);
    ASSERT_EQ(salvaged->gaps.size(), 1u);
    EXPECT_TRUE(salvaged->gaps[0].lost.empty());
    EXPECT_FALSE(salvaged->gaps[0].others);
}

TEST_F(SalvageTest, ALogThatEndsTooEarlySaysSo) {
    Baseline baseline;
    baseline.next_sequence = 100;
    const auto refused = open(fs, baseline);
    ASSERT_FALSE(refused);
    const auto log = Log::open_damaged(fs, wal, baseline, refused.error());
    ASSERT_TRUE(log);
    const Tail tail = (*log)->tail(0);
    ASSERT_EQ(tail.gaps.size(), 1u);
    EXPECT_TRUE(tail.gaps[0].others);
    EXPECT_EQ(tail.gaps[0].until, 100u);
    EXPECT_EQ(tail.gaps[0].extent, tail.extents.size());
    EXPECT_EQ((*log)->durable_end(), 100u);
}

// ---- a log that is not there

TEST_F(SalvageTest, AMissingLogIsRefusedWhereThereMustBeOne) {
    const Baseline written{.has_history = true};
    for (const Extent& segment : segments) ASSERT_TRUE(fs.remove(segment.path));
    const auto files = fs.list(wal);
    for (const os::FileInfo& file : *files) ASSERT_TRUE(fs.remove(os::join(wal, file.name)));
    const auto refused = open(fs, written);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::data_missing);
    EXPECT_TRUE(fs.list(wal)->empty());
    // Cut to nothing is as bad.
    ASSERT_TRUE(fs.open(segments[0].path, os::OpenMode::create));
    EXPECT_EQ(open(fs, written).error().code, Code::data_missing);
    // In a directory that is new it was about to be made.
    EXPECT_TRUE(open(fs));
}

TEST_F(SalvageTest, OnlyALaterSegmentLeftIsRefused) {
    for (const Extent& segment : segments) ASSERT_TRUE(fs.remove(segment.path));
    const auto file = fs.open(os::join(wal, segment_name(4)), os::OpenMode::create);
    ASSERT_TRUE((*file)->write_at(0, std::string(16 << 10, '\0')));
    EXPECT_EQ(open(fs, {.has_history = true}).error().code, Code::data_missing);
}

TEST_F(SalvageTest, AnEmptyNextSegmentWasNotWrittenYet) {
    const std::string next = os::join(wal, segment_name(4));
    (void)fs.remove(next);
    ASSERT_TRUE(fs.open(next, os::OpenMode::create));
    const auto log = open(fs, {.has_history = true});
    ASSERT_TRUE(log);
    for (std::uint64_t n = 1; n <= 12; ++n) EXPECT_TRUE((*log)->append(batch_of(n, 3000).view()));
}

}  // namespace
}  // namespace tarn::log
