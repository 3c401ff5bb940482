// A plan: a selection resolved and frozen. The document is for people and programs; the manifest beside it
// (docs/formats/manifest.md) lists every event by position and hash; the digest seals both.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/hash128.h"
#include "codec/json.h"
#include "event/shapes.h"

namespace tarn::replay {

// What the user asked for; exactly one way of selecting must be there, `all` included.
struct PlanRequest {
    std::string name;                             // "" = made up from the selection
    std::string stream;                           // empty with rebuild
    std::optional<std::string> since, until;      // as typed
    bool ingested = false;                        // since/until mean ingest time
    std::optional<std::string> pattern;           // JSON
    std::optional<std::string> where;             // SQL condition over <stream>.events
    std::optional<std::string> sql;               // SELECT giving tarn_partition and tarn_offset
    std::optional<std::vector<std::string>> ids;  // event ids or positions P:O
    bool all = false;
    std::optional<std::string> rebuild;  // store
    std::string base;                    // snapshot id, "empty", "live"; for rebuild and projection targets
    std::string into;                    // copy name: "fix" or "store@fix"
    std::string
        target;  // "null:", "file:PATH", "stream:NAME", "projection:NAME", "function:NAME", "http://…"
    std::string order = "key";        // key | total | none
    std::string on_failure = "hold";  // hold | continue | stop
    std::string pace = "max";         // N/s | NMB/s | Nx | max
    std::string shape = "cloudevents";
    std::vector<std::string> only;  // subscriptions that shall see events replayed into a stream
    bool again = false;             // also what this target has had already
    // Of restore, which plans a rebuild up to a point; not part of the document that users send. 0: no end.
    Sequence restore_until = 0;

    codec::Json to_json() const;
    static Result<PlanRequest> from_json(const codec::Json& json);  // bad_selection names unknown keys
};

// One line of the manifest.
struct ManifestEntry {
    StreamId stream;
    Partition partition = 0;
    Offset offset = 0;
    Sequence sequence = 0;
    std::uint64_t key_hash = 0;  // XXH3-64 of the key; events without a key: of their partition
    Hash128 hash;
    std::int64_t time_us = 0;  // event time, for pace "Nx"
    std::uint32_t bytes = 0;   // of the payload
};

}  // namespace tarn::replay
