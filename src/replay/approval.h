// Four eyes: a plan made with --require-approval runs only when somebody else than its planner has said so.
// There are no users yet: names are what the command line says.
#pragma once

#include <string>

#include "replay/replay.h"

namespace tarn::replay {

// not_allowed_here when the plan needs an approval that it has not.
Status check_approval(const codec::Json& plan);
// Gives the plan with its approval, stored. not_allowed_here for the planner; bad_selection when it needs
// none.
Result<codec::Json> approve_plan(Replay::Parts& parts, codec::Json plan, const std::string& by);

}  // namespace tarn::replay
