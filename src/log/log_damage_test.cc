// Rot, torn tails and what fsck says about them.
#include <fmt/core.h>

#include <algorithm>

#include "log/log_fixture.h"
#include "log/log_format.h"

namespace tarn::log {
namespace {

class LogDamageTest : public testing::Test {
protected:
    LogDamageTest() {
        EXPECT_TRUE(fs.make_directories("data"));
        auto log = open(fs);
        EXPECT_TRUE(log);
        // Two segments, the second one with several groups.
        for (std::uint64_t n = 1; n <= 14; ++n) {
            OwnedBatch batch = batch_of(n,
                                        n == 3   ? 8000
                                        : n == 4 ? 3000
                                                 : 30,
                                        1, static_cast<Partition>(n % 2));
            if (n % 4 == 0) batch.origin = {"producer", n, n};
            if (n % 5 == 0) batch.items.push_back({quarantine_partition, "", "{bad"});
            EXPECT_TRUE((*log)->append(batch.view()));
        }
        end = (*log)->durable_end();
        extents = (*log)->tail(0).extents;
        original = *read_log(fs, **log);
        EXPECT_EQ(extents.size(), 2u);
    }

    static Result<std::unique_ptr<Log>> open(os::SimFileSystem& disk) {
        static os::SimClock clock;
        return Log::open(
            disk, clock, "data/wal", {},
            {.segment_bytes = 16 << 10, .headroom_bytes = 0, .low_water_bytes = 0, .writer_thread = false});
    }
    // Where the records of an extent begin, and their heads.
    std::vector<std::pair<std::uint64_t, RecordHead>> records(const Extent& extent) {
        std::vector<std::pair<std::uint64_t, RecordHead>> found;
        const std::string bytes = *os::read_file(fs, extent.path);
        for (std::uint64_t at = extent.begin; at < extent.end;) {
            RecordHead head;
            EXPECT_TRUE(decode_head(std::string_view(bytes).substr(at), head));
            found.emplace_back(at, head);
            at += head.length;
        }
        return found;
    }
    bool is_original(const std::vector<ReadBatch>& found) const {
        if (found.size() != original.size()) return false;
        for (std::size_t i = 0; i < found.size(); ++i) {
            if (!same(found[i].batch, original[i].batch) || found[i].offsets != original[i].offsets)
                return false;
        }
        return true;
    }

