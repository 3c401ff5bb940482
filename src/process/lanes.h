// Which of a subscription's events may go next, and what an answer means for it and for those behind it. The
// heart of delivery, without threads, disk or clock: time comes in as microseconds, what must become durable
// goes out as a list. One thread.
//
// Order: of one key at most one batch is under way. An event that fails waits, and with it all later events
// of its key, while other keys go on. When it is out of attempts it is dead, and later events of the key are
// held until it is redriven or discarded. Events without a key, and all with order `none`, stand alone.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "event/event.h"
#include "process/subscription_spec.h"

namespace tarn::process {

// One try and why it failed.
struct Attempt {
    std::int64_t at_us = 0;  // wall clock
    std::int64_t duration_us = 0;
    std::string end;  // invocation_end_name
    std::string error_type, message, stack, log_tail, version;
    std::size_t batch = 1;  // events in the call
};

struct Item {
    Sequence sequence = 0;
    Position position;
    std::uint64_t key_hash = 0;
    bool keyed = false;
    std::int64_t captured_us = 0;
    std::string document;  // in the subscription's shape
    // Of the event, where it does not end in a function: its meta, when it was ingested, how its payload
    // came.
    std::string meta;
    std::int64_t ingested_us = 0;
    event::PayloadForm form = event::PayloadForm::json;
    bool corrected = false;  // `document` is not what was captured
    // Where it comes from: a scan, the table of held events, or a dead letter being redriven.
    enum class Origin : std::uint8_t { scanned, held, dead } origin = Origin::scanned;
    std::vector<Attempt> attempts;       // of this round
    std::size_t batch_limit = SIZE_MAX;  // after a batch failed as a whole: halves of it
};

enum class Fate : std::uint8_t { delivered, dead, held };
struct Settled {
    Fate fate = Fate::delivered;
    Item item;
};

// What became of one event of a batch.
struct Verdict {
    enum class Kind : std::uint8_t {
        done,         // delivered
        fault,        // the function refused it or broke on it: an attempt is used up
        refused,      // it will never be taken: an attempt is used up, and no other is made
        not_tried,    // the function did not run, or was stopped: no attempt is used up
        pushed_back,  // the receiver has too much to do: no attempt is used up
        not_sent,     // it did not reach the function: again at once, no attempt is used up
        split,        // the batch failed as a whole: again in halves, no attempt is used up
    };
    Kind kind = Kind::done;
    Attempt attempt;
    std::int64_t pause_us = 0;  // before the next attempt, at least
};

struct LaneOptions {
    Order order = Order::key;
    std::size_t batch_size = 1;
    std::int64_t batch_window_us = 0;
    Retries retries;
};

class Lanes {
public:
    // `jitter` gives a number in [0, bound): retries of many events must not come together.
    using Jitter = std::function<std::uint64_t(std::uint64_t bound)>;
    Lanes(LaneOptions options, Jitter jitter) : options_(options), jitter_(std::move(jitter)) {}

    // ---- what comes in. Per key in sequence order, except a redriven one, which goes first.

    // held: its key has a dead letter. later: older events of its key wait on disk, or too many in memory; it
    // must wait on disk too, and set_draining must say so. In both cases the item is left as it was.
    enum class Added : std::uint8_t { taken, held, later };
    Added add(Item&& item, std::int64_t now_us);
    void add_redriven(Item item, std::int64_t now_us);
    // At the start: this key has a dead letter.
    void mark_dead(std::uint64_t key_hash) { ++keys_[KeyId{key_hash, true}].dead; }
    // While older events of the key wait on disk, newer ones must wait there too.
    void set_draining(std::uint64_t key_hash, bool draining);
    // A dead letter was discarded. True: no dead one is left in the key, its held ones may go.
    bool forget_dead(std::uint64_t key_hash);

    // ---- what goes out

    // The events of one batch that may go now, oldest key first; empty when there is none. They must come
    // back in settle(), all together.
    std::vector<Item> take(std::int64_t now_us);
    // When take() may have something, if nothing else happens; nullopt: never.
    std::optional<std::int64_t> next_us() const;

    // One verdict an item, in their order. Gives what became final. `freed` lists keys that now have no dead
    // letter any more: their held events may go.
    std::vector<Settled> settle(std::vector<Item> items, std::vector<Verdict> verdicts, std::int64_t now_us,
                                std::vector<std::uint64_t>& freed);

    // ---- what is there

    std::size_t pending() const { return waiting_ + under_way_; }
    std::size_t under_way() const { return under_way_; }
    std::size_t ready_keys() const { return ready_.size(); }
    std::size_t scanned() const { return scanned_.size(); }  // of the pending ones, those from a scan
    std::size_t document_bytes() const { return bytes_; }
    // Events of a key that wait in memory: when none is left, more may be loaded from disk.
    std::size_t waiting_of(std::uint64_t key_hash) const;
    // The oldest scanned event that is not settled.
    std::optional<Sequence> oldest_scanned() const;
    std::optional<std::int64_t> oldest_captured_us() const;

private:
    struct KeyId {
        std::uint64_t value = 0;  // the key's hash, or the sequence of an event that stands alone
        bool keyed = false;
        auto operator<=>(const KeyId&) const = default;
    };
    struct Key {
        std::deque<Item> waiting;
        bool under_way = false;
        bool ready = false;  // stands in ready_
        bool draining = false;
        std::uint32_t dead = 0;
        std::uint32_t redriven = 0;  // of the dead, those in `waiting` or under way
        std::int64_t not_before_us = 0;
        std::int64_t since_us = 0;  // when its first event became ready
    };

    // What one settle() gathers.
    struct Settling {
        std::size_t batch_size = 0;
        std::int64_t now_us = 0;
        std::vector<Settled> settled;
        std::vector<Item> again;
        std::map<KeyId, std::int64_t> delays;
        std::vector<std::uint64_t> freed;
    };
    KeyId id_of(const Item& item) const;
    void settle_one(Item item, Verdict verdict, Settling& settling);
    void deliver(Item item, Settling& settling);
    void give_back(Settling& settling);
    void leave_memory(const Item& item);
    void enqueue(KeyId id, Key& key, std::int64_t now_us);
    void wake_sleepers(std::int64_t now_us);
    void drop_if_unused(KeyId id);
    std::size_t ready_items() const;
    std::int64_t backoff_us(std::size_t attempts);
    void bury(Item item, std::vector<Settled>& settled);

    LaneOptions options_;
    Jitter jitter_;
    std::map<KeyId, Key> keys_;
    std::deque<KeyId> ready_;
    std::multimap<std::int64_t, KeyId> sleeping_;    // by when they may go on
    std::multimap<Sequence, std::int64_t> scanned_;  // and when each was captured
    std::size_t waiting_ = 0, under_way_ = 0, bytes_ = 0;
};

}  // namespace tarn::process
