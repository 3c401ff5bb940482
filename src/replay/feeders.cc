// Who feeds a copy, and what of it the base holds already.
#include <fmt/core.h>

#include <algorithm>

#include "replay/selection.h"

namespace tarn::replay {
namespace {

Result<std::vector<state::FeederPosition>> base_positions(Replay::Parts& parts, std::string_view store,
                                                          const std::string& base) {
    if (base == "empty") return std::vector<state::FeederPosition>();
    if (base == "live") {
        TARN_ASSIGN(state::StoreInfo info, parts.state.store(store));
        return std::move(info.positions);
    }
    TARN_ASSIGN(state::SnapshotInfo snapshot, parts.state.snapshot(base));
    if (snapshot.store != store)
        return fail(
            Code::bad_selection,
            fmt::format("--base {} is a snapshot of store {}, not of {}", base, snapshot.store, store),
            {.next = "tarn snapshot list"});
    return std::move(snapshot.positions);
}

// `feeder` has its name and stream.
void set_base(Feeder& feeder, const std::vector<state::FeederPosition>& positions) {
    for (const state::FeederPosition& position : positions)
        // What was applied of a deleted namesake says nothing about this stream.
        if (position.feeder == feeder.name && position.stream_id == feeder.stream) feeder.base = position;
    feeder.exceptions = feeder.base.exceptions;
    std::sort(feeder.exceptions.begin(), feeder.exceptions.end());
}

Result<Feeder> make_feeder(Replay::Parts& parts, const state::ProjectionSpec& spec,
                           const std::vector<state::FeederPosition>& positions) {
    Feeder feeder{.name = spec.name, .stream_name = spec.stream};
    TARN_ASSIGN(const catalog::StreamInfo stream, parts.catalog.stream(spec.stream));
    feeder.stream = stream.id;
    for (const auto& on : spec.on) {
        TARN_ASSIGN(pattern::Pattern compiled, pattern::Pattern::compile(on.pattern));
        feeder.patterns.push_back(std::move(compiled));
    }
    set_base(feeder, positions);
    return feeder;
}

}  // namespace

bool Feeder::is_after_base(const event::StoredEvent& event) const {
    const bool is_exception =
        !exceptions.empty() && std::binary_search(exceptions.begin(), exceptions.end(), event.position);
    return (event.sequence >= base.sequence) != is_exception;
}

bool Feeder::matches(std::string_view document) const {
    return takes_all || std::any_of(patterns.begin(), patterns.end(),
                                    [document](const auto& pattern) { return pattern.matches(document); });
}

Result<std::vector<Feeder>> resolve_feeders(Replay::Parts& parts, std::string_view store,
                                            const std::vector<std::string>& names, const std::string& base) {
    TARN_ASSIGN(const auto positions, base_positions(parts, store, base));
    TARN_ASSIGN(const std::vector<state::ProjectionSpec> specs, parts.state.projections());
    std::vector<Feeder> feeders;
    for (const state::ProjectionSpec& spec : specs) {
        if (spec.store != store) continue;
        if (!names.empty() && std::find(names.begin(), names.end(), spec.name) == names.end()) continue;
        TARN_ASSIGN(Feeder feeder, make_feeder(parts, spec, positions));
        feeders.push_back(std::move(feeder));
    }
    if (feeders.empty())
        return fail(Code::unknown_projection, fmt::format("no projection feeds store {}", store),
                    {.next = "declare one in tarn.yaml: tarn apply"});
    return feeders;
}

Result<Feeder> make_feeder(Replay::Parts& parts, const SubscriptionInfo& subscription,
                           const std::vector<state::FeederPosition>& positions) {
    Feeder feeder{.name = subscription.name, .stream_name = subscription.stream};
    TARN_ASSIGN(const catalog::StreamInfo stream, parts.catalog.stream(subscription.stream));
    feeder.stream = stream.id;
    feeder.takes_all = subscription.pattern.empty();
    if (!feeder.takes_all) {
        TARN_ASSIGN(pattern::Pattern compiled, pattern::Pattern::compile(subscription.pattern));
        feeder.patterns.push_back(std::move(compiled));
    }
    set_base(feeder, positions);
    return feeder;
}

Result<std::vector<Feeder>> resolve_feeders(Replay::Parts& parts, std::string_view store,
                                            const std::vector<SubscriptionInfo>& subscriptions,
                                            const std::string& base) {
    TARN_ASSIGN(const auto positions, base_positions(parts, store, base));
    std::vector<Feeder> feeders;
    for (const SubscriptionInfo& subscription : subscriptions) {
        TARN_ASSIGN(Feeder feeder, make_feeder(parts, subscription, positions));
        feeders.push_back(std::move(feeder));
    }
    return feeders;
}

}  // namespace tarn::replay
