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
#include "process/process_store.h"
#include "process/taking.h"

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

    // Where its next scan begins, whether it has room for what comes, and whether it is worth one: a scan
    // costs much more than an event of it.
    Sequence next_sequence() const { return next_; }
    bool has_room() const;
    bool wants_scan() const;
    // How long the oldest event has waited that is not settled; with none, how old the last one is that was
    // looked at.
    std::int64_t lag_us(std::int64_t wall_us) const;
    // Looks at an event of its stream, each once, in sequence order. `replayed_for_it`: the event was
    // replayed and is meant for this subscription by name. Whether it matches is decided by what was
    // captured, so that looking again after a restart decides the same; what is delivered is the
    // `correction`, if there is one. `matched`: it does match, and with a pattern this is its document in
    // shape cloudevents.
    Status look_at(const event::StoredEvent& event, const event::Meta& meta, bool replayed,
                   bool replayed_for_it, std::int64_t now_us, const lake::Correction* correction = nullptr,
                   const std::string* matched = nullptr);
    // Everything below was looked at, or is not in its stream.
    Status seen_until(Sequence end);

    // ---- delivery

    std::vector<Item> take(std::int64_t now_us) { return lanes_.take(now_us); }
    std::optional<std::int64_t> next_us() const { return lanes_.next_us(); }
    // When, on the wall clock, a dead letter is to be sent again; and on the other one, when held events that
    // could not be read are to be read again.
    std::optional<std::int64_t> next_redrive_us() const { return next_redrive_us_; }
    std::int64_t refill_not_before_us() const { return refill_not_before_us_; }
    std::size_t under_way() const { return lanes_.under_way(); }
    Status settle(std::vector<Item> items, std::vector<Verdict> verdicts, std::int64_t now_us);
    // Loads what was held, or is to be sent again, and may go now, a piece at a time. Once a turn.
    Status refill(std::int64_t now_us, std::int64_t wall_us);
    // Writes how far it is. The last call of a turn in which anything changed.
    Status save();
    bool changed() const { return changed_; }
    // Whether a turn would change its record: something to look at and room for it, or held events to load.
    bool needs_turn(Sequence end, std::int64_t now_us, std::int64_t wall_us) const {
        if (changed_ || (next_ < end && wants_scan())) return true;
        if (progress_.paused) return false;
        return (!draining_.empty() && now_us >= refill_not_before_us_) ||
               (next_redrive_us_ && *next_redrive_us_ <= wall_us && has_room());
    }
    bool is_redriving() const { return !redriving_.empty() || next_redrive_us_.has_value(); }
    bool has_work() const { return lanes_.pending() > 0 || !draining_.empty() || next_redrive_us_; }

    // ---- dead letters; conflict (run_state) when the letter is on its way already

    // Sends it again at `at_us` of the wall clock, or soon after; also after a restart.
    // Both give false when it is no dead letter any more, was edited since, or is on its way.
    Result<bool> redrive(const DeadLetter& letter, std::int64_t at_us);
    Result<bool> discard(const DeadLetter& letter);
    Status edit(const DeadLetter& letter, const std::string& payload);
    void set_paused(bool paused);

    // What a function or target gets of it.
    Result<std::string> document_of(const DeadLetter& letter) const {
        return document_of(letter, spec_.shape);
    }
    Result<std::string> document_of(const DeadLetter& letter, event::Shape shape) const;

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
    Status load_due(std::int64_t now_us, std::int64_t wall_us);
    Status send_again(const DeadLetter& letter, std::int64_t now_us);
    // The document that waits here, of an event of this stream.
    std::string document_of(const event::StoredEvent& event) const;
    struct EventOfLetter {
        lake::OwnedEvent stored;
        bool corrected = false;
    };
    Result<EventOfLetter> event_of(const DeadLetter& letter) const;
    Result<std::optional<DeadLetter>> as_it_is(const DeadLetter& letter);
    Status load_some(std::uint64_t key_hash, Sequence& last_loaded, bool& done, std::int64_t now_us);

    SubscriptionSpec spec_;
    ProcessStore& store_;
    lake::Lake& lake_;
    Taking taking_;
    Progress progress_;
    Lanes lanes_;
    Sequence next_ = 1;         // to look at; below progress_.scan while a restart looks again
    std::set<Sequence> known_;  // of those looked at again: settled, held or dead
    std::map<std::uint64_t, Sequence> draining_;  // key → the last held one that was loaded
    std::set<Sequence> redriving_;                // loaded: waiting for their turn, or under way
    std::optional<std::int64_t> next_redrive_us_;
    std::int64_t refill_not_before_us_ = 0;
    std::int64_t seen_us_ = 0;  // ingest time of the event that was looked at last
    std::string document_;
    bool changed_ = false;
};

}  // namespace tarn::process
