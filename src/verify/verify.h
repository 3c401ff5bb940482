// Is the result right? Reconciles counts and hashes of a run, re-reads its target where that can be done and
// says where it cannot, compares state, and holds the state against what somebody expects of it.
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "query/query.h"
#include "replay/replay.h"
#include "state/state.h"
#include "verify/json_comparison.h"

namespace tarn::verify {

// What a verification looks at; all must outlive it.
struct Parts {
    replay::Replay& replay;
    lake::Lake& lake;
    state::State& state;
    query::QueryService& query;
    os::Clock& clock;
    const std::atomic<bool>& stop;  // set: it ends with `interrupted`
};

struct VerifyRequest {
    std::string run;
    std::optional<std::string> against;    // "snapshot:sn-7" or "store:accounts"
    Leniency leniency = {};                // for states, expectations and what is read back
    std::optional<std::string> read_back;  // URL with {id}, {key} or {position}
    codec::Json expect = {};               // docs/reference/verify.md, "Expectation files"; null: none
    std::string expect_name = {};          // of the file it came from
};

// The contract's document, docs/reference/verify.schema.json. Also stored in the run's report. differences is
// a list even when it is empty: then failed_checks says why equal is false. differences non-empty or a failed
// check: equal is false (exit code 4).
Result<codec::Json> verify(const Parts& parts, const VerifyRequest& request);

struct CompareRequest {
    std::string plan_or_run;
    std::string before, after;  // functions
    std::vector<std::string> allow;
    Leniency leniency = {};
};

// Gives both functions the same frozen events and compares what they answer, event by event. Nothing is
// stored. The same document as verify().
Result<codec::Json> compare_outputs(const Parts& parts, const CompareRequest& request);

}  // namespace tarn::verify
