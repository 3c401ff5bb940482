// From a request to a frozen plan: resolves selection and target, scans once, writes manifest and document.
#pragma once

#include "replay/delivered.h"
#include "replay/replay.h"

namespace tarn::replay {

// The plan document, stored in the catalog and in <data>/jobs/<plan>/.
Result<codec::Json> make_plan(Replay::Parts& parts, const PlanRequest& request);

}  // namespace tarn::replay
