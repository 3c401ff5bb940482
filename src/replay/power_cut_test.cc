// Runs that are cut off by the power going, at every call to the file system.
#include "replay/replay_fixture.h"

namespace tarn::replay {
namespace {

using codec::Json;
using fakes::day_zero_us;
using fakes::fresh_path;
using fakes::second_us;
using fakes::World;

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
