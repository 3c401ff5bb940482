#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "log/log_fixture.h"
#include "log/log_format.h"
#include "os/real_file_system.h"

namespace tarn::log {
namespace {

class LogTest : public testing::Test {
protected:
    LogTest() {
        EXPECT_TRUE(fs.make_directories("data"));
        options = {
            .segment_bytes = 64 << 10, .headroom_bytes = 0, .low_water_bytes = 0, .writer_thread = false};
    }

    Status try_open() {
        log.reset();
        auto opened = Log::open(fs, clock, "data/wal", baseline, options);
        if (!opened) return fail(opened.error());
        log = std::move(*opened);
        return {};
    }
    void open() {
        const Status status = try_open();
        ASSERT_TRUE(status) << status.error().text();
    }
    Appended append(const OwnedBatch& batch) {
        auto answer = log->append(batch.view());
        EXPECT_TRUE(answer) << answer.error().text();
        return answer.value_or(Appended{});
    }
    // Single events of about `bytes` bytes until the log holds `sequence` events.
    void fill(Sequence sequence, std::size_t bytes) {
        while (log->durable_end() <= sequence) append(batch_of(log->durable_end(), bytes));
    }
    std::vector<ReadBatch> read_all(Sequence from = 0) {
        auto found = read_log(fs, *log, from);
        EXPECT_TRUE(found) << found.error().text();
        return found.value_or(std::vector<ReadBatch>{});
    }
    std::vector<std::string> files() {
        std::vector<std::string> names;
        const auto listed = fs.list("data/wal");
        for (const auto& info : *listed) names.push_back(info.name);
        return names;
    }

