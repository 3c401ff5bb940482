// Where a plan sends to, looked up: the target, the store and copy behind it, who feeds them, and the
// versions of what will run.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "replay/selection.h"
#include "replay/targets.h"

namespace tarn::replay {

struct Destination {
    TargetAddress address;
    std::string store, copy, base;
    std::vector<Feeder> feeders;                  // of a copy
    std::vector<std::string> names;               // of the target's projections or functions
    std::vector<FunctionInfo> functions;          // that the run calls: the target's, or those of --only
    std::optional<FunctionInfo> via;              // on the way there
    std::vector<SubscriptionInfo> subscriptions;  // of a function target: all that feed its functions
    codec::Json version = codec::Json::object();
    bool feeds_whole_store = true;
};

// bad_selection, bad_target, or what is unknown. Changes nothing.
Result<Destination> resolve_destination(Replay::Parts& parts, const PlanRequest& request);

// What identifies a subscription's part in a run: another text, another run.
std::string version_of(const SubscriptionInfo& subscription);
// The key under which a plan keeps it, beside the functions' own versions.
std::string subscription_key(std::string_view subscription);

// All that the run calls: the target's, and the one on the way.
std::vector<FunctionInfo> functions_of_run(const Destination& to);

// The server's functions; internal when a plan names one where there are none.
Result<Functions*> functions_of(Replay::Parts& parts);

}  // namespace tarn::replay
