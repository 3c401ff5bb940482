// Feeders that State does not run itself: the subscriptions of functions that write to a store. What they had
// applied is known to whoever delivers to them. State asks for it when it keeps a state, and tells it when
// another state takes the place of the one that they wrote.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "state/state.h"

namespace tarn::state {

// Thread-safe. State calls it under its own locks: it must not call State.
class OutsideFeeders {
public:
    virtual ~OutsideFeeders() = default;

    // By name; empty: projections feed the store, or nothing does.
    virtual Result<std::vector<std::string>> feeders_of(const std::string& store) = 0;
    // Waits until none of them works on an event, and keeps it so while the handle lives. store_busy when
    // that takes longer than their functions are allowed to take.
    virtual Result<std::shared_ptr<void>> quiesce(const std::string& store) = 0;
    // The same, and nothing of their functions has a file open.
    virtual Result<std::shared_ptr<void>> end_programs(const std::string& store) = 0;
    // Where they stand; exact while they are quiesced.
    virtual Result<std::vector<FeederPosition>> positions(const std::string& store) = 0;

    virtual Result<bool> is_paused(const std::string& store) = 0;  // all of them
    virtual Status set_paused(const std::string& store, bool paused) = 0;

    // What makes them stand where a new state of the store stands. One that `positions` does not name has
    // applied nothing in it. `paused`: and they wait until they are resumed. To be carried out by place()
    // while they are still quiesced; place() is on the disk when it returns, and again does no harm.
    virtual Result<codec::Json> plan_placement(const std::string& store,
                                               const std::vector<FeederPosition>& positions, bool paused) = 0;
    virtual Status place(const codec::Json& plan) = 0;
};

}  // namespace tarn::state
