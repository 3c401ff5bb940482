// A function on the way: what arrives, what is dropped or fails, and that nothing is asked or sent twice.
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "replay/replay_fixture.h"
#include "replay/targets.h"

namespace tarn::replay {
namespace {

using codec::Json;
using End = FunctionAnswer::End;

FunctionAnswer made(std::string data) { return {End::done, "", "v1", std::move(data)}; }

class ViaTest : public fakes::ReplayTest {
protected:
    ViaTest() {
        world.make_stream("clean");
        world.functions.instances = 2;
        declare(event::ReplayMark::safe);
        world.functions.decide = [](const FunctionCall& call) {
            return made(fmt::format("{{\"was\":{}}}", call.document));
        };
    }

    void declare(event::ReplayMark mark, std::string version = "v1") {
        world.functions.declared["redact"] = {
            .name = "redact", .version = std::move(version), .mark = mark, .stores = {}};
    }

    // Offset n of one partition has the payload {"n":n+1} and one of three keys.
    void fill_one(int count) {
        for (int i = 0; i < count; ++i)
            world.lake->add(bank, 0, "deposit", fmt::format("k{}", i % 3),
                            Time{fakes::day_zero_us + i * fakes::second_us});
    }

    static PlanRequest via(std::string target) {
        PlanRequest request = everything(std::move(target));
        request.via = "function:redact";
        return request;
    }

    // Offset → how it ends; the others are done.
    void end_at(std::map<Offset, End> ends) {
        world.functions.decide = [ends = std::move(ends)](const FunctionCall& call) {
            const auto end = ends.find(call.position.offset);
            return end == ends.end() ? made("{}") : FunctionAnswer{end->second, "no", ""};
        };
    }

    std::size_t times_called(Offset offset) {
        const auto calls = world.functions.calls();
        return static_cast<std::size_t>(std::ranges::count_if(
            calls, [offset](const auto& each) { return each.call.position.offset == offset; }));
    }

    std::vector<Offset> arrived() const {
        std::vector<Offset> offsets;
        for (const auto& kept : world.stream.kept) offsets.push_back(kept.position.offset);
        return offsets;
    }

