// Plans and runs over the fake world: selection against a naive evaluator, order, failures, power cuts, stale
// plans.
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "replay/replay_fakes.h"
#include "replay/sql_condition.h"
#include "replay/targets.h"

namespace tarn::replay {
namespace {

using codec::Json;
using fakes::World;

constexpr std::int64_t day_zero_us = 1'709'251'200'000'000;  // 2024-03-01T00:00:00Z
constexpr std::int64_t second_us = 1'000'000;

std::string fresh_path(std::string_view name) {
    static int number = 0;
    const std::string path =
        fmt::format("{}tarn-replay-{}-{}-{}", testing::TempDir(), ::getpid(), ++number, name);
    return path;
}

class ReplayTest : public testing::Test {
protected:
    ReplayTest() : world(fresh_path("catalog.db")), bank(world.make_stream("bank")) {
        world.state.stream_id = bank;
        state::ProjectionSpec spec;
        spec.name = "totals";
        spec.stream = "bank";
        spec.store = "accounts";
        spec.on = {{R"({"type":["deposit"]})", {"INSERT"}}};
        (void)world.state.declare_projection(spec);
    }

    // `count` events a second apart; key, type and partition follow from the number.
    void fill(int count) {
        for (int i = 0; i < count; ++i)
            world.lake->add(bank, i % 2, i % 3 == 0 ? "withdrawal" : "deposit",
                            i % 5 == 4 ? std::nullopt : std::optional(fmt::format("ACC-{}", i % 4)),
                            Time{day_zero_us + i * second_us});
    }

    static PlanRequest everything(std::string target) {
        PlanRequest request;
        request.stream = "bank";
        request.all = true;
        request.target = std::move(target);
        return request;
    }

    Json plan(const PlanRequest& request) {
        const auto document = world.replay->plan(request);
        EXPECT_TRUE(document) << document.error().text();
        return document.value_or(Json());
    }
    Error plan_error(const PlanRequest& request) {
        const auto document = world.replay->plan(request);
        EXPECT_FALSE(document);
        return document ? make_error(Code::internal, "planned") : document.error();
    }

    Json run(const Json& plan) {
        const auto report = world.run_new(plan["plan"].as_string());
        EXPECT_TRUE(report) << report.error().text();
        return report.value_or(Json());
    }

    std::vector<std::string> outcomes(const std::string& run) {
        std::vector<std::string> list;
        EXPECT_TRUE(
            world.replay->for_each_entry(run, [&list](const ManifestEntry&, std::string_view outcome) {
                list.emplace_back(outcome);
                return Status();
            }));
        return list;
    }

    static void expect_sum(const Json& report) {
        const Json& counts = report["counts"];
        std::uint64_t sum = 0;
        for (const char* part : {"acknowledged", "skipped", "failed", "held", "unknown", "remaining"})
            sum += counts[part].as_uint();
        EXPECT_EQ(sum, counts["selected"].as_uint()) << counts.dump();
    }

