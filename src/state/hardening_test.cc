// Bad days: a full disk, a format from the future, a clock where none may be, several threads, and the real
// lake below.
#include <filesystem>
#include <thread>

#include "lake/test_lake.h"
#include "state/feed.h"
#include "state/state_fixture.h"
#include "state/store_file.h"

namespace tarn::state {
namespace {

class BadDays : public Bank {};

// The disk is full at a page count of the test's choice; with space again everything is applied once.
TEST_F(BadDays, AFullDiskLosesAndDoublesNothing) {
    auto spec = balances();
    spec.schema += "; CREATE TABLE note(seq INTEGER PRIMARY KEY, text TEXT)";
    spec.on.push_back(
        {R"({"type":["deposit","withdrawal"]})", {"INSERT INTO note VALUES (:seq, printf('%.2000c', 'x'))"}});
    os::SeededRng rng(17);
    add_random(150, rng);
    auto database = must(open_store_file(directory + "/full.db"));
    must(ensure_feeder(database, spec, stream));
    std::size_t refused = 0;
    for (int pages = 12; pages < 120; pages += 3) {
        must(database.execute(fmt::format("PRAGMA max_page_count={}", pages)));
        const auto feeder = must(Feeder::open(database, spec, FeedOrder::ascending));
        const auto fed = feed(*lake, must(lake->view("bank")), *feeder, {.batch_events = 5});
        if (fed) break;
        EXPECT_EQ(fed.error().code, Code::disk_full) << fed.error().text();
        refused++;
        auto count = must(database.prepare(
            "SELECT count(*), (SELECT sum(n) FROM balance), (SELECT sequence FROM tarn_feeder) FROM note"));
        must(count.step());
        ASSERT_EQ(count.integer(0), count.integer(1));
        ASSERT_EQ(count.integer(2) % 5, 1) << "the watermark stands between two batches";
    }
    EXPECT_GT(refused, 3u);
    must(database.execute("PRAGMA max_page_count=1000000"));
    const auto feeder = must(Feeder::open(database, spec, FeedOrder::ascending));
    must(feed(*lake, must(lake->view("bank")), *feeder, {}));
    auto statement =
        must(database.prepare("SELECT account||'|'||n||'|'||amount FROM balance ORDER BY account"));
    std::vector<std::string> lines;
    while (must(statement.step())) lines.emplace_back(statement.text(0));
    EXPECT_EQ(lines, expected(150));
}

TEST_F(BadDays, AFormatOfTheFutureIsLeftAlone) {
    declare();
    state.reset();
    {
        auto database = must(open_store_file(directory + "/stores/accounts/live.db"));
        must(database.execute("PRAGMA user_version=99"));
    }
    reopen();
    EXPECT_EQ(state->store("accounts").error().code, Code::newer_format);
    EXPECT_EQ(state->catch_up().error().code, Code::newer_format);
}

TEST_F(BadDays, AnEventCannotBringTheClockIn) {
    auto spec = balances();
    spec.on = {{R"({"type":["deposit"]})",
                {"INSERT INTO balance VALUES (:key, 1, coalesce(datetime(:data ->> 'Amount'), 'no time'))"}}};
    must(state->declare_store("accounts"));
    must(state->declare_projection(spec));
    add("deposit", "A1", "now");
    add("deposit", "A2", "2024-03-04");
    must(state->catch_up());
    EXPECT_EQ(rows("accounts"), (std::vector<std::string>{"A1|1|no time", "A2|1|2024-03-04 00:00:00"}));
}

TEST_F(BadDays, OneStuckStoreDoesNotHoldUpTheOthers) {
    must(state->declare_store("a-stuck"));
    declare();
    state.reset();
    must(os::write_file_durably(*fs, directory + "/stores/a-stuck/live.db", std::string(5000, '?')));
    reopen();
    auto spec = balances("a-stuck");
    spec.name = "other";
    must(state->declare_projection(spec));  // what is declared does not depend on the file
    add("deposit", "A1", "1.00");
    EXPECT_FALSE(state->catch_up());
    EXPECT_EQ(rows("accounts"), expected(1));
}

TEST_F(BadDays, ABaseOfAnotherVersionIsExplained) {
    declare();
    add("deposit", "A1", "1.00");
    must(state->catch_up());
    must(state->create_snapshot("accounts"));
    auto spec = balances();
    spec.schema = "CREATE TABLE balance(account TEXT PRIMARY KEY, cents INTEGER)";
    spec.on = {{R"({"type":["deposit"]})", {"INSERT INTO balance(account, cents) VALUES (:key, 1)"}}};
    must(state->declare_projection(spec));
    must(state->make_copy("accounts", "old", "sn-1"));
    const auto applier = state->applier("accounts@old", "balances");
    ASSERT_FALSE(applier);
    EXPECT_EQ(applier.error().code, Code::projection_sql);
    EXPECT_NE(applier.error().next.find("--base empty"), std::string::npos);
    must(state->make_copy("accounts", "fresh", "empty"));
    must(state->applier("accounts@fresh", "balances"));
}

TEST_F(BadDays, ThreadsMayAskWhileEventsAreFed) {
    declare();
    os::SeededRng rng(6);
    add_random(400, rng);
    must(state->create_snapshot("accounts"));
    std::vector<std::thread> threads;
    std::mutex mutex;
    std::string errors;
    const auto repeat = [&](auto&& body) {
        threads.emplace_back([&, body] {
            for (int i = 0; i < 15; i++) {
                const auto done = body();
                std::lock_guard lock(mutex);
                if (!done) errors += done.error().text() + "\n";
            }
        });
    };
    const auto look = [&]() -> Status {
        TARN_TRY(state->diff("snapshot:sn-1", "accounts", {}));
        TARN_TRY(state->stores());
        return {};
    };
    const auto rehearse = [&]() -> Status {
        TARN_TRY(state->restore("accounts", {.snapshot = "sn-1"}, "fix"));
        return state->discard_copy("accounts@fix");
    };
    repeat([&] { return state->catch_up(); });
    repeat([&] { return state->catch_up(); });
    repeat([&] { return state->create_snapshot("accounts"); });
    repeat(look);
    repeat(rehearse);
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(errors, "");
    EXPECT_EQ(rows("accounts"), expected(400));
}

// ---- on the real lake: objects, tail, rolls in between
// -------------------------------------------------------------------

class RealLake : public testing::Test {
protected:
    RealLake() {
        must(test.open(folder / "catalog.db", folder / "data"));
        stream = must(test.catalog->create_stream("bank", {.partitions = 3}, clock.now())).id;
        state = must(State::open({*test.catalog, *test.lake, clock, *fs, folder / "stores"}));
        must(state->declare_store("counts"));
        ProjectionSpec spec;
        spec.name = "counts";
        spec.stream = "bank";
        spec.store = "counts";
        spec.schema = "CREATE TABLE count(type TEXT PRIMARY KEY, n INTEGER)";
        spec.on = {{R"({"type":["a","b"]})",
                    {"INSERT INTO count VALUES (:type, 1) ON CONFLICT(type) DO UPDATE SET n = n + 1"}}};
        must(state->declare_projection(spec));
    }
    void append(const std::string& type, int count) {
        clock.advance_us(1'000'000);
        const auto meta = fmt::format(R"("attributes":{{"type":"{}"}})", type);
        log::Batch batch{stream, {}, {}};
        for (int i = 0; i < count; i++)
            batch.entries.push_back(
                {static_cast<Partition>(i % 3), meta, "{}", event::PayloadForm::json, codec::xxh3_128("{}")});
        must(test.append(batch));
    }
    std::string counts(const std::string& store = "counts") {
        constexpr auto sql = "SELECT group_concat(type || n) FROM (SELECT * FROM count ORDER BY type)";
        return must(state->query(store, sql)).rows.at(0).at(0).as_string();
    }

