// Functions whose answers to the same events are compared. What they answer goes nowhere else; what they do
// besides answering happens, so that their marks and those of the events' types count as in a run.
#pragma once

#include <string>
#include <vector>

#include "codec/json.h"
#include "replay/replay.h"

namespace tarn::replay {

// Each at work as it works live, its code being what is declared now. `names` as "old" or "function:old".
// bad_usage for one that writes a store: its live state would change. not_allowed_here names the marks that
// `allow` lacks. bad_usage where functions do not run.
Result<std::vector<ComparedFunction>> open_for_comparison(Replay::Parts& parts, const codec::Json& plan,
                                                          const std::vector<std::string>& names,
                                                          const std::vector<std::string>& allow);

}  // namespace tarn::replay
