#include "process/lanes.h"

#include <algorithm>

namespace tarn::process {

Lanes::KeyId Lanes::id_of(const Item& item) const {
    if (item.keyed && options_.order == Order::key) return {item.key_hash, true};
    return {item.sequence, false};
}

// So many of one key wait in memory: one that fails must not fill it and be in the way of all others.
constexpr std::size_t max_waiting_of_key = 64;

Lanes::Added Lanes::add(Item&& item, std::int64_t now_us) {
    const KeyId id = id_of(item);
    if (const auto found = keys_.find(id); found != keys_.end()) {
        const Key& key = found->second;
        if (key.dead > 0) return Added::held;
        if (item.origin != Item::Origin::held && (key.draining || key.waiting.size() >= max_waiting_of_key))
            return Added::later;
    }
    Key& key = keys_[id];
    if (item.origin == Item::Origin::scanned) scanned_.emplace(item.sequence, item.captured_us);
    bytes_ += item.document.size();
    ++waiting_;
    key.waiting.push_back(std::move(item));
    enqueue(id, key, now_us);
    return Added::taken;
}

void Lanes::add_redriven(Item item, std::int64_t now_us) {
    const KeyId id = id_of(item);
    Key& key = keys_[id];
    if (!id.keyed && key.dead == 0) ++key.dead;
    ++key.redriven;
    bytes_ += item.document.size();
    ++waiting_;
    const auto later =
        std::ranges::find_if(key.waiting, [&](const Item& other) { return other.sequence > item.sequence; });
    key.waiting.insert(later, std::move(item));
    key.not_before_us = 0;
    enqueue(id, key, now_us);
}

void Lanes::set_draining(std::uint64_t key_hash, bool draining) {
    keys_[KeyId{key_hash, true}].draining = draining;
    drop_if_unused({key_hash, true});
}

bool Lanes::forget_dead(std::uint64_t key_hash) {
    const auto found = keys_.find({key_hash, true});
    if (found == keys_.end() || found->second.dead == 0) return false;
    const bool free = --found->second.dead == 0;
    drop_if_unused(found->first);
    return free;
}

void Lanes::enqueue(KeyId id, Key& key, std::int64_t now_us) {
    if (key.under_way || key.ready || key.waiting.empty()) return;
    key.ready = true;
    if (key.not_before_us > now_us) {
        sleeping_.emplace(key.not_before_us, id);
        return;
    }
    key.since_us = now_us;
    ready_.push_back(id);
}

void Lanes::wake_sleepers(std::int64_t now_us) {
    while (!sleeping_.empty() && sleeping_.begin()->first <= now_us) {
        const KeyId id = sleeping_.begin()->second;
        sleeping_.erase(sleeping_.begin());
        keys_[id].since_us = now_us;
        ready_.push_back(id);
    }
}

void Lanes::drop_if_unused(KeyId id) {
    const auto found = keys_.find(id);
    if (found == keys_.end()) return;
    const Key& key = found->second;
    if (key.waiting.empty() && !key.under_way && key.dead == 0 && !key.draining) keys_.erase(found);
}

// Enough to fill a batch is all that matters.
std::size_t Lanes::ready_items() const {
    std::size_t count = 0;
    for (const KeyId id : ready_) {
        count += keys_.at(id).waiting.size();
        if (count >= options_.batch_size) break;
    }
    return count;
}

std::vector<Item> Lanes::take(std::int64_t now_us) {
    wake_sleepers(now_us);
    std::vector<Item> batch;
    if (ready_.empty()) return batch;
    const Key& first = keys_.at(ready_.front());
    const bool may_wait =
        first.since_us + options_.batch_window_us > now_us && first.waiting.front().batch_limit == SIZE_MAX;
    if (may_wait && ready_items() < options_.batch_size) return batch;
    std::size_t limit = options_.batch_size;
    while (!ready_.empty() && batch.size() < limit) {
        const KeyId id = ready_.front();
        Key& key = keys_.at(id);
        if (batch.size() + 1 > key.waiting.front().batch_limit) break;  // it must go in a smaller one
        while (!key.waiting.empty()) {
            Item& item = key.waiting.front();
            // Behind a dead letter only what is being redriven may go.
            if (key.dead > 0 && item.origin != Item::Origin::dead) break;
            if (batch.size() + 1 > std::min(limit, item.batch_limit)) break;
            limit = std::min(limit, item.batch_limit);
            batch.push_back(std::move(item));
            key.waiting.pop_front();
            key.under_way = true;
        }
        ready_.pop_front();
        key.ready = false;
    }
    waiting_ -= batch.size();
    under_way_ += batch.size();
    return batch;
}

std::optional<std::int64_t> Lanes::next_us() const {
    std::optional<std::int64_t> next;
    if (!ready_.empty()) next = keys_.at(ready_.front()).since_us + options_.batch_window_us;
    if (!sleeping_.empty())
        next = std::min(next.value_or(sleeping_.begin()->first), sleeping_.begin()->first);
    return next;
}

// Doubling from the first pause to the longest, less up to a quarter.
std::int64_t Lanes::backoff_us(std::size_t attempts) {
    std::int64_t pause = options_.retries.first_us;
    for (std::size_t i = 1; i < attempts && pause < options_.retries.longest_us; ++i) pause *= 2;
    pause = std::min(pause, options_.retries.longest_us);
    return pause - static_cast<std::int64_t>(jitter_(static_cast<std::uint64_t>(pause / 4) + 1));
}

std::vector<Settled> Lanes::settle(std::vector<Item> items, std::vector<Verdict> verdicts,
                                   std::int64_t now_us, std::vector<std::uint64_t>& freed) {
    Settling settling{.batch_size = items.size(), .now_us = now_us};
    under_way_ -= items.size();
    std::set<KeyId> touched;
    for (const Item& item : items) touched.insert(id_of(item));
    for (std::size_t i = 0; i < items.size(); ++i)
        settle_one(std::move(items[i]), std::move(verdicts[i]), settling);
    give_back(settling);
    for (const KeyId id : touched) {
        Key& key = keys_.at(id);
        key.under_way = false;
        const auto delay = settling.delays.find(id);
        key.not_before_us = delay == settling.delays.end() ? 0 : now_us + delay->second;
        enqueue(id, key, now_us);
        drop_if_unused(id);
    }
    freed = std::move(settling.freed);
    return std::move(settling.settled);
}

void Lanes::settle_one(Item item, Verdict verdict, Settling& settling) {
    if (verdict.kind == Verdict::Kind::done) return deliver(std::move(item), settling);
    const Retries& retries = options_.retries;
    std::int64_t delay = 0;
    switch (verdict.kind) {
        case Verdict::Kind::fault:
        case Verdict::Kind::refused: {
            const bool is_final = verdict.kind == Verdict::Kind::refused;
            item.attempts.push_back(std::move(verdict.attempt));
            const std::int64_t age_us = item.attempts.back().at_us - item.captured_us;
            const bool spent = is_final || item.attempts.size() >= retries.max ||
                               age_us >= retries.max_age_us.value_or(INT64_MAX);
            // Behind one that died in the same batch it is held, not dead: a key has one dead letter at most.
            const Key& key = keys_.at(id_of(item));
            if (spent && (item.origin == Item::Origin::dead || key.dead == key.redriven))
                return bury(std::move(item), settling.settled);
            delay = std::max(backoff_us(item.attempts.size()), verdict.pause_us);
            break;
        }
        case Verdict::Kind::not_tried:
        case Verdict::Kind::pushed_back:
            delay = retries.first_us;
            break;
        case Verdict::Kind::not_sent:
            break;
        default:
            item.batch_limit = std::max<std::size_t>(1, settling.batch_size / 2);
            break;
    }
    std::int64_t& longest = settling.delays[id_of(item)];
    longest = std::max(longest, delay);
    settling.again.push_back(std::move(item));
}

void Lanes::deliver(Item item, Settling& settling) {
    const KeyId id = id_of(item);
    leave_memory(item);
    if (item.origin == Item::Origin::dead) {
        Key& key = keys_.at(id);
        --key.redriven;
        if (--key.dead == 0 && id.keyed) settling.freed.push_back(id.value);
    }
    settling.settled.push_back({Fate::delivered, std::move(item)});
}

// Back to the fronts of their keys, in their order; what stood behind one that died is held.
void Lanes::give_back(Settling& settling) {
    for (auto item = settling.again.rbegin(); item != settling.again.rend(); ++item) {
        Key& key = keys_.at(id_of(*item));
        if (key.dead > key.redriven && item->origin != Item::Origin::dead) {
            leave_memory(*item);
            settling.settled.push_back({Fate::held, std::move(*item)});
            continue;
        }
        ++waiting_;
        key.waiting.push_front(std::move(*item));
    }
}

void Lanes::leave_memory(const Item& item) {
    bytes_ -= item.document.size();
    if (item.origin == Item::Origin::scanned) scanned_.erase(scanned_.find(item.sequence));
}

// Dead, and what waits behind it is held. One that stands alone has nothing behind it.
void Lanes::bury(Item item, std::vector<Settled>& settled) {
    const KeyId id = id_of(item);
    Key& key = keys_.at(id);
    if (item.origin == Item::Origin::dead)
        --key.redriven;
    else
        ++key.dead;
    if (!id.keyed) key.dead = 0;
    leave_memory(item);
    settled.push_back({Fate::dead, std::move(item)});
    std::deque<Item> stay;
    for (Item& waiting : key.waiting) {
        if (waiting.origin == Item::Origin::dead) {
            stay.push_back(std::move(waiting));
            continue;
        }
        --waiting_;
        leave_memory(waiting);
        settled.push_back({Fate::held, std::move(waiting)});
    }
    key.waiting = std::move(stay);
}

std::size_t Lanes::waiting_of(std::uint64_t key_hash) const {
    const auto found = keys_.find({key_hash, true});
    return found == keys_.end() ? 0 : found->second.waiting.size();
}

std::optional<Sequence> Lanes::oldest_scanned() const {
    if (scanned_.empty()) return std::nullopt;
    return scanned_.begin()->first;
}

std::optional<std::int64_t> Lanes::oldest_captured_us() const {
    if (scanned_.empty()) return std::nullopt;
    return scanned_.begin()->second;
}

}  // namespace tarn::process
