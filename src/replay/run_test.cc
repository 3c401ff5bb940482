// Runs over the fake world: counts, order, failures, pace, stops, stale plans.
#include "replay/replay_fixture.h"
#include "replay/targets.h"

namespace tarn::replay {
namespace {

using codec::Json;
using fakes::ReplayTest;

TEST_F(ReplayTest, a_run_to_null_adds_up_and_its_hashes_agree) {
    fill(2500);
    const Json report = run(plan(everything("null:")));
    EXPECT_EQ(report["state"].as_string(), "finished");
    EXPECT_EQ(report["counts"]["acknowledged"].as_uint(), 2500u);
    EXPECT_EQ(report["hashes"]["selected"].as_string(), report["hashes"]["sent"].as_string());
    EXPECT_EQ(report["order"]["violations"].as_uint(), 0u);
    EXPECT_EQ(report["by_type"]["deposit"].as_uint() + report["by_type"]["withdrawal"].as_uint(), 2500u);
    expect_sum(report);
    std::size_t lines = 0;
    ASSERT_TRUE(world.replay->ledger("rn-1", [&lines](std::string_view line) {
        const auto json = Json::parse(line);
        EXPECT_TRUE(json && (*json)["outcome"].as_string() == "acknowledged" &&
                    (*json)["id"].as_string() == fmt::format("e{}", ++lines))
            << line;
        return Status();
    }));
    EXPECT_EQ(lines, 2500u);
    EXPECT_FALSE(world.resume("rn-1"));
}

TEST_F(ReplayTest, a_file_gets_one_line_an_event_in_order) {
    fill(50);
    const Json document = plan(everything("file:/out/events.ndjson"));
    run(document);
    const std::string text = *os::read_file(*world.fs, "/out/events.ndjson");
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 50);
    EXPECT_NE(text.find("\"tarnrun\""), std::string::npos);
    const auto second = world.run_new(document["plan"].as_string());
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Code::bad_target);
}

TEST_F(ReplayTest, a_failure_holds_its_key_and_nothing_else) {
    fill(60);
    // The third event of ACC-1 that the projection takes.
    const Position bad = world.lake->events[13].position;
    world.state.fails.insert(bad);
    PlanRequest request = everything("projection:totals");
    request.into = "fix";
    request.base = "empty";
    const Json report = run(plan(request));
    expect_sum(report);
    EXPECT_EQ(report["counts"]["failed"].as_uint(), 1u);
    EXPECT_EQ(report["by_failure"].elements().at(0)["first"].as_string(), "bank 1:6");
    event::MetaReader reader;
    std::vector<std::string> results = outcomes("rn-1");
    for (std::size_t i = 0; i < results.size(); ++i) {
        const auto stored = world.lake->events[i].stored();
        const bool same_key = reader.read(stored, "bank").key == "ACC-1";
        const std::string expected = i == 13 ? "failed" : i > 13 && same_key ? "held" : "acknowledged";
        EXPECT_EQ(results[i], expected) << i;
    }
    EXPECT_FALSE(world.state.at("accounts@fix").complete);
}

TEST_F(ReplayTest, on_failure_continue_stop_and_total_order) {
    fill(30);
    world.state.fails.insert(world.lake->events[9].position);
    const auto counts_of = [&](std::string order, std::string on_failure, std::string copy) {
        PlanRequest request = everything("projection:totals");
        request.into = std::move(copy);
        request.base = "empty";
        request.order = std::move(order);
        request.on_failure = std::move(on_failure);
        const Json report = run(plan(request));
        expect_sum(report);
        return report;
    };
    EXPECT_EQ(counts_of("key", "continue", "a")["counts"]["acknowledged"].as_uint(), 29u);
    EXPECT_EQ(counts_of("none", "hold", "b")["counts"]["acknowledged"].as_uint(), 29u);
    EXPECT_EQ(counts_of("total", "hold", "c")["counts"]["held"].as_uint(), 20u);
    const Json stopped = counts_of("key", "stop", "d");
    EXPECT_EQ(stopped["state"].as_string(), "failed");
    EXPECT_EQ(stopped["counts"]["remaining"].as_uint(), 20u);
    const auto resumed = world.resume(stopped["run"].as_string());
    ASSERT_TRUE(resumed) << resumed.error().text();
    EXPECT_EQ((*resumed)["counts"]["acknowledged"].as_uint(), 29u);
}

