// Sends to a target that works on several events at once. A window slides over the manifest: of a key (or, in
// total order, of all) at most one event is under way, in the manifest's order; what failed rests until it
// may be tried again, while other keys go on. The ledger settles in the manifest's order; what was settled
// ahead of its turn is told to it at each checkpoint, so that no crash makes it be sent again.
#include <fmt/core.h>

#include <algorithm>
#include <condition_variable>
#include <deque>

#include "replay/delivered.h"
#include "replay/runner.h"

namespace tarn::replay {
namespace {

constexpr std::int64_t longest_wait_us = 20'000;   // how long a stop may go unseen
constexpr std::int64_t patience_us = 300'000'000;  // with a target that takes nothing at all
constexpr std::size_t window_bytes = 8u << 20;
constexpr std::size_t min_window = 64, max_window = 1024, window_a_worker = 16;

// Where answers come in, from any thread. Outlives its runner when an answer does.
struct Inbox {
    struct Letter {
        std::uint64_t index = 0;
        Result<Attempted> result;
    };
    std::mutex mutex;
    std::condition_variable came;
    std::vector<Letter> letters;
};

}  // namespace

class Runner::Lanes {
public:
    Lanes(Runner& runner, ParallelTarget& target)
        : runner_(runner),
          target_(target),
          in_total_order_(runner.setup_.plan.order == "total"),
          keeps_order_(runner.setup_.plan.order != "none"),
          capacity_(std::clamp(target.at_once() * window_a_worker, min_window, max_window)),
          next_index_(runner.ledger_->state().settled),
          throttle_(runner.throttle_.emplace(now_us(), target.latency_tells())) {}

    Status run() {
        Status status = work();
        if (!status) problem_ = status.error();
        if (under_way_ > 0) target_.wind_up();
        // Nothing may be under way when the checkpoint says what was done.
        while (under_way_ > 0) {
            wait(longest_wait_us);
            take_answers();
        }
        settle_front();
        if (!problem_ && runner_.hold_all_) {
            window_.clear();
            runner_.hold_rest();
        }
        tell_ahead();
        return problem_ ? Status(fail(*problem_)) : Status();
    }

private:
    enum class State : std::uint8_t { waiting, under_way, resting, over };
    struct Event {
        Slot slot;
        State state = State::waiting;
        std::int64_t again_at_us = 0, began_us = 0;
        LedgerKind kind = LedgerKind::acknowledged;
        Sent sent;
        Time at;
        bool is_told = false;  // the ledger has it ahead of its turn
    };

    Status work() {
        while (true) {
            take_answers();
            if (problem_ || runner_.wants_to_stop() || runner_.stop_ || runner_.hold_all_) return {};
            runner_.take_new_pace();
            TARN_TRY(fill());
            TARN_TRY(check_patience());
            TARN_TRY(runner_.check_is_ours());
            begin_what_may_go();
            settle_front();
            if (window_.empty() && has_fed_all()) return {};
            TARN_TRY(checkpoint_if_due());
            runner_.report_progress(false);
            if (!can_fill()) wait(wait_us_);
        }
    }

    // ---- the window

    bool has_fed_all() const { return runner_.fed_all_ || next_index_ >= runner_.end_index(); }

    bool can_fill() const {
        return !has_fed_all() && !feed_problem_ && window_.size() < capacity_ && bytes_ < window_bytes;
    }

    Status fill() {
        FedEvent fed;
        while (can_fill()) {
            Result<bool> more = runner_.feed_->next(fed);
            // What stands before the event that cannot be read is sound, and is sent first.
            if (!more) {
                feed_problem_ = more.error();
            } else if (!*more) {
                runner_.fed_all_ = true;
            } else {
                TARN_TRY(append(fed));
            }
        }
        return feed_problem_ && window_.empty() ? Status(fail(*feed_problem_)) : Status();
    }

