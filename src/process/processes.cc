#include "process/processes.h"

#include <fmt/core.h>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "process/delivery.h"
#include "process/subscription.h"

namespace tarn::process {
namespace {

constexpr std::int64_t look_every_us = 10'000;  // for new events in the log
constexpr std::size_t events_a_turn = 5'000;    // of one scan, so that others get their turn
constexpr std::int64_t trouble_pause_us = 1'000'000;

struct Answer {
    std::string subscription;
    std::uint64_t generation = 0;  // of the subscription when it was asked
    std::vector<Item> items;
    functions::InvocationResult result;
};

struct Entry {
    std::unique_ptr<Subscription> subscription;
    std::uint64_t generation = 0;
    std::size_t batches = 0;         // under way
    std::int64_t not_before_us = 0;  // after trouble
    bool quiet = false;              // this turn: its function is quiesced
};

class Pump final : public Processes {
public:
    Pump(Parts parts, std::unique_ptr<ProcessStore> store)
        : parts_(std::move(parts)), store_(std::move(store)) {}
    ~Pump() override { stop(0); }

    Status declare(const SubscriptionSpec& spec, Sequence from) override {
        const std::lock_guard lock(mutex_);
        TARN_ASSIGN(const auto view, parts_.lake.view(spec.stream));
        if (const auto found = entries_.find(spec.name); found != entries_.end() && found->second.batches > 0)
            wait_for_batches(spec.name, 5'000'000);
        TARN_ASSIGN(auto opened,
                    Subscription::open(spec, view.stream, from, *store_, parts_.lake, parts_.rng));
        Entry& entry = entries_[spec.name];
        entry.subscription = std::move(opened);
        entry.generation = ++generations_;
        entry.batches = 0;
        wake();
        return {};
    }

    Status remove(const std::string& name) override {
        const std::lock_guard lock(mutex_);
        entries_.erase(name);
        return store_->remove(name);
    }

    Status set_paused(const std::string& name, bool paused) override {
        const std::lock_guard lock(mutex_);
        TARN_ASSIGN(Entry * entry, find_entry(name));
        entry->subscription->set_paused(paused);
        wake();
        return store_->transaction([&] { return entry->subscription->save(); });
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
            const bool done = each.progress().scan >= end && each.next_sequence() >= end && !each.has_work();
            if (done) continue;
            if (each.trouble.empty())
                idleness.idle = false;
            else
                idleness.stuck.push_back(fmt::format("{}: {}", name, each.trouble));
        }
        return idleness;
    }

    std::shared_ptr<void> quiesce(const std::string& function) override {
        std::unique_lock lock(mutex_);
        quiesced_.insert(function);
        settled_.wait(lock, [&] {
            return stopping_ || !thread_.joinable() || std::ranges::none_of(entries_, [&](const auto& each) {
                       return each.second.subscription->spec().function == function &&
                              each.second.batches > 0;
                   });
        });
        return {this, [this, function](void*) {
                    const std::lock_guard release(mutex_);
                    quiesced_.erase(quiesced_.find(function));
                    wake();
                }};
    }

    Result<std::vector<DeadGroup>> groups() override {
        const std::lock_guard lock(mutex_);
        return store_->groups();
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

    Status edit(const DeadLetter& letter, const std::string& payload) override {
        const std::lock_guard lock(mutex_);
        return store_->set_edited(letter.subscription, letter.sequence, payload);
    }

    Result<std::uint64_t> redrive(const std::vector<DeadLetter>& letters) override {
        const std::lock_guard lock(mutex_);
        const std::int64_t now = parts_.clock.monotonic_us();
        for (const DeadLetter& letter : letters) {
            TARN_ASSIGN(Entry * entry, find_entry(letter.subscription));
            TARN_TRY(entry->subscription->redrive(letter, now));
        }
        wake();
        return letters.size();
    }

    Result<std::uint64_t> discard(const std::vector<DeadLetter>& letters) override {
        const std::lock_guard lock(mutex_);
        TARN_TRY(store_->transaction([&]() -> Status {
            for (const DeadLetter& letter : letters) {
                TARN_ASSIGN(Entry * entry, find_entry(letter.subscription));
                TARN_TRY(entry->subscription->discard(letter));
                TARN_TRY(entry->subscription->save());
            }
            return {};
        }));
        wake();
        return letters.size();
    }

private:
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
        TARN_ASSIGN(status.counts, each.counts());
        status.under_way = each.under_way();
        status.next = each.next_sequence();
        status.end = parts_.durable_end();
        status.trouble = each.trouble;
        return status;
    }

