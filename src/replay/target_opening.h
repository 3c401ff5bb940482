// Opens the target of a plan for a run: first time or again after an interruption.
#pragma once

#include "replay/plan_document.h"
#include "replay/replay.h"

namespace tarn::replay {

// not_allowed_here for a bare exec: target where programs must be declared.
Status check_may_execute(const Replay::Parts& parts, const TargetAddress& address);

// Before the first start: nothing is in the way (a file that holds something, a copy of that name). Changes
// nothing.
Status check_target_is_free(Replay::Parts& parts, const FrozenPlan& plan);

// plan_stale when the target is no longer what was planned for: another projection version, a re-made stream.
Status check_target_is_same(Replay::Parts& parts, const FrozenPlan& plan);

// Whether the run of that uid named this subscription (`--only`).
using RunNames = std::function<bool(std::string_view run_uid, const std::string& subscription)>;

// `resume_mark`: set once the run had opened it before. Without it whatever stands in the way was left by
// this run's own start, cut short by a crash, and is made anew: call check_target_is_free before the run's
// very first start.
Result<std::unique_ptr<Target>> open_target(Replay::Parts& parts, const FrozenPlan& plan,
                                            const std::string& run_uid,
                                            std::optional<std::uint64_t> resume_mark,
                                            const RunNames& run_names);

// After a run that delivered everything: the copy has taken in all that the plan looked at.
Status complete_target(Replay::Parts& parts, const FrozenPlan& plan);

}  // namespace tarn::replay
