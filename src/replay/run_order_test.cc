// What must hold whatever happens: of a key the events are sent in order, one after the other, and none
// behind a failure that holds it. Random outcomes, pauses and paces.
#include <algorithm>
#include <random>

#include "replay/replay_fixture.h"

namespace tarn::replay {
namespace {

using codec::Json;
using End = FunctionAnswer::End;
using fakes::ReplayTest;

class RunOrder : public ReplayTest {
protected:
    RunOrder() {
        world.functions.declared["pay"] = {
            .name = "pay", .version = "v1", .mark = event::ReplayMark::safe, .stores = {}};
        world.functions.rule.attempts = 3;
        world.functions.instances = 5;
    }

    // What order is kept for: the key, or the partition of an event without one.
    std::string key_of(const event::StoredEvent& stored) {
        const auto& key = reader.read(stored, "bank").key;
        return key ? std::string(*key) : fmt::format("partition {}", stored.position.partition);
    }

    event::MetaReader reader;
};

// Fails, cannot be sent, or stays without an answer, as the numbers of one seed say.
FunctionAnswer random_answer(std::mt19937& random) {
    switch (random() % 12) {
        case 0:
        case 1:
            return {End::failed, "no", ""};
        case 2:
            return {End::not_sent, "", ""};
        case 3:
            return {End::unknown, "timed out", ""};
        default:
            return {};
    }
}

TEST_F(RunOrder, of_a_key_events_go_one_after_the_other) {
    fill(400);
    for (unsigned seed = 0; seed < 24; ++seed) {
        std::mt19937 random(seed);
        const bool holds = seed % 2 == 0;
        world.functions.decide = [&random](const FunctionCall&) { return random_answer(random); };
        world.functions.forget_calls();
        PlanRequest request = everything("function:pay");
        request.again = true;
        request.on_failure = holds ? "hold" : "continue";
        request.pace = "4000/s";
        const std::string id = plan(request)["plan"].as_string();
        RunOptions options;
        if (seed % 3 == 0) options.on_unknown = "redo";
        const std::string run_id = *world.replay->create_run(id, options);
        std::atomic<bool> stop = false;
        int told = 0;
        const auto change = [&](const RunProgress&) {
            const char* const paces[] = {"max", "900/s", "40x", "3000/s"};
            EXPECT_TRUE(world.replay->set_pace(run_id, paces[++told % 4]));
            if (told == 3 && seed % 4 == 1) (void)world.replay->pause(run_id);
        };
        auto report = world.replay->run(id, run_id, stop, change);
        ASSERT_TRUE(report) << report.error().text();
        if ((*report)["state"].as_string() == "paused") report = world.replay->resume(run_id, stop, change);
        ASSERT_TRUE(report) << report.error().text();
        EXPECT_EQ((*report)["state"].as_string(), "finished");
        EXPECT_EQ((*report)["counts"]["remaining"].as_uint(), 0u);
        EXPECT_EQ((*report)["order"]["violations"].as_uint(), 0u);
        expect_sum(*report);

        // In the order of the calls, the places of each key's events never fall.
        std::map<Position, std::size_t> place;
        for (std::size_t i = 0; i < world.lake->events.size(); ++i) place[world.lake->events[i].position] = i;
        std::map<std::string, std::size_t> last;
        for (const auto& each : world.functions.calls()) {
            const std::size_t at = place.at(each.call.position);
            const auto [known, is_new] = last.try_emplace(key_of(world.lake->events[at].stored()), at);
            EXPECT_GE(at, known->second) << "seed " << seed;
            known->second = at;
        }
        // Behind a failure nothing of the key was sent, or everything was.
        const auto results = outcomes(run_id);
        std::map<std::string, bool> has_failed;
        for (std::size_t i = 0; i < results.size(); ++i) {
            bool& failed = has_failed[key_of(world.lake->events[i].stored())];
            EXPECT_EQ(results[i] == "held", holds && failed) << "seed " << seed << " event " << i;
            failed = failed || results[i] == "failed" || results[i] == "unknown";
        }
    }
}

}  // namespace
}  // namespace tarn::replay
