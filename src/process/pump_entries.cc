// What is in memory of subscriptions and what is on disk: taking up, writing, and beginning anew after a
// turn that could not be written.
#include <fmt/core.h>

#include "process/pump.h"

namespace tarn::process {

Result<Pump::Entry*> Pump::find_entry(const std::string& name) {
    const auto found = entries_.find(name);
    if (found == entries_.end() || found->second.subscription == nullptr)
        return fail(Code::unknown_subscription, fmt::format("there is no subscription {}", name),
                    {.next = "tarn subscription list"});
    return &found->second;
}

// For a change from outside: what is in memory must be what is on disk.
Result<Pump::Entry*> Pump::sound_entry(const std::string& name) {
    TARN_ASSIGN(Entry * entry, find_entry(name));
    if (entry->adrift) TARN_TRY(open_anew(*entry));
    return entry;
}

// Begins anew from what is on disk.
Status Pump::take_up(SubscriptionSpec spec, StreamId stream, Sequence from) {
    const std::string name = spec.name;
    TARN_ASSIGN(auto opened,
                Subscription::open(std::move(spec), stream, from, *store_, parts_.lake, parts_.rng));
    Entry& entry = entries_[name];
    entry.subscription = std::move(opened);
    entry.generation = ++generations_;
    entry.stale += std::exchange(entry.batches, 0);
    entry.adrift = entry.homeless = entry.touched = false;
    entry.outages = 0;
    entry.send_not_before_us = 0;
    entry.why.clear();
    return {};
}

// What a failed transaction changed in memory cannot be told from what was there before: those that it
// touched begin anew from what is on disk. Nothing is lost; what was under way goes again.
Status Pump::in_transaction(const std::function<Status()>& body) {
    Status done = store_->transaction(body);
    for (auto& [name, entry] : entries_) {
        const bool touched = std::exchange(entry.touched, false) || entry.subscription->changed();
        if (done && touched && !entry.homeless) entry.why.clear();
        if (done || !touched) continue;
        entry.adrift = true;
        entry.why = done.error().text();
        entry.not_before_us = 0;
    }
    if (!done) bell_->ring();
    return done;
}

void Pump::open_adrift(std::int64_t now) {
    for (auto& [name, entry] : entries_)
        if (entry.adrift && entry.not_before_us <= now) (void)open_anew(entry);
}

Status Pump::open_anew(Entry& entry) {
    const Subscription& old = *entry.subscription;
    const bool homeless = entry.homeless;
    const std::string why = entry.why;
    // At once would be too soon, also when it can be opened: what could not be written may fail again.
    entry.not_before_us = parts_.clock.monotonic_us() + trouble_pause_us;
    TARN_TRY(take_up(old.spec(), old.progress().stream, old.progress().low));
    entry.homeless = homeless;
    entry.why = why;  // until something is written again
    return {};
}

std::string Pump::trouble_of(const Entry& entry) {
    return entry.why.empty() ? entry.subscription->trouble : entry.why;
}

// ---- without a stream
// ----------------------------------------------------------------------------------------------------

// Its stream is gone. What it has stays as it is until the stream is there again.
Status Pump::take_up_homeless(const SubscriptionSpec& spec, const Error& why) {
    TARN_ASSIGN(const auto known, store_->progress(spec.name));
    if (!known) return fail(why);
    TARN_TRY(take_up(spec, known->stream, known->low));
    Entry& entry = entries_[spec.name];
    entry.homeless = true;
    entry.why = why.message;
    return {};
}

// Somebody may have made it again.
void Pump::look_for_homes() {
    for (auto& [name, entry] : entries_) {
        if (!entry.homeless || entry.adrift) continue;
        const auto view = parts_.lake.view(entry.subscription->spec().stream);
        if (!view) continue;
        const Progress& progress = entry.subscription->progress();
        (void)take_up(entry.subscription->spec(), view->stream, progress.low);  // or at the next look
    }
}

}  // namespace tarn::process
