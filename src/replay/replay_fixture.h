// The world that tests of plans and runs share: a stream `bank`, a projection of it, and what they ask of it.
#pragma once

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "replay/replay_fakes.h"

namespace tarn::replay::fakes {

using codec::Json;

inline constexpr std::int64_t day_zero_us = 1'709'251'200'000'000;  // 2024-03-01T00:00:00Z
inline constexpr std::int64_t second_us = 1'000'000;

inline std::string fresh_path(std::string_view name) {
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

}  // namespace tarn::replay::fakes
