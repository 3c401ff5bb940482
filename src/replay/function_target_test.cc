// Runs into functions: order with several at work, failures, unknown outcomes, interruption, copies, marks.
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "replay/ledger.h"
#include "replay/replay_fakes.h"
#include "replay/target_conformance.h"
#include "replay/targets.h"

namespace tarn::replay {
namespace {

using codec::Json;
using fakes::World;
using End = FunctionAnswer::End;

constexpr std::int64_t start_us = 1'709'251'200'000'000;  // 2024-03-01T00:00:00Z
constexpr int keys = 4;

std::string fresh_path() {
    static int number = 0;
    return fmt::format("{}tarn-function-target-{}-{}", testing::TempDir(), ::getpid(), ++number);
}

class FunctionTargetTest : public testing::Test {
protected:
    FunctionTargetTest() : world(fresh_path()), bank(world.make_stream("bank", 1)) {
        world.state.stream_id = bank;
        declare("mail", event::ReplayMark::safe);
    }

    void declare(const std::string& name, event::ReplayMark mark, std::vector<std::string> stores = {}) {
        world.functions.declared[name] = {
            .name = name, .version = "v1", .mark = mark, .stores = std::move(stores)};
    }

    // Offsets 0 … count-1; the key follows from the offset.
    void fill(int count) {
        for (int i = 0; i < count; ++i)
            world.lake->add(bank, 0, i % 2 == 0 ? "even" : "odd", fmt::format("k{}", i % keys),
                            Time{start_us + i * 1'000'000});
    }

