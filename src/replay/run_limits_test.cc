// Runs that end by themselves or are not alone: a canary, too many failures, unknown outcomes, a second
// runner. Each for a target that takes batches and for one that works on several events at once.
#include <set>

#include "replay/ledger.h"
#include "replay/replay_fixture.h"
#include "replay/targets.h"

namespace tarn::replay {
namespace {

using codec::Json;
using End = FunctionAnswer::End;
using fakes::ReplayTest;

class RunLimits : public ReplayTest {
protected:
    RunLimits() {
        world.functions.declared["pay"] = {
            .name = "pay", .version = "v1", .mark = event::ReplayMark::ask, .stores = {}};
        world.make_stream("copy");
    }

    std::string plan_to(std::string target, std::string on_failure = "continue") {
        PlanRequest request = everything(std::move(target));
        request.on_failure = std::move(on_failure);
        request.again = true;
        return plan(request)["plan"].as_string();
    }
    std::string create(const std::string& plan_id, RunOptions options = {}) {
        options.allow = {"pay"};
        const auto run = world.replay->create_run(plan_id, options);
        EXPECT_TRUE(run) << run.error().text();
        return run.value_or("");
    }
    Json start(const std::string& plan_id, const std::string& run) {
        const std::atomic<bool> stop = false;
        const auto report = world.replay->run(plan_id, run, stop, {});
        EXPECT_TRUE(report) << report.error().text();
        return report.value_or(Json());
    }
    Json resume(const std::string& run, const RunOptions& options = {}) {
        EXPECT_TRUE(world.replay->change_options(run, options));
        const auto report = world.resume(run);
        EXPECT_TRUE(report) << report.error().text();
        return report.value_or(Json());
    }
    // The nth answer of each event's function.
    void answer(std::function<FunctionAnswer(Offset offset, int attempt)> decide) {
        world.functions.decide = [this, decide = std::move(decide)](const FunctionCall& call) {
            return decide(call.position.offset, ++attempts[call.position]);
        };
    }
    std::size_t ledger_bytes(const std::string& run) {
        return os::read_file(*world.fs, "/data/jobs/" + run + "/ledger.bin")->size();
    }