TEST_F(ReplayTest, a_rebuild_covers_what_the_feeders_take_after_the_base) {
    fill(30);
    state::SnapshotInfo snapshot;
    snapshot.id = "sn-1";
    snapshot.store = "accounts";
    state::FeederPosition position;
    position.feeder = "totals";
    position.stream = "bank";
    position.stream_id = bank;
    position.sequence = 11;
    position.exceptions = {world.lake->events[4].position,
                           world.lake->events[13].position};  // not applied below, applied above
    snapshot.positions = {position};
    world.state.snapshots_list = {snapshot};
    PlanRequest request;
    request.rebuild = "accounts";
    request.base = "sn-1";
    request.into = "accounts@fix";
    const Json whole = plan(request);
    EXPECT_TRUE(whole["coverage"]["complete"].as_bool());
    std::uint64_t expected = 0;
    for (std::size_t i = 0; i < 30; ++i) expected += i % 3 != 0 && ((i >= 10 && i != 13) || i == 4);
    EXPECT_EQ(whole["events"].as_uint(), expected);
    EXPECT_EQ(whole["target"].as_string(), "projection:totals");
    const Json report = run(whole);
    EXPECT_EQ(report["counts"]["acknowledged"].as_uint(), expected);
    EXPECT_TRUE(world.state.at("accounts@fix").complete);
    EXPECT_EQ(world.state.at("accounts@fix").advanced.at("totals"), 31u);

    PlanRequest part = everything("projection:totals");
    part.base = "sn-1";
    part.into = "part";
    part.until = "2024-03-01T00:00:20Z";
    const Json partial = plan(part);
    EXPECT_FALSE(partial["coverage"]["complete"].as_bool());
    std::uint64_t missing = 0;
    for (std::size_t i = 20; i < 30; ++i) missing += i % 3 != 0;
    EXPECT_EQ(partial["coverage"]["missing"].as_uint(), missing);
    run(partial);
    EXPECT_FALSE(world.state.at("accounts@part").complete);
    EXPECT_TRUE(world.state.at("accounts@part").advanced.empty());
}

TEST_F(ReplayTest, what_a_target_has_is_skipped_unless_asked_again) {
    fill(10);
    world.make_stream("copy");
    PlanRequest request = everything("stream:copy");
    request.until = "2024-03-01T00:00:04Z";
    EXPECT_EQ(run(plan(request))["counts"]["acknowledged"].as_uint(), 4u);
    request.until.reset();
    const Json second = plan(request);
    EXPECT_EQ(second["already_delivered"].as_uint(), 4u);
    const Json report = run(second);
    EXPECT_EQ(report["counts"]["skipped"].as_uint(), 4u);
    EXPECT_EQ(report["counts"]["acknowledged"].as_uint(), 6u);
    EXPECT_EQ(world.stream.kept.size(), 10u);
    request.again = true;
    EXPECT_EQ(run(plan(request))["counts"]["acknowledged"].as_uint(), 10u);
    EXPECT_EQ(world.stream.kept.size(), 20u);
}

TEST_F(ReplayTest, an_event_the_stream_refuses_fails_alone) {
    fill(40);
    world.make_stream("copy");
    world.stream.refused.insert(world.lake->events[7].position);
    PlanRequest request = everything("stream:copy");
    request.on_failure = "continue";
    const Json report = run(plan(request));
    EXPECT_EQ(report["counts"]["failed"].as_uint(), 1u);
    EXPECT_EQ(world.stream.kept.size(), 39u);
}

// What a rolled back transaction took along must not be in the ledger.
TEST_F(ReplayTest, a_store_that_fails_midway_loses_nothing) {
    fill(1500);
    world.state.breaks.insert(
        world.lake->events[1200].position);  // in the second batch, before the first checkpoint
    PlanRequest request = everything("projection:totals");
    request.into = "fix";
    request.base = "empty";
    const auto broken = world.run_new(plan(request)["plan"].as_string());
    ASSERT_FALSE(broken);
    EXPECT_EQ(broken.error().message, "disk I/O error");
    const Json shown = *world.replay->show_run("rn-1");
    EXPECT_EQ(shown["state"].as_string(), "interrupted");
    EXPECT_EQ(shown["counts"]["acknowledged"].as_uint(), world.state.at("accounts@fix").committed.size());
    const auto resumed = world.resume("rn-1");
    ASSERT_TRUE(resumed) << resumed.error().text();
    EXPECT_EQ((*resumed)["counts"]["acknowledged"].as_uint(), 1500u);
    EXPECT_EQ(world.state.at("accounts@fix").committed.size(), 1500u);
}