    Status append(const FedEvent& fed) {
        auto event = std::make_unique<Event>();
        TARN_TRY(runner_.load(event->slot, fed));
        bytes_ += event->slot.payload.size();
        next_index_ = fed.index + 1;
        if (const auto known = runner_.ahead_.find(fed.index); known != runner_.ahead_.end()) {
            const LedgerRecord& record = known->second;
            event->kind = in_its_turn(record.kind);
            event->sent = {.delivery = {}, .error = record.text, .attempts = record.attempts};
            event->at = record.at;
            event->state = State::over;
            event->is_told = true;
            runner_.ahead_.erase(known);
        }
        window_.push_back(std::move(event));
        return {};
    }

    void settle_front() {
        while (!window_.empty() && window_.front()->state == State::over) {
            const Event& event = *window_.front();
            runner_.enter(event.slot.outgoing.index, event.kind, event.sent, event.at);
            bytes_ -= event.slot.payload.size();
            window_.pop_front();
        }
    }

    void tell_ahead() {
        for (const auto& event : window_) {
            if (event->state != State::over || event->is_told) continue;
            runner_.enter(event->slot.outgoing.index, ahead_of_turn(event->kind), event->sent, event->at);
            event->is_told = true;
        }
    }

    Status checkpoint_if_due() {
        if (!runner_.checkpoint_is_due()) return {};
        tell_ahead();
        return runner_.checkpoint();
    }

    // ---- what goes out

    // In the order of the manifest, each key's first that is not over. Leaves how long the next look may
    // wait.
    void begin_what_may_go() {
        wait_us_ = longest_wait_us;
        blocked_.clear();
        is_out_of_pace_ = is_throttled_ = false;
        const std::int64_t now = now_us();
        for (const auto& event : window_) {
            if (event->state == State::over) continue;
            const bool is_behind = keeps_order_ && !blocked_.insert(event->slot.entry.key_hash).second;
            if (!is_behind) consider(*event, now);
            if (in_total_order_ && event->state != State::over) return;
            // One that was held or skipped stands in nobody's way.
            if (keeps_order_ && !is_behind && event->state == State::over)
                blocked_.erase(event->slot.entry.key_hash);
        }
    }

    void consider(Event& event, std::int64_t now) {
        if (event.state == State::under_way) return;
        const Choice choice = runner_.choose(event.slot.entry);
        if (choice == Choice::hold) return finish(event, LedgerKind::held, {});
        if (choice == Choice::skip)
            return finish(event, LedgerKind::skipped,
                          {Delivery::skipped, std::string(delivered_before_text)});
        if (under_way_ >= target_.at_once()) return;
        if (event.state == State::resting && event.again_at_us > now) {
            wait_us_ = std::min(wait_us_, event.again_at_us - now);
            return;
        }
        if (!target_takes_more(now)) return;
        if (event.state == State::waiting && !may_go(event, now)) return;
        begin(event, now);
    }

    bool target_takes_more(std::int64_t now) {
        if (is_throttled_) return false;
        is_throttled_ = !throttle_.may_begin(now);
        if (is_throttled_) wait_us_ = std::min(wait_us_, throttle_.wait_us(now));
        return !is_throttled_;
    }

    bool may_go(const Event& event, std::int64_t now) {
        if (is_out_of_pace_) return false;
        if (runner_.pacer_.take(now, event.slot.entry.time_us, event.slot.entry.bytes)) return true;
        wait_us_ = std::min(wait_us_, runner_.pacer_.wait_us(now));
        is_out_of_pace_ = true;
        return false;
    }

    void begin(Event& event, std::int64_t now) {
        event.state = State::under_way;
        event.began_us = now;
        throttle_.count(now);
        ++under_way_;
        target_.begin(event.slot.outgoing,
                      [inbox = inbox_, index = event.slot.outgoing.index](Result<Attempted> result) {
                          const std::scoped_lock lock(inbox->mutex);
                          inbox->letters.push_back({index, std::move(result)});
                          inbox->came.notify_one();
                      });
    }

