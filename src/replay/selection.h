// A request's selection, resolved: which streams are read, from where, and what an event must satisfy.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "codec/hash.h"
#include "event/meta.h"
#include "event/shapes.h"
#include "pattern/pattern.h"
#include "replay/position_set.h"
#include "replay/replay.h"

namespace tarn::replay {

using TextSet = std::set<std::string, std::less<>>;  // event ids, keys

// A projection, or a subscription of a function, that the target feeds, with how far the base of the copy had
// got. Decides what "complete" means.
struct Feeder {
    std::string name, stream_name;
    StreamId stream;
    state::FeederPosition base;
    bool takes_all = false;  // else what one of the patterns matches
    std::vector<pattern::Pattern> patterns;
    std::vector<Position> exceptions;  // of base, sorted

    // Whether the base lacks the event.
    bool is_after_base(const event::StoredEvent& event) const;
    // `document` is the event in shape cloudevents.
    bool matches(std::string_view document) const;
};

// `base` is a snapshot id of the store, "empty", or "live". All projections of the store, or only those
// named.
Result<std::vector<Feeder>> resolve_feeders(Replay::Parts& parts, std::string_view store,
                                            const std::vector<std::string>& names, const std::string& base);
// The same of a store that functions feed through these subscriptions.
Result<std::vector<Feeder>> resolve_feeders(Replay::Parts& parts, std::string_view store,
                                            const std::vector<SubscriptionInfo>& subscriptions,
                                            const std::string& base);
// One of them; `positions`: of its store, its own among them or not.
Result<Feeder> make_feeder(Replay::Parts& parts, const SubscriptionInfo& subscription,
                           const std::vector<state::FeederPosition>& positions);

// Event ids in 16 bytes each: a query may give very many.
class IdHashes {
public:
    void add(std::string_view id) { hashes_.push_back(codec::xxh3_128(id)); }
    void sort();  // before contains
    bool contains(std::string_view id) const;

private:
    std::vector<Hash128> hashes_;
};

// What every selected event must satisfy, all together.
struct Conditions {
    std::optional<std::set<StreamId>> streams;
    std::optional<Time> since, until;  // [since, until)
    bool ingested = false;
    Sequence since_sequence = 0;  // of --since-event
    std::vector<Feeder> lacking;  // of --since-snapshot: one of these lacks the event; empty = any event
    std::optional<pattern::Pattern> pattern;
    std::optional<PositionSet> positions;  // what --where, --sql, dead letters and earlier runs gave
    std::optional<IdHashes> sql_ids;       // what --sql gave when it gave ids
    TextSet ids;                           // of --ids, with the next: one of them, and each must exist
    PositionSet id_positions;
    std::optional<TextSet> keys;
    std::vector<Conditions> also;    // saved selections: each must hold
    std::vector<Conditions> except;  // none of these may hold
    bool rebuild = false;            // only what some feeder takes after its base
    codec::Json shown;               // for the plan document

    bool has_ids() const { return !ids.empty() || !id_positions.empty(); }
};

struct Source {
    catalog::StreamInfo info;
    lake::StreamView view;
    // false: only read to tell what the feeders of a copy need of it.
    bool selects = true;
};

// bad_selection, no_selection, bad_time, bad_pattern, unknown_stream, or what the engine says of SQL. Views
// are taken before SQL runs, so that what SQL may see beyond them is left out.
struct Selection {
    Conditions conditions;
    std::vector<Source> sources;
    std::vector<Feeder> feeders;  // empty when the target holds no state of a copy
    Sequence end = 0;             // one past the last sequence that is looked at, the same for all sources

    std::vector<std::string> stream_names() const;  // of those that are selected from
    bool selects_from_several() const { return stream_names().size() > 1; }
    static Result<Selection> resolve(Replay::Parts& parts, Replay& replay, const PlanRequest& request,
                                     std::vector<Feeder> feeders, Time now);
};

struct Selected {
    const event::StoredEvent& event;
    const event::Meta& meta;
    const std::string& stream;
    bool needed = false;  // some feeder takes it after its base
};

struct SelectionCounts {
    std::uint64_t selected = 0;
    std::uint64_t needed = 0;  // events that the feeders take after their base, selected or not
    std::uint64_t needed_selected = 0;
    std::vector<std::string> keys_without_events;  // of --keys, sorted
    lake::ScanCounts scanned;                      // of all sources
};

// What a scan would look at and what it would pass over, by source. Reads the catalog only.
Result<std::vector<lake::ScanCounts>> outlook(Replay::Parts& parts, const Selection& selection);

// Calls fn for each selected event, in sequence order over all streams. Nothing is changed anywhere.
// unknown_position when an id of --ids does not exist.
Result<SelectionCounts> scan_selection(Replay::Parts& parts, const Selection& selection,
                                       const std::function<Status(const Selected&)>& fn);

// The highest offset of each partition among the view's events below sequence `end`.
Result<std::map<Partition, Offset>> last_offsets(lake::Lake& lake, const lake::StreamView& view,
                                                 Sequence end);
// What a stream holds, from the statistics of its objects and the log's tail: no object is read.
struct StreamFacts {
    std::set<std::string> types;
    bool all_types = true;  // false: some object holds too many to list
    std::uint64_t events = 0;
    Time first_time{INT64_MAX}, last_time{INT64_MIN};
};
Result<StreamFacts> facts_of(lake::Lake& lake, const Source& source);

}  // namespace tarn::replay
