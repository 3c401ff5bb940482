#include "lake/lake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lake/test_lake.h"
#include "log/reader.h"
#include "os/sim_file_system.h"

namespace tarn::lake {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct LakeTest : ::testing::Test {
    TestFolder folder;
    os::SimFileSystem fs;
    os::SimClock clock;  // begins at 2023-11-14T22:13:20Z
    std::unique_ptr<TestLake> at;
    StreamId bank;

    void SetUp() override {
        open();
        event::StreamSettings settings;
        settings.partitions = 2;
        bank = at->catalog->create_stream("bank", settings, clock.now())->id;
    }
    void open() {
        at = std::make_unique<TestLake>(fs, clock);
        const Status opened = at->open(folder / "catalog.db");
        ASSERT_TRUE(opened) << opened.error().text();
    }
    log::Appended append(StreamId stream, Partition partition, const std::vector<std::string>& payloads,
                         const log::Origin& origin = {},
                         const std::string& meta = R"("attributes":{"type":"t"})") {
        log::Batch batch{stream, origin, {}};
        for (const std::string& payload : payloads)
            batch.entries.push_back(
                {partition, meta, payload, event::PayloadForm::json, codec::xxh3_128(payload)});
        const auto answer = at->append(batch);
        EXPECT_TRUE(answer) << answer.error().text();
        return answer.value_or(log::Appended());
    }
    RollResult roll(StreamId stream) {
        const auto rolled = at->lake->roll(stream);
        EXPECT_TRUE(rolled) << rolled.error().text();
        return rolled.value_or(RollResult());
    }
    std::vector<std::string> object_names() {
        std::vector<std::string> names;
        const auto listed = at->store->list("");
        for (const auto& entry : *listed) names.push_back(entry.name);
        return names;
    }
};

TEST_F(LakeTest, ObjectsAreNamedByPartitionHourAndOffsets) {
    append(bank, 0, {"1", "2"});
    append(bank, 1, {"3"});
    append(bank, quarantine_partition, {"4"});
    clock.advance_us(3'600'000'000);  // 23:13
    append(bank, 0, {"5"});
    append(bank, quarantine_partition, {"6"});
    clock.advance_us(3'600'000'000);  // the next day
    append(bank, quarantine_partition, {"7"});
    const RollResult result = roll(bank);
    EXPECT_EQ(result.events, 7u);
    EXPECT_EQ(result.objects, 5u);
    EXPECT_THAT(object_names(), ElementsAre("quarantine/bank~1/dt=2023-11-14/0-1.ndjson.zst",
                                            "quarantine/bank~1/dt=2023-11-15/2-2.ndjson.zst",
                                            "raw/bank~1/dt=2023-11-14/hh=22/0-0-1.ndjson.zst",
                                            "raw/bank~1/dt=2023-11-14/hh=22/1-0-0.ndjson.zst",
                                            "raw/bank~1/dt=2023-11-14/hh=23/0-2-2.ndjson.zst"));
    const RollResult again = roll(bank);
    EXPECT_EQ(again.events, 0u);
    EXPECT_EQ(again.objects, 0u);
}

TEST_F(LakeTest, ObjectsCarryTheirStatistics) {
    append(bank, 0, {"1"}, {}, R"("key":"m","attributes":{"type":"b","time":"2024-01-02T00:00:00Z"})");
    clock.advance_us(1000);
    append(bank, 0, {"2"}, {}, R"("key":"a","attributes":{"type":"a","time":"2024-01-01T00:00:00Z"})");
    append(bank, 1, {"3"}, {}, R"("key":"z","attributes":{"type":"b"})");
    append(bank, 1, {"4"}, {}, R"("attributes":{"type":"b"})");
    roll(bank);
    const auto objects = *at->catalog->objects(bank);
    ASSERT_EQ(objects.size(), 2u);
    EXPECT_EQ(objects[0].min_key, "a");
    EXPECT_EQ(objects[0].max_key, "m");
    EXPECT_THAT(objects[0].types, ElementsAre("a", "b"));
    EXPECT_EQ(format_rfc3339(objects[0].min_time), "2024-01-01T00:00:00Z");
    EXPECT_EQ(format_rfc3339(objects[0].max_time), "2024-01-02T00:00:00Z");
    EXPECT_EQ(objects[0].last_ingested.us - objects[0].first_ingested.us, 1000);
    EXPECT_EQ(objects[0].sha256, codec::sha256_hex(*at->store->get(objects[0].name)));
    EXPECT_EQ(objects[1].min_key, "");  // one event has none
    EXPECT_EQ(objects[1].max_key, "");
    EXPECT_THAT(objects[1].types, ElementsAre("b"));
    EXPECT_EQ(objects[1].min_time, objects[1].first_ingested);  // no time of its own
}

TEST_F(LakeTest, TooManyTypesCountAsUnknown) {
    for (int i = 0; i < 65; ++i)
        append(bank, 0, {"1"}, {}, fmt::format(R"("attributes":{{"type":"t{}"}})", i));
    roll(bank);
    EXPECT_TRUE(at->catalog->objects(bank)->front().types.empty());
    EXPECT_EQ(at->read("bank", {.types = {"t3"}})->size(), 65u);
}

TEST_F(LakeTest, GetsSingleEventsFromObjectsAndFromTheLog) {
    append(bank, 0, {R"({"a":1})", R"({"a":2})"});
    append(bank, quarantine_partition, {R"({"q":1})"});
    roll(bank);
    append(bank, 0, {R"({"a":3})"});
    append(bank, quarantine_partition, {R"({"q":2})"});
    const auto payload = [&](Partition partition, Offset offset) {
        auto found = at->lake->get({bank, partition, offset});
        return found ? std::string(found->event.payload) : found.error().code_text();
    };
    EXPECT_EQ(payload(0, 0), R"({"a":1})");
    EXPECT_EQ(payload(0, 1), R"({"a":2})");
    EXPECT_EQ(payload(0, 2), R"({"a":3})");
    EXPECT_EQ(payload(quarantine_partition, 0), R"({"q":1})");
    EXPECT_EQ(payload(quarantine_partition, 1), R"({"q":2})");
    EXPECT_EQ(payload(0, 3), "TARN-4106");
    EXPECT_EQ(payload(1, 0), "TARN-4106");
    EXPECT_EQ(payload(0, UINT64_MAX), "TARN-4106");
    EXPECT_EQ(at->lake->get({StreamId{9}, 0, 0}).error().code, Code::unknown_stream);
    EXPECT_EQ(at->lake->get({bank, 0, 0})->event.hash, codec::xxh3_128(R"({"a":1})"));
}

TEST_F(LakeTest, AnOwnedEventTakesItsBytesAlong) {
    append(bank, 0, {"17"});  // short enough to live inside the string
    OwnedEvent one = *at->lake->get({bank, 0, 0});
    OwnedEvent two = std::move(one);
    OwnedEvent three;
    three = two;
    two = OwnedEvent();
    EXPECT_EQ(three.event.payload, "17");
    EXPECT_EQ(three.event.payload.data(), three.payload.data());
    EXPECT_EQ(three.event.meta.data(), three.meta.data());
}

TEST_F(LakeTest, RollsByAge) {
    EXPECT_GT(at->lake->roll_due().value(), 0);
    append(bank, 0, {"1"});
    clock.advance_us(59'999'000);
    EXPECT_EQ(at->lake->roll_due().value(), 1000);  // in a millisecond
    EXPECT_TRUE(at->catalog->objects(bank)->empty());
    clock.advance_us(1000);
    ASSERT_TRUE(at->lake->roll_due());
    EXPECT_EQ(at->catalog->objects(bank)->size(), 1u);
}

// Set back, the wall clock alone would say that the events have not happened yet.
TEST_F(LakeTest, RollsByAgeWhenTheClockIsSetBack) {
    append(bank, 0, {"1"});
    ASSERT_TRUE(at->lake->roll_due());
    clock.jump_wall_us(-86'400'000'000);
    clock.advance_us(60'000'000);
    ASSERT_TRUE(at->lake->roll_due());
    EXPECT_EQ(at->catalog->objects(bank)->size(), 1u);
}

TEST_F(LakeTest, RollsByAgeAcrossARestart) {
    append(bank, 0, {"1"});
    clock.advance_us(60'000'000);
    at.reset();
    open();
    ASSERT_TRUE(at->lake->roll_due());
    EXPECT_EQ(at->catalog->objects(bank)->size(), 1u);
}

TEST_F(LakeTest, RollsBySizeAndOnlyWhatIsDue) {
    event::StreamSettings settings;
    settings.roll.size_bytes = 100'000;
    const StreamId small = at->catalog->create_stream("small", settings, clock.now())->id;
    append(bank, 0, {"1"});
    for (int i = 0; i < 9; ++i) append(small, 0, {"\"" + std::string(10'000, 'x') + "\""});
    ASSERT_TRUE(at->lake->roll_due());
    EXPECT_TRUE(at->catalog->objects(small)->empty());
    append(small, 0, {"\"" + std::string(10'000, 'x') + "\""});
    ASSERT_TRUE(at->lake->roll_due());
    EXPECT_EQ(at->catalog->objects(small)->size(), 1u);
    EXPECT_TRUE(at->catalog->objects(bank)->empty());
}

TEST_F(LakeTest, ALargeObjectIsCutAndTheCutDependsOnTheEventsAlone) {
    const std::string payload = "\"" + std::string(1'000'000, 'x') + "\"";
    for (int i = 0; i < 140; ++i) append(bank, 0, {payload});
    const RollResult result = roll(bank);
    EXPECT_EQ(result.objects, 2u);
    const auto objects = *at->catalog->objects(bank);
    EXPECT_EQ(objects[0].last + 1, objects[1].first);
    EXPECT_EQ(objects[1].last, 139u);
    EXPECT_GE(objects[0].raw_bytes, 128u << 20);
}

TEST_F(LakeTest, LogSegmentsGoOnlyWhenEveryStreamIsInObjects) {
    const StreamId other = at->catalog->create_stream("other", {}, clock.now())->id;
    const auto segments = [&] { return at->log->tail(0).extents.size(); };
    append(other, 0, {"\"waits\""});
    for (int i = 0; i < 60; ++i) append(bank, 0, {"\"" + std::string(10'000, 'x') + "\""});
    const std::size_t before = segments();
    ASSERT_GT(before, 3u);
    roll(bank);
    EXPECT_EQ(segments(), before);
    EXPECT_EQ(at->read("other")->size(), 1u);
    roll(other);
    EXPECT_LE(segments(), 1u);
    EXPECT_EQ(at->read("other")->size(), 1u);
    EXPECT_EQ(at->read("bank")->size(), 60u);
}

TEST_F(LakeTest, ADeletedStreamHoldsNothingBack) {
    const StreamId other = at->catalog->create_stream("other", {}, clock.now())->id;
    append(other, 0, {"1"});
    for (int i = 0; i < 60; ++i) append(bank, 0, {"\"" + std::string(10'000, 'x') + "\""});
    ASSERT_TRUE(at->catalog->delete_stream(other));
    roll(bank);
    EXPECT_LE(at->log->tail(0).extents.size(), 1u);
    EXPECT_EQ(at->lake->roll(other).error().code, Code::unknown_stream);
    EXPECT_EQ(at->lake->view("other").error().code, Code::unknown_stream);
    // A new stream of the name shares nothing with the old one.
    const StreamId again = at->catalog->create_stream("other", {}, clock.now())->id;
    EXPECT_TRUE(at->read("other")->empty());
    EXPECT_EQ(append(again, 0, {"2"}).ranges, (std::vector<log::Range>{{0, 0, 0}}));
}

// Where the log begins by the catalog alone: LogTest.BeginsWhereTheCatalogSays.
TEST_F(LakeTest, ALogThatIsGoneIsRefused) {
    append(bank, 0, {"1", "2"});
    roll(bank);
    at.reset();
    const auto files = fs.list("wal");
    for (const auto& file : *files) ASSERT_TRUE(fs.remove("wal/" + file.name));
    TestLake again(fs, clock);
    EXPECT_EQ(again.open(folder / "catalog.db").error().code, Code::data_missing);
    EXPECT_TRUE(fs.list("wal")->empty());
}

TEST_F(LakeTest, OriginsAreRecognisedAfterTheirRecordsAreGone) {
    const log::Appended first = append(bank, 0, {"1", "2"}, {"import:7", 3, 33});
    append(bank, 1, {"5"}, {"import:7", 4, 44});
    const log::Appended last = append(bank, 1, {"6", "7"}, {"import:7", 5, 55});
    roll(bank);
    for (int i = 0; i < 30; ++i) append(bank, 0, {"\"" + std::string(10'000, 'x') + "\""});
    roll(bank);
    at.reset();
    open();
    EXPECT_LE(at->log->tail(0).extents.size(), 1u);
    const auto known = at->log->find_origin("import:7");
    ASSERT_TRUE(known);
    EXPECT_EQ(known->first_sequence, last.first_sequence);
    EXPECT_EQ(known->events, 2u);
    EXPECT_EQ(known->ranges, last.ranges);
    EXPECT_EQ(known->ingested, last.ingested);
    EXPECT_EQ(known->origin_sequence, 5u);
    EXPECT_EQ(known->origin_tag, 55u);
    EXPECT_TRUE(append(bank, 0, {"1", "2"}, {"import:7", 3, 33}).repeated);
    EXPECT_FALSE(append(bank, 0, {"8"}, {"import:7", 6, 66}).repeated);
    EXPECT_EQ(at->read("bank")->size(), 36u);
    EXPECT_EQ(first.events, 2u);
}

TEST_F(LakeTest, AnUnfinishedRollIsFinishedWithTheSameRange) {
    append(bank, 0, {"1", "2"});
    ASSERT_TRUE(at->catalog->begin_roll({bank, 1, 3}));
    at.reset();
    open();
    EXPECT_FALSE(*at->catalog->pending_roll(bank));
    EXPECT_THAT(object_names(), ElementsAre("raw/bank~1/dt=2023-11-14/hh=22/0-0-1.ndjson.zst"));
    append(bank, 0, {"3"});
    ASSERT_TRUE(at->catalog->begin_roll({bank, 3, 4}));
    append(bank, 0, {"4"});
    EXPECT_EQ(roll(bank).objects, 2u);  // the unfinished one, then what came after
    EXPECT_EQ(at->read("bank")->size(), 4u);
}

TEST_F(LakeTest, AnObjectInPlaceIsTakenWhenItHoldsTheSameLines) {
    append(bank, 0, {"1", "2"});
    roll(bank);
    const std::string name = object_names().front();
    const std::string bytes = *at->store->get(name);
    at.reset();

    // The same events in another lake: one object in place already, but packed by another version of zstd (an
    // empty frame more).
    const auto roll_onto = [&](const std::string& existing) {
        os::SimFileSystem disk;
        TestFolder fresh;
        os::SimClock again;
        TestLake lake(disk, again);
        EXPECT_TRUE(lake.open(fresh / "catalog.db"));
        event::StreamSettings settings;
        const StreamId id = lake.catalog->create_stream("bank", settings, again.now())->id;
        EXPECT_TRUE(lake.store->put_if_absent(name, existing));
        log::Batch batch{id, {}, {}};
        for (const char* payload : {"1", "2"})
            batch.entries.push_back({0, R"("attributes":{"type":"t"})", payload, event::PayloadForm::json,
                                     codec::xxh3_128(payload)});
        EXPECT_TRUE(lake.append(batch));
        const auto rolled = lake.lake->roll(id);
        if (!rolled) {
            EXPECT_EQ(lake.read("bank")->size(), 2u);  // nothing is lost meanwhile
            return rolled.error().code_text();
        }
        return lake.read("bank") && lake.read("bank")->size() == 2 && lake.lake->check()->empty()
                   ? std::string("taken")
                   : "unreadable";
    };
    EXPECT_EQ(roll_onto(bytes), "taken");
    EXPECT_EQ(roll_onto("something else"), "TARN-4104");
    RawObjectBuilder others;
    others.add({{StreamId{1}, 0, 0}, 1, {}, R"("attributes":{})", "9", event::PayloadForm::json, {}}, {});
    EXPECT_EQ(roll_onto(others.finish()), "TARN-4104");
}

TEST_F(LakeTest, AFullDiskDelaysARollAndLosesNothing) {
    for (int i = 0; i < 20; ++i)
        append(bank, 0, {"\"" + std::string(1000, static_cast<char>('a' + i)) + "\""});
    clock.advance_us(60'000'000);
    fs.limit_space(fs.used_bytes() + 100);
    EXPECT_EQ(at->lake->roll_due().error().kind, ErrorKind::out_of_space);
    EXPECT_EQ(at->read("bank")->size(), 20u);
    at.reset();
    open();  // starts all the same
    EXPECT_EQ(at->lake->roll_due().error().kind, ErrorKind::out_of_space);
    fs.limit_space(std::nullopt);
    ASSERT_TRUE(at->lake->roll_due());
    EXPECT_EQ(at->catalog->objects(bank)->size(), 1u);
    EXPECT_EQ(at->read("bank")->size(), 20u);
    EXPECT_TRUE(at->lake->check()->empty());
}

TEST_F(LakeTest, TheSystemStreamRollsToo) {
    append(StreamId{0}, 0, {"{}"});
    roll(StreamId{0});
    EXPECT_THAT(object_names(), ElementsAre("raw/_tarn~0/dt=2023-11-14/hh=22/0-0-0.ndjson.zst"));
    EXPECT_EQ(at->read("_tarn")->size(), 1u);
}

TEST_F(LakeTest, CheckFindsWhatIsWrong) {
    append(bank, 0, {"1", "2"});
    roll(bank);
    append(bank, 0, {"3"});
    roll(bank);
    EXPECT_TRUE(at->lake->check()->empty());
    ASSERT_TRUE(at->store->put_if_absent("raw/bank~1/stranger", "x"));
    ASSERT_TRUE(at->store->remove("raw/bank~1/dt=2023-11-14/hh=22/0-2-2.ndjson.zst"));
    fs.damage("lake/raw/bank~1/dt=2023-11-14/hh=22/0-0-1.ndjson.zst", 10, 4);
    const auto findings = *at->lake->check();
    std::vector<std::string> lines;
    for (const Finding& finding : findings) {
        lines.push_back(finding.place + ": " + finding.what);
        EXPECT_FALSE(finding.next.empty());
    }
    EXPECT_THAT(lines, ElementsAre(HasSubstr("0-0-1.ndjson.zst: its SHA-256"),
                                   HasSubstr("0-0-1.ndjson.zst: byte 0: frame 0 does not fit"),
                                   HasSubstr("0-2-2.ndjson.zst: object raw/"),
                                   HasSubstr("raw/bank~1/stranger: not in the catalog")));
}

}  // namespace
}  // namespace tarn::lake