    std::size_t batches_under_way() const {
        std::size_t sum = 0;
        for (const auto& [name, entry] : entries_) sum += entry.batches;
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

    void wake() {
        const std::lock_guard lock(news_mutex_);
        news_ = true;
        news_changed_.notify_one();
    }

    // ---- the thread

    void run() {
        while (true) {
            std::int64_t wait_us = 0;
            {
                const std::lock_guard lock(mutex_);
                if (stopping_) return;
                wait_us = turn();
            }
            std::unique_lock lock(news_mutex_);
            news_changed_.wait_for(lock, std::chrono::microseconds(wait_us), [this] { return news_; });
            news_ = false;
        }
    }

    // One turn; how long the next one may wait.
    std::int64_t turn() {
        const std::int64_t now = parts_.clock.monotonic_us();
        std::vector<Answer> answers;
        {
            const std::lock_guard lock(news_mutex_);
            answers.swap(answers_);
        }
        for (auto& [name, entry] : entries_)
            entry.quiet =
                draining_ || name == held_back_ || quiesced_.contains(entry.subscription->spec().function);
        more_to_scan_ = false;
        const Status done = needs_turn(answers) ? work(answers, now) : Status();
        if (!answers.empty()) settled_.notify_all();
        if (!done) {
            say_trouble(done.error());
            return trouble_pause_us;
        }
        return send_all(now);
    }

    // An idle server must not lock and commit a hundred times a second for nothing.
    bool needs_turn(const std::vector<Answer>& answers) const {
        const Sequence end = parts_.durable_end();
        return !answers.empty() || std::ranges::any_of(entries_, [end](const auto& each) {
            return each.second.subscription->needs_turn(end);
        });
    }

    Status work(std::vector<Answer>& answers, std::int64_t now) {
        return store_->transaction([&]() -> Status {
            for (Answer& answer : answers) TARN_TRY(take_in(answer, now));
            for (auto& [name, entry] : entries_) TARN_TRY(entry.subscription->refill(now));
            TARN_TRY(scan_all(now));
            for (auto& [name, entry] : entries_)
                if (entry.subscription->changed()) TARN_TRY(entry.subscription->save());
            return {};
        });
    }

    Status take_in(Answer& answer, std::int64_t now) {
        const auto found = entries_.find(answer.subscription);
        // Of one that was removed or replaced meanwhile: its events are looked at again.
        if (found == entries_.end() || found->second.generation != answer.generation) return {};
        Entry& entry = found->second;
        --entry.batches;
        Subscription& subscription = *entry.subscription;
        using functions::InvocationEnd;
        const bool could_not_run =
            answer.result.end == InvocationEnd::init_failed || answer.result.end == InvocationEnd::stopped;
        subscription.trouble =
            could_not_run ? fmt::format("function {} cannot run: {}: {}", subscription.spec().function,
                                        answer.result.error_type, answer.result.error_message)
                          : "";
        auto verdicts = verdicts_of(answer.items, answer.result, parts_.clock.now().us);
        return subscription.settle(std::move(answer.items), std::move(verdicts), now);
    }

    // Those of a stream that stand at the same place share a scan.
    Status scan_all(std::int64_t now) {
        const Sequence end = parts_.durable_end();
        std::map<std::pair<StreamId, Sequence>, std::vector<Entry*>> groups;
        for (auto& [name, entry] : entries_) {
            Subscription& each = *entry.subscription;
            if (each.next_sequence() < end && each.has_room() && entry.not_before_us <= now)
                groups[{each.progress().stream, each.next_sequence()}].push_back(&entry);
        }
        for (auto& [place, group] : groups) TARN_TRY(scan_group(place.first, place.second, end, group, now));
        return {};
    }

    Status scan_group(StreamId stream, Sequence from, Sequence end, std::vector<Entry*>& group,
                      std::int64_t now) {
        auto scanned = scan_stream(stream, from, end, group, now);
        if (scanned) return {};
        // An unreadable object is the trouble of these subscriptions, not of the others.
        for (Entry* entry : group) {
            entry->subscription->trouble = scanned.error().text();
            entry->not_before_us = now + trouble_pause_us;
        }
        return {};
    }

    Status scan_stream(StreamId stream, Sequence from, Sequence end, std::vector<Entry*>& group,
                       std::int64_t now) {
        TARN_ASSIGN(auto view, parts_.lake.view(stream));
        const std::string name = view.name;
        lake::ScanOptions options;
        options.from_sequence = from;
        options.until_sequence = end;
        options.with_hash = false;
        TARN_ASSIGN(const auto scan, parts_.lake.scan(std::move(view), std::move(options)));
        std::vector<Entry*> reading = group;
        for (std::size_t i = 0; i < events_a_turn && !reading.empty(); ++i) {
            TARN_ASSIGN(const auto* event, scan->next());
            if (event == nullptr) {
                for (Entry* entry : reading) TARN_TRY(entry->subscription->seen_until(end));
                return {};
            }
            const event::Meta& meta = meta_reader_.read(*event, name);
            const std::string run = run_of(meta);
            for (Entry* entry : reading) {
                Subscription& each = *entry->subscription;
                const bool named =
                    !run.empty() && parts_.run_names && parts_.run_names(run, each.spec().name);
                TARN_TRY(each.look_at(*event, meta, !run.empty(), named, now));
                TARN_TRY(each.seen_until(event->sequence + 1));
            }
            std::erase_if(reading, [](const Entry* entry) { return !entry->subscription->has_room(); });
        }
        more_to_scan_ = more_to_scan_ || !reading.empty();
        return {};
    }

    // The run that replayed the event, "" when none did.
    static std::string run_of(const event::Meta& meta) {
        if (meta.attributes.find("\"tarnrun\"") == std::string_view::npos) return "";
        const auto run = codec::find_member(meta.attributes, "tarnrun");
        return run ? codec::unescape(*run) : "";
    }

    std::int64_t send_all(std::int64_t now) {
        std::int64_t wait = look_every_us;
        if (more_to_scan_) wait = 0;
        for (auto& [name, entry] : entries_) {
            if (entry.quiet || entry.subscription->progress().paused) continue;
            send(entry, now);
            if (const auto next = entry.subscription->next_us(); next && entry.batches < parts_.concurrency)
                wait = std::min(wait, std::max<std::int64_t>(*next - now, 0));
        }
        return wait;
    }

    void send(Entry& entry, std::int64_t now) {
        Subscription& subscription = *entry.subscription;
        while (entry.batches < parts_.concurrency) {
            auto items = subscription.take(now);
            if (items.empty()) return;
            auto invocation = invocation_of(subscription.spec(), items);
            ++entry.batches;
            auto answer = std::make_shared<Answer>(
                Answer{subscription.spec().name, entry.generation, std::move(items), {}});
            const auto come_home = [this, answer](functions::InvocationResult result) {
                answer->result = std::move(result);
                const std::lock_guard lock(news_mutex_);
                answers_.push_back(std::move(*answer));
                news_ = true;
                news_changed_.notify_one();
            };
            auto sent =
                parts_.functions.invoke(subscription.spec().function, std::move(invocation), come_home);
            if (sent) continue;
            functions::InvocationResult result;
            result.end = functions::InvocationEnd::stopped;
            result.error_type = "Tarn.NoFunction";
            result.error_message = sent.error().message;
            come_home(std::move(result));
            return;
        }
    }

    void say_trouble(const Error& error) {
        for (auto& [name, entry] : entries_) entry.subscription->trouble = error.text();
    }

    const Parts parts_;
    const std::unique_ptr<ProcessStore> store_;
    event::MetaReader meta_reader_;

    std::mutex mutex_;  // a turn, or a call from outside
    std::condition_variable settled_;
    std::map<std::string, Entry> entries_;
    std::multiset<std::string> quiesced_;
    std::string held_back_;
    std::uint64_t generations_ = 0;
    bool draining_ = false, stopping_ = false, more_to_scan_ = false;

    std::mutex news_mutex_;  // held for moments only; never while waiting for mutex_
    std::condition_variable news_changed_;
    std::vector<Answer> answers_;
    bool news_ = false;
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
    json.set("under_way", under_way).set("lag", end > next ? end - next : 0);
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
