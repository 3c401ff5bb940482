#include "process/placement.h"

#include <algorithm>
#include <map>
#include <set>

#include "codec/hash.h"
#include "event/event.h"
#include "process/taking.h"
#include "state/feed.h"

namespace tarn::process {
namespace {

using codec::Json;

Json sequences_to_json(const std::vector<Sequence>& sequences) {
    Json list = Json::array();
    for (const Sequence each : sequences) list.push(each);
    return list;
}

std::vector<Sequence> sequences_from_json(const Json& json) {
    std::vector<Sequence> sequences;
    for (const Json& each : json.elements()) sequences.push_back(each.as_uint());
    return sequences;
}

lake::ScanOptions between(Sequence from, Sequence until) {
    lake::ScanOptions options;
    options.from_sequence = from;
    options.until_sequence = until;
    options.with_hash = false;
    return options;
}

// The places of events that are known by their sequence alone.
Result<std::vector<Position>> positions_of(lake::Lake& lake, const lake::StreamView& view,
                                           const std::vector<Sequence>& sequences) {
    std::vector<Position> positions;
    if (sequences.empty()) return positions;
    const std::set<Sequence> wanted(sequences.begin(), sequences.end());
    TARN_ASSIGN(const auto scan, lake.scan(view, between(*wanted.begin(), *wanted.rbegin() + 1)));
    while (true) {
        TARN_ASSIGN(const auto* event, scan->next());
        if (event == nullptr) return positions;
        if (wanted.contains(event->sequence)) positions.push_back(event->position);
    }
}

// ---- planning

// The exceptions of a position as sequences.
struct Exceptions {
    std::set<Sequence> applied;            // at or above the position
    std::map<Sequence, HeldEvent> absent;  // below it
};

class Planner {
public:
    Planner(lake::Lake& lake, const SubscriptionSpec& spec, const Standing& standing,
            const state::FeederPosition& position, const RunNames& run_names)
        : lake_(lake), spec_(spec), standing_(standing), position_(position), run_names_(run_names) {}

    Result<Placement> plan() {
        TARN_ASSIGN(taking_, Taking::open(spec_));
        TARN_ASSIGN(view_, lake_.view(spec_.stream));
        TARN_TRY(read_exceptions());
        plan_progress();
        plan_settled();
        plan_waiting();
        TARN_TRY(count());
        return std::move(made_);
    }

private:
    bool is_above(const Position& position) const {
        const auto next = position_.next.find(position.partition);
        return next == position_.next.end() || position.offset >= next->second;
    }

    Status read_exceptions() {
        for (const Position& each : position_.exceptions) {
            if (each.stream != view_.stream) continue;  // of a stream that was deleted
            TARN_ASSIGN(const auto event, lake_.get(each));
            if (is_above(each)) {
                exceptions_.applied.insert(event.event.sequence);
                continue;
            }
            event::MetaReader reader;
            const event::Meta& meta = reader.read(event.event, spec_.stream);
            exceptions_.absent.emplace(
                event.event.sequence,
                HeldEvent{event.event.sequence, each, meta.key ? codec::xxh3_64(*meta.key) : 0,
                          meta.key.has_value() && spec_.order == Order::key});
        }
        return {};
    }

    void plan_progress() {
        made_.subscription = spec_.name;
        made_.progress = standing_.progress;
        made_.progress.stream = view_.stream;
        made_.progress.low = position_.sequence;
        made_.progress.scan = std::max(standing_.progress.scan, position_.sequence);
        if (!exceptions_.applied.empty())
            made_.progress.scan = std::max(made_.progress.scan, *exceptions_.applied.rbegin() + 1);
    }

    void plan_settled() {
        std::set<Sequence> settled = exceptions_.applied;
        for (const Sequence each : standing_.discarded)
            if (each >= position_.sequence) settled.insert(each);
        made_.settled.assign(settled.begin(), settled.end());
    }

    void plan_waiting() {
        const std::set<Sequence> discarded(standing_.discarded.begin(), standing_.discarded.end());
        std::set<Sequence> here;
        for (const auto& each : standing_.waiting) here.insert(each.event.sequence);
        // By key, from where on it goes again.
        std::map<std::uint64_t, Sequence> going;
        for (const auto& [sequence, event] : exceptions_.absent) {
            if (here.contains(sequence) || discarded.contains(sequence)) continue;
            made_.again.push_back(event);
            if (event.keyed) going.try_emplace(event.key_hash, sequence);
        }
        for (const auto& each : standing_.waiting) {
            if (!exceptions_.absent.contains(each.event.sequence)) continue;
            const auto gone = going.find(each.event.key_hash);
            const bool is_behind =
                each.event.keyed && gone != going.end() && gone->second < each.event.sequence;
            if (each.dead && is_behind)
                made_.again.push_back(each.event);
            else
                made_.staying.push_back(each.event.sequence);
        }
    }

    bool takes(event::MetaReader& reader, const event::StoredEvent& event) {
        const event::Meta& meta = reader.read(event, view_.name);
        const bool replayed = !meta.run.empty();
        const bool named = replayed && run_names_ && run_names_(meta.run, spec_.name);
        return taking_.takes(event, meta, replayed, named, document_);
    }

