// Restoring a store that functions feed: the nearest snapshot not after the point, and the events from there
// up to it sent through the functions again, by a run into a copy.
#pragma once

#include "server/engine.h"

namespace tarn::server {

struct FunctionRestored {
    state::RestoreResult result;
    std::string run;  // that sent the events, "" when none were needed
    // Set: it stopped at the snapshot, because going on would call what is not marked `replay: safe`.
    std::optional<Error> stopped;
};

// Whether functions feed it, so that this is the way.
Result<bool> is_fed_by_functions(Engine& engine, const std::string& store);

// `into`: the copy's name, nullopt = in place, which leaves the subscriptions paused. The point is a time or
// a position. bad_usage without a server, as soon as a function has to be called.
Result<FunctionRestored> restore_through_functions(Engine& engine, const std::string& store,
                                                   const state::RestorePoint& point,
                                                   const std::optional<std::string>& into);

}  // namespace tarn::server
