// Plans and runs over the real log, lake and objects: what stands in objects and what is still in the log is
// one history, rolling in between changes nothing, and what is lost or damaged is noticed.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include "lake/test_lake.h"
#include "replay/replay_fakes.h"

namespace tarn::replay {
namespace {

using codec::Json;

class ReplayOverObjects : public testing::Test {
protected:
    ReplayOverObjects() : tarn(fs, clock) {
        const Status opened = tarn.open(folder / "catalog.db");
        EXPECT_TRUE(opened) << (opened ? "" : opened.error().text());
        event::StreamSettings settings;
        settings.partitions = 3;
        bank = tarn.catalog->create_stream("bank", settings, clock.now())->id;
        replay = std::move(*Replay::open({.catalog = *tarn.catalog,
                                          .lake = *tarn.lake,
                                          .query = query,
                                          .state = state,
                                          .fs = fs,
                                          .clock = clock,
                                          .rng = rng,
                                          .directory = "jobs",
                                          .append = {}}));
    }

    void append(int count, const std::string& type = "") {
        for (int i = 0; i < count; ++i, ++written) {
            const std::string meta = fmt::format(
                "\"key\":\"K{}\",\"attributes\":{{\"id\":\"e{}\",\"source\":\"/"
                "s\",\"type\":\"{}\",\"time\":\"{}\"}}",
                written % 7, written, type.empty() ? fmt::format("t{}", written % 2) : type,
                format_rfc3339(Time{1'700'000'000'000'000 + std::int64_t{written} * 1'000'000}));
            const std::string payload =
                fmt::format("{{\"n\":{},\"filling\":\"{}\"}}", written, std::string(300, 'x'));
            log::Batch batch;
            batch.stream = bank;
            batch.entries = {{static_cast<Partition>(written % 3), meta, payload, event::PayloadForm::json,
                              codec::xxh3_128(payload)}};
            const auto appended = tarn.append(batch);
            ASSERT_TRUE(appended) << appended.error().text();
        }
    }
    void roll() {
        const auto rolled = tarn.lake->roll(bank);
        ASSERT_TRUE(rolled) << rolled.error().text();
    }

    std::string plan_all(const std::string& target) {
        PlanRequest request;
        request.stream = "bank";
        request.all = true;
        request.target = target;
        const auto plan = replay->plan(request);
        EXPECT_TRUE(plan) << plan.error().text();
        return plan ? (*plan)["plan"].as_string() : "";
    }
    Result<Json> run(const std::string& plan) {
        const std::atomic<bool> stop = false;
        TARN_ASSIGN(const std::string id, replay->create_run(plan));
        return replay->run(plan, id, stop, {});
    }
    std::string object_path() { return "lake/" + tarn.catalog->objects(bank)->front().name; }

    lake::TestFolder folder;
    os::SimFileSystem fs;
    os::SimClock clock;
    os::SeededRng rng{3};
    lake::TestLake tarn;
    fakes::FakeQuery query;
    fakes::FakeState state;
    StreamId bank;
    int written = 0;
    std::unique_ptr<Replay> replay;
};

TEST_F(ReplayOverObjects, objects_and_log_are_one_history) {
    append(200);
    roll();
    append(100);
    const std::string plan = plan_all("file:/events");
    EXPECT_EQ((*replay->show_plan(plan))["resolved"]["positions"]["bank"]["0"].as_uint(), 99u);
    append(50);  // not in the plan
    roll();      // moves what the plan froze from the log to objects
    const auto report = run(plan);
    ASSERT_TRUE(report) << report.error().text();
    EXPECT_EQ((*report)["counts"]["acknowledged"].as_uint(), 300u);
    EXPECT_EQ((*report)["hashes"]["selected"].as_string(), (*report)["hashes"]["sent"].as_string());
    const std::string text = *os::read_file(fs, "/events");
    std::size_t at = 0;
    for (int i = 0; i < 300; ++i) {
        at = text.find(fmt::format("\"id\":\"e{}\"", i), at);
        ASSERT_NE(at, std::string::npos) << "event " << i << " is missing or out of order";
    }
}

TEST_F(ReplayOverObjects, time_and_type_prune_without_losing_anything) {
    for (int round = 0; round < 4; ++round) {
        append(60);
        roll();
    }
    append(10);
    PlanRequest request;
    request.stream = "bank";
    request.pattern = R"({"type":["t1"]})";
    request.since = format_rfc3339(Time{1'700'000'000'000'000 + 100 * 1'000'000});
    request.until = format_rfc3339(Time{1'700'000'000'000'000 + 245 * 1'000'000});
    request.target = "null:";
    const auto plan = replay->plan(request);
    ASSERT_TRUE(plan) << plan.error().text();
    EXPECT_EQ((*plan)["events"].as_uint(), 72u);  // the odd numbers of [100, 245)
    EXPECT_LT((*plan)["scanned"]["objects_read"].as_uint(), (*plan)["scanned"]["objects_total"].as_uint());
    EXPECT_EQ((*run((*plan)["plan"].as_string()))["counts"]["acknowledged"].as_uint(), 72u);
}

// What a pattern says of type and time skips objects; the selection is that of a scan of everything.
TEST_F(ReplayOverObjects, patterns_prune_without_losing_anything) {
    for (int round = 0; round < 3; ++round) {
        append(60);
        roll();
    }
    written += 10 * 86'400;  // ten days later
    append(1, "rare.one");
    roll();
    const auto plan = [&](const std::string& pattern) {
        PlanRequest request;
        request.stream = "bank";
        request.pattern = pattern;
        request.target = "null:";
        const auto made = replay->plan(request);
        EXPECT_TRUE(made) << pattern << made.error().text();
        const auto count = [&](const Json& from, const char* name) {
            return made ? from[name].as_uint() : 0;
        };
        return std::pair{count(*made, "events"), count((*made)["scanned"], "objects_read")};
    };
    const auto all = plan(R"({"type":[{"exists":true}]})");
    EXPECT_EQ(all.first, 181u);
    for (const char* rare :
         {R"({"type":["rare.one"]})", R"({"type":[{"prefix":"rare."}]})",
          R"({"type":[{"wildcard":"rare.*e"}]})",
          R"({"$or":[{"type":["rare.one"],"data":{"n":[{"exists":true}]}},{"type":[{"prefix":"none"}]}]})",
          R"({"time":[{"prefix":"2023-11-24"}]})",
          R"({"time":[{"prefix":"2023-11-24T2"}],"type":[{"suffix":"e"}]})"})
        EXPECT_EQ(plan(rare), (std::pair<std::uint64_t, std::uint64_t>{1, 1})) << rare;
    // The same without anything to prune by.
    EXPECT_EQ(plan(R"({"type":[{"suffix":".one"}]})"),
              (std::pair<std::uint64_t, std::uint64_t>{1, all.second}));
    EXPECT_EQ(plan(R"({"time":[{"prefix":"2023-11-14"}]})").first,
              plan(R"({"time":[{"wildcard":"*-14T*"}]})").first);
}

TEST_F(ReplayOverObjects, a_missing_object_is_noticed_before_anything_is_sent) {
    append(200);
    roll();
    const std::string plan = plan_all("file:/events");
    ASSERT_TRUE(fs.remove(object_path()));
    const auto report = run(plan);
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, Code::plan_stale) << report.error().text();
    EXPECT_FALSE(*fs.stat("/events"));
}

TEST_F(ReplayOverObjects, a_damaged_frame_stops_the_run_and_is_named) {
    append(200);
    roll();
    const std::string plan = plan_all("null:");
    fs.damage(object_path(), 100, 0x40);
    const auto report = run(plan);
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, Code::plan_stale) << report.error().text();
    EXPECT_EQ(exit_code(report.error().kind), 5);
}

}  // namespace
}  // namespace tarn::replay
