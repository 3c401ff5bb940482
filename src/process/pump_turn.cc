// The thread and its turns: answers are taken in, streams are scanned, batches go out.
#include <fmt/core.h>

#include <algorithm>

#include "os/thread_priority.h"
#include "process/delivery.h"
#include "process/pump.h"

namespace tarn::process {
namespace {

constexpr std::int64_t for_ever_us = 3'600'000'000;

std::vector<Transformed> as_they_are(const std::vector<Item>& items) {
    std::vector<Transformed> list;
    for (const Item& item : items) list.push_back({{}, item.document});
    return list;
}

// Being asked to wait for a moment is every day's business; again and again, with one event at a time, is
// not.
constexpr std::uint32_t push_backs_until_trouble = 3;

bool is_trouble(const Verdict& verdict, std::uint32_t outages) {
    if (verdict.kind == Verdict::Kind::pushed_back) return outages >= push_backs_until_trouble;
    return verdict.kind == Verdict::Kind::not_tried;
}

std::string why_of(const Verdict& verdict) {
    if (verdict.kind != Verdict::Kind::pushed_back) return verdict.attempt.message;
    const Attempt& attempt = verdict.attempt;
    return fmt::format("it has too much to do: {}{}{}", attempt.error_type,
                       attempt.message.empty() ? "" : " ", attempt.message);
}

std::int64_t outage_pause_us(const Retries& retries, std::uint32_t outages) {
    std::int64_t pause = retries.first_us;
    for (std::uint32_t i = 0; i < outages && pause < retries.longest_us; ++i) pause *= 2;
    return std::min(pause, retries.longest_us);
}

}  // namespace

void Pump::start() {
    const std::lock_guard lock(mutex_);
    if (thread_.joinable()) return;
    stopping_ = false;
    thread_ = std::thread([this] { run(); });
}

void Pump::stop(std::int64_t grace_us) {
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

std::size_t Pump::batches_under_way() const {
    std::size_t sum = 0;
    for (const auto& [name, entry] : entries_) sum += entry.in_flight();
    return sum;
}

void Pump::run() {
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
std::int64_t Pump::turn() {
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
bool Pump::needs_turn(const std::vector<Answer>& answers, std::int64_t now, std::int64_t wall) const {
    const Sequence end = parts_.durable_end();
    return !answers.empty() || std::ranges::any_of(entries_, [=](const auto& each) {
        const Entry& entry = each.second;
        return !entry.adrift && !entry.homeless && entry.not_before_us <= now &&
               entry.subscription->needs_turn(end, now, wall);
    });
}

Status Pump::work(std::vector<Answer>& answers, std::int64_t now, std::int64_t wall) {
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

// ---- answers
// ----------------------------------------------------------------------------------------------------

void Pump::put_in_box(const std::shared_ptr<Answer>& answer) {
    {
        const std::lock_guard lock(answers_mutex_);
        answers_.push_back(std::move(*answer));
    }
    bell_->ring();
}

// It is under way no more, whatever becomes of this turn. False: of one that was removed or opened anew
// meanwhile; its events are looked at again.
bool Pump::is_home(const Answer& answer) {
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

Status Pump::take_in(Answer& answer, std::int64_t now) {
    Entry& entry = entries_.at(answer.subscription);
    Subscription& subscription = *entry.subscription;
    using functions::InvocationEnd;
    const bool could_not_run =
        answer.result.end == InvocationEnd::init_failed || answer.result.end == InvocationEnd::stopped;
    subscription.trouble = could_not_run
                               ? fmt::format("function {} cannot run: {}: {}", subscription.spec().function,
                                             answer.result.error_type, answer.result.error_message)
                               : "";
    auto verdicts = answer.verdicts ? std::move(*answer.verdicts)
                                    : verdicts_of(answer.items, answer.result, parts_.clock.now().us);
    if (!subscription.spec().target.empty()) note_outage(entry, verdicts, now);
    for (const Verdict& verdict : verdicts)
        if (is_trouble(verdict, entry.outages) && subscription.trouble.empty())
            subscription.trouble = why_of(verdict);
    return subscription.settle(std::move(answer.items), std::move(verdicts), now);
}

// ---- sending
// ----------------------------------------------------------------------------------------------------

std::int64_t Pump::send_all(std::int64_t now, std::int64_t wall) {
    const Sequence end = parts_.durable_end();
    std::int64_t wait = more_to_scan_ ? 0 : for_ever_us;
    const auto wake_in = [&wait](std::int64_t us) { wait = std::min(wait, std::max<std::int64_t>(us, 0)); };
    for (auto& [name, entry] : entries_) {
        Subscription& each = *entry.subscription;
        if (entry.adrift) wake_in(entry.not_before_us - now);
        if (entry.adrift || entry.homeless || each.progress().paused) continue;
        if (entry.not_before_us <= now && !each.needs_turn(end, now, wall)) entry.why.clear();
        if (entry.not_before_us > now && each.next_sequence() < end) wake_in(entry.not_before_us - now);
        if (each.refill_not_before_us() > now) wake_in(each.refill_not_before_us() - now);
        if (each.next_redrive_us() && each.has_room()) wake_in(*each.next_redrive_us() - wall);
        if (entry.quiet || entry.stale > 0) continue;
        if (entry.send_not_before_us > now) wake_in(entry.send_not_before_us - now);
        send(entry, now);
        if (const auto next = each.next_us(); next && free_places(entry, now) > 0) wake_in(*next - now);
    }
    return wait;
}

// Batches that may go out now.
std::size_t Pump::free_places(const Entry& entry, std::int64_t now) const {
    if (entry.send_not_before_us > now) return 0;
    const std::size_t places = entry.outages > 0 ? 1 : parts_.concurrency;
    return places - std::min(places, entry.batches);
}

void Pump::send(Entry& entry, std::int64_t now) {
    Subscription& subscription = *entry.subscription;
    while (free_places(entry, now) > 0) {
        auto items = subscription.take(now);
        if (items.empty()) return;
        ++entry.batches;
        const std::int64_t wall = parts_.clock.now().us;
        const SubscriptionSpec& spec = subscription.spec();
        auto answer = std::make_shared<Answer>(Answer{spec.name, entry.generation, std::move(items), {}, {}});
        if (!spec.target.empty()) {
            deliver(answer, spec);
            continue;
        }
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

void Pump::deliver(const std::shared_ptr<Answer>& answer, const SubscriptionSpec& spec) {
    parts_.deliver(spec, parcel_of(answer->items.front()), [this, answer](const Receipt& receipt) {
        answer->verdicts = {verdict_of(receipt, parts_.clock.now().us)};
        put_in_box(answer);
    });
}

// Nobody there, or nobody with time, is no event's fault: no attempt is used up, and the pause grows with
// every look in vain. Those that were under way when it began are one look.
void Pump::note_outage(Entry& entry, const std::vector<Verdict>& verdicts, std::int64_t now) {
    const Verdict& verdict = verdicts.front();
    const bool is_pausing = entry.send_not_before_us > now;
    const bool pushed_back = verdict.kind == Verdict::Kind::pushed_back;
    if (verdict.kind != Verdict::Kind::not_tried && !pushed_back) {
        if (is_pausing && entry.asked_to_rest) return;
        entry.outages = 0;
        entry.send_not_before_us = 0;
        entry.asked_to_rest = false;
        return;
    }
    if (!is_pausing) {
        entry.send_not_before_us = now + outage_pause_us(entry.subscription->spec().retries, entry.outages);
        ++entry.outages;
    }
    if (!pushed_back) return;
    entry.asked_to_rest = true;
    entry.send_not_before_us = std::max(entry.send_not_before_us, now + verdict.pause_us);
}

void Pump::derive(const std::shared_ptr<Answer>& answer, const SubscriptionSpec& spec,
                  std::vector<Transformed> results, std::int64_t wall) {
    deriving_.start(spec, answer->items, std::move(results), wall,
                    [this, answer](std::vector<Verdict> verdicts) {
                        answer->verdicts = std::move(verdicts);
                        put_in_box(answer);
                    });
}

}  // namespace tarn::process