TEST_F(ReplayTest, pace_is_kept_and_can_be_changed) {
    fill(200);
    PlanRequest request = everything("null:");
    request.pace = "100/s";
    const Json report = run(plan(request));
    EXPECT_NEAR(report["duration"].as_double(), 2.0, 0.1);
    request.pace = "10x";  // 199 s of history
    EXPECT_NEAR(run(plan(request))["duration"].as_double(), 19.9, 0.2);
    request.pace = "100/s";
    const Json document = plan(request);
    const std::string run_id = *world.replay->create_run(document["plan"].as_string());
    const std::atomic<bool> stop = false;
    bool changed = false;
    const auto faster =
        world.replay->run(document["plan"].as_string(), run_id, stop, [&](const RunProgress& progress) {
            if (progress.counts.acknowledged >= 100 && !changed)
                changed = bool(world.replay->set_pace(run_id, "max"));
        });
    ASSERT_TRUE(faster && changed);
    EXPECT_NEAR((*faster)["duration"].as_double(), 1.05, 0.15);
}

TEST_F(ReplayTest, a_stop_checkpoints_and_resume_goes_on) {
    fill(300);
    PlanRequest request = everything("file:/out/slow");
    request.pace = "100/s";
    const Json document = plan(request);
    const std::string run_id = *world.replay->create_run(document["plan"].as_string());
    std::atomic<bool> stop = false;
    const auto stopped =
        world.replay->run(document["plan"].as_string(), run_id, stop, [&](const RunProgress& progress) {
            if (progress.counts.acknowledged > 50) stop = true;
        });
    ASSERT_TRUE(stopped);
    EXPECT_EQ((*stopped)["state"].as_string(), "interrupted");
    EXPECT_GT((*stopped)["counts"]["remaining"].as_uint(), 0u);
    expect_sum(*stopped);
    const auto resumed = world.resume(run_id);
    ASSERT_TRUE(resumed);
    EXPECT_EQ((*resumed)["state"].as_string(), "finished");
    EXPECT_EQ((*resumed)["counts"]["acknowledged"].as_uint(), 300u);
    const std::string text = *os::read_file(*world.fs, "/out/slow");
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 300);
}

TEST_F(ReplayTest, cancelled_runs_stay_cancelled) {
    fill(10);
    const Json document = plan(everything("null:"));
    const std::string run_id = *world.replay->create_run(document["plan"].as_string());
    ASSERT_TRUE(world.replay->cancel(run_id));
    EXPECT_EQ((*world.replay->show_run(run_id))["state"].as_string(), "cancelled");
    const auto resumed = world.resume(run_id);
    ASSERT_FALSE(resumed);
    EXPECT_EQ(resumed.error().code, Code::run_state);
}

// ---- stale plans
// ------------------------------------------------------------------------------------------------------

TEST_F(ReplayTest, a_changed_event_stops_the_run_before_it_is_sent) {
    fill(20);
    const Json document = plan(everything("file:/out/stale"));
    world.lake->events[12].payload = R"({"changed":true})";
    const auto report = world.run_new(document["plan"].as_string());
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, Code::plan_stale);
    EXPECT_EQ(exit_code(report.error().kind), 5);
    const Json shown = *world.replay->show_run("rn-1");
    EXPECT_EQ(shown["state"].as_string(), "failed");
    EXPECT_EQ(shown["counts"]["acknowledged"].as_uint(), 12u);
    expect_sum(shown);
}

TEST_F(ReplayTest, a_missing_event_a_new_projection_and_a_new_stream_are_stale) {
    fill(20);
    const Json to_null = plan(everything("null:"));
    PlanRequest request = everything("projection:totals");
    request.into = "fix";
    request.base = "empty";
    const Json to_projection = plan(request);
    auto spec = *world.state.projection("totals");
    spec.on[0].sql = {"UPDATE"};
    (void)world.state.declare_projection(spec);
    EXPECT_EQ(world.run_new(to_projection["plan"].as_string()).error().code, Code::plan_stale);
    world.lake->events.erase(world.lake->events.begin() + 3);
    EXPECT_EQ(world.run_new(to_null["plan"].as_string()).error().code, Code::plan_stale);
    ASSERT_TRUE(world.catalog->delete_stream(bank));
    world.make_stream("bank");
    const auto renamed = world.run_new(to_null["plan"].as_string());
    ASSERT_FALSE(renamed);
    EXPECT_EQ(renamed.error().code, Code::plan_stale);
    EXPECT_NE(renamed.error().message.find("made anew"), std::string::npos);
}

TEST_F(ReplayTest, a_damaged_manifest_is_noticed_before_anything_is_sent) {
    fill(20);
    const Json document = plan(everything("null:"));
    world.fs->damage("/data/jobs/pl-1/manifest.bin", 100, 1);
    const auto report = world.run_new(document["plan"].as_string());
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, Code::plan_damaged);
    EXPECT_EQ(exit_code(report.error().kind), 5);
}

}  // namespace
}  // namespace tarn::replay