    os::SimFileSystem fs;
    os::SimClock clock;
    Baseline baseline;
    LogOptions options;
    std::unique_ptr<Log> log;
};

TEST_F(LogTest, AnswersWithPlacesAndGivesTheBytesBack) {
    open();
    EXPECT_EQ(log->durable_end(), 1u);
    EXPECT_TRUE(log->tail(0).extents.empty());
    OwnedBatch batch = batch_of(1);
    batch.items.push_back({2, "", std::string("\0\xff raw", 6)});
    batch.items.push_back({0, "\"key\":\"b\"", ""});
    batch.items.push_back({quarantine_partition, "", "{broken"});
    const Appended answer = append(batch);
    EXPECT_EQ(answer.first_sequence, 1u);
    EXPECT_EQ(answer.events, 4u);
    EXPECT_EQ(answer.ingested, clock.now());
    EXPECT_EQ(answer.ranges, (std::vector<Range>{{0, 0, 1}, {2, 0, 0}, {quarantine_partition, 0, 0}}));
    EXPECT_EQ(append(batch_of(2)).ranges, (std::vector<Range>{{0, 2, 2}}));
    EXPECT_EQ(append(batch_of(3, 10, 9)).ranges, (std::vector<Range>{{0, 0, 0}}));  // another stream

    const auto found = read_all();
    ASSERT_EQ(found.size(), 3u);
    EXPECT_TRUE(same(found[0].batch, batch));
    EXPECT_EQ(found[0].offsets, (std::vector<Offset>{0, 0, 1, 0}));
    EXPECT_EQ(log->durable_end(), 7u);
}

TEST_F(LogTest, IsThereAgainAfterReopening) {
    open();
    append(batch_of(1));
    append(batch_of(2));
    open();
    EXPECT_EQ(log->recovery().records, 2u);
    EXPECT_EQ(log->recovery().events, 2u);
    EXPECT_EQ(log->recovery().torn_bytes, 0u);
    EXPECT_EQ(log->recovery().torn_at, "");
    const Appended third = append(batch_of(3));
    EXPECT_EQ(third.first_sequence, 3u);
    EXPECT_EQ(third.ranges, (std::vector<Range>{{0, 2, 2}}));
    EXPECT_EQ(read_all().size(), 3u);
}

TEST_F(LogTest, NothingIsVisibleOrAnsweredBeforeItIsSynced) {
    open();
    bool answered = false;
    log->submit(batch_of(1).view(), [&](const Result<Appended>&) { answered = true; });
    EXPECT_FALSE(answered);
    EXPECT_EQ(log->durable_end(), 1u);
    EXPECT_TRUE(log->tail(0).extents.empty());
    std::size_t synced_before = fs.trace().size();
    log->commit();
    EXPECT_TRUE(answered);
    ASSERT_EQ(fs.trace().size(), synced_before + 2);
    EXPECT_TRUE(fs.trace()[synced_before].starts_with("write data/wal/0000000000000001.log 0+"));
    EXPECT_EQ(fs.trace()[synced_before + 1], "sync data/wal/0000000000000001.log");
}

TEST_F(LogTest, PinsTheOrderOfDurabilityInANewDirectoryAndAtARollover) {
    options.segment_bytes = 16 << 10;
    open();
    append(batch_of(1, 100));
    append(batch_of(2, 14000));
    append(batch_of(3, 100));
    EXPECT_EQ(fs.trace(),
              (std::vector<std::string>{
                  "make_directories data", "make_directories data/wal", "sync_directory data/wal",
                  // the first segment: complete before it gets its name
                  "create data/wal/prepare.tmp", "truncate data/wal/prepare.tmp 0",
                  "write data/wal/prepare.tmp 0+16384", "sync data/wal/prepare.tmp",
                  "rename data/wal/prepare.tmp data/wal/0000000000000001.log", "sync_directory data/wal",
                  // header, record and end mark in one write of whole blocks
                  "write data/wal/0000000000000001.log 0+8192", "sync data/wal/0000000000000001.log",
                  // a record that does not fit: the next segment, of its own size
                  "create data/wal/prepare.tmp", "truncate data/wal/prepare.tmp 0",
                  "write data/wal/prepare.tmp 0+20480", "sync data/wal/prepare.tmp",
                  "rename data/wal/prepare.tmp data/wal/0000000000000002.log", "sync_directory data/wal",
                  "write data/wal/0000000000000002.log 0+20480", "sync data/wal/0000000000000002.log",
                  // prepared ahead, since the segment is more than half full
                  "create data/wal/prepare.tmp", "truncate data/wal/prepare.tmp 0",
                  "write data/wal/prepare.tmp 0+16384", "sync data/wal/prepare.tmp",
                  "rename data/wal/prepare.tmp data/wal/0000000000000003.log", "sync_directory data/wal",
                  // the block in which the records ended goes out again, with what follows
                  "write data/wal/0000000000000002.log 16384+4096", "sync data/wal/0000000000000002.log"}));
}

TEST_F(LogTest, AGroupIsOneWriteAndOneSync) {
    open();
    append(batch_of(1));
    const std::size_t before = fs.trace().size();
    std::vector<int> order;
    for (int i = 0; i < 50; ++i) {
        log->submit(batch_of(static_cast<std::uint64_t>(i)).view(),
                    [&order, i](const Result<Appended>& result) {
                        EXPECT_TRUE(result);
                        order.push_back(i);
                    });
    }
    Sequence observed = 0;
    log->on_durable([&](Sequence end) { observed = end; });
    log->commit();
    EXPECT_EQ(fs.trace().size(), before + 2);
    EXPECT_TRUE(std::ranges::is_sorted(order));
    EXPECT_EQ(order.size(), 50u);
    EXPECT_EQ(observed, 52u);
}

TEST_F(LogTest, RollsOverSegmentsAndReadsFromAnywhere) {
    open();
    fill(300, 1000);  // five segments
    EXPECT_GE(files().size(), 5u);
    for (const Sequence from : {1u, 2u, 77u, 200u, 300u}) {
        const auto found = read_all(from);
        ASSERT_FALSE(found.empty());
        EXPECT_LE(found.front().first_sequence, from);
        EXPECT_EQ(found.back().first_sequence, 300u);
    }
    EXPECT_TRUE(log->tail(301).extents.empty());
    EXPECT_GT(log->bytes_since(0), 300'000u);
    EXPECT_LT(log->bytes_since(300), 70'000u);
    EXPECT_EQ(log->bytes_since(301), 0u);
    open();
    EXPECT_EQ(log->recovery().events, 300u);
    EXPECT_EQ(read_all(150).back().first_sequence, 300u);
}

TEST_F(LogTest, ARecordLargerThanASegmentGetsOneOfItsOwnSize) {
    open();
    append(batch_of(1, 300'000));  // the very first
    append(batch_of(2, 10));
    append(batch_of(3, 500'000));
    append(batch_of(4, 10));
    EXPECT_EQ(read_all().size(), 4u);
    open();
    const auto found = read_all();
    ASSERT_EQ(found.size(), 4u);
    EXPECT_TRUE(same(found[2].batch, batch_of(3, 500'000)));
}

TEST_F(LogTest, ReleasedSegmentsAreUsedAgainAndAtMostTwoWait) {
    open();
    fill(600, 1000);
    const std::size_t before = files().size();
    ASSERT_TRUE(log->release(500));
    EXPECT_LT(files().size(), before);
    EXPECT_GT(read_all().front().first_sequence, 300u);
    EXPECT_EQ(read_all(500).back().first_sequence, 600u);
    const std::size_t creations =
        static_cast<std::size_t>(std::ranges::count(fs.trace(), "create data/wal/prepare.tmp"));
    fill(700, 1000);  // into recycled files, which hold old records
    EXPECT_EQ(static_cast<std::size_t>(std::ranges::count(fs.trace(), "create data/wal/prepare.tmp")),
              creations);
    baseline.next_sequence = 500;
    baseline.next_offsets[{{1}, 0}] = 499;
    open();
    EXPECT_EQ(log->recovery().torn_bytes, 0u);
    EXPECT_EQ(log->durable_end(), 701u);
    EXPECT_EQ(append(batch_of(701)).ranges, (std::vector<Range>{{0, 700, 700}}));
    ASSERT_TRUE(log->release(702));
    EXPECT_LE(files().size(), 3u);  // the one in use and two spare
}

TEST_F(LogTest, APinKeepsSegmentsUntilItGoes) {
    open();
    fill(300, 1000);
    Tail tail = log->tail(100);
    ASSERT_TRUE(log->release(300));
    EXPECT_EQ(read_extents(fs, tail.extents)->back().first_sequence, 300u);
    std::shared_ptr<void> copy = tail.pin;
    tail.pin.reset();
    ASSERT_TRUE(log->release(300));
    EXPECT_TRUE(read_extents(fs, tail.extents));
    copy.reset();
    ASSERT_TRUE(log->release(300));
    EXPECT_FALSE(read_extents(fs, tail.extents));  // gone or reused
    Tail outlives = log->tail(300);
    log.reset();
    outlives.pin.reset();
}

// ---- origins

OwnedBatch from_producer(const std::string& producer, std::uint64_t sequence, std::uint64_t n) {
    OwnedBatch batch = batch_of(n);
    batch.origin = {producer, sequence, n * 11};
    return batch;
}

TEST_F(LogTest, TheSameBatchAgainGetsTheFirstAnswer) {
    open();
    append(batch_of(0));
    const Appended first = append(from_producer("import-1", 5, 1));
    EXPECT_FALSE(first.repeated);
    const std::size_t calls = fs.trace().size();
    for (const std::uint64_t sequence : {5u, 4u}) {
        const Appended again = append(from_producer("import-1", sequence, 2));
        EXPECT_TRUE(again.repeated);
        EXPECT_EQ(again.first_sequence, first.first_sequence);
        EXPECT_EQ(again.ranges, first.ranges);
        EXPECT_EQ(again.ingested, first.ingested);
        EXPECT_EQ(again.origin_sequence, 5u);
        EXPECT_EQ(again.origin_tag, 11u);
    }
    EXPECT_EQ(fs.trace().size(), calls) << "nothing is written for a repeated batch";
    EXPECT_FALSE(append(from_producer("import-1", 6, 3)).repeated);
    EXPECT_FALSE(append(from_producer("import-2", 1, 4)).repeated);
    EXPECT_FALSE(append(from_producer("", 0, 5)).repeated);
    EXPECT_FALSE(append(from_producer("", 0, 5)).repeated);
    open();
    EXPECT_EQ(log->find_origin("import-1")->origin_sequence, 6u);
    EXPECT_EQ(log->find_origin("import-1")->ranges, (std::vector<Range>{{0, 2, 2}}));
    EXPECT_TRUE(append(from_producer("import-2", 1, 4)).repeated);
    EXPECT_FALSE(log->find_origin("nobody"));
    EXPECT_FALSE(log->find_origin(""));
}

TEST_F(LogTest, ARepeatedBatchWaitsForTheFirstOne) {
    open();
    std::vector<std::string> answers;
    const auto note = [&](const Result<Appended>& result) {
        answers.push_back(result ? (result->repeated ? "repeated" : "stored") : result.error().code_text());
    };
    log->submit(from_producer("p", 1, 1).view(), note);
    log->submit(from_producer("p", 1, 1).view(), note);
    EXPECT_TRUE(answers.empty());
    EXPECT_FALSE(log->find_origin("p"));
    log->commit();
    EXPECT_EQ(answers, (std::vector<std::string>{"stored", "repeated"}));
    EXPECT_EQ(log->durable_end(), 2u);
}

TEST_F(LogTest, OriginsThatLeftTheLogAreAskedForOutside) {
    int asked = 0;
    baseline.older_origin = [&](std::string_view producer) -> std::optional<Appended> {
        ++asked;
        if (producer != "old") return std::nullopt;
        return Appended{
            .first_sequence = 0, .events = 1, .ingested = {}, .ranges = {{0, 7, 7}}, .origin_sequence = 3};
    };
    open();
    EXPECT_TRUE(append(from_producer("old", 3, 1)).repeated);
    EXPECT_TRUE(append(from_producer("old", 2, 1)).repeated);
    EXPECT_EQ(asked, 1) << "the answer is remembered";
    EXPECT_FALSE(append(from_producer("old", 4, 1)).repeated);
    EXPECT_TRUE(append(from_producer("old", 4, 1)).repeated);
    append(from_producer("early", 1, 1));
    fill(300, 1000);
    EXPECT_TRUE(log->find_origin("early"));
    asked = 0;
    ASSERT_TRUE(log->release(300));
    EXPECT_FALSE(log->find_origin("early")) << "it left the log with its segment";
    EXPECT_EQ(asked, 1);
}

// ---- limits and bad days

TEST_F(LogTest, TooMuchPendingIsRefusedAtOnce) {
    options.max_pending_bytes = 10'000;
    open();
    int stored = 0, refused = 0;
    for (std::uint64_t i = 0; i < 20; ++i) {
        log->submit(batch_of(i, 1000).view(), [&](const Result<Appended>& result) {
            if (result) ++stored;
            if (!result && result.error().code == Code::log_overloaded) ++refused;
        });
    }
    EXPECT_GT(refused, 5);
    log->commit();
    EXPECT_EQ(stored + refused, 20);
    append(batch_of(99, 50'000));  // alone, a larger one is taken
    EXPECT_EQ(read_all().size(), static_cast<std::size_t>(stored) + 1);
}

TEST_F(LogTest, AnEmptyBatchIsRefused) {
    open();
    const auto answer = log->append(Batch{});
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().kind, ErrorKind::internal);
    append(batch_of(1));
}

TEST_F(LogTest, AFailedSyncPoisonsUntilReopened) {
    open();
    append(batch_of(1));
    std::vector<ErrorKind> kinds;
    log->submit(batch_of(2).view(),
                [&](const Result<Appended>& result) { kinds.push_back(result.error().kind); });
    fs.fail_call(fs.calls() + 1, os::Fault::eio);  // write, then this sync
    log->commit();
    EXPECT_EQ(kinds, std::vector{ErrorKind::outcome_unknown}) << "it may be on the disk";
    ASSERT_TRUE(log->poisoned());
    EXPECT_EQ(log->poisoned()->code, Code::log_poisoned);
    const auto later = log->append(batch_of(3).view());
    EXPECT_EQ(later.error().code, Code::log_poisoned);
    EXPECT_EQ(later.error().kind, ErrorKind::unavailable) << "nothing happened";
    EXPECT_EQ(read_all().size(), 1u) << "reading goes on";
    const std::size_t calls = fs.trace().size();
    log->commit();
    EXPECT_EQ(fs.trace().size(), calls) << "never retried";
    open();
    EXPECT_FALSE(log->poisoned());
    append(batch_of(4));
}

TEST_F(LogTest, DiskLowRefusesCaptureAndReadsOn) {
    options.low_water_bytes = 100 << 10;
    options.headroom_bytes = 32 << 10;
    open();
    EXPECT_TRUE(*fs.stat("data/wal/headroom"));
    append(batch_of(1));
    fs.limit_space(fs.used_bytes() + (99 << 10));
    clock.advance_us(1'000'001);  // it asks once a second
    const auto refused = log->append(batch_of(2).view());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::out_of_space);
    EXPECT_FALSE(log->poisoned());
    EXPECT_EQ(read_all().size(), 1u);
    const OwnedBatch record = batch_of(3);
    Batch essential = record.view();
    essential.essential = true;
    EXPECT_TRUE(log->append(essential)) << "what was done already is written down";
    EXPECT_EQ(read_all().size(), 2u);
    fs.limit_space(fs.used_bytes() + (10 << 10));
    clock.advance_us(1'000'001);
    EXPECT_FALSE(log->append(batch_of(2).view()));
    EXPECT_FALSE(*fs.stat("data/wal/headroom")) << "given up, so that rolls can go on";
    fs.limit_space(std::nullopt);
    clock.advance_us(1'000'001);
    append(batch_of(2));
}

TEST_F(LogTest, NoSpaceForASegmentIsNoPoisonAndTakesBackWhatWasPlaced) {
    open();
    fill(50, 1000);
    fs.limit_space(fs.used_bytes());
    int full = 0, stored = 0;
    for (std::uint64_t i = 0; i < 200; ++i) {
        log->submit(from_producer("p", i + 1, i).view(), [](const Result<Appended>&) {});
        log->submit(batch_of(i, 1000).view(), [&](const Result<Appended>& result) {
            if (result) ++stored;
            if (!result && result.error().kind == ErrorKind::out_of_space) ++full;
        });
    }
    log->commit();
    EXPECT_EQ(stored + full, 200);
    EXPECT_GT(full, 50);
    EXPECT_FALSE(log->poisoned());
    const Sequence end = log->durable_end();
    const std::uint64_t last = log->find_origin("p")->origin_sequence;
    EXPECT_LT(last, 200u);
    fs.limit_space(std::nullopt);
    const Appended next = append(from_producer("p", last + 1, 1));
    EXPECT_FALSE(next.repeated);
    EXPECT_EQ(next.first_sequence, end);
    EXPECT_EQ(next.ranges[0].first, end - 1) << "offsets are dense after taking back";
    fill(400, 1000);
    open();
    EXPECT_EQ(read_all().back().first_sequence, 400u);
}

TEST_F(LogTest, OpensOnAFullDiskWithoutAnyNewSpace) {
    open();
    fill(100, 1000);
    for (std::uint64_t seed = 0; seed < 30; ++seed) {
        log->submit(batch_of(seed, 700).view(), [](const Result<Appended>&) {});
    }
    const auto disk = fs.crash({.seed = 3});
    disk->limit_space(disk->used_bytes());
    const auto opened = Log::open(*disk, clock, "data/wal", baseline, options);
    ASSERT_TRUE(opened) << opened.error().text();
    EXPECT_TRUE((*opened)->append(batch_of(1).view())) << "there is room in the segment";
}

TEST_F(LogTest, ANewerFormatIsRefusedUntouched) {
    open();
    append(batch_of(1));
    log.reset();
    const std::string path = "data/wal/" + segment_name(1);
    {
        const auto file = fs.open(path, os::OpenMode::read_write);
        char header[header_bytes];
        ASSERT_TRUE((*file)->read_at(0, header));
        store(header + 8, std::uint32_t{2});
        const std::uint32_t crc = codec::crc32c({header + 16, 48}, codec::crc32c({header, 12}));
        store(header + 12, crc);
        ASSERT_TRUE((*file)->write_at(0, {header, header_bytes}));
    }
    const std::size_t calls = fs.trace().size();
    const Status status = try_open();
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, Code::newer_format);
    EXPECT_EQ(fs.trace().size(), calls);
    EXPECT_EQ(check_directory(fs, "data/wal").error().code, Code::newer_format);
}

TEST_F(LogTest, BeginsWhereTheCatalogSays) {
    baseline.next_sequence = 1000;
    baseline.next_offsets[{{1}, 0}] = 400;
    open();
    const Appended answer = append(batch_of(1));
    EXPECT_EQ(answer.first_sequence, 1000u);
    EXPECT_EQ(answer.ranges, (std::vector<Range>{{0, 400, 400}}));
    open();
    EXPECT_EQ(log->durable_end(), 1001u);
    baseline.next_sequence = 1002;  // the catalog knows an event that the log lost
    EXPECT_EQ(try_open().error().code, Code::log_corrupt);
    baseline.next_sequence = 1001;
    baseline.next_offsets[{{1}, 0}] = 399;  // the log begins behind what the catalog has
    EXPECT_EQ(try_open().error().code, Code::log_corrupt);
}

// ---- the real thing

TEST(LogOnDisk, ManyThreadsThroughTheWriterThread) {
    const auto fs = os::make_real_file_system();
    const auto clock = os::make_real_clock();
    const std::string directory = testing::TempDir() + "/log_threads_" + std::to_string(::getpid());
    const LogOptions options{.segment_bytes = 1 << 20, .headroom_bytes = 1 << 20, .low_water_bytes = 0};
    std::atomic<int> stored = 0;
    {
        auto log = Log::open(*fs, *clock, directory, {}, options);
        ASSERT_TRUE(log) << log.error().text();
        std::vector<std::thread> threads;
        for (std::uint32_t t = 0; t < 4; ++t) {
            threads.emplace_back([&, t] {
                for (std::uint64_t i = 0; i < 500; ++i) {
                    if (i % 50 == 0) (void)(*log)->release((*log)->durable_end() / 2);
                    const auto answer = (*log)->append(batch_of(i, 2000, t).view());
                    if (answer && answer->ranges[0].first == i) ++stored;
                }
            });
        }
        for (std::thread& thread : threads) thread.join();
        // Asynchronous ones are answered before the log is gone.
        for (std::uint64_t i = 0; i < 500; ++i) {
            const OwnedBatch batch = batch_of(i, 2000, 9);
            (*log)->submit(batch.view(), [&](const Result<Appended>& result) { stored += result ? 1 : 0; });
        }
    }
    EXPECT_EQ(stored, 2500);
    auto log = Log::open(*fs, *clock, directory, {}, options);
    ASSERT_TRUE(log) << log.error().text();
    EXPECT_EQ((*log)->durable_end(), 2501u);
    const auto found = read_log(*fs, **log);
    ASSERT_TRUE(found) << found.error().text();
    EXPECT_EQ(found->back().first_sequence, 2500u);
    log->reset();
    const auto left = fs->list(directory);
    for (const auto& info : *left) EXPECT_TRUE(fs->remove(os::join(directory, info.name)));
    EXPECT_TRUE(fs->remove(directory));
}

}  // namespace
}  // namespace tarn::log
