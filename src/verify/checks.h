// The single checks of a verification. Each looks at one thing and says in a sentence what it found.
#pragma once

#include <string>

#include "replay/replay.h"

namespace tarn::verify {

struct Check {
    std::string name;
    bool ok = false;
    std::string detail;
    codec::Json to_json() const;
};

// What all checks look at.
struct Subject {
    replay::Replay& replay;
    lake::Lake& lake;
    state::State& state;
    codec::Json report;  // of the run
    codec::Json plan;
};

Check check_counts(const Subject& subject);
// Reads every event of the manifest from the lake again.
Result<Check> check_hashes(const Subject& subject);
// The ledger settles each event once, and says what the report says.
Result<Check> check_ledger(const Subject& subject);
// Re-reads the target where that can be done.
Result<Check> check_target(const Subject& subject);
// Whether two states reflect the same positions of their feeders; otherwise a comparison of their rows says
// little.
Check check_positions(const std::vector<state::FeederPosition>& before,
                      const std::vector<state::FeederPosition>& after);

}  // namespace tarn::verify
