#include "verify/verify.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "replay/replay_fakes.h"

namespace tarn::verify {
namespace {

using codec::Json;
using replay::fakes::World;

std::string fresh_path() {
    static int number = 0;
    return fmt::format("{}tarn-verify-{}-{}.db", testing::TempDir(), ::getpid(), ++number);
}

class VerifyTest : public testing::Test {
protected:
    VerifyTest() : world(fresh_path()), bank(world.make_stream("bank")) {
        world.state.stream_id = bank;
        state::ProjectionSpec spec;
        spec.name = "totals";
        spec.stream = "bank";
        spec.store = "accounts";
        spec.on = {{R"({"type":["deposit"]})", {"INSERT"}}};
        (void)world.state.declare_projection(spec);
        for (int i = 0; i < 40; ++i)
            world.lake->add(bank, i % 2, "deposit", fmt::format("ACC-{}", i % 4),
                            Time{1'709'251'200'000'000 + i * 1'000'000});
    }

    std::string run_to(const std::string& target, const std::string& into = "") {
        replay::PlanRequest request;
        request.stream = "bank";
        request.all = true;
        request.target = target;
        request.into = into;
        request.base = into.empty() ? "" : "empty";
        const auto plan = world.replay->plan(request);
        EXPECT_TRUE(plan) << plan.error().text();
        const auto report = world.run_new((*plan)["plan"].as_string());
        EXPECT_TRUE(report) << report.error().text();
        return (*report)["run"].as_string();
    }

    Json verify_run(const std::string& run, std::optional<std::string> against = {}) {
        const auto document = verify(parts(), {.run = run, .against = std::move(against)});
        EXPECT_TRUE(document) << document.error().text();
        return document.value_or(Json());
    }

    static const Json& check(const Json& document, std::string_view name) {
        static const Json none;
        for (const Json& one : document["checks"].elements())
            if (one["name"].as_string() == name) return one;
        return none;
    }

    Parts parts() { return {*world.replay, *world.lake, world.state, world.query, world.clock, stop}; }

    World world;
    StreamId bank;
    std::atomic<bool> stop = false;
};

TEST_F(VerifyTest, a_good_run_is_equal_and_the_report_keeps_it) {
    const std::string run = run_to("null:");
    const Json document = verify_run(run);
    EXPECT_TRUE(document["equal"].as_bool()) << document.dump();
    EXPECT_NE(check(document, "target")["detail"].as_string().find("cannot be re-read"), std::string::npos);
    EXPECT_TRUE((*world.replay->show_run(run))["verify"]["equal"].as_bool());
}

TEST_F(VerifyTest, changed_bytes_in_the_lake_are_found) {
    const std::string run = run_to("null:");
    world.lake->events[7].payload = "{}";
    world.lake->events.pop_back();
    const Json document = verify_run(run);
    EXPECT_FALSE(document["equal"].as_bool());
    EXPECT_FALSE(check(document, "hashes")["ok"].as_bool());
    const Json kept = (*world.replay->show_run(run))["verify"];
    EXPECT_TRUE(kept["checked"].as_bool());
    EXPECT_TRUE(kept["differences"].is_array());
    EXPECT_EQ(kept["failed_checks"].dump(), R"(["hashes"])");
    EXPECT_FALSE(kept["equal"].as_bool(true));
    EXPECT_NE(check(document, "hashes")["detail"].as_string().find("1 events missing and 1 different"),
              std::string::npos);
}

TEST_F(VerifyTest, a_file_is_read_again_line_by_line) {
    const std::string run = run_to("file:/out/events");
    EXPECT_TRUE(verify_run(run)["equal"].as_bool());
    world.fs->damage("/out/events", 200, 1);
    EXPECT_FALSE(check(verify_run(run), "target")["ok"].as_bool());
    world.fs->damage("/out/events", 200, 1);
    const std::string text = *os::read_file(*world.fs, "/out/events");
    ASSERT_TRUE(os::write_file_durably(*world.fs, "/out/events", text + text.substr(0, text.find('\n') + 1)));
    EXPECT_NE(check(verify_run(run), "target")["detail"].as_string().find("1 more than once in 1 key"),
              std::string::npos);
    ASSERT_TRUE(os::write_file_durably(*world.fs, "/out/events", text.substr(0, text.size() - 5)));
    EXPECT_FALSE(check(verify_run(run), "target")["ok"].as_bool());
}

TEST_F(VerifyTest, a_stream_is_read_again_by_the_runs_mark) {
    const StreamId copy = world.make_stream("copy");
    const std::string run = run_to("stream:copy");
    // What the server would have done with the batches: put them into the target stream, marked.
    const std::string uid = (*world.replay->show_run(run))["uid"].as_string();
    for (const auto& kept : world.stream.kept)
        world.lake->add(copy, 0, "deposit", std::nullopt, Time{1}, kept.payload,
                        fmt::format(",\"tarnrun\":\"{}\"", uid));
    EXPECT_EQ(world.stream.kept.front().run, uid);
    EXPECT_TRUE(check(verify_run(run), "target")["ok"].as_bool());
    world.lake->events.back().payload = "{\"other\":1}";
    EXPECT_FALSE(check(verify_run(run), "target")["ok"].as_bool());
    world.lake->events.pop_back();
    EXPECT_NE(check(verify_run(run), "target")["detail"].as_string().find(
                  "39 events of this run, 40 were acknowledged: 1 missing in 1 key (the first: bank 1:19"),
              std::string::npos);
    const Json gone = check(verify_run(run), "target")["counts"];
    EXPECT_EQ(gone["missing"].as_uint(), 1u);
    EXPECT_EQ(gone["first_missing"].elements().at(0)["key"].as_string(), "ACC-3");
}

TEST_F(VerifyTest, a_store_is_asked_what_it_has_applied) {
    const std::string run = run_to("projection:totals", "fix");
    EXPECT_TRUE(check(verify_run(run), "target")["ok"].as_bool());
    world.state.at("accounts@fix").advanced["totals"] = 30;
    EXPECT_FALSE(check(verify_run(run), "target")["ok"].as_bool());
}

TEST_F(VerifyTest, state_is_compared_and_unequal_positions_are_said) {
    const std::string run = run_to("projection:totals", "fix");
    state::SnapshotInfo snapshot;
    snapshot.id = "sn-9";
    snapshot.store = "accounts";
    snapshot.positions = world.state.store("accounts@fix")->positions;
    world.state.snapshots_list = {snapshot};
    world.state.diff_result.rows_compared = 200;
    Json document = verify_run(run, "snapshot:sn-9");
    EXPECT_TRUE(document["equal"].as_bool()) << document.dump();
    EXPECT_EQ(world.state.diffed.back(),
              (std::pair<std::string, std::string>("snapshot:sn-9", "accounts@fix")));
    world.state.diff_result.total = 1;
    world.state.diff_result.differences = {{.table = "account",
                                            .key = "ACC-1",
                                            .column = "balance",
                                            .before = "1.00",
                                            .after = "2.00",
                                            .events = {}}};
    document = verify_run(run, "snapshot:sn-9");
    EXPECT_FALSE(document["equal"].as_bool());
    ASSERT_EQ(document["differences"].size(), 1u);
    // No event is named by the states: the last ones of the row's key are the candidates.
    const Json& events = document["differences"].elements()[0]["events"];
    ASSERT_EQ(events.size(), 3u);
    EXPECT_EQ(events.elements()[0].as_string(), "bank 1:14 deposit 2024-03-01T00:00:29Z");
    EXPECT_EQ(events.elements()[2].as_string(), "bank 1:18 deposit 2024-03-01T00:00:37Z");
    world.state.snapshots_list[0].positions[0].next[0] = 5;
    document = verify_run(run, "snapshot:sn-9");
    EXPECT_FALSE(check(document, "positions")["ok"].as_bool());
    EXPECT_FALSE(verify(parts(), {.run = run, .against = "sn-9"}));
}

TEST_F(VerifyTest, an_unfinished_run_is_not_equal) {
    world.state.fails.insert(world.lake->events[9].position);
    replay::PlanRequest request;
    request.stream = "bank";
    request.all = true;
    request.target = "projection:totals";
    request.into = "fix";
    request.base = "empty";
    request.on_failure = "stop";
    const auto plan = world.replay->plan(request);
    const auto report = world.run_new((*plan)["plan"].as_string());
    const Json document = verify_run((*report)["run"].as_string());
    EXPECT_FALSE(check(document, "counts")["ok"].as_bool());
    EXPECT_TRUE(check(document, "target")["ok"].as_bool()) << document.dump();
}

// ---- outputs of two functions

class CompareOutputs : public VerifyTest {
protected:
    CompareOutputs() {
        for (const char* name : {"old", "new"})
            world.functions.declared[name] = {.name = name,
                                              .version = std::string("v-") + name,
                                              .mark = event::ReplayMark::safe,
                                              .stores = {}};
        world.functions.decide = [](const replay::FunctionCall& call) {
            return replay::FunctionAnswer{.output = fmt::format("{{\"n\":{}}}", call.position.offset)};
        };
        replay::PlanRequest request;
        request.stream = "bank";
        request.all = true;
        request.target = "null:";
        plan = (*world.replay->plan(request))["plan"].as_string();
    }

    Result<Json> compare(Leniency leniency = {}, std::vector<std::string> allow = {}) {
        return compare_outputs(parts(), {.plan_or_run = plan,
                                         .before = "function:old",
                                         .after = "function:new",
                                         .allow = std::move(allow),
                                         .leniency = std::move(leniency)});
    }

    std::string plan;
};

TEST_F(CompareOutputs, each_event_goes_to_both_as_the_same_document) {
    const auto document = compare();
    ASSERT_TRUE(document) << document.error().text();
    EXPECT_TRUE((*document)["equal"].as_bool()) << document->dump();
    EXPECT_EQ((*document)["outputs"]["compared"].as_uint(), 40u);
    std::map<Position, std::vector<std::string>> documents;
    for (const auto& called : world.functions.calls())
        documents[called.call.position].push_back(called.call.document);
    EXPECT_EQ(documents.size(), 40u);
    for (const auto& [position, pair] : documents) {
        ASSERT_EQ(pair.size(), 2u);
        EXPECT_EQ(pair[0], pair[1]);
    }
}

TEST_F(CompareOutputs, differences_are_counted_by_path) {
    std::map<Position, int> seen;
    world.functions.decide = [&seen](const replay::FunctionCall& call) {
        const bool second = ++seen[call.position] == 2 && call.position.partition == 1;
        return replay::FunctionAnswer{
            .output =
                fmt::format("{{\"n\":{},\"at\":{}}}", second && call.position.offset < 3 ? -1 : 1, second)};
    };
    const auto document = compare({.ignored = {"at"}, .tolerances = {}});
    ASSERT_TRUE(document);
    EXPECT_FALSE((*document)["equal"].as_bool());
    EXPECT_EQ((*document)["outputs"]["different"].as_uint(), 3u);
    EXPECT_EQ((*document)["outputs"]["by_path"].dump(),
              R"([{"path":"n","count":3,"first":"bank 1:0 deposit 2024-03-01T00:00:01Z"}])");
    EXPECT_EQ((*document)["differences"].elements().front()["key"].as_string(), "ACC-1");
}

TEST_F(CompareOutputs, a_failure_is_an_answer_too) {
    world.functions.decide = [](const replay::FunctionCall& call) {
        if (call.position.offset > 0) return replay::FunctionAnswer{.output = "null"};
        return replay::FunctionAnswer{.end = replay::FunctionAnswer::End::failed, .error = "ValueError: no"};
    };
    auto document = compare();
    ASSERT_TRUE(document);
    EXPECT_TRUE((*document)["equal"].as_bool());  // both fail alike
    EXPECT_EQ((*document)["outputs"]["after"]["failed"].as_uint(), 2u);
    std::map<Position, int> seen;
    world.functions.decide = [&seen](const replay::FunctionCall& call) {
        if (call.position.offset > 0 || ++seen[call.position] == 1)
            return replay::FunctionAnswer{.output = "null"};
        return replay::FunctionAnswer{.end = replay::FunctionAnswer::End::failed, .error = "ValueError: no"};
    };
    document = compare();
    ASSERT_TRUE(document);
    EXPECT_EQ((*document)["outputs"]["different"].as_uint(), 2u);
}

TEST_F(CompareOutputs, one_that_was_taken_back_is_called_again) {
    std::set<Position> taken_back;
    world.functions.decide = [&taken_back](const replay::FunctionCall& call) {
        if (call.position.offset == 5 && taken_back.insert(call.position).second)
            return replay::FunctionAnswer{.end = replay::FunctionAnswer::End::not_sent};
        return replay::FunctionAnswer{.output = "1"};
    };
    const auto document = compare();
    ASSERT_TRUE(document);
    EXPECT_TRUE((*document)["equal"].as_bool()) << document->dump();
    EXPECT_EQ(world.functions.calls().size(), 82u);
}

TEST_F(CompareOutputs, marks_stores_and_what_cannot_run_end_it) {
    world.functions.declared["new"].mark = event::ReplayMark::ask;
    EXPECT_EQ(compare().error().code, Code::not_allowed_here);
    EXPECT_TRUE(compare({}, {"new"}));
    world.functions.declared["new"].mark = event::ReplayMark::never;
    EXPECT_EQ(compare({}, {"new"}).error().code, Code::not_allowed_here);
    world.functions.declared["new"].mark = event::ReplayMark::safe;
    world.functions.declared["old"].stores = {"accounts"};
    EXPECT_EQ(compare().error().code, Code::bad_usage);
    world.functions.declared["old"].stores = {};
    world.functions.decide = [](const replay::FunctionCall&) {
        return replay::FunctionAnswer{.end = replay::FunctionAnswer::End::could_not_run,
                                      .error = "no such file"};
    };
    EXPECT_EQ(compare().error().code, Code::function_cannot_run);
    stop = true;
    EXPECT_EQ(compare().error().code, Code::interrupted);
}

}  // namespace
}  // namespace tarn::verify
