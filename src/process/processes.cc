#include "process/processes.h"

#include <fmt/core.h>

#include "process/pump.h"

namespace tarn::process {

Result<std::unique_ptr<Processes>> Processes::open(Parts parts) {
    TARN_ASSIGN(auto store, ProcessStore::open(parts.path, parts.vfs));
    return std::make_unique<Pump>(std::move(parts), std::move(store));
}

codec::Json SubscriptionStatus::to_json() const {
    codec::Json json = codec::Json::object({{"name", spec.name}});
    json.set("state", paused               ? "paused"
                      : !trouble.empty()   ? "stuck"
                      : counts.pending > 0 ? "working"
                                           : "idle");
    json.set("matched", counts.matched).set("delivered", counts.delivered).set("pending", counts.pending);
    json.set("held", counts.held).set("dead", counts.dead).set("discarded", counts.discarded);
    json.set("under_way", under_way).set("redriving", redriving).set("lag", lag());
    json.set("lag_seconds",
             codec::Json::number_text(fmt::format("{:.3f}", static_cast<double>(lag_us) / 1e6)));
    if (!trouble.empty()) json.set("trouble", trouble);
    const codec::Json declared = spec.to_json();
    for (const auto& [name, value] : declared.members()) json.set(name, value);
    return json;
}

Status Pump::declare(const SubscriptionSpec& spec, Sequence from) {
    const std::lock_guard lock(mutex_);
    const auto view = parts_.lake.view(spec.stream);
    if (!view && view.error().kind != ErrorKind::not_found) return fail(view.error());
    if (const auto found = entries_.find(spec.name); found != entries_.end() && found->second.batches > 0)
        wait_for_batches(spec.name, 5'000'000);
    if (!view) return take_up_homeless(spec, view.error());
    TARN_TRY(take_up(spec, view->stream, from));
    wake();
    return {};
}

// Under mutex_: batches of a subscription that is about to be replaced come home first.
void Pump::wait_for_batches(const std::string& name, std::int64_t longest_us) {
    std::unique_lock lock(mutex_, std::adopt_lock);
    held_back_ = name;
    settled_.wait_for(lock, std::chrono::microseconds(longest_us), [&] {
        const auto found = entries_.find(name);  // it may be removed meanwhile
        return found == entries_.end() || found->second.batches == 0;
    });
    held_back_.clear();
    (void)lock.release();
}

Status Pump::remove(const std::string& name) {
    const std::lock_guard lock(mutex_);
    entries_.erase(name);
    ++generations_;
    return store_->remove(name);
}

Status Pump::set_paused(const std::string& name, bool paused) {
    const std::lock_guard lock(mutex_);
    TARN_ASSIGN(Entry * entry, sound_entry(name));
    entry->subscription->set_paused(paused);
    entry->touched = true;
    wake();
    return in_transaction([&] { return entry->subscription->save(); });
}

Result<std::vector<SubscriptionStatus>> Pump::list() {
    const std::lock_guard lock(mutex_);
    std::vector<SubscriptionStatus> all;
    for (auto& [name, entry] : entries_) {
        TARN_ASSIGN(auto status, status_of(entry));
        all.push_back(std::move(status));
    }
    return all;
}

Result<SubscriptionStatus> Pump::find(const std::string& name) {
    const std::lock_guard lock(mutex_);
    TARN_ASSIGN(Entry * entry, find_entry(name));
    return status_of(*entry);
}

Result<SubscriptionStatus> Pump::status_of(Entry& entry) {
    Subscription& each = *entry.subscription;
    SubscriptionStatus status{.spec = each.spec(), .counts = {}, .paused = each.progress().paused};
    if (entry.adrift) {
        TARN_ASSIGN(status.counts, counts_on_disk(each.spec().name));
    } else {
        TARN_ASSIGN(status.counts, each.counts());
    }
    status.under_way = each.under_way();
    status.redriving = each.is_redriving();
    status.next = each.next_sequence();
    status.end = entry.homeless ? status.next : parts_.durable_end();
    status.trouble = trouble_of(entry);
    status.lag_us = each.lag_us(parts_.clock.now().us);
    if (status.next >= status.end && status.counts.pending == 0) status.lag_us = 0;
    return status;
}

Result<Counts> Pump::counts_on_disk(const std::string& name) {
    TARN_ASSIGN(const auto progress, store_->progress(name));
    TARN_ASSIGN(const auto held, store_->held_counts(name));
    Counts counts;
    if (progress)
        counts = {
            .matched = progress->matched, .delivered = progress->delivered, .discarded = progress->discarded};
    counts.held = held.held;
    TARN_ASSIGN(counts.dead, store_->dead_count(name));
    counts.pending = counts.matched - counts.delivered - counts.held - counts.dead - counts.discarded;
    return counts;
}

Result<Processes::Idleness> Pump::idleness() {
    const std::lock_guard lock(mutex_);
    const Sequence end = parts_.durable_end();
    Idleness idleness{.idle = true, .stuck = {}};
    for (auto& [name, entry] : entries_) {
        Subscription& each = *entry.subscription;
        if (each.progress().paused) continue;
        const bool done = entry.homeless ? !each.has_work()
                                         : each.progress().scan >= end && each.next_sequence() >= end &&
                                               !each.has_work() && !entry.adrift;
        if (done) continue;
        if (trouble_of(entry).empty())
            idleness.idle = false;
        else
            idleness.stuck.push_back(fmt::format("{}: {}", name, trouble_of(entry)));
    }
    return idleness;
}

// ---- dead letters
// ----------------------------------------------------------------------------------------------------

Result<std::vector<DeadGroup>> Pump::groups(const DeadSelection& selection) {
    const std::lock_guard lock(mutex_);
    return store_->groups(selection);
}

Result<std::vector<DeadLetter>> Pump::dead(const DeadSelection& selection, std::size_t limit) {
    const std::lock_guard lock(mutex_);
    return store_->dead(selection, limit);
}

Result<std::string> Pump::document(const DeadLetter& letter) {
    const std::lock_guard lock(mutex_);
    TARN_ASSIGN(Entry * entry, find_entry(letter.subscription));
    return entry->subscription->document_of(letter);
}

Result<std::string> Pump::pattern_document(const DeadLetter& letter) {
    const std::lock_guard lock(mutex_);
    TARN_ASSIGN(Entry * entry, find_entry(letter.subscription));
    return entry->subscription->document_of(letter, event::Shape::cloudevents);
}

Status Pump::edit(const DeadLetter& letter, const std::string& payload) {
    const std::lock_guard lock(mutex_);
    TARN_ASSIGN(Entry * entry, sound_entry(letter.subscription));
    return entry->subscription->edit(letter, payload);
}

Result<std::uint64_t> Pump::redrive(const std::vector<DeadLetter>& letters, std::int64_t first_us,
                                    std::int64_t every_us) {
    std::int64_t at_us = first_us;
    return with_each(letters, [&](Subscription& subscription, const DeadLetter& letter) -> Result<bool> {
        TARN_ASSIGN(const bool taken, subscription.redrive(letter, at_us));
        if (taken) at_us += every_us;
        return taken;
    });
}

Result<std::uint64_t> Pump::discard(const std::vector<DeadLetter>& letters) {
    return with_each(letters, [](Subscription& subscription, const DeadLetter& letter) {
        return subscription.discard(letter);
    });
}

// All of them or none; how many it was true for.
Result<std::uint64_t> Pump::with_each(const std::vector<DeadLetter>& letters, const Act& act) {
    const std::lock_guard lock(mutex_);
    std::uint64_t count = 0;
    TARN_TRY(in_transaction([&]() -> Status {
        for (const DeadLetter& letter : letters) {
            TARN_ASSIGN(Entry * entry, sound_entry(letter.subscription));
            entry->touched = true;
            TARN_ASSIGN(const bool done, act(*entry->subscription, letter));
            count += done ? 1 : 0;
            TARN_TRY(entry->subscription->save());
        }
        return {};
    }));
    wake();
    return count;
}

}  // namespace tarn::process