    World world;
    StreamId bank;
};

TEST_F(ReplayTest, a_plan_says_what_it_selects) {
    fill(20);
    PlanRequest request = everything("null:");
    request.all = false;
    request.pattern = R"({"type":["deposit"]})";
    request.since = "2024-03-01T00:00:05Z";
    request.until = "2024-03-01T00:00:15Z";
    const Json document = plan(request);
    EXPECT_EQ(document["plan"].as_string(), "pl-1");
    EXPECT_EQ(document["events"].as_uint(), 7u);  // 5 7 8 10 11 13 14
    EXPECT_EQ(document["selection"]["since"].as_string(), "2024-03-01T00:00:05Z");
    EXPECT_EQ(document["resolved"]["snapshot"].as_uint(), 21u);
    EXPECT_EQ(document["resolved"]["positions"]["bank"]["0"].as_uint(), 9u);
    EXPECT_EQ(document["time"]["first"].as_string(), "2024-03-01T00:00:05Z");
    EXPECT_EQ(document["samples"].size(), 4u);
    EXPECT_TRUE(document["digest"].as_string().starts_with("sha256:"));
    EXPECT_TRUE(document["coverage"].is_null());
    EXPECT_EQ(document["archived"]["objects"].as_uint(), 0u);
}

TEST_F(ReplayTest, no_selection_and_nothing_selected_are_errors) {
    fill(5);
    PlanRequest request = everything("null:");
    request.all = false;
    EXPECT_EQ(plan_error(request).code, Code::no_selection);
    request.pattern = R"({"type":["deposti"]})";
    const Error error = plan_error(request);
    EXPECT_EQ(error.code, Code::nothing_selected);
    EXPECT_EQ(exit_code(error.kind), 10);
    EXPECT_EQ(error.message, "nothing is selected: no event of stream bank has type \"deposti\"");
    EXPECT_EQ(error.excerpt, "types there are: deposit (nearest), withdrawal");
    const auto left = world.fs->list("/data/jobs");
    EXPECT_TRUE(!left || left->empty()) << left->front().name;
}

TEST_F(ReplayTest, bad_requests_are_refused_by_name) {
    fill(5);
    PlanRequest request = everything("nul:");
    EXPECT_EQ(plan_error(request).code, Code::bad_target);
    request = everything("kafka:f");
    EXPECT_EQ(plan_error(request).code, Code::not_built);
    request = everything("null:");
    request.pace = "fast";
    EXPECT_EQ(plan_error(request).code, Code::bad_selection);
    request = everything("null:");
    request.order = "keys";
    EXPECT_EQ(plan_error(request).code, Code::bad_selection);
    request = everything("null:");
    request.since = "2024-03-02T00:00:00Z";
    request.until = "2024-03-01T00:00:00Z";
    EXPECT_EQ(plan_error(request).code, Code::bad_selection);
    request = everything("projection:totals");
    request.into = "fix";
    EXPECT_EQ(plan_error(request).code, Code::bad_selection);  // no base
    const auto unknown_key = PlanRequest::from_json(*Json::parse(R"({"stream":"bank","untill":"1h"})"));
    ASSERT_FALSE(unknown_key);
    EXPECT_NE(unknown_key.error().message.find("nearest: until"), std::string::npos);
}

TEST_F(ReplayTest, a_request_survives_its_json) {
    PlanRequest request = everything("null:");
    request.ids = {"a", "0:1"};
    request.where = "type = 'x'";
    request.pattern = R"({"type":["a"]})";
    request.again = true;
    const auto again = PlanRequest::from_json(request.to_json());
    ASSERT_TRUE(again) << again.error().text();
    EXPECT_EQ(again->to_json(), request.to_json());
}

TEST_F(ReplayTest, ids_name_events_or_positions_and_must_exist) {
    fill(20);
    PlanRequest request = everything("null:");
    request.all = false;
    request.ids = {"e3", "1:4", "e3"};
    EXPECT_EQ(plan(request)["events"].as_uint(), 2u);
    request.ids = {"0:0", "0:3"};
    EXPECT_EQ(plan(request)["events"].as_uint(), 2u);
    request.ids = {"e3", "nobody", "1:400"};
    const Error error = plan_error(request);
    EXPECT_EQ(error.code, Code::unknown_position);
    EXPECT_NE(error.message.find("1:400, nobody"), std::string::npos) << error.message;
    // An id that exists but is ruled out otherwise is not called missing.
    request.ids = {"e1", "e15"};
    request.since = "2024-03-01T00:00:10Z";
    EXPECT_EQ(plan(request)["events"].as_uint(), 1u);
}

TEST_F(ReplayTest, where_is_put_between_parentheses_and_selects_positions) {
    fill(20);
    PlanRequest request = everything("null:");
    request.all = false;
    request.where = "type = 'deposit' -- (";
    world.query.rows = {{{"0"}, {"1"}}, {{"1"}, {"2"}}, {{"1"}, {"999"}}};  // the last came after the view
    EXPECT_EQ(plan(request)["events"].as_uint(), 2u);
    ASSERT_EQ(world.query.asked.size(), 1u);
    EXPECT_EQ(world.query.asked[0],
              "SELECT tarn_partition, tarn_offset FROM \"bank\".events WHERE (\ntype = 'deposit' -- (\n)");
    request.where = "1=1) UNION SELECT 0, 0 WHERE (1=1";
    EXPECT_EQ(plan_error(request).code, Code::bad_selection);
    EXPECT_EQ(world.query.asked.size(), 1u);
    request.where = "amount > 1";
    world.query.error = make_error(Code::sql_invalid, "column amount not found");
    EXPECT_EQ(plan_error(request).code, Code::sql_invalid);
}

TEST(SqlCondition, cannot_leave_its_parentheses) {
    for (const char* good :
         {"a = 1", "(a) AND (b IN (1,2))", "a = ')' OR b = '('", "a = 'it''s)'", "a = E'\\')'", "\")\" = 1",
          "a /* ) */ = 1", "a -- )", "a = $$)$$", "a = $x$ ) $$ $x$", "a = $1", "name = 'e' AND e'x' = 'x'"})
        EXPECT_TRUE(check_sql_condition(good)) << good;
    for (const char* bad : {"", "  ", "a)", "a) OR (b", "(a", "a; DROP TABLE x", "a = 'x", "a = \"x",
                            "a /* x", "a /* /* */ x", "a = $$x", "a = E'\\'", "a = ''')"})
        EXPECT_FALSE(check_sql_condition(bad)) << bad;
}

// Any combination of conditions selects what a straightforward loop over the events selects.
TEST_F(ReplayTest, selection_equals_a_naive_evaluation) {
    os::SeededRng rng(42);
    for (int i = 0; i < 300; ++i)
        world.lake->add(bank, static_cast<Partition>(rng.below(2)),
                        rng.below(3) == 0 ? "deposit" : "withdrawal", fmt::format("K{}", rng.below(7)),
                        Time{day_zero_us + static_cast<std::int64_t>(rng.below(300)) * second_us});
    for (int round = 0; round < 60; ++round) {
        PlanRequest request = everything("null:");
        Time since{INT64_MIN}, until{INT64_MAX};
        std::set<Position> positions;
        const bool by_time = rng.below(2) == 0, by_type = rng.below(2) == 0, by_where = rng.below(2) == 0;
        request.ingested = by_time && rng.below(2) == 0;
        if (by_time) {
            since = Time{day_zero_us + static_cast<std::int64_t>(rng.below(200)) * second_us};
            until = Time{since.us + static_cast<std::int64_t>(1 + rng.below(150)) * second_us};
            request.since = format_rfc3339(since);
            request.until = format_rfc3339(until);
        }
        if (by_type) request.pattern = R"({"type":["deposit"]})";
        if (by_where) {
            request.where = "true";
            world.query.rows.clear();
            for (const auto& event : world.lake->events)
                if (rng.below(2) == 0) {
                    positions.insert(event.position);
                    world.query.rows.push_back(
                        {std::to_string(event.position.partition), std::to_string(event.position.offset)});
                }
        }
        std::uint64_t expected = 0;
        event::MetaReader reader;
        for (const auto& event : world.lake->events) {
            const auto stored = event.stored();
            const auto& meta = reader.read(stored, "bank");
            const Time time = request.ingested ? event.ingested : meta.time;
            if (by_time && (time < since || time >= until)) continue;
            if (by_type && meta.type != "deposit") continue;
            if (by_where && !positions.contains(event.position)) continue;
            ++expected;
        }
        const auto document = world.replay->plan(request);
        EXPECT_EQ(document ? (*document)["events"].as_uint() : 0, expected) << request.to_json().dump();
        EXPECT_TRUE(document || document.error().code == Code::nothing_selected);
    }
}

TEST_F(ReplayTest, the_digest_changes_with_whatever_is_frozen_and_only_then) {
    fill(20);
    const PlanRequest request = everything("null:");
    const std::string digest = plan(request)["digest"].as_string();
    PlanRequest same = request;
    same.pace = "10/s";
    same.name = "another name";
    EXPECT_EQ(plan(same)["digest"].as_string(), digest);
    std::vector<PlanRequest> others(6, request);
    others[0].order = "total";
    others[1].on_failure = "stop";
    others[2].shape = "payload";
    others[3].target = "file:/out/x";
    others[4].until = "2024-03-01T00:00:10Z";
    others[5].again = true;
    std::set<std::string> digests = {digest};
    for (const PlanRequest& other : others)
        EXPECT_TRUE(digests.insert(plan(other)["digest"].as_string()).second) << other.to_json().dump();
}

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

// ---- power cuts
// -------------------------------------------------------------------------------------------------------

// Everything fails from the Nth call on, then the power goes; the run is resumed on what the disk holds. For
// every N and for several disks: each event has reached the target exactly once, in order within its key.
class PowerCut : public testing::TestWithParam<const char*> {};

struct Outcome {
    bool finished_before_the_cut = false;
    std::vector<Position> delivered;
    Json report;
};

std::vector<Position> positions_in_file(World& world, const std::string& path) {
    const std::string text = os::read_file(*world.fs, path).value_or("");
    std::vector<Position> positions;
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        const auto line = Json::parse(std::string_view(text).substr(begin, end - begin));
        const std::string id = line ? (*line)["id"].as_string() : "e0";
        const std::size_t number = std::stoul(id.substr(1));
        EXPECT_GT(number, 0u) << "a torn line in the file";
        if (number > 0) positions.push_back(world.lake->events[number - 1].position);
        begin = end + 1;
    }
    return positions;
}

Outcome run_with_a_cut(const std::string& target, std::uint64_t cut_at, std::uint64_t seed) {
    Outcome outcome;
    World world(fresh_path("cut.db"));
    const StreamId bank = world.make_stream("bank");
    world.make_stream("copy");
    world.state.stream_id = bank;
    state::ProjectionSpec spec;
    spec.name = "totals";
    spec.stream = "bank";
    spec.store = "accounts";
    spec.on = {{R"({"type":["deposit"]})", {"INSERT"}}};
    (void)world.state.declare_projection(spec);
    for (int i = 0; i < 60; ++i)
        world.lake->add(bank, i % 2, "deposit", fmt::format("ACC-{}", i % 4),
                        Time{day_zero_us + i * second_us});
    PlanRequest request;
    request.stream = "bank";
    request.all = true;
    request.target = target;
    request.pace = "50/s";  // several checkpoints
    if (target.starts_with("projection:")) {
        request.into = "fix";
        request.base = "empty";
    }
    const auto plan = world.replay->plan(request);
    EXPECT_TRUE(plan) << plan.error().text();
    const std::string run = *world.replay->create_run((*plan)["plan"].as_string());
    (void)world.fs->sync_directory("/out");
    world.fs->fail_call(world.fs->calls() + cut_at, os::Fault::eio, true);
    const std::atomic<bool> stop = false;
    outcome.finished_before_the_cut = bool(world.replay->run((*plan)["plan"].as_string(), run, stop, {}));
    world.cut_power(seed);
    if (!outcome.finished_before_the_cut) {
        const auto shown = world.replay->show_run(run);
        EXPECT_TRUE(shown) << shown.error().text();
        const auto resumed = world.resume(run);
        // A run whose last write failed after it had been marked as finished has nothing to resume.
        EXPECT_TRUE(resumed || resumed.error().code == Code::run_state) << resumed.error().text();
    }
    outcome.report = *world.replay->show_run(run);
    if (target.starts_with("file:")) outcome.delivered = positions_in_file(world, "/out/events");
    if (target.starts_with("stream:"))
        for (const auto& kept : world.stream.kept) outcome.delivered.push_back(kept.position);
    if (target.starts_with("projection:")) outcome.delivered = world.state.at("accounts@fix").committed;
    return outcome;
}

TEST_P(PowerCut, every_event_arrives_once_and_in_order) {
    const std::string target = GetParam();
    std::uint64_t cuts = 0;
    for (std::uint64_t cut_at = 0;; ++cut_at) {
        bool finished = false;
        for (std::uint64_t seed = 0; seed < 3; ++seed, ++cuts) {
            const Outcome outcome = run_with_a_cut(target, cut_at, seed);
            finished = outcome.finished_before_the_cut;
            ASSERT_EQ(outcome.delivered.size(), 60u)
                << target << " cut at call " << cut_at << " seed " << seed;
            std::map<Partition, Offset> next;
            for (const Position& position : outcome.delivered)
                ASSERT_EQ(position.offset, next[position.partition]++) << cut_at;
            EXPECT_EQ(outcome.report["counts"]["acknowledged"].as_uint(), 60u)
                << cut_at << outcome.report.dump();
            EXPECT_EQ(outcome.report["state"].as_string(), "finished");
        }
        if (finished) break;
    }
    EXPECT_GT(cuts, 30u);
}

INSTANTIATE_TEST_SUITE_P(Targets, PowerCut,
                         testing::Values("file:/out/events", "stream:copy", "projection:totals"));

}  // namespace
}  // namespace tarn::replay
