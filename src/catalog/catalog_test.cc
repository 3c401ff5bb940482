#include "catalog/catalog.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "sqlite/sqlite.h"

namespace tarn::catalog {
namespace {

using codec::Json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct CatalogTest : ::testing::Test {
    std::string directory = fmt::format("{}catalog-{}", ::testing::TempDir(), ::getpid());
    std::string path = directory + "/catalog.db";
    std::unique_ptr<Catalog> catalog;

    void SetUp() override {
        std::filesystem::remove_all(directory);
        std::filesystem::create_directories(directory);
        reopen();
    }
    void TearDown() override {
        catalog.reset();
        std::filesystem::remove_all(directory);
    }
    void reopen() {
        catalog.reset();
        auto opened = Catalog::open(path);
        ASSERT_TRUE(opened) << opened.error().text();
        catalog = std::move(*opened);
    }
    StreamInfo create(const std::string& name, std::uint32_t partitions = 1) {
        event::StreamSettings settings;
        settings.partitions = partitions;
        auto made = catalog->create_stream(name, settings, Time{1'700'000'000'000'000});
        EXPECT_TRUE(made) << made.error().text();
        return *made;
    }
    std::string file_bytes() const {
        std::ifstream file(path, std::ios::binary);
        std::ostringstream bytes;
        bytes << file.rdbuf();
        return bytes.str();
    }
};

ObjectInfo object(StreamId stream, Partition partition, Offset first, Offset last) {
    ObjectInfo info;
    info.name =
        fmt::format("raw/s~{}/dt=2023-11-14/hh=22/{}-{}-{}.ndjson.zst", stream.value, partition, first, last);
    info.stream = stream;
    info.partition = partition;
    info.first = first;
    info.last = last;
    info.first_sequence = first + 1;
    info.last_sequence = last + 1;
    info.first_ingested = Time{1'700'000'000'000'000};
    info.last_ingested = Time{1'700'000'000'000'001};
    info.min_time = Time{-5};
    info.max_time = Time{7};
    info.events = last - first + 1;
    info.bytes = 100;
    info.raw_bytes = 400;
    info.sha256 = "ab";
    info.types = {"a \"quoted\"", "b"};
    info.min_key = "k1";
    info.max_key = "k9";
    return info;
}

std::vector<std::string> names_of(Catalog& catalog) {
    std::vector<std::string> names;
    const auto streams = catalog.streams();
    for (const StreamInfo& info : *streams) names.push_back(info.name);
    return names;
}

TEST_F(CatalogTest, BeginsWithTheSystemStream) {
    const StreamInfo system = *catalog->stream("_tarn");
    EXPECT_EQ(system.id, StreamId{0});
    EXPECT_EQ(system.settings.partitions, 1u);
    EXPECT_EQ(system.rolled_sequence, 1u);
    EXPECT_EQ(catalog->max_sequence().value(), 0u);
    EXPECT_TRUE(catalog->next_offsets()->empty());
    EXPECT_FALSE(catalog->delete_stream(StreamId{0}));
}

TEST_F(CatalogTest, StreamsStayAcrossReopening) {
    create("zebra");
    create("apple", 4);
    reopen();
    EXPECT_THAT(names_of(*catalog), ElementsAre("apple", "zebra", "_tarn"));
    const StreamInfo apple = *catalog->stream("apple");
    EXPECT_EQ(apple.settings.partitions, 4u);
    EXPECT_EQ(apple.created, Time{1'700'000'000'000'000});
    EXPECT_EQ(catalog->stream(apple.id)->name, "apple");
}

TEST_F(CatalogTest, NamesAreUniqueAndChecked) {
    create("bank");
    EXPECT_EQ(catalog->create_stream("bank", {}, {}).error().code, Code::stream_exists);
    for (const char* name : {"", "_bank", "Bank", "a b", "../x", "1a"})
        EXPECT_EQ(catalog->create_stream(name, {}, {}).error().code, Code::bad_stream_name) << name;
    EXPECT_THAT(names_of(*catalog), ElementsAre("bank", "_tarn"));
}

TEST_F(CatalogTest, IdsAreNeverUsedAgain) {
    const StreamInfo first = create("bank");
    ASSERT_TRUE(catalog->delete_stream(first.id));
    EXPECT_EQ(catalog->stream("bank").error().code, Code::unknown_stream);
    EXPECT_EQ(catalog->stream(first.id).error().code, Code::unknown_stream);
    EXPECT_EQ(catalog->stream_objects(first.id).error().code, Code::unknown_stream);
    EXPECT_EQ(catalog->delete_stream(first.id).error().code, Code::unknown_stream);
    reopen();
    const StreamInfo second = create("bank");
    EXPECT_GT(second.id, first.id);
    EXPECT_THAT(names_of(*catalog), ElementsAre("bank", "_tarn"));
}

TEST_F(CatalogTest, UnknownStreamNamesTheNearest) {
    create("payments");
    create("orders");
    const Error error = catalog->stream("paymets").error();
    EXPECT_EQ(error.code, Code::unknown_stream);
    EXPECT_THAT(error.message, HasSubstr("did you mean \"payments\"?"));
    EXPECT_EQ(error.next, "tarn stream list");
    EXPECT_THAT(catalog->stream("quite-different").error().message,
                ::testing::Not(HasSubstr("did you mean")));
}

TEST_F(CatalogTest, SettingsChangeButPartitionsDoNot) {
    StreamInfo info = create("bank", 2);
    info.settings.roll.age_us = 5'000'000;
    ASSERT_TRUE(catalog->update_stream(info.id, info.settings));
    EXPECT_EQ(catalog->stream("bank")->settings.roll.age_us, 5'000'000);
    info.settings.partitions = 3;
    EXPECT_EQ(catalog->update_stream(info.id, info.settings).error().kind, ErrorKind::conflict);
    EXPECT_EQ(catalog->stream("bank")->settings.partitions, 2u);
    EXPECT_EQ(catalog->update_stream(StreamId{99}, info.settings).error().code, Code::unknown_stream);
}

TEST_F(CatalogTest, ObjectInfoSurvivesTheJson) {
    ObjectInfo info = object(StreamId{3}, quarantine_partition, 7, 9);
    info.last_sequence = 1ull << 62;
    const ObjectInfo back = *ObjectInfo::from_json(*Json::parse(info.to_json().dump()));
    EXPECT_EQ(back.to_json(), info.to_json());
    EXPECT_EQ(back.partition, quarantine_partition);
    EXPECT_EQ(back.types, info.types);
    EXPECT_EQ(back.min_time, Time{-5});
    EXPECT_FALSE(ObjectInfo::from_json(Json::object()));
}

TEST_F(CatalogTest, ARollIsOneTransaction) {
    const StreamInfo info = create("bank", 2);
    const RollIntent intent{info.id, 1, 101};
    ASSERT_TRUE(catalog->begin_roll(intent));
    ASSERT_TRUE(catalog->begin_roll(intent));  // again after a crash
    EXPECT_FALSE(catalog->begin_roll({info.id, 1, 102}));
    reopen();
    const auto pending = *catalog->pending_roll(info.id);
    ASSERT_TRUE(pending);
    EXPECT_EQ(pending->until, 101u);

    RollCommit commit{info.id, 101, {{0, 60}, {1, 40}, {quarantine_partition, 1}}, {}, {}};
    commit.objects = {object(info.id, quarantine_partition, 0, 0), object(info.id, 1, 0, 39),
                      object(info.id, 0, 50, 59), object(info.id, 0, 0, 49)};
    commit.origins = {{"run:1", 5, UINT64_MAX, Json::object().set("events", 3)}};
    ASSERT_TRUE(catalog->commit_roll(commit));
    reopen();

    EXPECT_FALSE(*catalog->pending_roll(info.id));
    const StreamObjects found = *catalog->stream_objects(info.id);
    EXPECT_EQ(found.rolled_sequence, 101u);
    ASSERT_EQ(found.objects.size(), 4u);
    EXPECT_EQ(found.objects[1].to_json(), object(info.id, 0, 50, 59).to_json());
    EXPECT_EQ(found.objects[3].partition, quarantine_partition);
    EXPECT_EQ(catalog->max_sequence().value(), 100u);
    EXPECT_EQ((catalog->next_offsets()->at({info.id, quarantine_partition})), 1u);
    const auto origin = *catalog->origin("run:1");
    ASSERT_TRUE(origin);
    EXPECT_EQ(origin->sequence, 5u);
    EXPECT_EQ(origin->tag, UINT64_MAX);
    EXPECT_EQ(origin->answer["events"].as_int(), 3);
    EXPECT_FALSE(*catalog->origin("run:2"));
}

TEST_F(CatalogTest, AFailedCommitChangesNothing) {
    const StreamInfo info = create("bank");
    ASSERT_TRUE(catalog->commit_roll({info.id, 11, {{0, 10}}, {object(info.id, 0, 0, 9)}, {}}));
    ASSERT_TRUE(catalog->begin_roll({info.id, 11, 21}));
    // The second object begins where another one does.
    RollCommit commit{
        info.id, 21, {{0, 20}}, {object(info.id, 0, 10, 19), object(info.id, 0, 0, 4)}, {{"p", 1, 1, {}}}};
    EXPECT_FALSE(catalog->commit_roll(commit));
    EXPECT_EQ(catalog->objects(info.id)->size(), 1u);
    EXPECT_EQ(catalog->stream("bank")->rolled_sequence, 11u);
    EXPECT_EQ((catalog->next_offsets()->at({info.id, 0})), 10u);
    EXPECT_FALSE(*catalog->origin("p"));
    EXPECT_TRUE(*catalog->pending_roll(info.id));
    EXPECT_EQ(catalog->max_sequence().value(), 10u);
}

TEST_F(CatalogTest, FindsTheObjectOfAPosition) {
    const StreamInfo info = create("bank", 2);
    ASSERT_TRUE(catalog->commit_roll(
        {info.id,
         31,
         {},
         {object(info.id, 0, 0, 9), object(info.id, 0, 10, 19), object(info.id, 1, 5, 9)},
         {}}));
    const auto at = [&](Partition partition, Offset offset) {
        const auto found = *catalog->object_at({info.id, partition, offset});
        return found ? static_cast<std::int64_t>(found->first) : -1;
    };
    EXPECT_EQ(at(0, 0), 0);
    EXPECT_EQ(at(0, 9), 0);
    EXPECT_EQ(at(0, 10), 10);
    EXPECT_EQ(at(0, 20), -1);
    EXPECT_EQ(at(0, UINT64_MAX), -1);
    EXPECT_EQ(at(1, 4), -1);
    EXPECT_EQ(at(1, 5), 5);
    EXPECT_EQ(at(2, 5), -1);
}

TEST_F(CatalogTest, OriginsKeepTheHighestSequence) {
    const StreamInfo one = create("one");
    const StreamInfo two = create("two");
    ASSERT_TRUE(catalog->commit_roll({one.id, 10, {}, {}, {{"p", 7, 70, "seven"}}}));
    ASSERT_TRUE(catalog->commit_roll({two.id, 10, {}, {}, {{"p", 6, 60, "six"}}}));
    EXPECT_EQ((*catalog->origin("p"))->answer.as_string(), "seven");
    ASSERT_TRUE(catalog->commit_roll({two.id, 20, {}, {}, {{"p", 8, 80, "eight"}}}));
    EXPECT_EQ((*catalog->origin("p"))->tag, 80u);
}

TEST_F(CatalogTest, DocumentsAreReplacedAndListedNewestFirst) {
    const auto put = [&](const char* id, std::int64_t created, const char* body) {
        ASSERT_TRUE(catalog->put_document({"plan", id, Time{created}, Json::object().set("v", body)}));
    };
    put("p1", 10, "one");
    put("p2", 20, "two");
    put("p3", 20, "three");
    put("p1", 99, "one again");
    ASSERT_TRUE(catalog->put_document({"run", "p1", Time{1}, Json::array()}));
    reopen();
    std::vector<std::string> ids;
    const auto plans = catalog->documents("plan");
    for (const Document& document : *plans) ids.push_back(document.id);
    EXPECT_THAT(ids, ElementsAre("p3", "p2", "p1"));
    const auto first = *catalog->document("plan", "p1");
    ASSERT_TRUE(first);
    EXPECT_EQ(first->body["v"].as_string(), "one again");
    EXPECT_EQ(first->created, Time{10});
    ASSERT_TRUE(catalog->delete_document("plan", "p1"));
    EXPECT_FALSE(*catalog->document("plan", "p1"));
    EXPECT_TRUE(*catalog->document("run", "p1"));
}

TEST_F(CatalogTest, NumbersOnlyGrow) {
    EXPECT_EQ(catalog->next_number("plan").value(), 1u);
    EXPECT_EQ(catalog->next_number("plan").value(), 2u);
    EXPECT_EQ(catalog->next_number("run").value(), 1u);
    reopen();
    EXPECT_EQ(catalog->next_number("plan").value(), 3u);
}

TEST_F(CatalogTest, ANewerVersionIsLeftUntouched) {
    catalog.reset();
    {
        auto database = *sqlite::Database::open(path);
        ASSERT_TRUE(database.execute("PRAGMA user_version = 2; PRAGMA wal_checkpoint(TRUNCATE)"));
    }
    const std::string before = file_bytes();
    const auto opened = Catalog::open(path);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Code::newer_format);
    EXPECT_THAT(opened.error().text(),
                ::testing::AllOf(HasSubstr("catalog.db"), HasSubstr("version 2"), HasSubstr("up to 1")));
    EXPECT_EQ(file_bytes(), before);
    {
        auto database = *sqlite::Database::open(path);
        ASSERT_TRUE(database.execute("PRAGMA user_version = 1"));
    }
    reopen();
}

// Its blocks would have to be found at every start, also on a full disk.
TEST_F(CatalogTest, KeepsNoFileOfSharedMemory) {
    create("bank");
    EXPECT_TRUE(std::filesystem::exists(path + "-wal"));
    EXPECT_FALSE(std::filesystem::exists(path + "-shm"));
    reopen();
    EXPECT_FALSE(std::filesystem::exists(path + "-shm"));
}

TEST_F(CatalogTest, ANewerVersionInTheWriteAheadFileIsRefusedToo) {
    const std::string copy = directory + "/copy.db";
    catalog.reset();
    {
        auto database = *sqlite::Database::open(path);
        ASSERT_TRUE(database.execute("PRAGMA user_version = 2"));
        std::filesystem::copy_file(path, copy);
        std::filesystem::copy_file(path + "-wal", copy + "-wal");
    }
    EXPECT_EQ(Catalog::open(copy).error().code, Code::newer_format);
}

TEST_F(CatalogTest, KnowsWhetherAnythingWasEverPutIn) {
    EXPECT_FALSE(*catalog->has_history());
    create("bank");
    EXPECT_TRUE(*catalog->has_history());
    EXPECT_TRUE(catalog->problems()->empty());
}

TEST_F(CatalogTest, AnotherDatabaseIsRefused) {
    const std::string other = directory + "/other.db";
    ASSERT_TRUE(sqlite::Database::open(other)->execute("CREATE TABLE t(a)"));
    EXPECT_EQ(Catalog::open(other).error().code, Code::not_a_data_directory);
    EXPECT_FALSE(Catalog::open(directory + "/absent/catalog.db"));
}

// Readers on other threads see either all of a roll or nothing of it.
TEST_F(CatalogTest, ReadersSeeWholeRolls) {
    const StreamInfo info = create("bank");
    constexpr Sequence rolls = 60;
    std::atomic<bool> done = false;
    std::thread reader([&] {
        do {
            const StreamObjects found = *catalog->stream_objects(info.id);
            EXPECT_EQ(found.objects.size() * 10 + 1, found.rolled_sequence);
        } while (!done);
    });
    for (Sequence roll = 0; roll < rolls; ++roll) {
        const Offset first = roll * 10;
        ASSERT_TRUE(catalog->begin_roll({info.id, first + 1, first + 11}));
        ASSERT_TRUE(catalog->commit_roll(
            {info.id, first + 11, {{0, first + 10}}, {object(info.id, 0, first, first + 9)}, {}}));
    }
    done = true;
    reader.join();
    EXPECT_EQ(catalog->objects(info.id)->size(), rolls);
}

}  // namespace
}  // namespace tarn::catalog