    std::map<Position, int> attempts;
};

// ---- the first ones

TEST_F(RunLimits, a_canary_pauses_after_its_events_and_resume_goes_on) {
    fill(40);
    for (const char* target : {"stream:copy", "function:pay", "null:"}) {
        const std::string plan_id = plan_to(target);
        const std::string run = create(plan_id, {.first = 7});
        const Json first = start(plan_id, run);
        EXPECT_EQ(first["state"].as_string(), "paused") << target;
        EXPECT_EQ(first["counts"]["acknowledged"].as_uint(), 7u) << target;
        EXPECT_EQ(first["stop"]["because"].as_string(), "first");
        expect_sum(first);
        // The first of the plan, not any.
        const auto settled = outcomes(run);
        for (std::size_t i = 0; i < settled.size(); ++i)
            EXPECT_EQ(settled[i], i < 7 ? "acknowledged" : "remaining") << target << i;
        const Json second = resume(run, {.first = 3});
        EXPECT_EQ(second["state"].as_string(), "paused") << target;
        EXPECT_EQ(second["counts"]["acknowledged"].as_uint(), 10u) << target;
        const Json rest = resume(run);
        EXPECT_EQ(rest["state"].as_string(), "finished") << target;
        EXPECT_EQ(rest["counts"]["acknowledged"].as_uint(), 40u) << target;
        EXPECT_TRUE(rest["stop"].is_null());
    }
    EXPECT_EQ(world.stream.kept.size(), 40u);
    EXPECT_EQ(world.functions.calls().size(), 40u);
}

TEST_F(RunLimits, a_canary_of_all_and_more_finishes) {
    fill(10);
    for (const std::uint64_t first : {10u, 11u}) {
        const std::string plan_id = plan_to("null:");
        EXPECT_EQ(start(plan_id, create(plan_id, {.first = first}))["state"].as_string(), "finished");
    }
}

TEST_F(RunLimits, a_canary_survives_a_stop_before_it_is_through) {
    fill(40);
    PlanRequest request = everything("null:");
    request.pace = "10/s";
    const std::string plan_id = plan(request)["plan"].as_string();
    const std::string run = create(plan_id, {.first = 20});
    std::atomic<bool> stop = false;
    const auto stopped = world.replay->run(plan_id, run, stop, [&](const RunProgress& progress) {
        if (progress.counts.acknowledged > 5) stop = true;
    });
    ASSERT_TRUE(stopped);
    EXPECT_EQ((*stopped)["state"].as_string(), "interrupted");
    EXPECT_EQ(resume(run)["counts"]["acknowledged"].as_uint(), 20u);
}

TEST_F(RunLimits, in_total_order_a_failing_canary_holds_nothing_behind_it) {
    fill(20);
    world.functions.rule.attempts = 1;
    answer([](Offset, int) { return FunctionAnswer{End::failed, "no", ""}; });
    PlanRequest request = everything("function:pay");
    request.order = "total";
    const std::string plan_id = plan(request)["plan"].as_string();
    const Json report = start(plan_id, create(plan_id, {.first = 4}));
    EXPECT_EQ(report["state"].as_string(), "paused");
    EXPECT_EQ(report["counts"]["failed"].as_uint(), 1u);
    EXPECT_EQ(report["counts"]["held"].as_uint(), 3u);
    EXPECT_EQ(report["counts"]["remaining"].as_uint(), 16u);
}

// ---- too many failures

TEST_F(RunLimits, too_many_failures_stop_the_run_and_say_why) {
    fill(60);
    world.functions.rule.attempts = 1;
    for (const std::string target : {"stream:copy", "function:pay"}) {
        bool is_broken = true;
        answer([&](Offset, int) {
            return is_broken ? FunctionAnswer{End::failed, "no", ""} : FunctionAnswer();
        });
        for (const auto& event : world.lake->events) world.stream.refused.insert(event.position);
        const std::string plan_id = plan_to(target);
        const std::string run = create(plan_id, {.max_failures = 4});
        const Json stopped = start(plan_id, run);
        EXPECT_EQ(stopped["state"].as_string(), "failed") << target;
        EXPECT_EQ(stopped["stop"]["because"].as_string(), "max_failures");
        EXPECT_NE(stopped["stop"]["text"].as_string().find("--max-failures allows 4"), std::string::npos);
        const std::uint64_t failed = stopped["counts"]["failed"].as_uint();
        EXPECT_GE(failed, 5u);
        EXPECT_LE(failed, 5 + world.functions.instances) << "those under way when it was too much";
        expect_sum(stopped);
        // A resumed one is allowed as many again.
        const Json again = resume(run, {.max_failures = 2});
        EXPECT_EQ(again["state"].as_string(), "failed") << target;
        EXPECT_GE(again["counts"]["failed"].as_uint(), failed + 3);
        is_broken = false;
        world.stream.refused.clear();
        const Json rest = resume(run);
        EXPECT_EQ(rest["state"].as_string(), "finished") << target;
        EXPECT_EQ(rest["counts"]["remaining"].as_uint(), 0u);
        EXPECT_EQ(rest["counts"]["failed"].as_uint(), again["counts"]["failed"].as_uint());
    }
}

TEST_F(RunLimits, as_many_failures_as_allowed_stop_nothing) {
    fill(30);
    for (const std::size_t refused : {3u, 9u, 14u})
        world.stream.refused.insert(world.lake->events[refused].position);
    const std::string plan_id = plan_to("stream:copy");
    const Json report = start(plan_id, create(plan_id, {.max_failures = 3}));
    EXPECT_EQ(report["state"].as_string(), "finished");
    EXPECT_EQ(report["counts"]["failed"].as_uint(), 3u);
}

// ---- unknown outcomes

TEST_F(RunLimits, an_unknown_outcome_is_held_or_sent_again) {
    fill(20);
    const auto decide = [](Offset offset, int attempt) {
        return offset == 5 && attempt <= 2 ? FunctionAnswer{End::unknown, "timed out", ""} : FunctionAnswer();
    };
    answer(decide);
    const std::string held = plan_to("function:pay", "hold");
    const Json kept = start(held, create(held));
    EXPECT_EQ(kept["counts"]["unknown"].as_uint(), 2u) << "one in each partition";
    EXPECT_GT(kept["counts"]["held"].as_uint(), 0u);
    EXPECT_EQ(kept["on_unknown"].as_string(), "hold");

    attempts.clear();
    world.functions.forget_calls();
    const std::string redone = plan_to("function:pay", "hold");
    const std::string run = create(redone, {.on_unknown = "redo"});
    const Json report = start(redone, run);
    EXPECT_EQ(report["counts"]["acknowledged"].as_uint(), 20u) << report["counts"].dump();
    EXPECT_EQ(world.functions.calls().size(), 24u);
    std::size_t said = 0;
    EXPECT_TRUE(world.replay->ledger(run, [&](std::string_view line) {
        const Json entry = *Json::parse(line);
        if (entry["error"].is_null()) return Status();
        EXPECT_EQ(entry["outcome"].as_string(), "acknowledged");
        EXPECT_EQ(entry["attempts"].as_uint(), 3u);
        ++said;
        return Status();
    }));
    EXPECT_EQ(said, 2u) << "the ledger says how it was settled";
}

TEST_F(RunLimits, what_stays_unknown_is_not_sent_for_ever) {
    fill(6);
    answer([](Offset offset, int) {
        return offset == 1 ? FunctionAnswer{End::unknown, "timed out", ""} : FunctionAnswer();
    });
    const std::string plan_id = plan_to("function:pay");
    const Json report = start(plan_id, create(plan_id, {.on_unknown = "redo"}));
    EXPECT_EQ(report["counts"]["unknown"].as_uint(), 2u);
    EXPECT_EQ(report["counts"]["acknowledged"].as_uint(), 4u);
    for (const auto& [position, count] : attempts) EXPECT_EQ(count, position.offset == 1 ? 5 : 1);
    // Settled is settled: what is resumed does not send it once more.
    EXPECT_FALSE(world.resume("rn-1"));
}

// ---- two runners

// What a file system without locks, or somebody who removes the lock's file, lets happen.
class Lockless final : public os::FileSystem {
public:
    explicit Lockless(os::FileSystem& fs) : fs_(fs) {}
    Result<std::unique_ptr<os::File>> open(const std::string& path, os::OpenMode mode) override {
        return fs_.open(path, mode);
    }
    Status make_directories(const std::string& path) override { return fs_.make_directories(path); }
    Status rename(const std::string& from, const std::string& to) override { return fs_.rename(from, to); }
    Status link(const std::string& from, const std::string& to) override { return fs_.link(from, to); }
    Status remove(const std::string& path) override { return fs_.remove(path); }
    Status sync_directory(const std::string& path) override { return fs_.sync_directory(path); }
    Result<std::vector<os::FileInfo>> list(const std::string& path) override { return fs_.list(path); }
    Result<std::optional<os::FileInfo>> stat(const std::string& path) override { return fs_.stat(path); }
    Result<os::Space> space(const std::string& path) override { return fs_.space(path); }
    Result<std::unique_ptr<os::FileLock>> lock(const std::string&) override {
        return std::make_unique<os::FileLock>();
    }

private:
    os::FileSystem& fs_;
};

class TwoRunners : public RunLimits {
protected:
    std::unique_ptr<Replay> another(os::FileSystem& fs) {
        return std::move(*Replay::open({.catalog = *world.catalog,
                                        .lake = *world.lake,
                                        .query = world.query,
                                        .state = world.state,
                                        .fs = fs,
                                        .clock = world.clock,
                                        .rng = world.rng,
                                        .directory = "/data/jobs",
                                        .append = world.stream.append(),
                                        .functions = &world.functions}));
    }
};

TEST_F(TwoRunners, the_second_is_refused_while_the_first_holds_the_lock) {
    fill(100);
    PlanRequest request = everything("null:");
    request.pace = "50/s";
    const std::string plan_id = plan(request)["plan"].as_string();
    const std::string run = create(plan_id);
    const auto second = another(*world.fs);
    const std::atomic<bool> stop = false;
    int refused = 0;
    const auto report = world.replay->run(plan_id, run, stop, [&](const RunProgress& progress) {
        if (progress.counts.acknowledged == 0) return;
        const auto resumed = second->resume(run, stop, {});
        ASSERT_FALSE(resumed);
        EXPECT_EQ(resumed.error().code, Code::run_state);
        ++refused;
    });
    ASSERT_TRUE(report) << report.error().text();
    EXPECT_GT(refused, 1);
    EXPECT_EQ((*report)["counts"]["acknowledged"].as_uint(), 100u);
}

// The first hangs, another takes the run over and ends it; then the first wakes up.
TEST_F(TwoRunners, who_was_taken_over_sends_and_writes_nothing_more) {
    fill(200);
    for (const std::string target : {"function:pay", "stream:copy", "null:"}) {
        Lockless lockless(*world.fs);
        const auto first = another(lockless), second = another(lockless);
        PlanRequest request = everything(target);
        request.pace = "100/s";
        request.again = true;
        const std::string plan_id = plan(request)["plan"].as_string();
        const std::string run = create(plan_id);
        world.functions.forget_calls();
        world.stream.kept.clear();
        const std::atomic<bool> stop = false;
        std::string ledger;
        std::size_t calls_when_over = 0;
        const auto report = first->run(plan_id, run, stop, [&](const RunProgress& progress) {
            if (progress.counts.acknowledged < 50 || !ledger.empty()) return;
            world.clock.advance_us(5'000'000);
            EXPECT_TRUE(second->set_pace(run, "max"));
            const auto ended = second->resume(run, stop, {});
            ASSERT_TRUE(ended) << ended.error().text();
            EXPECT_EQ((*ended)["state"].as_string(), "finished");
            EXPECT_EQ((*ended)["counts"]["acknowledged"].as_uint(), 200u);
            ledger = *os::read_file(*world.fs, "/data/jobs/" + run + "/ledger.bin");
            calls_when_over = world.functions.calls().size();
            world.clock.advance_us(5'000'000);
        });
        ASSERT_FALSE(ledger.empty());
        ASSERT_FALSE(report) << target;
        EXPECT_EQ(report.error().code, Code::run_state);
        EXPECT_NE(report.error().message.find("taken this run over"), std::string::npos)
            << report.error().text();
        EXPECT_EQ(*os::read_file(*world.fs, "/data/jobs/" + run + "/ledger.bin"), ledger);
        EXPECT_EQ((*world.replay->show_run(run))["state"].as_string(), "finished");
        if (target == "stream:copy") {
            EXPECT_EQ(world.stream.kept.size(), 200u);
        }
        // What the first had begun before it was recorded may be called twice; nothing after that.
        if (target == "function:pay") {
            EXPECT_LE(world.functions.calls().size(), 200 + 100u);
            std::set<Position> called;
            for (const auto& each : world.functions.calls()) called.insert(each.call.position);
            EXPECT_EQ(called.size(), 200u);
            EXPECT_EQ(world.functions.calls().size(), calls_when_over);
        }
    }
}

TEST_F(TwoRunners, each_session_begins_an_epoch) {
    fill(10);
    auto first = Ledger::open(*world.fs, "/out/ledger.bin", 10, std::string(64, 'a'));
    ASSERT_TRUE(first);
    EXPECT_EQ((*first)->epoch(), 1u);
    (*first)->add({.kind = LedgerKind::acknowledged, .count = 4, .first = 0, .at = {}, .text = {}});
    ASSERT_TRUE((*first)->commit());
    EXPECT_TRUE((*first)->check_is_ours());
    auto second = Ledger::open(*world.fs, "/out/ledger.bin", 10, std::string(64, 'a'));
    ASSERT_TRUE(second) << second.error().text();
    EXPECT_EQ((*second)->epoch(), 2u);
    EXPECT_EQ((*second)->state().settled, 4u);
    EXPECT_EQ((*first)->check_is_ours().error().code, Code::run_state);
    // Woken in the middle of a checkpoint, it writes into a file that nobody reads.
    (*first)->add({.kind = LedgerKind::failed, .count = 6, .first = 4, .at = {}, .text = {}});
    EXPECT_TRUE((*first)->commit());
    (*second)->add({.kind = LedgerKind::acknowledged, .count = 1, .first = 4, .at = {}, .text = {}});
    ASSERT_TRUE((*second)->commit());
    const auto state = read_ledger(*world.fs, "/out/ledger.bin");
    ASSERT_TRUE(state) << state.error().text();
    EXPECT_EQ(state->acknowledged, 5u);
    EXPECT_EQ(state->failed, 0u);
}

// ---- what it costs

TEST_F(RunLimits, the_ledger_is_small) {
    fill(20'000);
    const std::string to_null = plan_to("null:");
    const std::string null_run = create(to_null);
    start(to_null, null_run);
    EXPECT_LT(ledger_bytes(null_run), 1'000u);
    // In lanes answers come in any order, and each checkpoint tells what is ahead of its turn.
    world.functions.instances = 8;
    const std::string plan_id = plan_to("function:pay");
    const std::string run = create(plan_id);
    const Json report = start(plan_id, run);
    EXPECT_EQ(report["counts"]["acknowledged"].as_uint(), 20'000u);
    EXPECT_LT(ledger_bytes(run), 20'000u * 24);
    RecordProperty("bytes_per_event_in_lanes", static_cast<int>(ledger_bytes(run) / 20'000));
}

}  // namespace
}  // namespace tarn::replay
