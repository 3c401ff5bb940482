// Where a subscription stands, as the position of a feeder; and the way to stand where another state of its
// store stands. A store that functions feed holds what they made of events; when another file takes its
// place, the subscription must go on from what that file holds, and
// matched = delivered + pending + held + dead + discarded must hold again.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "lake/lake.h"
#include "process/process_store.h"
#include "state/state.h"

namespace tarn::process {

// All that is remembered of a subscription, read at one moment.
struct Standing {
    Progress progress;
    std::vector<ProcessStore::Waiting> waiting;  // held and dead, by sequence
    std::vector<Sequence> settled;               // at or above progress.low
    std::vector<Sequence> discarded;
};

// Everything below `sequence` is applied or ruled out, except the held and dead; above it what is settled is.
Result<state::FeederPosition> position_of(lake::Lake& lake, const SubscriptionSpec& spec,
                                          const Standing& standing);

// What to write so that a subscription stands at a position:
// - An event at or after the position is looked at again, in order, unless the position lists it as applied
//   or it was discarded; its dead letter, or its place behind one, is gone.
// - One before it that the state holds is delivered, also when it was dead or held here.
// - One before it that the state does not hold stays dead or held, or goes again when it was delivered here
//   meanwhile; those behind it in its key go again after it. Discarded ones stay discarded.
struct Placement {
    std::string subscription;
    Progress progress;
    std::vector<Sequence> settled;  // at or above progress.low
    std::vector<Sequence> staying;  // below it: stay dead or held
    std::vector<HeldEvent> again;   // below it: go again

    codec::Json to_json() const;
    static Placement from_json(const codec::Json& json);
};

// Whether the run of that uid named this subscription. May be empty.
using RunNames = std::function<bool(std::string_view run_uid, const std::string& subscription)>;

Result<Placement> plan_placement(lake::Lake& lake, const SubscriptionSpec& spec, const Standing& standing,
                                 const state::FeederPosition& position, const RunNames& run_names);
// In the caller's transaction. The same one twice does no harm.
Status carry_out(ProcessStore& store, const Placement& placement);

}  // namespace tarn::process
