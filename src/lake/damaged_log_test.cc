// Streams over a damaged log: what can be read is, in order, and a reader learns which positions are missing.
#include "lake/test_lake.h"
#include "os/sim_file_system.h"

namespace tarn::lake {
namespace {

struct DamagedLogTest : ::testing::Test {
    TestFolder folder;
    os::SimFileSystem fs;
    os::SimClock clock;
    std::unique_ptr<TestLake> at;
    StreamId bank, till;

    // bank 0:0 to 0:2 are in an object; 0:3 to 0:6 in the log, till 0:0 between them. 0:4 is damaged.
    DamagedLogTest() {
        at = std::make_unique<TestLake>(fs, clock);
        EXPECT_TRUE(at->open(folder / "catalog.db"));
        bank = at->catalog->create_stream("bank", {}, clock.now())->id;
        till = at->catalog->create_stream("till", {}, clock.now())->id;
        for (int n = 0; n < 3; ++n) append(bank, n);
        EXPECT_TRUE(at->lake->roll(bank));
        append(bank, 3);
        append(bank, 4);
        append(till, 0);
        append(bank, 5);
        append(bank, 6);
        path = at->log->tail(0).extents.at(0).path;
        at->close();
        byte = os::read_file(fs, path)->find("\"n\":4,") + 4;
        fs.damage(path, byte, 0x10);
        const log::Baseline baseline = open_catalog();
        const auto refused =
            log::Log::open(fs, clock, "wal", baseline, {.headroom_bytes = 0, .low_water_bytes = 0});
        EXPECT_FALSE(refused);
        at->log = *log::Log::open_damaged(fs, "wal", baseline, refused.error());
        at->store = objects::make_local_object_store(fs, "lake");
        at->lake = *Lake::open(*at->catalog, *at->log, *at->store, fs, clock);
    }
    log::Baseline open_catalog() {
        at->catalog = *catalog::Catalog::open(folder / "catalog.db", {.sync = false});
        return *baseline_of(*at->catalog);
    }
    void append(StreamId stream, int n) {
        const std::string payload = fmt::format("{{\"n\":{},\"stream\":{}}}", n, stream.value);
        log::Batch batch{.stream = stream, .origin = {}, .entries = {}};
        batch.entries.push_back({.partition = 0,
                                 .meta = {},
                                 .payload = payload,
                                 .form = event::PayloadForm::json,
                                 .hash = codec::xxh3_128(payload)});
        EXPECT_TRUE(at->append(batch));
    }
    std::vector<Offset> offsets(StreamView view, std::vector<std::string>& damage, ScanOptions options = {}) {
        options.skip_damage = true;
        options.on_damage = [&](const Error& error) { damage.push_back(error.text()); };
        std::vector<Offset> found;
        const auto events = at->read(std::move(view), options);
        for (const TestEvent& event : *events) found.push_back(event.offset);
        return found;
    }

    std::string path;
    std::uint64_t byte = 0;
};

TEST_F(DamagedLogTest, TheRestIsServedAndTheMissingPositionNamed) {
    std::vector<std::string> damage;
    EXPECT_EQ(offsets(*at->lake->view("bank"), damage), (std::vector<Offset>{0, 1, 2, 3, 5, 6}));
    ASSERT_EQ(damage.size(), 1u);
    EXPECT_NE(damage[0].find("0:4 cannot be read"), std::string::npos) << damage[0];
    EXPECT_NE(damage[0].find(path + ": byte "), std::string::npos) << damage[0];
}

TEST_F(DamagedLogTest, AnotherStreamIsWhole) {
    std::vector<std::string> damage;
    EXPECT_EQ(offsets(*at->lake->view("till"), damage), (std::vector<Offset>{0}));
    EXPECT_TRUE(damage.empty());
}

// What folds events in order must not go on behind the gap.
TEST_F(DamagedLogTest, AReaderThatTakesNoDamageStopsAtTheGap) {
    const auto scan = at->lake->scan(*at->lake->view("bank"), {});
    for (Offset offset = 0; offset <= 3; ++offset) EXPECT_EQ((*(*scan)->next())->position.offset, offset);
    EXPECT_EQ((*scan)->next().error().code, Code::log_corrupt);
}

TEST_F(DamagedLogTest, SingleEvents) {
    for (const Offset offset : {0, 3, 5, 6}) EXPECT_TRUE(at->lake->get({bank, 0, offset})) << offset;
    EXPECT_EQ(at->lake->get({bank, 0, 4}).error().code, Code::log_corrupt);
    EXPECT_EQ(at->lake->get({bank, 0, 7}).error().code, Code::unknown_position);
}

TEST_F(DamagedLogTest, CertainOffsetsDoNotMindWhatNobodyWants) {
    ScanOptions options;
    options.wanted.emplace()[0] = {1, 3, 6};
    std::vector<std::string> damage;
    EXPECT_EQ(offsets(*at->lake->view("bank"), damage, options), (std::vector<Offset>{1, 3, 6}));
    EXPECT_TRUE(damage.empty());
    options.wanted.emplace()[0] = {3, 4};
    EXPECT_EQ(offsets(*at->lake->view("bank"), damage, options), (std::vector<Offset>{3}));
    EXPECT_EQ(damage.size(), 1u);
}

TEST_F(DamagedLogTest, AWorkerLearnsOfItToo) {
    const auto view = StreamView::from_json(at->lake->view("bank")->to_json());
    ASSERT_TRUE(view);
    std::vector<std::string> damage;
    EXPECT_EQ(offsets(*view, damage), (std::vector<Offset>{0, 1, 2, 3, 5, 6}));
    EXPECT_EQ(damage.size(), 1u);
}

TEST_F(DamagedLogTest, NothingIsRolledOverAGap) {
    EXPECT_EQ(at->lake->roll(bank).error().code, Code::log_corrupt);
    EXPECT_EQ(at->lake->roll(till).error().code, Code::log_corrupt);
    EXPECT_FALSE(at->lake->roll_due());
    EXPECT_EQ(at->catalog->objects(bank)->size(), 1u);
}

}  // namespace
}  // namespace tarn::lake
