#include "lake/raw_object.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/zstd.h"
#include "event/raw_line.h"
#include "lake/raw_object_format.h"
#include "lake/test_events.h"
#include "os/sim_file_system.h"

namespace tarn::lake {
namespace {

using ::testing::HasSubstr;

constexpr StreamId stream{7};
const std::string name = "raw/s~7/dt=2023-11-14/hh=22/2-10-x.ndjson.zst";

std::vector<TestEvent> make_events(std::uint64_t seed, std::size_t count, std::size_t most_bytes) {
    os::SeededRng rng(seed);
    std::vector<TestEvent> events;
    for (std::size_t i = 0; i < count; ++i) {
        TestEvent event = random_event(rng, most_bytes);
        event.partition = 2;
        event.offset = 10 + i;
        event.sequence = 100 + 3 * i;
        event.ingested = Time{1'700'000'000'000'000 + static_cast<std::int64_t>(i)};
        events.push_back(std::move(event));
    }
    return events;
}

std::string build(const std::vector<TestEvent>& events) {
    RawObjectBuilder builder;
    for (const TestEvent& event : events)
        builder.add(event.stored(stream), Time{static_cast<std::int64_t>(event.offset)});
    return builder.finish();
}

struct RawObject : ::testing::Test {
    os::SimFileSystem fs;
    std::unique_ptr<objects::ObjectStore> store = objects::make_local_object_store(fs, "lake");

    void put(const std::string& bytes) {
        ASSERT_TRUE(store->remove(name));
        ASSERT_TRUE(store->put_if_absent(name, bytes));
    }
    // Every event, or the first error.
    Result<std::vector<TestEvent>> read_all() {
        TARN_ASSIGN(const auto reader, RawObjectReader::open(*store, name, stream));
        std::vector<TestEvent> events;
        std::string scratch;
        for (std::size_t i = 0; i < reader->frames().size(); ++i) {
            TARN_ASSIGN(std::string_view lines, reader->frame(i));
            while (!lines.empty()) {
                const auto end = lines.find('\n');
                TARN_ASSIGN(const event::StoredEvent found,
                            event::parse_raw_line(stream, lines.substr(0, end), scratch, true));
                EXPECT_EQ(found.hash, codec::xxh3_128(found.payload));
                events.push_back(copy_of(found));
                lines.remove_prefix(end + 1);
            }
        }
        return events;
    }
};

TEST_F(RawObject, GivesBackEveryByteInEveryForm) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        const auto events = make_events(seed, 1 + seed * 20, 3000);
        put(build(events));
        const auto found = read_all();
        ASSERT_TRUE(found) << found.error().text();
        EXPECT_EQ(*found, events) << "seed " << seed;
    }
}

TEST_F(RawObject, FramesAreCutAtTheirSizeAndIndexed) {
    const auto events = make_events(1, 3000, 1500);
    put(build(events));
    const auto reader = *RawObjectReader::open(*store, name, stream);
    EXPECT_EQ(reader->partition(), 2u);
    const auto& frames = reader->frames();
    ASSERT_GT(frames.size(), 4u);
    Offset next = 10;
    for (std::size_t i = 0; i < frames.size(); ++i) {
        EXPECT_EQ(frames[i].first, next);
        EXPECT_EQ(frames[i].first_sequence, 100 + 3 * (next - 10));
        EXPECT_EQ(frames[i].min_time.us, static_cast<std::int64_t>(next));
        next = frames[i].last + 1;
        EXPECT_EQ(frames[i].max_time.us, static_cast<std::int64_t>(next - 1));
        if (i + 1 < frames.size()) {
            EXPECT_GE(frames[i].uncompressed, frame_target_bytes);
        }
        EXPECT_LT(frames[i].uncompressed, frame_target_bytes + 10'000);
        EXPECT_EQ(reader->frame(i)->size(), frames[i].uncompressed);
    }
    EXPECT_EQ(next, 10u + events.size());
}

TEST_F(RawObject, AnEventLargerThanAFrameHasOneForItself) {
    auto events = make_events(1, 3, 10);
    events[1].payload = std::string(1'500'000, '\x01');
    events[1].form = event::PayloadForm::text;
    put(build(events));
    EXPECT_EQ(read_all().value(), events);
}

// A table too large for the first read, as a very large object has.
TEST_F(RawObject, ManyFramesAreIndexedToo) {
    auto events = make_events(1, 1100, 0);
    for (TestEvent& event : events) {
        event.payload = "\"" + std::string(frame_target_bytes, 'x') + "\"";
        event.form = event::PayloadForm::json;
    }
    put(build(events));
    const auto reader = *RawObjectReader::open(*store, name, stream);
    ASSERT_EQ(reader->frames().size(), events.size());
    EXPECT_GT(*size_of_tables(name, store->get(name)->substr(1), *store->size(name)), 64u * 1024);
    EXPECT_THAT(std::string(reader->frame(1099)->substr(0, 40)), HasSubstr("\"offset\":1109"));
}

TEST_F(RawObject, IsPlainZstdAndNdjsonToOthers) {
    const auto events = make_events(3, 2000, 600);
    const std::string bytes = build(events);
    std::string lines;
    const auto unpacker = codec::make_zstd_unpacker();
    for (std::size_t at = 0; at < bytes.size(); at += 1000)
        ASSERT_TRUE(
            unpacker->feed(std::string_view(bytes).substr(at, 1000), [&](std::string_view piece) -> Status {
                lines += piece;
                return {};
            }));
    ASSERT_TRUE(unpacker->finish());
    std::string expected;
    for (const TestEvent& event : events) event::append_raw_line(expected, event.stored(stream));
    EXPECT_EQ(lines, expected);
    EXPECT_TRUE(codec::validate_json(lines.substr(0, lines.find('\n'))));
}

TEST_F(RawObject, TheSameEventsGiveTheSameBytes) {
    const auto events = make_events(5, 1000, 900);
    const std::string once = build(events);
    RawObjectBuilder builder;
    for (const TestEvent& event : make_events(6, 700, 900)) builder.add(event.stored(stream), {});
    (void)builder.finish();  // a builder that was used before
    EXPECT_EQ(builder.raw_bytes(), 0u);
    for (const TestEvent& event : events)
        builder.add(event.stored(stream), Time{static_cast<std::int64_t>(event.offset)});
    EXPECT_EQ(builder.finish(), once);
}

// Whatever byte is changed, reading either fails or gives the very same events.
TEST_F(RawObject, EveryChangedByteIsDetectedOrHarmless) {
    const auto events = make_events(8, 4, 60);
    const std::string good = build(events);
    std::size_t detected = 0;
    for (std::size_t at = 0; at < good.size(); ++at) {
        for (const char mask : {'\x01', '\x80', '\xFF'}) {
            std::string bad = good;
            bad[at] = static_cast<char>(bad[at] ^ mask);
            put(bad);
            const auto found = read_all();
            if (!found) {
                ++detected;
                EXPECT_EQ(found.error().code, Code::object_corrupt) << at;
                EXPECT_EQ(found.error().place.source, name);
                EXPECT_TRUE(found.error().place.byte.has_value());
            } else {
                EXPECT_EQ(*found, events) << "byte " << at;
            }
        }
    }
    EXPECT_EQ(detected, good.size() * 3);  // nothing in the format is slack
}

TEST_F(RawObject, EveryCutIsDetected) {
    const std::string good = build(make_events(9, 5, 60));
    for (std::size_t size = 0; size < good.size(); ++size) {
        put(good.substr(0, size));
        EXPECT_EQ(read_all().error().code, Code::object_corrupt) << size;
    }
    put(good + "x");
    EXPECT_EQ(read_all().error().code, Code::object_corrupt);
    put(good + good);
    EXPECT_EQ(read_all().error().code, Code::object_corrupt);
}

std::string from_hex(std::string_view hex) {
    std::string bytes;
    std::string digits;
    for (const char c : hex) {
        if (c != ' ') digits += c;
        if (digits.size() < 2) continue;
        bytes += static_cast<char>(std::stoi(digits, nullptr, 16));
        digits.clear();
    }
    return bytes;
}

// docs/formats/raw-object.md, "A worked example": the bytes on disk do not change by accident.
TEST_F(RawObject, TablesAreAsDocumented) {
    const Time time{1'700'000'000'000'000};
    const ObjectIndex index{StreamId{1},
                            0,
                            {{.at = 0,
                              .compressed = 158,
                              .uncompressed = 425,
                              .events = 3,
                              .crc = 0xCA3BDD3C,
                              .first = 0,
                              .last = 2,
                              .first_sequence = 1,
                              .last_sequence = 3,
                              .min_time = time,
                              .max_time = time}}};
    EXPECT_EQ(
        encode_tables(index),
        from_hex("5c2a4d18 64000000 7461726e69647831 01000000 00000000 01000000 00000000"
                 "0000000000000000 9e000000 a9010000 03000000 3cdd3bca 0000000000000000 0200000000000000"
                 "0100000000000000 0300000000000000 00401e18240a0600 00401e18240a0600 2bfbb931"
                 "5e2a4d18 19000000 9e000000 a9010000 6c000000 00000000 02000000 00 b1ea928f"));
}

TEST_F(RawObject, DamageInOneFrameLeavesTheOthers) {
    std::string bytes = build(make_events(1, 3000, 1500));
    put(bytes);
    const auto frames = (*RawObjectReader::open(*store, name, stream))->frames();
    bytes[frames[1].at + 100] ^= 1;
    put(bytes);
    const auto reader = *RawObjectReader::open(*store, name, stream);
    EXPECT_TRUE(reader->frame(0));
    EXPECT_EQ(reader->frame(1).error().place.byte, frames[1].at);
    EXPECT_TRUE(reader->frame(2));
}

TEST_F(RawObject, NamesWhatIsWrong) {
    EXPECT_EQ(RawObjectReader::open(*store, name, stream).error().code, Code::object_missing);
    put(build(make_events(1, 2, 10)));
    const Error other = RawObjectReader::open(*store, name, StreamId{8}).error();
    EXPECT_THAT(other.message, HasSubstr("belongs to stream id 7, expected 8"));
    put("no zstd at all, but long enough");
    EXPECT_THAT(RawObjectReader::open(*store, name, stream).error().message, HasSubstr("not a raw object"));
}

}  // namespace
}  // namespace tarn::lake
