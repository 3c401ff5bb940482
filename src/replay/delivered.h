// What earlier runs have already delivered to the same target, from their ledgers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "replay/position_set.h"
#include "replay/replay.h"
#include "replay/targets.h"

namespace tarn::replay {

// Where a job's files are.
std::string job_file(const Replay::Parts& parts, std::string_view job, std::string_view file);

// What the ledger says of an event that is not sent because the target has had it.
constexpr std::string_view delivered_before_text = "delivered by an earlier run";

// Positions that runs other than `except_run` have had acknowledged by an equal target. Empty for
// targets that begin anew with each run: null:, file:, and copies.
Result<PositionSet> delivered_before(Replay::Parts& parts, const TargetAddress& target, std::string_view copy,
                                     std::string_view target_stream_id, std::string_view except_run);

}  // namespace tarn::replay
