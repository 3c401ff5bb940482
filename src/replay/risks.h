// What a person should know before a run: the plan's risk lines.
#pragma once

#include <string>
#include <vector>

#include "replay/destination.h"
#include "replay/tally.h"

namespace tarn::replay {

struct RiskInputs {
    Replay::Parts& parts;
    const PlanRequest& request;
    const Destination& to;
    const Selection& selection;
    const SelectionCounts& counts;
    const Tally& tally;
    const codec::Json& coverage;
    const std::vector<std::string>& asks;  // names a run must be allowed
};
Result<codec::Json> risks_of(const RiskInputs& inputs);

}  // namespace tarn::replay
