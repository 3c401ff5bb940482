// How long a run will take and what it will cost, as far as can be said before.
#pragma once

#include "replay/pace.h"
#include "replay/tally.h"
#include "replay/targets.h"

namespace tarn::replay {

// {seconds, rate, measured: [runs], basis, cost, currency}. By the pace where one is asked for; else by what
// earlier runs to this target, or to targets of its kind, have achieved; else by what such targets take on a
// small machine.
Result<codec::Json> estimate_of(catalog::Catalog& catalog, const Tally& tally, const Pace& pace,
                                const TargetAddress& target);

// Prices of `cost:` in tarn.yaml, as a document of the catalog.
inline constexpr const char* prices_kind = "cost";

}  // namespace tarn::replay
