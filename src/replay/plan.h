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

// Which events: whatever is given must all hold. Something must be there, `all` included.
struct SelectionRequest {
    std::string
        stream;  // "bank" or "bank,orders"; "" = what the rest names (a run, a group, a saved selection)
    std::optional<std::string> since, until;      // as typed
    bool ingested = false;                        // since/until mean ingest time
    std::optional<std::string> since_event;       // P:O, "STREAM P:O" or an event id: from it on, it included
    std::optional<std::string> since_snapshot;    // what the snapshot's store had not taken in
    std::optional<std::string> pattern;           // JSON
    std::optional<std::string> where;             // SQL condition over <stream>.events
    std::optional<std::string> sql;               // SELECT giving tarn_partition and tarn_offset, or id
    std::optional<std::vector<std::string>> ids;  // event ids or positions P:O, each must exist
    std::optional<std::vector<std::string>> keys;
    std::optional<std::string> dead_letters;  // group "dg-…"
    std::optional<std::string> failed_of;     // run "rn-…"
    std::vector<std::string> outcomes;        // of failed_of; empty = failed, held, unknown
    std::vector<std::string> selections;      // names of saved ones
    std::vector<SelectionRequest> except;     // what any of these selects is taken away
    bool all = false;

    std::vector<std::string> streams() const;  // of `stream`, each once
    bool selects_anything() const;             // a way of selecting is given; `except` alone is none
    codec::Json to_json() const;               // only what is given
    // bad_selection names unknown keys; `more`: keys that belong to somebody else.
    static Result<SelectionRequest> from_json(const codec::Json& json,
                                              const std::vector<std::string>& more = {});
};

// What the user asked for: a selection, and what to do with it.
struct PlanRequest : SelectionRequest {
    std::string name;                    // "" = made up from the selection
    std::optional<std::string> rebuild;  // store; no stream then
    std::string base;                    // snapshot id, "empty", "live"; for rebuild and projection targets
    std::string into;                    // copy name: "fix" or "store@fix"
    std::string
        target;       // "null:", "file:PATH", "stream:NAME", "projection:NAME", "function:NAME", "http://…"
    std::string via;  // "function:NAME": sent is what it makes of each payload
    std::string order = "key";        // key | total | none
    std::string on_failure = "hold";  // hold | continue | stop
    std::string pace = "max";         // N/s | NMB/s | Nx | max
    std::string shape = "cloudevents";
    std::vector<std::string> only;  // subscriptions that shall see events replayed into a stream
    bool again = false;             // also what this target has had already
    bool needs_approval = false;    // somebody else than the planner must approve it before it runs
    std::string planner;            // who asks
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
