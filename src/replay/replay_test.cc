// Plans over the fake world: selection against a naive evaluator, what is frozen. Runs: run_test.cc.
#include "replay/replay_fixture.h"
#include "replay/sql_condition.h"
#include "replay/targets.h"

namespace tarn::replay {
namespace {

using codec::Json;
using fakes::day_zero_us;
using fakes::ReplayTest;
using fakes::second_us;

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
    request.all = false;
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

}  // namespace
}  // namespace tarn::replay
