// From a request to a frozen plan: resolves selection and target, scans once, writes manifest and document.
#pragma once

#include "replay/delivered.h"
#include "replay/replay.h"

namespace tarn::replay {

// The plan document, stored in the catalog and in <data>/jobs/<plan>/.
Result<codec::Json> make_plan(Replay::Parts& parts, Replay& replay, const PlanRequest& request);

// The plan with `newer_events`: how many have come into its streams since it looked at them, selected or not.
Result<codec::Json> with_newer_events(Replay::Parts& parts, codec::Json plan);

// What a plan would read and what it would pass over, and by which statistics; freezes nothing and reads no
// event but those that SQL, ids and earlier runs are resolved with.
Result<codec::Json> explain_plan(Replay::Parts& parts, Replay& replay, const PlanRequest& request);

}  // namespace tarn::replay
