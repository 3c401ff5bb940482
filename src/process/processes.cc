#include "process/processes.h"

#include <fmt/core.h>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "os/thread_priority.h"
#include "process/delivery.h"
#include "process/shared_matching.h"
#include "process/subscription.h"
#include "process/transform.h"

namespace tarn::process {
namespace {

constexpr std::int64_t for_ever_us = 3'600'000'000;
constexpr std::size_t events_a_turn = 5'000;  // of one scan, so that others get their turn
constexpr std::int64_t trouble_pause_us = 200'000;

// Whoever waits for it gets it before whoever comes back for it: turn after turn must not keep calls out.
class FairMutex {
public:
    void lock() {
        const std::lock_guard gate(gate_);
        mutex_.lock();
    }
    void unlock() { mutex_.unlock(); }

private:
    std::mutex gate_, mutex_;
};

struct Answer {
    std::string subscription;
    std::uint64_t generation = 0;  // of the subscription when it was asked
    std::vector<Item> items;
    functions::InvocationResult result;
    std::optional<std::vector<Verdict>> verdicts;  // when what it gave went into a stream
};

struct Entry {
    std::unique_ptr<Subscription> subscription;
    std::uint64_t generation = 0;
    std::size_t batches = 0;  // under way
    // Under way from before it was opened anew. Their events are looked at again and must not overtake them:
    // nothing is sent until they have come home.
    std::size_t stale = 0;
    std::int64_t not_before_us = 0;  // after trouble
    bool quiet = false;              // this turn: its function is quiesced
    bool touched = false;            // this turn changed what is in memory
    bool reading = false;            // in the scan that is being made
    // What is in memory ran ahead of what is on disk, which could not be written: to be opened anew. `why`
    // says what went wrong; also of one whose stream is gone.
    bool adrift = false, homeless = false;
    std::string why;

    std::size_t in_flight() const { return batches + stale; }
};

class Pump final : public Processes {
public:
    Pump(Parts parts, std::unique_ptr<ProcessStore> store)
        : parts_(std::move(parts)),
          store_(std::move(store)),
          bell_(parts_.bell ? parts_.bell : std::make_shared<Bell>()) {}
    ~Pump() override { stop(0); }

