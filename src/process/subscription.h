// One subscription at work: its lanes in memory, its record on disk, and what moves between the two. Every
// method runs in a turn of Processes, within that turn's transaction; one thread at a time.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "event/meta.h"
#include "lake/lake.h"
#include "os/rng.h"
#include "pattern/pattern.h"
#include "process/process_store.h"

namespace tarn::process {

class Subscription {
public:
    // Takes up its record, or begins one at `from`. `store`, `lake` and `rng` must outlive it.
    static Result<std::unique_ptr<Subscription>> open(SubscriptionSpec spec, StreamId stream, Sequence from,
                                                      ProcessStore& store, lake::Lake& lake, os::Rng& rng);

    const SubscriptionSpec& spec() const { return spec_; }
    const Progress& progress() const { return progress_; }
    Result<Counts> counts();

    // ---- scanning

    // Where its next scan begins, and whether it has room for what comes.
    Sequence next_sequence() const { return next_; }
    bool has_room() const;
    // Looks at an event of its stream, each once, in sequence order. `replayed_for_it`: the event was
    // replayed and is meant for this subscription by name.
    Status look_at(const event::StoredEvent& event, const event::Meta& meta, bool replayed,
                   bool replayed_for_it, std::int64_t now_us);
    // Everything below was looked at, or is not in its stream.
    Status seen_until(Sequence end);

    // ---- delivery

    std::vector<Item> take(std::int64_t now_us) { return lanes_.take(now_us); }
    std::optional<std::int64_t> next_us() const { return lanes_.next_us(); }
    std::size_t under_way() const { return lanes_.under_way(); }
    Status settle(std::vector<Item> items, std::vector<Verdict> verdicts, std::int64_t now_us);
    // Loads what was held and may go now, a piece at a time. To be called once a turn.
    Status refill(std::int64_t now_us);
    // Writes how far it is. The last call of a turn in which anything changed.
    Status save();
    bool changed() const { return changed_; }
    // Whether a turn would change its record: something to look at and room for it, or held events to load.
    bool needs_turn(Sequence end) const {
        return changed_ || (!progress_.paused && !draining_.empty()) || (next_ < end && has_room());
    }
    bool has_work() const { return lanes_.pending() > 0 || !draining_.empty(); }

    // ---- dead letters; conflict (run_state) when the letter is on its way already

    Status redrive(const DeadLetter& letter, std::int64_t now_us);
    Status discard(const DeadLetter& letter);
    void set_paused(bool paused);

    // The document that the function gets of an event of this stream.
    Result<std::string> document_of(const event::StoredEvent& event) const;
    Result<std::string> document_of(const DeadLetter& letter) const;

    std::string trouble;  // why nothing moves, "" when all is well; for people

private:
    Subscription(SubscriptionSpec spec, ProcessStore& store, lake::Lake& lake, os::Rng& rng);
    Status resume();
    Status accept(Item item, std::int64_t now_us);
    Status hold(const Item& item, bool released);
    Status record(const Settled& settled);
    Status record_delivered(const Item& item);
    Status record_dead(const Item& item);
    Status record_held(const Item& item);
    Status release(std::uint64_t key_hash);
    Status load_some(std::uint64_t key_hash, Sequence& last_loaded, bool& done, std::int64_t now_us);

    SubscriptionSpec spec_;
    ProcessStore& store_;
    lake::Lake& lake_;
    std::optional<pattern::Pattern> pattern_;
    Progress progress_;
    Lanes lanes_;
    Sequence next_ = 1;         // to look at; below progress_.scan while a restart looks again
    std::set<Sequence> known_;  // of those looked at again: settled, held or dead
    std::map<std::uint64_t, Sequence> draining_;  // key → the last held one that was loaded
    std::set<Sequence> redriving_;
    std::string document_;
    bool changed_ = false;
};

}  // namespace tarn::process
