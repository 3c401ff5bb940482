// Sends to a target that works on several events at once. A window slides over the manifest: of a key (or, in
// total order, of all) at most one event is under way, in the manifest's order; what failed rests until it
// may be tried again, while other keys go on. What may go next is kept, not looked for: at many thousands of
// answers a second a look over the window for each would be most of the work. The ledger settles in the
// manifest's order; what was settled ahead of its turn is told to it at each checkpoint, so that no crash
// makes it be sent again.
#include <fmt/core.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <set>
#include <unordered_map>

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
            last_of_lane_.clear();
            ready_.clear();
            resting_.clear();
            window_.clear();
            runner_.hold_rest();
        }
        tell_ahead();
        return problem_ ? Status(fail(*problem_)) : Status();
    }

private:
    enum class State : std::uint8_t { waiting, under_way, over };
    struct Event {
        Slot slot;
        State state = State::waiting;
        std::int64_t began_us = 0;
        std::optional<std::uint64_t> next_of_lane;  // by manifest index
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

    std::unique_ptr<Event> make_event() {
        if (spare_.empty()) return std::make_unique<Event>();
        auto event = std::move(spare_.back());
        spare_.pop_back();
        event->state = State::waiting;
        event->sent = {};
        event->next_of_lane.reset();
        event->is_told = false;
        return event;
    }

    Status append(const FedEvent& fed) {
        auto event = make_event();
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
        } else if (runner_.choose(event->slot.entry) == Choice::skip) {
            // Needs no permission and stands in nobody's way.
            finish(*event, LedgerKind::skipped, {Delivery::skipped, std::string(delivered_before_text)});
        } else {
            queue_up(*event);
        }
        window_.push_back(std::move(event));
        return {};
    }

    // ---- lanes: of each only the first may go

    std::uint64_t lane_of(const Event& event) const {
        return in_total_order_ ? 0 : event.slot.entry.key_hash;
    }

    void queue_up(const Event& event) {
        const std::uint64_t index = event.slot.outgoing.index;
        if (!keeps_order_) {
            ready_.insert(index);
            return;
        }
        const auto [lane, is_new] = last_of_lane_.try_emplace(lane_of(event), index);
        if (is_new) {
            ready_.insert(index);
            return;
        }
        at(lane->second).next_of_lane = index;
        lane->second = index;
    }

    // The first of its lane is over: the next one may go.
    void let_next_go(const Event& event) {
        if (!keeps_order_) return;
        if (event.next_of_lane)
            ready_.insert(*event.next_of_lane);
        else
            last_of_lane_.erase(lane_of(event));
    }

    Event& at(std::uint64_t index) { return *window_[index - window_.front()->slot.outgoing.index]; }

    void settle_front() {
        while (!window_.empty() && window_.front()->state == State::over) {
            const Event& event = *window_.front();
            runner_.enter(event.slot.outgoing.index, event.kind, event.sent, event.at);
            bytes_ -= event.slot.payload.size();
            spare_.push_back(std::move(window_.front()));
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

    // In the order of the manifest. Leaves how long the next look may wait.
    void begin_what_may_go() {
        wait_us_ = longest_wait_us;
        const std::int64_t now = now_us();
        wake_rested(now);
        while (!ready_.empty() && under_way_ < target_.at_once()) {
            Event& event = at(*ready_.begin());
            if (runner_.choose(event.slot.entry) == Choice::hold) {
                ready_.erase(ready_.begin());
                end(event, LedgerKind::held, {});
                continue;
            }
            if (!target_takes_more(now) || !may_go(event, now)) return;
            ready_.erase(ready_.begin());
            begin(event, now);
        }
    }

    void wake_rested(std::int64_t now) {
        while (!resting_.empty() && resting_.begin()->first <= now) {
            ready_.insert(resting_.begin()->second);
            resting_.erase(resting_.begin());
        }
        if (!resting_.empty()) wait_us_ = std::min(wait_us_, resting_.begin()->first - now);
    }

    bool target_takes_more(std::int64_t now) {
        if (throttle_.may_begin(now)) return true;
        wait_us_ = std::min(wait_us_, throttle_.wait_us(now));
        return false;
    }

    // One that is tried again had its permission.
    bool may_go(Event& event, std::int64_t now) {
        if (event.slot.granted) return true;
        event.slot.granted = runner_.pacer_.take(now, event.slot.entry.time_us, event.slot.entry.bytes);
        if (!event.slot.granted) wait_us_ = std::min(wait_us_, runner_.pacer_.wait_us(now));
        return event.slot.granted;
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
        Event& event = at(letter.index);
        if (!letter.result) {
            event.state = State::waiting;
            ready_.insert(letter.index);
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
        end(event, kind_of(attempted.sent.delivery), std::move(attempted.sent));
        if (event.kind == LedgerKind::acknowledged && keeps_order_)
            runner_.watch_order(event.slot.entry, event.slot.outgoing.index);
        runner_.heed_failure(event.slot.entry, event.kind, event.sent);
    }

    void let_rest(Event& event, std::int64_t until_us) {
        event.state = State::waiting;
        resting_.emplace(until_us, event.slot.outgoing.index);
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

    void end(Event& event, LedgerKind kind, Sent sent) {
        finish(event, kind, std::move(sent));
        let_next_go(event);
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
    std::deque<std::unique_ptr<Event>> window_;                      // without gaps, by manifest index
    std::vector<std::unique_ptr<Event>> spare_;                      // whose buffers are used again
    std::unordered_map<std::uint64_t, std::uint64_t> last_of_lane_;  // of events that are not over
    std::set<std::uint64_t> ready_;  // may go: first of their lanes, neither under way nor resting
    std::multimap<std::int64_t, std::uint64_t> resting_;  // by when they may be tried again
    std::size_t bytes_ = 0, under_way_ = 0;
    std::int64_t wait_us_ = longest_wait_us;
    std::uint64_t next_index_;  // of the event to be fed next
    Throttle& throttle_;
    std::string last_pushback_;
    std::optional<Error> feed_problem_, problem_;
};

Status Runner::loop_in_lanes(ParallelTarget& target) { return Lanes(*this, target).run(); }

}  // namespace tarn::replay