    static std::string counts(const Json& report) {
        const Json& counts = report["counts"];
        return fmt::format("{} {} {} {} {}", counts["acknowledged"].as_uint(), counts["skipped"].as_uint(),
                           counts["failed"].as_uint(), counts["held"].as_uint(), counts["unknown"].as_uint());
    }
};

TEST_F(ViaTest, what_the_function_makes_arrives_once_and_in_order) {
    fill_one(1500);
    const Json planned = plan(via("stream:clean"));
    EXPECT_EQ(planned["via"].dump(), R"({"function":"redact","version":"v1"})");
    const Json report = run(planned);
    EXPECT_EQ(counts(report), "1500 0 0 0 0");
    EXPECT_EQ(report["via"], planned["via"]);
    ASSERT_EQ(world.stream.kept.size(), 1500u);
    for (std::size_t i = 0; i < 1500; ++i) {
        EXPECT_EQ(world.stream.kept[i].position.offset, i);
        EXPECT_EQ(world.stream.kept[i].payload, fmt::format(R"({{"was":{{"n":{}}}}})", i + 1));
    }
    EXPECT_EQ(world.functions.calls().size(), 1500u);
}

TEST_F(ViaTest, dropped_is_skipped_and_what_fails_holds_its_key) {
    fill_one(12);
    end_at({{0, End::dropped}, {1, End::refused}, {2, End::failed}});
    const Json report = run(plan(via("stream:clean")));
    EXPECT_EQ(counts(report), "3 1 2 6 0");
    EXPECT_EQ(arrived(), (std::vector<Offset>{3, 6, 9}));
    EXPECT_EQ(report["by_skip"].elements().at(0)["cause"].as_string(),
              "function:redact dropped it on the way");
    EXPECT_EQ(report["by_failure"].elements().at(0)["cause"].as_string(), "via function:redact: no");
    EXPECT_EQ(times_called(1), 1u) << "it has answered";
    EXPECT_EQ(times_called(2), 2u) << "an invocation that failed is tried once more";
    EXPECT_EQ(times_called(11), 1u);
}

TEST_F(ViaTest, one_that_ran_out_of_time_has_failed_and_is_repeated_only_where_that_is_safe) {
    fill_one(3);
    end_at({{1, End::unknown}});
    EXPECT_EQ(counts(run(plan(via("null:")))), "2 0 1 0 0");
    EXPECT_EQ(times_called(1), 2u);
    world.functions.forget_calls();
    declare(event::ReplayMark::ask);
    const auto report = world.run_new(plan(via("null:"))["plan"].as_string(), {.allow = {"redact"}});
    ASSERT_TRUE(report) << report.error().text();
    EXPECT_EQ(counts(*report), "2 0 1 0 0");
    EXPECT_EQ(times_called(1), 1u);
}

TEST_F(ViaTest, one_that_was_taken_back_is_called_again) {
    fill_one(3);
    int times = 0;
    world.functions.decide = [&times](const FunctionCall& call) {
        const bool is_back = call.position.offset == 1 && ++times <= 2;
        return is_back ? FunctionAnswer{End::not_sent, "", ""} : made("{}");
    };
    EXPECT_EQ(counts(run(plan(via("stream:clean")))), "3 0 0 0 0");
    EXPECT_EQ(arrived(), (std::vector<Offset>{0, 1, 2}));
}

// Two invocations of a hundred are a batch; the third batch does not come about, and then the power goes.
TEST_F(ViaTest, one_that_cannot_run_interrupts_and_nothing_arrives_twice_after_a_crash) {
    fill_one(500);
    for (const std::string target : {"stream:clean", "file:/out/clean.ndjson"}) {
        end_at({{404, End::could_not_run}});
        const auto report = world.run_new(plan(via(target))["plan"].as_string());
        ASSERT_FALSE(report);
        EXPECT_EQ(report.error().code, Code::function_cannot_run);
        const std::string run = (*world.replay->runs())[0]["run"].as_string();
        EXPECT_EQ(counts(*world.replay->show_run(run)), "400 0 0 0 0");
        world.cut_power(1);
        end_at({{10, End::dropped}});
        const auto resumed = world.resume(run);
        ASSERT_TRUE(resumed) << resumed.error().text();
        EXPECT_EQ(counts(*resumed), "500 0 0 0 0");
    }
    EXPECT_EQ(world.stream.kept.size(), 500u);
    EXPECT_TRUE(std::ranges::is_sorted(arrived()));
    const auto lines = os::read_file(*world.fs, "/out/clean.ndjson");
    ASSERT_TRUE(lines) << lines.error().text();
    EXPECT_EQ(std::ranges::count(*lines, '\n'), 500);
}

TEST_F(ViaTest, another_version_makes_the_plan_stale) {
    fill_one(3);
    const std::string id = plan(via("null:"))["plan"].as_string();
    declare(event::ReplayMark::safe, "v2");
    EXPECT_EQ(world.run_new(id).error().code, Code::plan_stale);
    const std::string again = plan(via("null:"))["plan"].as_string();
    world.functions.decide = [](const FunctionCall&) { return FunctionAnswer{End::done, "", "v3", "{}"}; };
    EXPECT_EQ(world.run_new(again).error().code, Code::plan_stale) << "under way, too";
}

TEST_F(ViaTest, its_mark_and_a_server_are_needed) {
    fill_one(3);
    declare(event::ReplayMark::never);
    EXPECT_EQ(plan_error(via("null:")).code, Code::not_allowed_here);
    declare(event::ReplayMark::ask);
    const Json planned = plan(via("null:"));
    EXPECT_EQ(planned["asks"].dump(), R"(["redact"])");
    EXPECT_EQ(world.run_new(planned["plan"].as_string()).error().code, Code::not_allowed_here);
    world.functions.can_run = false;
    EXPECT_EQ(world.run_new(planned["plan"].as_string(), {.allow = {"redact"}}).error().code,
              Code::bad_usage);
}

TEST_F(ViaTest, does_not_go_with_targets_that_follow_from_the_lake) {
    fill_one(3);
    EXPECT_NE(plan_error(via("projection:totals")).message.find("a store must follow"), std::string::npos);
    EXPECT_NE(plan_error(via("function:redact")).message.find("another function"), std::string::npos);
    PlanRequest wrong = via("null:");
    wrong.via = "stream:clean";
    EXPECT_EQ(plan_error(wrong).message, "--via stream:clean: expected function:NAME");
    wrong.via = "function:redcat";
    EXPECT_EQ(plan_error(wrong).code, Code::unknown_function);
}

// ---- at the other end

// Takes what comes on the caller's thread, and has the first attempt of each begun again.
class Lanes final : public ParallelTarget {
public:
    struct Taken {
        std::string payload, id, key, idempotency_key;
        event::Format format;
        event::PayloadForm form;
        std::optional<std::string> content_type;
        int attempt;
    };
    explicit Lanes(std::vector<Taken>& taken) : taken_(taken) {}
    std::size_t at_once() const override { return 4; }
    void begin(const Outgoing& out, Done done) override {
        taken_.push_back(
            {std::string(out.event.payload), std::string(out.meta.id), std::string(out.meta.key.value_or("")),
             out.idempotency_key, out.meta.format, out.event.form,
             out.meta.content_type ? std::optional<std::string>(*out.meta.content_type) : std::nullopt,
             out.attempt});
        Attempted attempted{{Delivery::acknowledged, "", out.attempt}, {}};
        if (out.attempt == 1) attempted.again_us = 0;
        done(std::move(attempted));
    }

private:
    std::vector<Taken>& taken_;
};

struct Sender {
    explicit Sender(fakes::World& world) : world_(world) {}