    static PlanRequest to(std::string target) {
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
    Json run(const PlanRequest& request, const std::vector<std::string>& allow = {}) {
        const auto report = world.run_new(plan(request)["plan"].as_string(), {.allow = allow});
        EXPECT_TRUE(report) << report.error().text();
        return report.value_or(Json());
    }

    // "failed" for these offsets.
    void fail_at(std::set<Offset> offsets, End end = End::failed) {
        world.functions.decide = [offsets = std::move(offsets), end](const FunctionCall& call) {
            return offsets.contains(call.position.offset) ? FunctionAnswer{end, "no", ""} : FunctionAnswer();
        };
    }

    // Of each key, the offsets in the order in which they were called.
    std::map<Offset, std::vector<Offset>> called() {
        std::map<Offset, std::vector<Offset>> by_key;
        for (const auto& each : world.functions.calls())
            by_key[each.call.position.offset % keys].push_back(each.call.position.offset);
        return by_key;
    }

    static std::string counts(const Json& report) {
        const Json& counts = report["counts"];
        return fmt::format("{} {} {} {} {}", counts["acknowledged"].as_uint(), counts["skipped"].as_uint(),
                           counts["failed"].as_uint(), counts["held"].as_uint(), counts["unknown"].as_uint());
    }

    World world;
    StreamId bank;
};

TEST_F(FunctionTargetTest, keeps_the_order_of_each_key_with_several_at_work) {
    fill(2000);
    std::size_t under_way = 0;
    world.functions.decide = [&under_way](const FunctionCall& call) {
        under_way += call.attempt > 1;
        // Every seventh needs a second attempt: its key waits, the others go on.
        return call.attempt == 1 && call.position.offset % 7 == 0
                   ? FunctionAnswer{End::failed, "once more", ""}
                   : FunctionAnswer();
    };
    const Json report = run(to("function:mail"));
    EXPECT_EQ(counts(report), "2000 0 0 0 0");
    EXPECT_EQ(report["order"]["violations"].as_uint(), 0u);
    EXPECT_EQ(under_way, 286u);
    for (const auto& [key, offsets] : called()) {
        EXPECT_TRUE(std::ranges::is_sorted(offsets)) << key;
        EXPECT_GE(offsets.size(), 500u);
    }
}

TEST_F(FunctionTargetTest, tells_what_it_sends) {
    fill(1);
    run(to("function:mail"));
    const auto calls = world.functions.calls();
    ASSERT_EQ(calls.size(), 1u);
    EXPECT_EQ(calls[0].call.stream, "bank");
    EXPECT_EQ(calls[0].call.attempt, 1);
    EXPECT_EQ(calls[0].call.subscription, "");
    const Json document = *Json::parse(calls[0].call.document);
    EXPECT_EQ(document["tarnrun"].as_string(), calls[0].call.run);
}

TEST_F(FunctionTargetTest, holds_what_stands_behind_a_failure) {
    fill(12);
    fail_at({1});
    EXPECT_EQ(counts(run(to("function:mail"))), "9 0 1 2 0");
    EXPECT_EQ(called()[1], (std::vector<Offset>{1, 1})) << "two attempts, then nothing of this key";
}

TEST_F(FunctionTargetTest, goes_on_behind_a_failure_when_told_to) {
    fill(12);
    fail_at({1});
    PlanRequest request = to("function:mail");
    request.on_failure = "continue";
    EXPECT_EQ(counts(run(request)), "11 0 1 0 0");
    EXPECT_EQ(called()[1], (std::vector<Offset>{1, 1, 5, 9}));
}

TEST_F(FunctionTargetTest, stops_at_a_failure_when_told_to) {
    fill(2000);
    fail_at({1});
    PlanRequest request = to("function:mail");
    request.on_failure = "stop";
    const Json report = run(request);
    EXPECT_EQ(report["state"].as_string(), "failed");
    EXPECT_EQ(report["counts"]["failed"].as_uint(), 1u);
    EXPECT_GT(report["counts"]["remaining"].as_uint(), 1000u);
}

TEST_F(FunctionTargetTest, total_order_has_one_under_way_and_holds_all_behind_a_failure) {
    fill(50);
    fail_at({20});
    PlanRequest request = to("function:mail");
    request.order = "total";
    EXPECT_EQ(counts(run(request)), "20 0 1 29 0");
    std::vector<Offset> offsets;
    for (const auto& each : world.functions.calls()) offsets.push_back(each.call.position.offset);
    EXPECT_TRUE(std::ranges::is_sorted(offsets));
    EXPECT_EQ(offsets.back(), 20u);
}

TEST_F(FunctionTargetTest, one_that_may_have_acted_is_repeated_only_where_that_is_safe) {
    fill(8);
    fail_at({0}, End::unknown);
    EXPECT_EQ(counts(run(to("function:mail"))), "6 0 0 1 1");
    EXPECT_EQ(called()[0].size(), 2u) << "safe: tried again";
    world.functions.forget_calls();
    declare("pay", event::ReplayMark::ask);
    EXPECT_EQ(counts(run(to("function:pay"), {"pay"})), "6 0 0 1 1");
    EXPECT_EQ(called()[0].size(), 1u);
}

// The first event rests after an attempt until all others in the window are settled, and cannot run then.
TEST_F(FunctionTargetTest, one_that_cannot_run_interrupts_and_nothing_done_is_done_again) {
    fill(200);
    world.functions.rule.first_us = 300'000;
    world.functions.rule.longest_us = 300'000;
    world.functions.decide = [](const FunctionCall& call) {
        if (call.position.offset != 0) return FunctionAnswer();
        return call.attempt == 1 ? FunctionAnswer{End::failed, "once more", ""}
                                 : FunctionAnswer{End::could_not_run, "no python", ""};
    };
    const Json planned = plan(to("function:mail"));
    const auto broken = world.run_new(planned["plan"].as_string());
    ASSERT_FALSE(broken);
    EXPECT_EQ(broken.error().code, Code::function_cannot_run);
    const Json report = *world.replay->show_run("rn-1");
    EXPECT_EQ(report["state"].as_string(), "interrupted");
    const std::size_t ahead = world.functions.calls().size() - 2;
    EXPECT_GE(ahead, 40u);
    EXPECT_EQ(report["counts"]["acknowledged"].as_uint(), ahead) << "those ahead of their turn are counted";
    EXPECT_EQ(report["counts"]["remaining"].as_uint(), 200 - ahead);

    world.cut_power(1);
    world.functions.forget_calls();
    world.functions.decide = [](const FunctionCall&) { return FunctionAnswer(); };
    const auto resumed = world.resume("rn-1");
    ASSERT_TRUE(resumed) << resumed.error().text();
    EXPECT_EQ(counts(*resumed), "200 0 0 0 0");
    EXPECT_EQ(world.functions.calls().size(), 200 - ahead) << "what was done is not done again";
    for (auto& [key, offsets] : called()) EXPECT_TRUE(std::ranges::is_sorted(offsets)) << key;
}

TEST_F(FunctionTargetTest, one_that_was_taken_back_before_it_was_seen_uses_up_no_attempt) {
    fill(4);
    int times = 0;
    world.functions.decide = [&times](const FunctionCall& call) {
        const bool is_back = call.position.offset == 1 && ++times <= 5;
        return is_back ? FunctionAnswer{End::not_sent, "", ""} : FunctionAnswer();
    };
    EXPECT_EQ(counts(run(to("function:mail"))), "4 0 0 0 0");
    EXPECT_EQ(world.functions.calls().back().call.attempt, 1);
}

TEST_F(FunctionTargetTest, a_failure_ahead_of_its_turn_holds_its_key_after_a_restart_too) {
    fill(40);
    declare("pay", event::ReplayMark::ask);  // what may have acted is not tried again
    world.functions.rule = {.attempts = 2, .first_us = 300'000, .longest_us = 300'000};
    world.functions.decide = [](const FunctionCall& call) {
        if (call.position.offset == 1) return FunctionAnswer{End::unknown, "no answer", ""};
        if (call.position.offset != 0) return FunctionAnswer();
        return call.attempt == 1 ? FunctionAnswer{End::failed, "once more", ""}
                                 : FunctionAnswer{End::could_not_run, "no python", ""};
    };
    ASSERT_FALSE(world.run_new(plan(to("function:pay"))["plan"].as_string(), {.allow = {"pay"}}));
    const Json before = *world.replay->show_run("rn-1");
    EXPECT_EQ(counts(before), "20 0 0 9 1");
    world.functions.forget_calls();
    world.functions.decide = [](const FunctionCall&) { return FunctionAnswer(); };
    const auto resumed = world.resume("rn-1");
    ASSERT_TRUE(resumed) << resumed.error().text();
    EXPECT_EQ(counts(*resumed), "30 0 0 9 1");
    EXPECT_TRUE(called()[1].empty());
}

TEST_F(FunctionTargetTest, needs_a_server_before_a_run_is_made) {
    fill(3);
    world.functions.can_run = false;
    const std::string id = plan(to("function:mail"))["plan"].as_string();
    EXPECT_EQ(world.replay->create_run(id).error().code, Code::bad_usage);
    EXPECT_TRUE(world.replay->runs()->empty());
}

TEST_F(FunctionTargetTest, another_version_makes_the_plan_stale) {
    fill(3);
    const std::string id = plan(to("function:mail"))["plan"].as_string();
    world.functions.declared["mail"].version = "v2";
    EXPECT_EQ(world.run_new(id).error().code, Code::plan_stale);
    // Under way, too.
    const std::string again = plan(to("function:mail"))["plan"].as_string();
    world.functions.decide = [](const FunctionCall&) { return FunctionAnswer{End::done, "", "v3"}; };
    EXPECT_EQ(world.run_new(again).error().code, Code::plan_stale);
}

// ---- copies

class FunctionCopyTest : public FunctionTargetTest {
protected:
    FunctionCopyTest() {
        (void)world.state.declare_store("accounts");
        declare("ledger", event::ReplayMark::safe, {"accounts"});
        world.functions.subscribed = {
            {.name = "evens", .stream = "bank", .function = "ledger", .pattern = R"({"type":["even"]})"}};
    }
    static PlanRequest rebuild() { return {.rebuild = "accounts", .base = "empty", .into = "fix"}; }
};

TEST_F(FunctionCopyTest, a_rebuild_takes_what_the_subscriptions_take) {
    fill(20);
    const Json document = plan(rebuild());
    EXPECT_EQ(document["target"].as_string(), "function:ledger");
    EXPECT_EQ(document["feeders"].dump(), R"(["evens"])");
    EXPECT_EQ(document["events"].as_uint(), 10u);
    EXPECT_TRUE(document["coverage"]["complete"].as_bool());
    EXPECT_TRUE(world.run_new(document["plan"].as_string()));
    for (const auto& each : world.functions.calls()) {
        EXPECT_EQ(each.copy, "accounts@fix");
        EXPECT_EQ(each.call.subscription, "evens");
        EXPECT_EQ(each.call.document.find("tarnrun"), std::string::npos) << "as live delivery gives it";
    }
    EXPECT_TRUE(world.state.at("accounts@fix").complete);
    EXPECT_EQ(world.state.at("accounts@fix").advanced["evens"], 21u);
}

TEST_F(FunctionCopyTest, a_part_is_partial_and_what_no_subscription_takes_is_skipped) {
    fill(20);
    PlanRequest request = to("function:ledger");
    request.all = false;
    request.ids = {"0:0", "0:1", "0:2"};
    request.into = "fix";
    request.base = "empty";
    const Json document = plan(request);
    EXPECT_FALSE(document["coverage"]["complete"].as_bool());
    EXPECT_EQ(document["coverage"]["missing"].as_uint(), 8u);
    EXPECT_EQ(counts(*world.run_new(document["plan"].as_string())), "2 1 0 0 0");
    EXPECT_FALSE(world.state.at("accounts@fix").complete);
}

TEST_F(FunctionCopyTest, a_failure_leaves_the_copy_incomplete) {
    fill(20);
    fail_at({4});
    EXPECT_EQ(counts(run(rebuild())), "6 0 1 3 0");
    EXPECT_FALSE(world.state.at("accounts@fix").complete);
}

TEST_F(FunctionCopyTest, two_subscriptions_that_take_an_event_both_have_it_and_neither_twice) {
    fill(6);
    world.functions.subscribed.push_back({.name = "second", .stream = "bank", .function = "ledger"});
    world.functions.decide = [](const FunctionCall& call) {
        const bool breaks = call.subscription == "second" && call.position.offset == 0 && call.attempt == 1;
        return breaks ? FunctionAnswer{End::failed, "once more", ""} : FunctionAnswer();
    };
    EXPECT_EQ(counts(run(rebuild())), "6 0 0 0 0");
    std::map<std::string, int> times;
    for (const auto& each : world.functions.calls()) ++times[each.call.subscription];
    EXPECT_EQ(times["evens"], 3) << "the one that had succeeded was not called again";
    EXPECT_EQ(times["second"], 7);
}

TEST_F(FunctionCopyTest, refuses_what_would_change_more_than_the_copy) {
    fill(4);
    declare("ledger", event::ReplayMark::safe, {"accounts", "other"});
    const auto planned = world.replay->plan(rebuild());
    ASSERT_FALSE(planned);
    EXPECT_EQ(planned.error().code, Code::bad_selection);
    EXPECT_NE(planned.error().message.find("would change the others"), std::string::npos);
}

TEST_F(FunctionCopyTest, another_pattern_makes_the_plan_stale) {
    fill(4);
    const std::string id = plan(rebuild())["plan"].as_string();
    world.functions.subscribed[0].pattern.clear();
    EXPECT_EQ(world.run_new(id).error().code, Code::plan_stale);
}

// ---- marks

TEST_F(FunctionTargetTest, ask_needs_to_be_allowed_by_name_and_never_refuses) {
    event::StreamSettings settings = world.catalog->stream("bank")->settings;
    settings.replay = {{"odd", event::ReplayMark::ask}};
    ASSERT_TRUE(world.catalog->update_stream(bank, settings));
    fill(4);
    declare("pay", event::ReplayMark::ask);
    const Json document = plan(to("function:pay"));
    EXPECT_EQ(document["asks"].dump(), R"(["pay","odd"])");
    const std::string id = document["plan"].as_string();
    const auto refused = world.replay->create_run(id, {.allow = {"pay"}});
    EXPECT_EQ(refused.error().code, Code::not_allowed_here);
    EXPECT_NE(refused.error().message.find("odd is marked replay: ask"), std::string::npos);
    EXPECT_TRUE(world.run_new(id, {.allow = {"odd", "pay"}}));
    EXPECT_EQ(plan(to("null:"))["asks"].size(), 0u) << "nobody acts on it";

    settings.replay = {{"odd", event::ReplayMark::never}};
    ASSERT_TRUE(world.catalog->update_stream(bank, settings));
    EXPECT_EQ(world.replay->plan(to("function:mail")).error().kind, ErrorKind::denied);
    EXPECT_EQ(world.replay->create_run(id, {.allow = {"odd", "pay"}}).error().kind, ErrorKind::denied)
        << "the marks of today count";
    PlanRequest evens = to("function:mail");
    evens.pattern = R"({"type":["even"]})";
    EXPECT_EQ(plan(evens)["events"].as_uint(), 2u);
}

TEST_F(FunctionTargetTest, only_names_subscriptions_of_the_target_stream) {
    fill(4);
    (void)world.make_stream("into", 1);
    declare("pay", event::ReplayMark::ask);
    world.functions.subscribed = {{.name = "pays", .stream = "into", .function = "pay"},
                                  {.name = "mails", .stream = "bank", .function = "mail"}};
    PlanRequest request = to("stream:into");
    request.only = {"mails"};
    EXPECT_EQ(world.replay->plan(request).error().code, Code::unknown_subscription);
    request.only = {"pays"};
    const Json document = plan(request);
    EXPECT_EQ(document["asks"].dump(), R"(["pay"])");
    const std::string run = *world.replay->create_run(document["plan"].as_string(), {.allow = {"pay"}});
    const std::string uid = world.catalog->document("run", run)->value().body["uid"].as_string();
    EXPECT_TRUE(world.replay->run_names(uid, "pays"));
    EXPECT_FALSE(world.replay->run_names(uid, "mails"));
    EXPECT_FALSE(world.replay->run_names("another", "pays"));
    request.target = "null:";
    EXPECT_EQ(world.replay->plan(request).error().code, Code::bad_selection);
}

// ---- as any target

class FunctionFixture : public TargetFixture {
public:
    std::unique_ptr<Target> open(std::optional<std::uint64_t>) override {
        functions_.decide = [this](const FunctionCall& call) {
            const std::string id = fmt::format("e{}", call.position.offset);
            if (refused_.contains(id)) return FunctionAnswer{End::failed, "no", ""};
            arrived_.push_back(id);
            return FunctionAnswer();
        };
        FunctionRoute route{.function = {.name = "mail", .version = "v1", .mark = {}, .stores = {}},
                            .streams = {{StreamId{1}, "bank"}}};
        route.at_work = *functions_.open("mail", "");
        std::vector<FunctionRoute> routes;
        routes.push_back(std::move(route));
        return make_function_target(std::move(routes), {.run = "run", .resume_mark = {}});
    }
    std::optional<std::vector<std::string>> arrived() override { return arrived_; }
    bool refuse(const std::string& id) override {
        refused_.insert(id);
        return true;
    }
    bool is_exactly_once() const override { return false; }

private:
    fakes::FakeFunctions functions_;
    std::vector<std::string> arrived_;
    std::set<std::string> refused_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(Function, TargetConformance, FunctionFixture);

}  // namespace
}  // namespace tarn::replay
