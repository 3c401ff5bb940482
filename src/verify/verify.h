// Is the result right? Reconciles counts and hashes of a run, re-reads its target where that can be done and
// says where it cannot, and compares state.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "replay/replay.h"

namespace tarn::verify {

struct VerifyRequest {
    std::string run;
    std::optional<std::string> against;  // "snapshot:sn-7" or "store:accounts"
    std::vector<std::string> ignore_columns;
};

// The contract's document:
// {"checked":true,"checks":[{name,ok,detail}],"failed_checks":[name],"differences":[…],"compared_with":…,
// "complete":true,"equal":true|false}. Also stored in the run's report. differences is a list even when it
// is empty: then failed_checks says why equal is false. differences non-empty or a failed check: equal is
// false (exit code 4).
Result<codec::Json> verify(replay::Replay& replay, lake::Lake& lake, state::State& state,
                           const VerifyRequest& request);

}  // namespace tarn::verify