    // What is delivered is what is left of all that matched.
    Status count() {
        const Sequence seen = standing_.progress.scan, low = made_.progress.low;
        const std::set<Sequence> settled(made_.settled.begin(), made_.settled.end());
        TARN_ASSIGN(const auto scan, lake_.scan(view_, between(std::min(seen, low), made_.progress.scan)));
        event::MetaReader reader;
        std::uint64_t pending = made_.staying.size() + made_.again.size();
        Progress& progress = made_.progress;
        while (true) {
            TARN_ASSIGN(const auto* event, scan->next());
            if (event == nullptr) break;
            if (!takes(reader, *event)) continue;
            if (event->sequence >= seen) ++progress.matched;
            if (event->sequence >= low && !settled.contains(event->sequence)) ++pending;
        }
        // A subscription that began later than the position has never matched what it gets now.
        progress.matched = std::max(progress.matched, pending + progress.discarded);
        progress.delivered = progress.matched - pending - progress.discarded;
        return {};
    }

    lake::Lake& lake_;
    const SubscriptionSpec& spec_;
    const Standing& standing_;
    const state::FeederPosition& position_;
    const RunNames& run_names_;
    Taking taking_;
    lake::StreamView view_;
    Exceptions exceptions_;
    Placement made_;
    std::string document_;
};

}  // namespace

Result<state::FeederPosition> position_of(lake::Lake& lake, const SubscriptionSpec& spec,
                                          const Standing& standing) {
    TARN_ASSIGN(const auto view, lake.view(spec.stream));
    const Sequence low = standing.progress.low;
    state::FeederPosition position{.feeder = spec.name, .stream = spec.stream, .stream_id = view.stream};
    position.sequence = low;
    TARN_ASSIGN(position.next, state::next_at(lake, view, low));
    for (const auto& each : standing.waiting)
        if (each.event.sequence < low && each.event.position.stream == view.stream)
            position.exceptions.push_back(each.event.position);
    TARN_ASSIGN(const auto applied, positions_of(lake, view, standing.settled));
    position.exceptions.insert(position.exceptions.end(), applied.begin(), applied.end());
    return position;
}

Result<Placement> plan_placement(lake::Lake& lake, const SubscriptionSpec& spec, const Standing& standing,
                                 const state::FeederPosition& position, const RunNames& run_names) {
    return Planner(lake, spec, standing, position, run_names).plan();
}

Status carry_out(ProcessStore& store, const Placement& placement) {
    const std::string& name = placement.subscription;
    const std::set<Sequence> staying(placement.staying.begin(), placement.staying.end());
    TARN_ASSIGN(const auto waiting, store.waiting(name));
    for (const auto& each : waiting) {
        if (staying.contains(each.event.sequence)) continue;
        TARN_TRY(each.dead ? store.remove_dead(name, each.event.sequence)
                           : store.remove_held(name, each.event.sequence));
    }
    for (const HeldEvent& each : placement.again) TARN_TRY(store.add_held(name, each));
    TARN_TRY(store.forget_settled(name, UINT64_MAX >> 1));
    for (const Sequence each : placement.settled) TARN_TRY(store.add_settled(name, each));
    // Held ones wait behind a dead letter, or only for their turn.
    TARN_ASSIGN(const auto dead, store.dead_keys(name));
    const std::set<std::uint64_t> shut(dead.begin(), dead.end());
    TARN_ASSIGN(const auto left, store.waiting(name));
    std::set<std::uint64_t> keys;
    for (const auto& each : left)
        if (!each.dead) keys.insert(each.event.key_hash);
    for (const std::uint64_t key : keys) TARN_TRY(store.set_released(name, key, !shut.contains(key)));
    return store.set_progress(name, placement.progress);
}

Json Placement::to_json() const {
    Json going = Json::array();
    for (const HeldEvent& each : again)
        going.push(Json::object({{"sequence", each.sequence},
                                 {"partition", each.position.partition},
                                 {"offset", each.position.offset},
                                 {"key", each.key_hash},
                                 {"keyed", each.keyed}}));
    return Json::object({{"subscription", subscription},
                         {"stream", progress.stream.value},
                         {"low", progress.low},
                         {"scan", progress.scan},
                         {"matched", progress.matched},
                         {"delivered", progress.delivered},
                         {"discarded", progress.discarded},
                         {"paused", progress.paused},
                         {"settled", sequences_to_json(settled)},
                         {"staying", sequences_to_json(staying)},
                         {"again", std::move(going)}});
}

Placement Placement::from_json(const Json& json) {
    Placement made;
    made.subscription = json["subscription"].as_string();
    made.progress = {.stream = StreamId{static_cast<std::uint32_t>(json["stream"].as_uint())},
                     .low = json["low"].as_uint(),
                     .scan = json["scan"].as_uint(),
                     .matched = json["matched"].as_uint(),
                     .delivered = json["delivered"].as_uint(),
                     .discarded = json["discarded"].as_uint(),
                     .paused = json["paused"].as_bool()};
    made.settled = sequences_from_json(json["settled"]);
    made.staying = sequences_from_json(json["staying"]);
    for (const Json& each : json["again"].elements())
        made.again.push_back({each["sequence"].as_uint(),
                              {made.progress.stream, static_cast<Partition>(each["partition"].as_uint()),
                               each["offset"].as_uint()},
                              each["key"].as_uint(),
                              each["keyed"].as_bool()});
    return made;
}

}  // namespace tarn::process
