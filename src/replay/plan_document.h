// The plan document (contract, "The plan and the report, as documents"): what of it is frozen, and its
// digest.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "codec/json.h"
#include "replay/pace.h"
#include "replay/targets.h"

namespace tarn::replay {

// What a run needs to know, read back from the document.
struct FrozenPlan {
    std::string id, name, digest, order, on_failure;
    TargetAddress target;
    std::string store;  // of the projections or functions, "" otherwise
    std::string copy;   // "accounts@fix", "" = live or no state
    std::string base;
    event::Shape shape = event::Shape::cloudevents;
    bool again = false;
    bool complete = false;            // the copy may be called complete after a run without failures
    bool copy_begins_before = false;  // the base holds none of the events
    std::map<StreamId, std::string> streams;
    std::vector<std::string> feeders;  // projections, or subscriptions whose functions write the copy
    // Projection or function → version when planned, subscription_key → version_of; "stream" → id of a target
    // stream.
    std::map<std::string, std::string> versions;
    std::string via, via_version;  // the function on the way; "" = payloads are sent as they are
    std::uint64_t events = 0;
    std::uint64_t snapshot = 0;  // one past the last sequence that was looked at
    std::map<std::string, std::map<Partition, Offset>> positions;  // stream → last offsets looked at

    static Result<FrozenPlan> from_document(const codec::Json& document);
};

// "sha256:…" over the manifest's own hash and the frozen fields in a fixed order. Pace, name and times are
// not part of it.
std::string plan_digest(const codec::Json& document, const std::string& manifest_sha256);

}  // namespace tarn::replay
