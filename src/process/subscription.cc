#include "process/subscription.h"

#include <fmt/core.h>

#include <algorithm>

#include "codec/hash.h"
#include "process/cause.h"

namespace tarn::process {
namespace {

constexpr std::size_t max_pending = 2000;             // events in memory, beside what a batch needs
constexpr std::size_t max_document_bytes = 8u << 20;  // their documents
constexpr std::size_t few_ready_keys = 128;           // so many can go out before the next turn
constexpr std::size_t load_at_once = 64;
constexpr std::int64_t unreadable_pause_us = 1'000'000;

LaneOptions lane_options(const SubscriptionSpec& spec) {
    return {spec.order, spec.batch_size, spec.batch_window_us, spec.retries};
}

// For an event that goes on as itself.
void add_meta(Item& item, const event::StoredEvent& event) {
    item.meta = event.meta;
    item.ingested_us = event.ingested.us;
    item.form = event.form;
}

void set_correction(Item& item, event::PayloadForm form) {
    item.form = form;
    item.corrected = true;
}

}  // namespace

Subscription::Subscription(SubscriptionSpec spec, ProcessStore& store, lake::Lake& lake, os::Rng& rng)
    : spec_(std::move(spec)),
      store_(store),
      lake_(lake),
      lanes_(lane_options(spec_), [&rng](std::uint64_t bound) { return rng.below(bound); }) {}

Result<std::unique_ptr<Subscription>> Subscription::open(SubscriptionSpec spec, StreamId stream,
                                                         Sequence from, ProcessStore& store, lake::Lake& lake,
                                                         os::Rng& rng) {
    std::unique_ptr<Subscription> made(new Subscription(std::move(spec), store, lake, rng));
    TARN_ASSIGN(made->taking_, Taking::open(made->spec_));
    TARN_ASSIGN(const auto known, store.progress(made->spec_.name));
    if (known) {
        made->progress_ = *known;
        made->progress_.stream = stream;
        TARN_TRY(made->resume());
    } else {
        made->progress_ = {.stream = stream, .low = from, .scan = from};
        made->next_ = from;
        TARN_TRY(store.set_progress(made->spec_.name, made->progress_));
    }
    return made;
}

// After a restart: what was under way is looked at again, dead letters shut their keys, and held events that
// were free to go are.
Status Subscription::resume() {
    next_ = progress_.low;
    TARN_ASSIGN(const auto known, store_.known_from(spec_.name, progress_.low));
    known_.insert(known.begin(), known.end());
    TARN_ASSIGN(const auto dead, store_.dead_keys(spec_.name));
    for (const std::uint64_t key : dead) lanes_.mark_dead(key);
    TARN_ASSIGN(const auto released, store_.released_keys(spec_.name));
    for (const std::uint64_t key : released) {
        lanes_.set_draining(key, true);
        draining_.emplace(key, 0);
    }
    TARN_TRY(store_.reset_redrives(spec_.name));
    TARN_ASSIGN(next_redrive_us_, store_.next_redrive_us(spec_.name));
    return {};
}

Result<Counts> Subscription::counts() {
    TARN_ASSIGN(const auto held, store_.held_counts(spec_.name));
    TARN_ASSIGN(const std::uint64_t dead, store_.dead_count(spec_.name));
    Counts counts{.matched = progress_.matched,
                  .delivered = progress_.delivered,
                  .pending = lanes_.scanned() + held.released,
                  .held = held.held,
                  .dead = dead,
                  .discarded = progress_.discarded};
    // While a restart looks again at what was under way, not all of it is in memory yet.
    if (next_ < progress_.scan)
        counts.pending = counts.matched - counts.delivered - counts.held - counts.dead - counts.discarded;
    return counts;
}

std::int64_t Subscription::lag_us(std::int64_t wall_us) const {
    const std::int64_t since = lanes_.oldest_captured_us().value_or(seen_us_);
    return since == 0 ? 0 : std::max<std::int64_t>(wall_us - since, 0);
}

bool Subscription::has_room() const {
    return !progress_.paused && lanes_.pending() < max_pending + 2 * spec_.batch_size &&
           lanes_.document_bytes() < max_document_bytes;
}

// Those that wait for a failed one of their key fill memory, too: it is what can go that must not run out.
bool Subscription::wants_scan() const {
    if (!has_room()) return false;
    return lanes_.pending() < max_pending / 2 ||
           lanes_.ready_keys() < std::max(few_ready_keys, spec_.batch_size);
}

Status Subscription::look_at(const event::StoredEvent& event, const event::Meta& meta, bool replayed,
                             bool replayed_for_it, std::int64_t now_us, const lake::Correction* correction,
                             const std::string* matched) {
    if (event.sequence < next_) return {};
    next_ = event.sequence + 1;
    seen_us_ = event.ingested.us;
    const bool again = event.sequence < progress_.scan;
    if (again && known_.erase(event.sequence) > 0) return {};
    if (matched != nullptr) {
        if (replayed && !replayed_for_it && !spec_.takes_replayed) return {};
    } else if (!taking_.takes(event, meta, replayed, replayed_for_it, document_)) {
        return {};
    }
    Item item{.sequence = event.sequence,
              .position = event.position,
              .key_hash = meta.key ? codec::xxh3_64(*meta.key) : 0,
              .keyed = meta.key.has_value(),
              .captured_us = event.ingested.us};
    if (correction != nullptr) {
        event::StoredEvent corrected = event;
        correction->replace(corrected);
        event::append_shape(item.document, spec_.waiting_shape(), corrected, meta);
    } else if (taking_.has_pattern() && spec_.waiting_shape() == event::Shape::cloudevents) {
        item.document = matched != nullptr ? *matched : document_;
    } else {
        event::append_shape(item.document, spec_.waiting_shape(), event, meta);
    }
    if (spec_.passes_events_on()) add_meta(item, event);
    if (correction != nullptr) set_correction(item, correction->form);
    if (!again) ++progress_.matched;
    changed_ = true;
    return accept(std::move(item), now_us);
}

Status Subscription::accept(Item item, std::int64_t now_us) {
    switch (lanes_.add(std::move(item), now_us)) {
        case Lanes::Added::taken:
            return {};
        case Lanes::Added::held:
            return hold(item, false);
        case Lanes::Added::later:
            TARN_TRY(hold(item, true));
            lanes_.set_draining(item.key_hash, true);
            draining_.try_emplace(item.key_hash, 0);
            return {};
    }
    return {};
}

// What waits for its turn does so with all of its key: their rows say the same.
Status Subscription::hold(const Item& item, bool released) {
    return store_.add_held(spec_.name, {item.sequence, item.position, item.key_hash, item.keyed}, released);
}

Status Subscription::seen_until(Sequence end) {
    if (end <= next_ && end <= progress_.scan) return {};
    next_ = std::max(next_, end);
    if (next_ > progress_.scan) {
        progress_.scan = next_;
        known_.clear();
        changed_ = true;
    }
    return {};
}

Status Subscription::settle(std::vector<Item> items, std::vector<Verdict> verdicts, std::int64_t now_us) {
    changed_ = true;
    std::vector<std::uint64_t> freed;
    for (const Settled& settled : lanes_.settle(std::move(items), std::move(verdicts), now_us, freed))
        TARN_TRY(record(settled));
    for (const std::uint64_t key : freed) TARN_TRY(release(key));
    return {};
}

Status Subscription::record(const Settled& settled) {
    redriving_.erase(settled.item.sequence);
    switch (settled.fate) {
        case Fate::delivered:
            return record_delivered(settled.item);
        case Fate::dead:
            return record_dead(settled.item);
        case Fate::held:
            return record_held(settled.item);
    }
    return {};
}

Status Subscription::record_delivered(const Item& item) {
    ++progress_.delivered;
    // A restart looks again from `low` on, and must pass this one by.
    if (item.sequence >= progress_.low) TARN_TRY(store_.add_settled(spec_.name, item.sequence));
    if (item.origin == Item::Origin::held) return store_.remove_held(spec_.name, item.sequence);
    if (item.origin == Item::Origin::dead) return store_.remove_dead(spec_.name, item.sequence);
    return {};
}

Status Subscription::record_dead(const Item& item) {
    const Attempt& last = item.attempts.back();
    DeadLetter letter{.subscription = spec_.name,
                      .sequence = item.sequence,
                      .position = item.position,
                      .key_hash = item.key_hash,
                      .keyed = item.keyed && spec_.order == Order::key,
                      .group = cause_of(spec_.name, last),
                      .error_type = last.error_type,
                      .error_message = last.message,
                      .attempts = item.attempts,
                      .first_us = item.attempts.front().at_us,
                      .last_us = last.at_us,
                      .edited = {}};
    if (item.origin == Item::Origin::dead) {
        TARN_ASSIGN(auto before, store_.dead({.subscription = spec_.name, .position = item.position}, 1));
        if (!before.empty()) {
            letter.first_us = before[0].first_us;
            letter.edited = before[0].edited;
            letter.attempts.insert(letter.attempts.begin(), before[0].attempts.begin(),
                                   before[0].attempts.end());
        }
    }
    if (item.origin == Item::Origin::held) TARN_TRY(store_.remove_held(spec_.name, item.sequence));
    TARN_TRY(store_.add_dead(letter));
    if (!letter.keyed) return {};
    draining_.erase(item.key_hash);
    lanes_.set_draining(item.key_hash, false);
    return store_.set_released(spec_.name, item.key_hash, false);
}

Status Subscription::record_held(const Item& item) {
    if (item.origin == Item::Origin::held) return {};  // its row says so already
    return hold(item, false);
}

Status Subscription::release(std::uint64_t key_hash) {
    TARN_TRY(store_.set_released(spec_.name, key_hash, true));
    lanes_.set_draining(key_hash, true);
    draining_[key_hash] = 0;
    return {};
}

Status Subscription::refill(std::int64_t now_us, std::int64_t wall_us) {
    if (progress_.paused || now_us < refill_not_before_us_) return {};
    if (next_redrive_us_ && *next_redrive_us_ <= wall_us && has_room()) TARN_TRY(load_due(now_us, wall_us));
    if (next_ < progress_.scan)
        return {};  // after a restart: older ones of these keys are still to be looked at
    for (auto key = draining_.begin(); key != draining_.end();) {
        bool done = false;
        if (lanes_.waiting_of(key->first) == 0 && has_room())
            TARN_TRY(load_some(key->first, key->second, done, now_us));
        if (done) lanes_.set_draining(key->first, false);
        key = done ? draining_.erase(key) : std::next(key);
    }
    return {};
}

Status Subscription::load_some(std::uint64_t key_hash, Sequence& last_loaded, bool& done,
                               std::int64_t now_us) {
    TARN_ASSIGN(const auto held, store_.held(spec_.name, key_hash, last_loaded, load_at_once));
    done = held.empty();
    for (const HeldEvent& each : held) {
        auto event = lake_.get(each.position);
        // Unreadable: the trouble of this subscription, not of the others.
        if (!event) {
            trouble = event.error().text();
            refill_not_before_us_ = now_us + unreadable_pause_us;
            return {};
        }
        const auto correction = lake_.corrections().at(each.position);
        if (correction) correction->replace(event->event);
        Item item{.sequence = each.sequence,
                  .position = each.position,
                  .key_hash = key_hash,
                  .keyed = each.keyed,
                  .captured_us = event->event.ingested.us,
                  .origin = Item::Origin::held};
        item.document = document_of(event->event);
        if (spec_.passes_events_on()) add_meta(item, event->event);
        item.corrected = correction != nullptr;
        last_loaded = each.sequence;
        (void)lanes_.add(std::move(item), now_us);
    }
    return {};
}

Status Subscription::save() {
    changed_ = false;
    const Sequence low = std::min(lanes_.oldest_scanned().value_or(progress_.scan), next_);
    if (low != progress_.low) TARN_TRY(store_.forget_settled(spec_.name, low));
    progress_.low = low;
    return store_.set_progress(spec_.name, progress_);
}

// As it is now: it may have been redriven, edited or given up since it was read.
Result<std::optional<DeadLetter>> Subscription::as_it_is(const DeadLetter& letter) {
    TARN_ASSIGN(auto found, store_.dead({.subscription = spec_.name, .position = letter.position}, 1));
    if (found.empty()) return std::optional<DeadLetter>();
    return std::optional(std::move(found[0]));
}

// What is sent must be what was asked for: its correction was written before.
Result<bool> Subscription::redrive(const DeadLetter& letter, std::int64_t at_us) {
    if (redriving_.contains(letter.sequence)) return false;
    TARN_ASSIGN(const auto now, as_it_is(letter));
    if (!now || now->edited != letter.edited) return false;
    TARN_TRY(store_.set_redrive(spec_.name, letter.sequence, at_us));
    next_redrive_us_ = std::min(next_redrive_us_.value_or(at_us), at_us);
    changed_ = true;
    return true;
}

Status Subscription::edit(const DeadLetter& letter, const std::string& payload) {
    TARN_ASSIGN(const auto now, as_it_is(letter));
    if (!now)
        return fail(Code::unknown_dead_letter, "it is no dead letter any more", {.next = "tarn dlq list"});
    if (now->redrive_us != 0)
        return fail(Code::run_state, "the dead letter is being redriven",
                    {.next = "wait until that is over"});
    return store_.set_edited(spec_.name, letter.sequence, payload);
}

Status Subscription::load_due(std::int64_t now_us, std::int64_t wall_us) {
    TARN_ASSIGN(const auto letters, store_.due(spec_.name, wall_us, load_at_once));
    for (const DeadLetter& letter : letters) TARN_TRY(send_again(letter, now_us));
    TARN_ASSIGN(next_redrive_us_, store_.next_redrive_us(spec_.name));
    return {};
}

Status Subscription::send_again(const DeadLetter& letter, std::int64_t now_us) {
    changed_ = true;
    const auto event = event_of(letter);
    // What cannot be read stays dead; the others go.
    if (!event) {
        trouble = event.error().text();
        return store_.set_redrive(spec_.name, letter.sequence, 0);
    }
    TARN_TRY(store_.set_redrive(spec_.name, letter.sequence, redrive_under_way));
    if (!redriving_.insert(letter.sequence).second) return {};
    Item item{.sequence = letter.sequence,
              .position = letter.position,
              .key_hash = letter.key_hash,
              .keyed = letter.keyed,
              .captured_us = letter.first_us,
              .origin = Item::Origin::dead};
    item.document = document_of(event->stored.event);
    if (spec_.passes_events_on()) add_meta(item, event->stored.event);
    item.corrected = event->corrected;
    lanes_.add_redriven(std::move(item), now_us);
    return {};
}

Result<bool> Subscription::discard(const DeadLetter& letter) {
    if (redriving_.contains(letter.sequence)) return false;
    TARN_ASSIGN(const auto now, as_it_is(letter));
    if (!now) return false;
    TARN_TRY(store_.remove_dead(spec_.name, letter.sequence));
    TARN_TRY(store_.add_discarded(spec_.name, letter.sequence));
    ++progress_.discarded;
    changed_ = true;
    if (letter.sequence >= progress_.low) TARN_TRY(store_.add_settled(spec_.name, letter.sequence));
    if (letter.keyed && lanes_.forget_dead(letter.key_hash)) TARN_TRY(release(letter.key_hash));
    return true;
}

void Subscription::set_paused(bool paused) {
    progress_.paused = paused;
    changed_ = true;
}

std::string Subscription::document_of(const event::StoredEvent& event) const {
    event::MetaReader reader;
    std::string document;
    event::append_shape(document, spec_.waiting_shape(), event, reader.read(event, spec_.stream));
    return document;
}

// As it is to be sent: edited, or with the correction that is in effect.
Result<Subscription::EventOfLetter> Subscription::event_of(const DeadLetter& letter) const {
    TARN_ASSIGN(const auto captured, lake_.get(letter.position));
    auto correction = lake_.corrections().at(letter.position);
    if (letter.edited)
        correction =
            std::make_shared<const lake::Correction>(lake::Correction::make(letter.position, *letter.edited));
    event::StoredEvent event = captured.event;
    if (correction) correction->replace(event);
    return EventOfLetter{lake::OwnedEvent(event), correction != nullptr};
}

Result<std::string> Subscription::document_of(const DeadLetter& letter, event::Shape shape) const {
    TARN_ASSIGN(const auto event, event_of(letter));
    const event::StoredEvent& stored = event.stored.event;
    event::MetaReader reader;
    std::string document;
    event::append_shape(document, shape, stored, reader.read(stored, spec_.stream));
    return document;
}

}  // namespace tarn::process
