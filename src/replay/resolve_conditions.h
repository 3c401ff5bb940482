// From what was asked for to what an event must satisfy: times, SQL, ids, positions, earlier runs, dead
// letters, snapshots and saved selections looked up.
#pragma once

#include <string>
#include <vector>

#include "replay/selection.h"

namespace tarn::replay {

// The streams that a request is about, sorted: those it names, else those that what it names stands in.
// Empty: it does not say. bad_selection when its parts are about different ones.
Result<std::set<std::string>> streams_of(Replay::Parts& parts, Replay& replay,
                                         const SelectionRequest& request);

struct Resolving {
    Replay::Parts& parts;
    Replay& replay;
    const std::vector<Source>& sources;
    Sequence end;  // of the selection
    Time now;
};
Result<Conditions> resolve_conditions(const Resolving& at, const SelectionRequest& request);

}  // namespace tarn::replay
