// What a run must be allowed by name: functions and event types marked `replay: ask`. `never` refuses; the
// stricter mark wins. Marks of types count where the events make somebody act: functions, HTTP receivers, and
// streams with a subscription that will take them.
#pragma once

#include <string>
#include <vector>

#include "codec/json.h"
#include "replay/replay.h"
#include "replay/targets.h"

namespace tarn::replay {

struct Acts {
    const TargetAddress& target;
    const std::vector<FunctionInfo>& functions;  // that the run calls, also on the way, or by --only
    std::vector<std::string> streams, types;     // of the selected events
    bool names_subscriptions = false;            // which may send to others than functions
};

// Names to be allowed, each once: functions first. not_allowed_here when something is marked `never`.
Result<std::vector<std::string>> permissions_needed(Replay::Parts& parts, const Acts& acts);

// Before a run, with the marks of today: everything needed is among `allow`; else not_allowed_here, which
// names what is missing.
Status check_permissions(Replay::Parts& parts, const codec::Json& plan,
                         const std::vector<std::string>& allow);

}  // namespace tarn::replay