    lake::TestFolder folder;
    std::unique_ptr<os::FileSystem> fs = os::make_real_file_system();
    os::SimClock clock;
    lake::TestLake test{*fs, clock};
    StreamId stream;
    std::unique_ptr<State> state;
};

TEST_F(RealLake, EventsAreTakenOnceAcrossRolls) {
    append("a", 5);
    EXPECT_EQ(must(state->catch_up()), 5u);
    must(test.lake->roll(stream));
    append("noise", 7);
    append("b", 4);
    must(test.lake->roll(stream));
    append("a", 2);
    EXPECT_EQ(must(state->catch_up()), 6u);
    EXPECT_EQ(must(state->catch_up()), 0u);
    EXPECT_EQ(counts(), "a7,b4");
    const auto position = must(state->store("counts")).positions.at(0);
    EXPECT_EQ(position.sequence, test.log->durable_end());
    EXPECT_EQ(position.next, (std::map<Partition, Offset>{{0, 8}, {1, 6}, {2, 4}}));
}

// The last object holds nothing that a pattern takes: it is not read, and the offsets are right all the same.
TEST_F(RealLake, PrunedObjectsCountForThePosition) {
    append("noise", 9);
    must(test.lake->roll(stream));
    EXPECT_EQ(must(state->catch_up()), 0u);
    EXPECT_EQ(must(state->store("counts")).positions.at(0).next,
              (std::map<Partition, Offset>{{0, 3}, {1, 3}, {2, 3}}));
}

TEST_F(RealLake, RestoreCutsInsideAnObject) {
    append("a", 6);
    const auto middle = clock.now();
    append("b", 6);
    must(test.lake->roll(stream));
    append("b", 3);
    must(state->catch_up());
    const auto by_time = must(state->restore("counts", {.time = Time{middle.us + 1}}, "time"));
    EXPECT_EQ(counts("counts@time"), "a6");
    EXPECT_EQ(by_time.positions.at(0).next, (std::map<Partition, Offset>{{0, 2}, {1, 2}, {2, 2}}));
    const auto by_position = must(state->restore("counts", {.position = {{1, 2}}}, "position"));
    EXPECT_EQ(counts("counts@position"), "a6,b2");
    EXPECT_EQ(by_position.positions.at(0).next, (std::map<Partition, Offset>{{0, 3}, {1, 3}, {2, 2}}));
}

}  // namespace
}  // namespace tarn::state