    // ---- what comes back

    void wait(std::int64_t longest_us) {
        if (under_way_ == 0) {
            runner_.setup_.parts.clock.sleep_us(std::max<std::int64_t>(longest_us, 1));
            return;
        }
        std::unique_lock lock(inbox_->mutex);
        inbox_->came.wait_for(lock, std::chrono::microseconds(longest_us),
                              [this] { return !inbox_->letters.empty(); });
    }

    void take_answers() {
        std::vector<Inbox::Letter> letters;
        {
            const std::scoped_lock lock(inbox_->mutex);
            letters.swap(inbox_->letters);
        }
        for (Inbox::Letter& letter : letters) take(letter);
    }

    void take(Inbox::Letter& letter) {
        --under_way_;
        Event& event = *window_[letter.index - window_.front()->slot.outgoing.index];
        if (!letter.result) {
            event.state = State::waiting;
            if (!problem_) problem_ = letter.result.error();
            return;
        }
        Attempted& attempted = *letter.result;
        const std::int64_t now = now_us();
        if (attempted.was_tried) runner_.setup_.latency.add(now - event.began_us);
        if (attempted.pushed_back_us) {
            throttle_.pushed_back(now, *attempted.pushed_back_us);
            last_pushback_ = attempted.sent.error;
        } else if (attempted.sent.delivery == Delivery::unknown && target_.latency_tells()) {
            throttle_.pushed_back(now);
            last_pushback_ = attempted.sent.error;
        } else if (attempted.was_tried) {
            throttle_.answered(now, now - event.began_us);
        }
        if (attempted.again_us) {
            // That the target had too much to do says nothing of the event.
            event.slot.outgoing.attempt += attempted.was_tried && !attempted.pushed_back_us ? 1 : 0;
            return let_rest(event, now + *attempted.again_us);
        }
        if (runner_.is_to_be_redone(event.slot, attempted.sent))
            return let_rest(event, now + runner_.redo_pause_us(event.slot));
        finish(event, kind_of(attempted.sent.delivery), std::move(attempted.sent));
        if (event.kind == LedgerKind::acknowledged && keeps_order_)
            runner_.watch_order(event.slot.entry, event.slot.outgoing.index);
        runner_.heed_failure(event.slot.entry, event.kind, event.sent);
    }

    static void let_rest(Event& event, std::int64_t until_us) {
        event.state = State::resting;
        event.again_at_us = until_us;
    }

    Status check_patience() const {
        const auto since = throttle_.closed_since_us();
        if (!since || now_us() - *since < patience_us) return {};
        return fail(
            Code::bad_answer,
            fmt::format("the target has taken nothing for {}: {}", format_duration(patience_us),
                        last_pushback_),
            {.next = fmt::format("when it takes events again: tarn replay resume {}", runner_.setup_.run)});
    }

    void finish(Event& event, LedgerKind kind, Sent sent) {
        event.state = State::over;
        event.kind = kind;
        event.sent = std::move(sent);
        event.at = runner_.setup_.parts.clock.now();
    }

    std::int64_t now_us() const { return runner_.setup_.parts.clock.monotonic_us(); }

    Runner& runner_;
    ParallelTarget& target_;
    const bool in_total_order_, keeps_order_;
    const std::size_t capacity_;
    const std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
    std::deque<std::unique_ptr<Event>> window_;  // without gaps, by manifest index
    std::size_t bytes_ = 0, under_way_ = 0;
    std::unordered_set<std::uint64_t> blocked_;
    std::int64_t wait_us_ = longest_wait_us;
    bool is_out_of_pace_ = false, is_throttled_ = false;  // in this pass
    std::uint64_t next_index_;                            // of the event to be fed next
    Throttle& throttle_;
    std::string last_pushback_;
    std::optional<Error> feed_problem_, problem_;
};

Status Runner::loop_in_lanes(ParallelTarget& target) { return Lanes(*this, target).run(); }

}  // namespace tarn::replay