    std::vector<Lanes::Taken> send(const std::string& attributes, const std::string& payload) {
        std::vector<Lanes::Taken> taken;
        Via via{.function = world_.functions.declared["redact"],
                .at_work = *world_.functions.open("redact", ""),
                .streams = {{StreamId{1}, "bank"}}};
        const auto target = make_via_target(world_.clock, std::move(via), std::make_unique<Lanes>(taken),
                                            {.run = "uid", .resume_mark = {}});
        const std::string meta = "\"key\":\"k\",\"attributes\":{\"id\":\"e\"" + attributes + "}";
        Outgoing out;
        out.event.position = {StreamId{1}, 0, 7};
        out.event.meta = meta;
        out.event.payload = payload;
        event::MetaReader reader;
        out.meta = reader.read(out.event, "bank");
        out.idempotency_key = "uid:1:0:7";
        const auto sent = target->send({out});
        EXPECT_TRUE(sent) << sent.error().text();
        return taken;
    }

    fakes::World& world_;
};

TEST_F(ViaTest, an_event_keeps_its_identity_and_the_function_is_not_asked_twice) {
    const auto taken = Sender(world).send("", R"({"n":1})");
    ASSERT_EQ(taken.size(), 2u);
    for (const auto& each : taken) {
        EXPECT_EQ(each.payload, R"({"was":{"n":1}})");
        EXPECT_EQ(each.id + " " + each.key + " " + each.idempotency_key, "e k uid:1:0:7");
    }
    EXPECT_EQ(taken[1].attempt, 2);
    EXPECT_EQ(world.functions.calls().size(), 1u);
}

TEST_F(ViaTest, attributes_stand_beside_what_was_made_and_the_type_of_content_tells_the_truth) {
    const std::string document = R"({"specversion":"1.0","id":"e","source":"/s","type":"t","data":{"n":1}})";
    const auto from_document = Sender(world).send(R"(,"tarnformat":"cloudevents")", document);
    EXPECT_EQ(from_document[0].format, event::Format::json);
    EXPECT_EQ(from_document[0].payload, fmt::format(R"({{"was":{}}})", document));

    const std::string of_text = R"(,"datacontenttype":"text/plain","tarnformat":"bytes")";
    const auto json = Sender(world).send(of_text, "7");
    EXPECT_EQ(json[0].format, event::Format::json);
    EXPECT_EQ(json[0].content_type, std::nullopt);

    world.functions.decide = [](const FunctionCall&) { return made("\xff"); };
    const auto bytes = Sender(world).send(R"(,"datacontenttype":"application/json")", "{}");
    EXPECT_EQ(bytes[0].format, event::Format::bytes);
    EXPECT_EQ(bytes[0].form, event::PayloadForm::base64);
    EXPECT_EQ(bytes[0].content_type, std::nullopt);
}

}  // namespace
}  // namespace tarn::replay
