// The single checks of a verification. Each looks at one thing and says in a sentence what it found.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "codec/json.h"
#include "query/query.h"
#include "replay/replay.h"
#include "state/state.h"

namespace tarn::verify {

// What an answer about the target rests on.
enum class Evidence : std::uint8_t {
    own,     // on what Tarn itself keeps: lake, ledger, plan
    target,  // the target was read again
    sender,  // the target cannot be read: only the sender's word stands
};

struct Check {
    std::string name;
    bool ok = false;
    std::string detail;
    Evidence evidence = Evidence::own;
    codec::Json counts = {};  // the same in numbers, where there are more than the sentence tells
    codec::Json to_json() const;
};

// What all checks look at.
struct Subject {
    replay::Replay& replay;
    lake::Lake& lake;
    state::State& state;
    query::QueryService& query;
    codec::Json report;  // of the run
    codec::Json plan;

    const std::string& run() const { return report["run"].as_string(); }
    std::string stream_name(StreamId stream) const;  // as the plan knew it
    // "bank 2:1180 verify_cash_deposit 2024-03-04T10:02:11Z"; its place alone when it can no longer be read.
    std::string event_text(const replay::ManifestEntry& entry) const;
    // The function that made of the payloads what was sent; "" when they were sent as they are.
    const std::string& via() const { return plan["via"]["function"].as_string(); }
    // The store or copy that the run wrote; "" when it wrote none.
    std::string store() const;
};

Check check_counts(const Subject& subject);
// Reads every event of the manifest from the lake again.
Result<Check> check_hashes(const Subject& subject);
// The ledger settles each event once, and says what the report says.
Result<Check> check_ledger(const Subject& subject);
// Re-reads the target where that can be done.
Result<Check> check_target(const Subject& subject);
Result<Check> check_file(const Subject& subject, const std::string& path);
Result<Check> check_stream(const Subject& subject, const std::string& stream);
Result<Check> check_store(const Subject& subject);
// Whether two states reflect the same positions of their feeders; otherwise a comparison of their rows says
// little.
Check check_positions(const std::vector<state::FeederPosition>& before,
                      const std::vector<state::FeederPosition>& after);

}  // namespace tarn::verify