    os::SimFileSystem fs;
    Sequence end = 0;
    std::vector<Extent> extents;
    std::vector<ReadBatch> original;
};

TEST_F(LogDamageTest, NoFlippedBitIsSilentlyWrong) {
    int corrupt = 0, torn = 0, harmless = 0;
    for (const Extent& extent : extents) {
        const std::uint64_t size = (*fs.stat(extent.path))->size;
        for (std::uint64_t at = 0; at < size; ++at) {
            if (at >= header_bytes && at < data_begin && at % 97 != 0)
                continue;  // the empty part of the header's page
            if (at > extent.end + end_mark_bytes + 8 && at % 97 != 0) continue;  // zeros behind the end
            const char mask = static_cast<char>(1 << (at % 8));
            fs.damage(extent.path, at, mask);
            const auto read = read_extents(fs, extents);
            ASSERT_TRUE(!read || is_original(*read)) << extent.path << " byte " << at;
            const auto damages = check_directory(fs, "data/wal");
            const auto disk = fs.crash({.keep = os::CrashPlan::Keep::everything});
            const auto log = open(*disk);
            if (!log) {
                ASSERT_EQ(log.error().code, Code::log_corrupt) << log.error().text();
                ASSERT_TRUE(log.error().place.byte);
                ASSERT_TRUE(damages && !damages->empty())
                    << extent.path << " byte " << at << ": fsck does not see it";
                ++corrupt;
            } else if ((*log)->recovery().torn_bytes > 0) {
                ASSERT_TRUE(damages && !damages->empty() && damages->back().is_tail)
                    << extent.path << " byte " << at;
                ++torn;
            } else {
                const auto found = read_log(*disk, **log);
                ASSERT_TRUE(found && is_original(*found))
                    << extent.path << " byte " << at << " made a silent difference";
                ++harmless;
            }
            fs.damage(extent.path, at, mask);
        }
    }
    EXPECT_GT(corrupt, 10'000);
    EXPECT_GT(torn, 100);
    EXPECT_GT(harmless, 50);
}

TEST_F(LogDamageTest, DamageInTheMiddleIsNamedWithItsByteAndNothingIsChanged) {
    const auto second = records(extents[1]);
    ASSERT_GT(second.size(), 5u);
    const auto [at, head] = second[2];
    fs.damage(extents[1].path, at + head.payloads_begin() + 3, 1);
    const std::size_t calls = fs.trace().size();
    const auto log = open(fs);
    ASSERT_FALSE(log);
    EXPECT_EQ(log.error().code, Code::log_corrupt);
    EXPECT_EQ(log.error().place.source, extents[1].path);
    EXPECT_EQ(log.error().place.byte, at);
    EXPECT_EQ(fs.trace().size(), calls);

    const auto damages = check_directory(fs, "data/wal");
    ASSERT_TRUE(damages);
    ASSERT_EQ(damages->size(), 1u);
    EXPECT_EQ((*damages)[0].path, extents[1].path);
    EXPECT_EQ((*damages)[0].begin, at);
    EXPECT_EQ((*damages)[0].end, at + head.length);
    EXPECT_FALSE((*damages)[0].is_tail);

    const auto read = read_extents(fs, extents);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().place.byte, at);
}

TEST_F(LogDamageTest, AMissingSegmentIsDamage) {
    const auto path = extents[0].path;
    auto log = open(fs);
    for (std::uint64_t n = 0; n < 20; ++n) ASSERT_TRUE((*log)->append(batch_of(n, 2000).view()));
    log->reset();
    ASSERT_TRUE(fs.remove(extents[1].path));
    const auto reopened = open(fs);
    ASSERT_FALSE(reopened);
    EXPECT_EQ(reopened.error().code, Code::log_corrupt);
    EXPECT_FALSE(check_directory(fs, "data/wal")->empty());
}

TEST_F(LogDamageTest, ATornTailIsCutOffReportedAndStaysDead) {
    const auto second = records(extents[1]);
    const auto [at, head] = second.back();
    {  // the last record's second half never arrived
        const auto file = fs.open(extents[1].path, os::OpenMode::read_write);
        ASSERT_TRUE((*file)->write_at(at + head.payloads_begin(),
                                      std::string(head.length - head.payloads_begin(), '\0')));
    }
    auto log = open(fs);
    ASSERT_TRUE(log) << log.error().text();
    EXPECT_EQ((*log)->durable_end(), end - 1);
    EXPECT_EQ((*log)->recovery().torn_bytes, head.length);
    EXPECT_EQ((*log)->recovery().torn_at, "segment 0000000000000002.log: byte " + std::to_string(at));
    log->reset();
    log = open(fs);
    EXPECT_EQ((*log)->recovery().torn_bytes, 0u) << "reported once";
}

TEST_F(LogDamageTest, AGroupThatLostItsFirstRecordIsATornTailAndNotDamage) {
    auto log = open(fs);
    for (std::uint64_t n = 0; n < 4; ++n)
        (*log)->submit(batch_of(n, 600).view(), [](const Result<Appended>&) {});
    const std::uint64_t from = extents[1].end;
    (*log)->commit();
    log->reset();
    {  // the group's first sector is lost, the others are there
        const auto file = fs.open(extents[1].path, os::OpenMode::read_write);
        ASSERT_TRUE((*file)->write_at(from, std::string(512, '\0')));
    }
    log = open(fs);
    ASSERT_TRUE(log) << log.error().text();
    EXPECT_EQ((*log)->durable_end(), end);
    EXPECT_GT((*log)->recovery().torn_bytes, 2000u);
    // The same first record again must not bring the others back to life.
    ASSERT_TRUE((*log)->append(batch_of(0, 600).view()));
    log->reset();
    log = open(fs);
    ASSERT_TRUE(log) << log.error().text();
    EXPECT_EQ((*log)->durable_end(), end + 1);
    EXPECT_EQ((*log)->recovery().torn_bytes, 0u) << "the old records are no trace of a new tear";
}

TEST_F(LogDamageTest, APayloadThatLooksLikeARecordIsNone) {
    // Whole segments captured as payloads, then a torn group that holds them.
    const std::string segment = *os::read_file(fs, extents[1].path);
    auto log = open(fs);
    for (int i = 0; i < 3; ++i) {
        OwnedBatch batch = batch_of(1);
        batch.items[0].payload = segment.substr(data_begin, 3000);
        (*log)->submit(batch.view(), [](const Result<Appended>&) {});
    }
    (*log)->commit();
    const auto before = *read_log(fs, **log);
    log->reset();
    const std::uint64_t last = records({extents[1].path, data_begin, extents[1].end}).back().first;
    ASSERT_GT(last, data_begin);
    log = open(fs);
    ASSERT_TRUE(log) << log.error().text();
    EXPECT_EQ(read_log(fs, **log)->size(), before.size());
}

TEST_F(LogDamageTest, AnErasedPayloadLeavesATombstoneAndTheChainHolds) {
    const auto second = records(extents[1]);
    const auto [at, head] = second[1];
    const auto file = fs.open(extents[1].path, os::OpenMode::read_write);
    std::string record(head.length, '\0');
    ASSERT_TRUE((*file)->read_at(at, record));
    std::fill(record.begin() + static_cast<std::ptrdiff_t>(head.payloads_begin()), record.end(), '\0');
    record[head.states_begin()] = state_erased;
    store(record.data() + 8, codec::crc32c(std::string_view(record).substr(head.payloads_begin())));
    store(record.data() + 4, codec::crc32c(std::string_view(record).substr(8, head.payloads_begin() - 8)));
    ASSERT_TRUE((*file)->write_at(at, record));

    Reader reader(fs, extents);
    RecordView view;
    int events = 0, erased = 0;
    for (auto more = reader.next(view); more && *more; more = reader.next(view)) {
        for (const auto& event : view.events) {
            ++events;
            if (event.hash != codec::xxh3_128(event.payload)) ++erased;
        }
    }
    EXPECT_EQ(events, static_cast<int>(end) - 1);
    EXPECT_EQ(erased, 1);
    EXPECT_TRUE(open(fs));
    EXPECT_TRUE(check_directory(fs, "data/wal")->empty());
}

TEST_F(LogDamageTest, ARecordExchangedForAnotherValidOneBreaksTheChain) {
    const auto second = records(extents[1]);
    const auto [at, head] = second[1];
    const auto file = fs.open(extents[1].path, os::OpenMode::read_write);
    std::string record(head.length, '\0');
    ASSERT_TRUE((*file)->read_at(at, record));
    record[head.table_begin() + 24] ^= 1;  // the first entry's hash; both checksums are made right again
    store(record.data() + 4, codec::crc32c(std::string_view(record).substr(8, head.payloads_begin() - 8)));
    ASSERT_TRUE((*file)->write_at(at, record));
    const auto read = read_extents(fs, extents);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().place.byte, at);
    const auto log = open(fs);
    ASSERT_FALSE(log);
    EXPECT_EQ(log.error().place.byte, at);
    EXPECT_FALSE(check_directory(fs, "data/wal")->empty());
}

// The example of docs/formats/log.md.
TEST(LogFormat, TheWorkedExample) {
    os::SimFileSystem fs;
    os::SimClock clock(Time{1'700'000'000'000'000});
    ASSERT_TRUE(fs.make_directories("data"));
    auto log = Log::open(fs, clock, "data/wal", {},
                         {.headroom_bytes = 0, .low_water_bytes = 0, .writer_thread = false});
    OwnedBatch batch;
    batch.stream = {1};
    batch.origin = {"till-7", 42, 0};
    batch.items = {{0, "\"key\":\"a\"", "{\"id\":\"a1\"}"}, {1, "", "{\"id\":\"b2\"}"}};
    ASSERT_TRUE((*log)->append(batch.view()));
    const std::string bytes = *os::read_file(fs, "data/wal/0000000000000001.log");
    RecordHead head;
    ASSERT_TRUE(decode_head(std::string_view(bytes).substr(data_begin), head));
    EXPECT_EQ(head.length, 224u);
    EXPECT_EQ(head.producer_begin(), 184u);
    EXPECT_EQ(head.metas_begin(), 190u);
    EXPECT_EQ(head.states_begin(), 199u);
    EXPECT_EQ(head.payloads_begin(), 201u);
    EXPECT_EQ(head.unpadded(), 223u);
    std::string hex;
    for (std::uint64_t i = 0; i < head.length; ++i) {
        if (i % 16 == 0) hex += fmt::format("{}:", data_begin + i);
        hex += fmt::format(" {:02x}{}", static_cast<unsigned char>(bytes[data_begin + i]),
                           i % 16 == 15 ? "\n" : "");
    }
    EXPECT_EQ(hex,
              "4096: 54 52 45 43 04 fd a2 1a 10 27 ab 7d f2 04 e0 59\n"
              "4112: f8 d2 44 8d f0 d3 e8 96 e0 00 00 00 00 00 00 00\n"
              "4128: 01 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00\n"
              "4144: 01 00 00 00 00 00 00 00 00 40 1e 18 24 0a 06 00\n"
              "4160: 01 00 00 00 02 00 00 00 2a 00 00 00 00 00 00 00\n"
              "4176: 00 00 00 00 00 00 00 00 06 00 00 00 09 00 00 00\n"
              "4192: 16 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00\n"
              "4208: 00 00 00 00 00 00 00 00 09 00 00 00 0b 00 00 00\n"
              "4224: ee 9d 1d 8b 4c 20 c0 ab 20 a5 d3 07 a5 f7 28 f8\n"
              "4240: 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00\n"
              "4256: 00 00 00 00 0b 00 00 00 c7 03 c7 c7 50 f2 16 4d\n"
              "4272: 72 f0 b3 a5 3b f8 f7 19 74 69 6c 6c 2d 37 22 6b\n"
              "4288: 65 79 22 3a 22 61 22 00 00 7b 22 69 64 22 3a 22\n"
              "4304: 61 31 22 7d 7b 22 69 64 22 3a 22 62 32 22 7d 00\n");
    EXPECT_EQ(std::string_view(bytes).substr(data_begin + head.length, end_mark_bytes),
              std::string(end_mark_bytes, '\0'));
}

}  // namespace
}  // namespace tarn::log
