#include "server/store_feeders.h"

#include <algorithm>
#include <set>

namespace tarn::server {
namespace {

constexpr std::int64_t grace_us = 5'000'000;  // beyond what a function may take: for killing and for noticing

// Several handles as one.
std::shared_ptr<void> together(std::vector<std::shared_ptr<void>> handles) {
    return std::make_shared<std::vector<std::shared_ptr<void>>>(std::move(handles));
}

std::set<std::string> functions_of(const std::vector<process::SubscriptionSpec>& specs) {
    std::set<std::string> names;
    for (const auto& spec : specs) names.insert(spec.function);
    return names;
}

}  // namespace

Result<std::vector<std::string>> StoreFeeders::feeders_of(const std::string& store) {
    TARN_ASSIGN(const auto specs, processing_.feeding_subscriptions(store));
    std::vector<std::string> names;
    for (const auto& spec : specs) names.push_back(spec.name);
    return names;
}

Result<std::shared_ptr<void>> StoreFeeders::quiesce(const std::string& store) {
    TARN_ASSIGN(const auto specs, processing_.feeding_subscriptions(store));
    TARN_ASSIGN(process::Processes * deliveries, processing_.processes());
    std::vector<std::shared_ptr<void>> held;
    for (const auto& name : functions_of(specs)) {
        TARN_ASSIGN(const auto function, processing_.function(name));
        TARN_ASSIGN(auto quiet,
                    deliveries->quiesce(name, function.init_timeout_us + function.timeout_us + grace_us));
        held.push_back(std::move(quiet));
    }
    return together(std::move(held));
}

Result<std::shared_ptr<void>> StoreFeeders::end_programs(const std::string& store) {
    TARN_ASSIGN(auto quiet, quiesce(store));
    TARN_ASSIGN(const auto specs, processing_.feeding_subscriptions(store));
    TARN_ASSIGN(functions::FunctionHost * host, processing_.host());
    // The last one is let go first: a function must be able to run before it is sent anything.
    std::vector<std::shared_ptr<void>> held{std::move(quiet)};
    for (const auto& name : functions_of(specs)) held.insert(held.begin(), host->suspend(name));
    return together(std::move(held));
}

Result<std::vector<state::FeederPosition>> StoreFeeders::positions(const std::string& store) {
    TARN_ASSIGN(const auto specs, processing_.feeding_subscriptions(store));
    TARN_ASSIGN(process::Processes * deliveries, processing_.processes());
    std::vector<state::FeederPosition> positions;
    for (const auto& spec : specs) {
        TARN_ASSIGN(auto position, deliveries->position(spec.name));
        positions.push_back(std::move(position));
    }
    return positions;
}

Result<bool> StoreFeeders::is_paused(const std::string& store) {
    TARN_ASSIGN(const auto specs, processing_.feeding_subscriptions(store));
    TARN_ASSIGN(process::Processes * deliveries, processing_.processes());
    for (const auto& spec : specs) {
        TARN_ASSIGN(const auto status, deliveries->find(spec.name));
        if (!status.paused) return false;
    }
    return !specs.empty();
}

Status StoreFeeders::set_paused(const std::string& store, bool paused) {
    TARN_ASSIGN(const auto specs, processing_.feeding_subscriptions(store));
    TARN_ASSIGN(process::Processes * deliveries, processing_.processes());
    for (const auto& spec : specs) TARN_TRY(deliveries->set_paused(spec.name, paused));
    return {};
}

Result<codec::Json> StoreFeeders::plan_placement(const std::string& store,
                                                 const std::vector<state::FeederPosition>& positions,
                                                 bool paused) {
    TARN_ASSIGN(const auto specs, processing_.feeding_subscriptions(store));
    TARN_ASSIGN(process::Processes * deliveries, processing_.processes());
    codec::Json plan = codec::Json::array();
    for (const auto& spec : specs) {
        const auto found = std::ranges::find(positions, spec.name, &state::FeederPosition::feeder);
        // One that was declared to begin with what comes has nothing to catch up with.
        if (found == positions.end() && !spec.from_start.value_or(true)) continue;
        const state::FeederPosition nowhere{.feeder = spec.name, .stream = spec.stream};
        TARN_ASSIGN(auto placement,
                    deliveries->plan_placement(spec.name, found == positions.end() ? nowhere : *found));
        placement.progress.paused = placement.progress.paused || paused;
        plan.push(placement.to_json());
    }
    return plan;
}

Status StoreFeeders::place(const codec::Json& plan) {
    TARN_ASSIGN(process::Processes * deliveries, processing_.processes());
    std::vector<process::Placement> placements;
    for (const auto& each : plan.elements()) placements.push_back(process::Placement::from_json(each));
    return deliveries->place(placements);
}

}  // namespace tarn::server