    Status declare(const SubscriptionSpec& spec, Sequence from) override {
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

    Status remove(const std::string& name) override {
        const std::lock_guard lock(mutex_);
        entries_.erase(name);
        ++generations_;
        return store_->remove(name);
    }

    Status set_paused(const std::string& name, bool paused) override {
        const std::lock_guard lock(mutex_);
        TARN_ASSIGN(Entry * entry, sound_entry(name));
        entry->subscription->set_paused(paused);
        entry->touched = true;
        wake();
        return in_transaction([&] { return entry->subscription->save(); });
    }

    Result<std::vector<SubscriptionStatus>> list() override {
        const std::lock_guard lock(mutex_);
        std::vector<SubscriptionStatus> all;
        for (auto& [name, entry] : entries_) {
            TARN_ASSIGN(auto status, status_of(entry));
            all.push_back(std::move(status));
        }
        return all;
    }

    Result<SubscriptionStatus> find(const std::string& name) override {
        const std::lock_guard lock(mutex_);
        TARN_ASSIGN(Entry * entry, find_entry(name));
        return status_of(*entry);
    }

    void start() override {
        const std::lock_guard lock(mutex_);
        if (thread_.joinable()) return;
        stopping_ = false;
        thread_ = std::thread([this] { run(); });
    }

    void stop(std::int64_t grace_us) override {
        {
            std::unique_lock lock(mutex_);
            if (!thread_.joinable()) return;
            draining_ = true;
            wake();
            const std::int64_t until = parts_.clock.monotonic_us() + grace_us;
            while (batches_under_way() > 0 && parts_.clock.monotonic_us() < until)
                settled_.wait_for(lock, std::chrono::milliseconds(20));
            stopping_ = true;
            wake();
        }
        thread_.join();
        thread_ = std::thread();
        const std::lock_guard lock(mutex_);
        draining_ = false;
    }

    Result<Idleness> idleness() override {
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

    Result<std::shared_ptr<void>> quiesce(const std::string& function, std::int64_t longest_us) override {
        std::unique_lock lock(mutex_);
        const auto quiesced = quiesced_.insert(function);
        parts_.functions.recall(function);  // so that only those it works on are waited for
        const std::int64_t until = parts_.clock.monotonic_us() + longest_us;
        while (thread_.joinable() && !stopping_ && batches_of(function) > 0) {
            const std::int64_t left = until - parts_.clock.monotonic_us();
            if (left <= 0) {
                quiesced_.erase(quiesced_.find(function));
                wake();
                return still_busy(function, longest_us);
            }
            settled_.wait_for(lock, std::chrono::microseconds(std::min<std::int64_t>(left, 20'000)));
        }
        return std::shared_ptr<void>(this, [this, quiesced](void*) {
            const std::lock_guard release(mutex_);
            quiesced_.erase(quiesced);
            wake();
        });
    }

    Result<state::FeederPosition> position(const std::string& subscription) override {
        TARN_ASSIGN(const auto stands, standing(subscription));
        return position_of(parts_.lake, stands.first, stands.second);
    }

    Result<Placement> plan_placement(const std::string& subscription,
                                     const state::FeederPosition& position) override {
        TARN_ASSIGN(const auto stands, standing(subscription));
        return process::plan_placement(parts_.lake, stands.first, stands.second, position, parts_.run_names);
    }

    Status place(const std::vector<Placement>& placements) override {
        const std::lock_guard lock(mutex_);
        TARN_TRY(store_->transaction([&]() -> Status {
            for (const Placement& each : placements) TARN_TRY(carry_out(*store_, each));
            return {};
        }));
        TARN_TRY(store_->sync());
        for (const Placement& each : placements) {
            const auto found = entries_.find(each.subscription);
            if (found == entries_.end()) continue;
            TARN_TRY(take_up(found->second.subscription->spec(), each.progress.stream, each.progress.low));
        }
        wake();
        return {};
    }

    Result<std::vector<DeadGroup>> groups(const DeadSelection& selection) override {
        const std::lock_guard lock(mutex_);
        return store_->groups(selection);
    }

    Result<std::vector<DeadLetter>> dead(const DeadSelection& selection, std::size_t limit) override {
        const std::lock_guard lock(mutex_);
        return store_->dead(selection, limit);
    }

    Result<std::string> document(const DeadLetter& letter) override {
        const std::lock_guard lock(mutex_);
        TARN_ASSIGN(Entry * entry, find_entry(letter.subscription));
        return entry->subscription->document_of(letter);
    }

    Result<std::string> pattern_document(const DeadLetter& letter) override {
        const std::lock_guard lock(mutex_);
        TARN_ASSIGN(Entry * entry, find_entry(letter.subscription));
        return entry->subscription->document_of(letter, event::Shape::cloudevents);
    }

    Status edit(const DeadLetter& letter, const std::string& payload) override {
        const std::lock_guard lock(mutex_);
        TARN_ASSIGN(Entry * entry, sound_entry(letter.subscription));
        return entry->subscription->edit(letter, payload);
    }

    Result<std::uint64_t> redrive(const std::vector<DeadLetter>& letters, std::int64_t first_us,
                                  std::int64_t every_us) override {
        std::int64_t at_us = first_us;
        return with_each(letters, [&](Subscription& subscription, const DeadLetter& letter) -> Result<bool> {
            TARN_ASSIGN(const bool taken, subscription.redrive(letter, at_us));
            if (taken) at_us += every_us;
            return taken;
        });
    }

    Result<std::uint64_t> discard(const std::vector<DeadLetter>& letters) override {
        return with_each(letters, [](Subscription& subscription, const DeadLetter& letter) {
            return subscription.discard(letter);
        });
    }

private:
    // All of them or none; how many it was true for.
    template <typename Act>
    Result<std::uint64_t> with_each(const std::vector<DeadLetter>& letters, Act act) {
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

    // What a failed transaction changed in memory cannot be told from what was there before: those that it
    // touched begin anew from what is on disk. Nothing is lost; what was under way goes again.
    template <typename Body>
    Status in_transaction(Body&& body) {
        Status done = store_->transaction(std::forward<Body>(body));
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

    void open_adrift(std::int64_t now) {
        for (auto& [name, entry] : entries_)
            if (entry.adrift && entry.not_before_us <= now) (void)open_anew(entry);
    }

    Status open_anew(Entry& entry) {
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

    // For a change from outside: what is in memory must be what is on disk.
    Result<Entry*> sound_entry(const std::string& name) {
        TARN_ASSIGN(Entry * entry, find_entry(name));
        if (entry->adrift) TARN_TRY(open_anew(*entry));
        return entry;
    }

    // Its stream is gone. What it has stays as it is until the stream is there again.
    Status take_up_homeless(const SubscriptionSpec& spec, const Error& why) {
        TARN_ASSIGN(const auto known, store_->progress(spec.name));
        if (!known) return fail(why);
        TARN_TRY(take_up(spec, known->stream, known->low));
        Entry& entry = entries_[spec.name];
        entry.homeless = true;
        entry.why = why.message;
        return {};
    }

    // Somebody may have made it again.
    void look_for_homes() {
        for (auto& [name, entry] : entries_) {
            if (!entry.homeless || entry.adrift) continue;
            const auto view = parts_.lake.view(entry.subscription->spec().stream);
            if (!view) continue;
            const Progress& progress = entry.subscription->progress();
            if (!take_up(entry.subscription->spec(), view->stream, progress.low)) continue;
        }
    }

    static std::string trouble_of(const Entry& entry) {
        return entry.why.empty() ? entry.subscription->trouble : entry.why;
    }

    // Begins anew from what is on disk.
    Status take_up(SubscriptionSpec spec, StreamId stream, Sequence from) {
        const std::string name = spec.name;
        TARN_ASSIGN(auto opened,
                    Subscription::open(std::move(spec), stream, from, *store_, parts_.lake, parts_.rng));
        Entry& entry = entries_[name];
        entry.subscription = std::move(opened);
        entry.generation = ++generations_;
        entry.stale += std::exchange(entry.batches, 0);
        entry.adrift = entry.homeless = entry.touched = false;
        entry.why.clear();
        return {};
    }

    Result<std::pair<SubscriptionSpec, Standing>> standing(const std::string& name) {
        const std::lock_guard lock(mutex_);
        TARN_ASSIGN(Entry * entry, find_entry(name));
        Standing standing{.progress = entry->subscription->progress()};
        TARN_ASSIGN(standing.waiting, store_->waiting(name));
        TARN_ASSIGN(standing.settled, store_->settled(name));
        TARN_ASSIGN(standing.discarded, store_->discarded(name));
        return std::pair(entry->subscription->spec(), std::move(standing));
    }

    std::size_t batches_of(const std::string& function) const {
        std::size_t sum = 0;
        for (const auto& [name, entry] : entries_)
            if (entry.subscription->spec().function == function) sum += entry.in_flight();
        return sum;
    }

    Failure still_busy(const std::string& function, std::int64_t longest_us) const {
        std::string names;
        for (const auto& [name, entry] : entries_)
            if (entry.subscription->spec().function == function && entry.in_flight() > 0)
                names += (names.empty() ? "" : ", ") + name;
        return fail(Code::store_busy,
                    fmt::format("function {} still works on events of {} after {} s", function, names,
                                longest_us / 1'000'000),
                    {.next = fmt::format("try again; or first: tarn subscription pause {}",
                                         names.substr(0, names.find(',')))});
    }

    Result<Entry*> find_entry(const std::string& name) {
        const auto found = entries_.find(name);
        if (found == entries_.end() || found->second.subscription == nullptr)
            return fail(Code::unknown_subscription, fmt::format("there is no subscription {}", name),
                        {.next = "tarn subscription list"});
        return &found->second;
    }

    Result<SubscriptionStatus> status_of(Entry& entry) {
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

    Result<Counts> counts_on_disk(const std::string& name) {
        TARN_ASSIGN(const auto progress, store_->progress(name));
        TARN_ASSIGN(const auto held, store_->held_counts(name));
        Counts counts;
        if (progress)
            counts = {.matched = progress->matched,
                      .delivered = progress->delivered,
                      .discarded = progress->discarded};
        counts.held = held.held;
        TARN_ASSIGN(counts.dead, store_->dead_count(name));
        counts.pending = counts.matched - counts.delivered - counts.held - counts.dead - counts.discarded;
        return counts;
    }

    std::size_t batches_under_way() const {
        std::size_t sum = 0;
        for (const auto& [name, entry] : entries_) sum += entry.in_flight();
        return sum;
    }

    // Under mutex_: batches of a subscription that is about to be replaced come home first.
    void wait_for_batches(const std::string& name, std::int64_t longest_us) {
        std::unique_lock lock(mutex_, std::adopt_lock);
        held_back_ = name;
        settled_.wait_for(lock, std::chrono::microseconds(longest_us),
                          [&] { return entries_[name].batches == 0; });
        held_back_.clear();
        (void)lock.release();
    }

    void wake() { bell_->ring(); }

    // ---- the thread

    void run() {
        os::lower_thread_priority();  // capture and its answers go first
        while (true) {
            std::int64_t wait_us = 0;
            {
                const std::lock_guard lock(mutex_);
                if (stopping_) return;
                wait_us = turn();
            }
            bell_->wait(wait_us);
        }
    }

    // One turn; how long the next one may wait if nothing comes meanwhile.
    std::int64_t turn() {
        const std::int64_t now = parts_.clock.monotonic_us(), wall = parts_.clock.now().us;
        std::vector<Answer> answers;
        {
            const std::lock_guard lock(answers_mutex_);
            answers.swap(answers_);
        }
        for (auto& [name, entry] : entries_)
            entry.quiet =
                draining_ || name == held_back_ || quiesced_.contains(entry.subscription->spec().function);
        look_for_homes();
        open_adrift(now);
        more_to_scan_ = false;
        const Status done = needs_turn(answers, now, wall) ? work(answers, now, wall) : Status();
        if (!answers.empty()) settled_.notify_all();
        return done ? send_all(now, wall) : trouble_pause_us;
    }

    // An idle server must not commit for nothing.
    bool needs_turn(const std::vector<Answer>& answers, std::int64_t now, std::int64_t wall) const {
        const Sequence end = parts_.durable_end();
        return !answers.empty() || std::ranges::any_of(entries_, [=](const auto& each) {
            const Entry& entry = each.second;
            return !entry.adrift && !entry.homeless && entry.not_before_us <= now &&
                   entry.subscription->needs_turn(end, now, wall);
        });
    }

    Status work(std::vector<Answer>& answers, std::int64_t now, std::int64_t wall) {
        std::erase_if(answers, [this](const Answer& answer) { return !is_home(answer); });
        return in_transaction([&]() -> Status {
            for (Answer& answer : answers) TARN_TRY(take_in(answer, now));
            for (auto& [name, entry] : entries_)
                if (!entry.adrift && !entry.homeless) TARN_TRY(entry.subscription->refill(now, wall));
            TARN_TRY(scan_all(now));
            for (auto& [name, entry] : entries_) {
                if (entry.adrift || !entry.subscription->changed()) continue;
                entry.touched = true;
                TARN_TRY(entry.subscription->save());
            }
            return {};
        });
    }

    // It is under way no more, whatever becomes of this turn. False: of one that was removed or opened anew
    // meanwhile; its events are looked at again.
    bool is_home(const Answer& answer) {
        const auto found = entries_.find(answer.subscription);
        if (found == entries_.end()) return false;
        Entry& entry = found->second;
        if (entry.generation != answer.generation) {
            if (entry.stale > 0) --entry.stale;
            return false;
        }
        --entry.batches;
        entry.touched = true;  // also when the turn fails before its turn comes
        return !entry.adrift;
    }

    Status take_in(Answer& answer, std::int64_t now) {
        Entry& entry = entries_.at(answer.subscription);
        Subscription& subscription = *entry.subscription;
        using functions::InvocationEnd;
        const bool could_not_run =
            answer.result.end == InvocationEnd::init_failed || answer.result.end == InvocationEnd::stopped;
        subscription.trouble =
            could_not_run ? fmt::format("function {} cannot run: {}: {}", subscription.spec().function,
                                        answer.result.error_type, answer.result.error_message)
                          : "";
        auto verdicts = answer.verdicts ? std::move(*answer.verdicts)
                                        : verdicts_of(answer.items, answer.result, parts_.clock.now().us);
        for (const Verdict& verdict : verdicts)
            if (verdict.kind == Verdict::Kind::not_tried && subscription.trouble.empty())
                subscription.trouble = verdict.attempt.message;
        return subscription.settle(std::move(answer.items), std::move(verdicts), now);
    }

    // Those of a stream that stand at the same place share a scan.
    Status scan_all(std::int64_t now) {
        const Sequence end = parts_.durable_end();
        std::map<std::pair<StreamId, Sequence>, std::vector<Entry*>> groups;
        for (auto& [name, entry] : entries_) {
            Subscription& each = *entry.subscription;
            if (entry.adrift || entry.homeless) continue;
            if (each.next_sequence() < end && each.has_room() && entry.not_before_us <= now)
                groups[{each.progress().stream, each.next_sequence()}].push_back(&entry);
        }
        for (auto& [place, group] : groups) TARN_TRY(scan_group(place.first, place.second, end, group, now));
        return {};
    }

    Status scan_group(StreamId stream, Sequence from, Sequence end, std::vector<Entry*>& group,
                      std::int64_t now) {
        std::optional<Error> unreadable;
        const Status scanned = scan_stream(stream, from, end, group, now, unreadable);
        for (Entry* entry : group) {
            entry->reading = false;
            if (!unreadable) continue;
            // An unreadable object is the trouble of these subscriptions, not of the others.
            entry->subscription->trouble = unreadable->text();
            entry->not_before_us = now + trouble_pause_us;
        }
        return scanned;
    }

    Result<std::unique_ptr<lake::Scan>> open_scan(StreamId stream, Sequence from, Sequence end,
                                                  std::string& name) {
        TARN_ASSIGN(auto view, parts_.lake.view(stream));
        name = view.name;
        lake::ScanOptions options;
        options.from_sequence = from;
        options.until_sequence = end;
        options.with_hash = false;
        return parts_.lake.scan(std::move(view), std::move(options));
    }

    // Fails when what it found cannot be written down.
    Status scan_stream(StreamId stream, Sequence from, Sequence end, std::vector<Entry*>& group,
                       std::int64_t now, std::optional<Error>& unreadable) {
        std::string name;
        const auto scan = open_scan(stream, from, end, name);
        if (!scan) {
            unreadable = scan.error();
            return {};
        }
        const auto corrections = parts_.lake.corrections().of(stream);
        TARN_ASSIGN(Sharing * sharing, sharing_of(stream));
        std::size_t reading = group.size();
        for (Entry* entry : group) entry->reading = true;
        Sequence seen = from;
        for (std::size_t i = 0; i < events_a_turn && reading > 0; ++i) {
            const auto next = (*scan)->next();
            if (!next) {
                unreadable = next.error();
                break;
            }
            const auto* event = *next;
            seen = event != nullptr ? event->sequence + 1 : end;
            if (event == nullptr) break;
            const event::Meta& meta = meta_reader_.read(*event, name);
            const std::string run = run_of(meta);
            for (const auto number : sharing->matching.match(*event, meta, document_)) {
                Entry& entry = *sharing->entries[number];
                if (!entry.reading) continue;
                Subscription& each = *entry.subscription;
                const bool named =
                    !run.empty() && parts_.run_names && parts_.run_names(run, each.spec().name);
                TARN_TRY(each.look_at(*event, meta, !run.empty(), named, now,
                                      lake::find_correction(corrections, event->position), &document_));
                if (each.has_room()) continue;
                TARN_TRY(each.seen_until(seen));
                entry.reading = false;
                --reading;
            }
        }
        for (Entry* entry : group) {
            if (entry->reading) TARN_TRY(entry->subscription->seen_until(seen));
        }
        more_to_scan_ = more_to_scan_ || (reading > 0 && seen < end && !unreadable);
        return {};
    }

    // The patterns of all subscriptions of a stream, compiled together when one of them has changed.
    struct Sharing {
        std::uint64_t generation = 0;
        SharedMatching matching;
        std::vector<Entry*> entries;
    };
    Result<Sharing*> sharing_of(StreamId stream) {
        auto& sharing = sharing_[stream];
        if (sharing && sharing->generation == generations_) return sharing.get();
        sharing = std::make_unique<Sharing>();
        sharing->generation = generations_;
        for (auto& [name, entry] : entries_) {
            if (entry.subscription->progress().stream != stream) continue;
            TARN_TRY(sharing->matching.add(sharing->entries.size(), entry.subscription->spec()));
            sharing->entries.push_back(&entry);
        }
        return sharing.get();
    }

    std::int64_t send_all(std::int64_t now, std::int64_t wall) {
        const Sequence end = parts_.durable_end();
        std::int64_t wait = more_to_scan_ ? 0 : for_ever_us;
        const auto wake_in = [&wait](std::int64_t us) {
            wait = std::min(wait, std::max<std::int64_t>(us, 0));
        };
        for (auto& [name, entry] : entries_) {
            Subscription& each = *entry.subscription;
            if (entry.adrift) wake_in(entry.not_before_us - now);
            if (entry.adrift || entry.homeless || each.progress().paused) continue;
            if (entry.not_before_us <= now && !each.needs_turn(end, now, wall)) entry.why.clear();
            if (entry.not_before_us > now && each.next_sequence() < end) wake_in(entry.not_before_us - now);
            if (each.refill_not_before_us() > now) wake_in(each.refill_not_before_us() - now);
            if (each.next_redrive_us() && each.has_room()) wake_in(*each.next_redrive_us() - wall);
            if (entry.quiet || entry.stale > 0) continue;
            send(entry, now);
            if (const auto next = each.next_us(); next && entry.batches < parts_.concurrency)
                wake_in(*next - now);
        }
        return wait;
    }

    void send(Entry& entry, std::int64_t now) {
        Subscription& subscription = *entry.subscription;
        while (entry.batches < parts_.concurrency) {
            auto items = subscription.take(now);
            if (items.empty()) return;
            ++entry.batches;
            const std::int64_t wall = parts_.clock.now().us;
            const SubscriptionSpec& spec = subscription.spec();
            auto answer =
                std::make_shared<Answer>(Answer{spec.name, entry.generation, std::move(items), {}, {}});
            if (spec.function.empty()) {
                derive(answer, spec, as_they_are(answer->items), wall);
                continue;
            }
            auto invocation = spec.to_stream.empty() ? invocation_of(spec, answer->items)
                                                     : transform_invocation(spec, answer->items, wall);
            const auto come_home = [this, answer, spec, wall](functions::InvocationResult result) {
                answer->result = std::move(result);
                if (spec.to_stream.empty()) return put_in_box(answer);
                derive(answer, spec, transformed(answer->items, answer->result, wall), wall);
            };
            auto sent = parts_.functions.invoke(spec.function, std::move(invocation), come_home);
            if (sent) continue;
            functions::InvocationResult result;
            result.end = functions::InvocationEnd::stopped;
            result.error_type = "Tarn.NoFunction";
            result.error_message = sent.error().message;
            come_home(std::move(result));
            return;
        }
    }

    static std::vector<Transformed> as_they_are(const std::vector<Item>& items) {
        std::vector<Transformed> list;
        for (const Item& item : items) list.push_back({{}, item.document});
        return list;
    }

    void derive(const std::shared_ptr<Answer>& answer, const SubscriptionSpec& spec,
                std::vector<Transformed> results, std::int64_t wall) {
        deriving_.start(spec, answer->items, std::move(results), wall,
                        [this, answer](std::vector<Verdict> verdicts) {
                            answer->verdicts = std::move(verdicts);
                            put_in_box(answer);
                        });
    }

    void put_in_box(const std::shared_ptr<Answer>& answer) {
        {
            const std::lock_guard lock(answers_mutex_);
            answers_.push_back(std::move(*answer));
        }
        bell_->ring();
    }

    const Parts parts_;
    const std::unique_ptr<ProcessStore> store_;
    const std::shared_ptr<Bell> bell_;
    event::MetaReader meta_reader_;
    std::map<StreamId, std::unique_ptr<Sharing>> sharing_;
    std::string document_;

    FairMutex mutex_;  // a turn, or a call from outside
    std::condition_variable_any settled_;
    std::map<std::string, Entry> entries_;
    std::multiset<std::string> quiesced_;
    std::string held_back_;
    std::uint64_t generations_ = 0;
    bool draining_ = false, stopping_ = false, more_to_scan_ = false;

    std::mutex answers_mutex_;  // held for moments only; never while waiting for mutex_
    std::vector<Answer> answers_;
    Deriving deriving_{parts_.derive};  // ends before what it answers to
    std::thread thread_;
};

}  // namespace

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

Result<std::unique_ptr<Processes>> Processes::open(Parts parts) {
    TARN_ASSIGN(auto store, ProcessStore::open(parts.path));
    return std::make_unique<Pump>(std::move(parts), std::move(store));
}

}  // namespace tarn::process
