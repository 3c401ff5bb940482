#include "replay/runner.h"

#include <fmt/core.h>

#include <algorithm>

#include "replay/delivered.h"
#include "replay/target_opening.h"

namespace tarn::replay {
namespace {

constexpr std::int64_t checkpoint_every_us = 100'000, checkpoint_at_least_every_us = 1'000'000;
constexpr std::int64_t checkpoint_share = 25;  // so many times what one takes lies between two of them
constexpr std::int64_t progress_every_us = 100'000;
constexpr std::int64_t nap_us = 20'000;       // how long a slow pace keeps a stop waiting
constexpr std::size_t slot_bytes = 8u << 20;  // of payloads loaded ahead
constexpr std::size_t max_samples = 240;
constexpr std::size_t max_held_keys = 1'000'000;
constexpr std::size_t watched_keys = 1u << 19;
constexpr std::size_t max_causes = 100, shown_causes = 5, shown_cause_bytes = 200;
constexpr std::int64_t ours_for_us = 1'000;  // so long it need not be looked at again
constexpr int max_redos = 5;
constexpr std::int64_t first_redo_us = 100'000, longest_redo_us = 10'000'000;
constexpr std::string_view redone_text = "its outcome was unknown, and it was sent again";
constexpr std::string_view looked_up_text = "its outcome was unknown, and the target was asked";

}  // namespace

LedgerKind kind_of(Delivery delivery) {
    switch (delivery) {
        case Delivery::acknowledged:
            return LedgerKind::acknowledged;
        case Delivery::skipped:
            return LedgerKind::skipped;
        case Delivery::failed:
            return LedgerKind::failed;
        case Delivery::unknown:
            return LedgerKind::unknown;
    }
    return LedgerKind::unknown;
}

Runner::Runner(RunnerSetup setup)
    : setup_(std::move(setup)), pacer_(setup_.pace, setup_.parts.clock.monotonic_us()) {}

Result<std::unique_ptr<Runner>> Runner::open(RunnerSetup setup, const std::string& manifest_path,
                                             const std::string& ledger_path) {
    std::unique_ptr<Runner> runner(new Runner(std::move(setup)));
    Replay::Parts& parts = runner->setup_.parts;
    TARN_ASSIGN(runner->manifest_, ManifestReader::open(parts.fs, manifest_path));
    TARN_TRY(runner->manifest_->check());
    std::vector<std::uint64_t> failures;
    // Where nothing is held behind them they need not be known: there may be as many as events.
    const bool holds = runner->setup_.plan.on_failure == "hold" && runner->setup_.plan.order != "none";
    const auto remember = [&failures, holds](const LedgerRecord& record) {
        for (std::uint64_t i = 0; holds && is_failure(in_its_turn(record.kind)) && i < record.count; ++i)
            failures.push_back(record.first + i);
        return Status();
    };
    TARN_ASSIGN(runner->ledger_, Ledger::open(parts.fs, ledger_path, runner->manifest_->entries(),
                                              runner->manifest_->sha256(), remember));
    runner->ahead_ = runner->ledger_->state().ahead;
    TARN_TRY(runner->hold_behind(failures));
    TARN_TRY(check_objects(parts.lake, *runner->manifest_, runner->ledger_->state().settled));
    TARN_TRY(check_target_is_same(parts, runner->setup_.plan));
    TARN_TRY(runner->load_delivered());
    TARN_TRY(runner->prepare_target());
    runner->manifest_->seek(runner->ledger_->state().settled);
    runner->feed_ = std::make_unique<EventFeed>(parts.lake, *runner->manifest_);
    return runner;
}

// The keys that an earlier session found failing stay held.
Status Runner::hold_behind(const std::vector<std::uint64_t>& indexes) {
    if (setup_.plan.order == "total") {
        hold_all_ = !indexes.empty();
        return {};
    }
    ManifestEntry entry;
    for (const std::uint64_t index : indexes) {
        manifest_->seek(index);
        TARN_ASSIGN(const bool found, manifest_->next(entry));
        if (found) held_keys_.insert(entry.key_hash);
    }
    return {};
}

Status Runner::load_delivered() {
    if (setup_.plan.again || setup_.plan.target.kind == TargetKind::projection)
        return {};  // a store knows by itself
    const auto version = setup_.plan.versions.find("stream");
    TARN_ASSIGN(delivered_,
                delivered_before(setup_.parts, setup_.plan.target, setup_.plan.copy,
                                 version == setup_.plan.versions.end() ? "" : version->second, setup_.run));
    return {};
}

Status Runner::prepare_target() {
    const LedgerState& before = ledger_->state();
    if (!before.opening) {
        TARN_TRY(check_target_is_free(setup_.parts, setup_.plan));
        ledger_->add({.kind = LedgerKind::opening, .count = 0, .at = setup_.parts.clock.now(), .text = {}});
        TARN_TRY(ledger_->commit());
    }
    const auto mark = before.opened ? std::optional(before.mark) : std::nullopt;
    TARN_ASSIGN(target_, open_target(setup_.parts, setup_.plan, setup_.uid, mark, setup_.run_names));
    if (before.opened) return {};
    ledger_->add({.kind = LedgerKind::mark,
                  .count = 0,
                  .first = target_->mark(),
                  .at = setup_.parts.clock.now(),
                  .text = {}});
    return ledger_->commit();
}

std::int64_t Runner::active_us() const {
    return setup_.active_us_before + setup_.parts.clock.monotonic_us() - started_us_;
}

RunResult Runner::run() {
    started_us_ = checkpoint_us_ = progress_us_ = sample_us_ = setup_.parts.clock.monotonic_us();
    progress_done_ = ledger_->state().settled;
    add_sample();
    report_progress(true);
    RunResult result;
    Status status = run_loop();
    // What was acknowledged stands, whatever went wrong.
    const Status kept = checkpoint();
    if (status && !kept) status = kept;
    if (!status) result.error = status.error();
    const bool all = ledger_->state().settled == manifest_->entries();
    if (!stop_ && !result.error && has_reached_pause())
        stop_ = RunStop{"first", fmt::format("it paused itself after the first {} events, as it was asked to",
                                             format_count(*setup_.pause_at))};
    result.end = result.error                         ? RunEnd::stopped
                 : all                                ? RunEnd::finished
                 : stop_ && stop_->because == "first" ? RunEnd::paused
                 : stop_                              ? RunEnd::failed
                 : setup_.control.cancel              ? RunEnd::cancelled
                 : setup_.control.pause               ? RunEnd::paused
                                                      : RunEnd::stopped;
    if (!all) result.stop = stop_;
    result.was_taken_over = was_taken_over_;
    result.throttled = {setup_.pushbacks_before + (throttle_ ? throttle_->pushbacks() : 0),
                        throttle_ ? throttle_->limit() : std::nullopt};
    add_sample();
    report_progress(true);
    result.order_violations = order_violations_;
    result.active_us = active_us();
    result.samples = setup_.samples;
    result.latency = setup_.latency;
    return result;
}

Status Runner::run_loop() {
    ParallelTarget* const parallel = target_->parallel();
    return parallel == nullptr ? loop() : loop_in_lanes(*parallel);
}

Status Runner::loop() {
    while (!wants_to_stop() && !stop_) {
        take_new_pace();
        if (hold_all_) {
            hold_rest();
            return {};
        }
        if (begin_ == end_) TARN_TRY(refill());
        if (begin_ == end_) return {};
        const std::size_t granted = grant();
        if (granted > 0) TARN_TRY(send_granted(granted));
        TARN_TRY(checkpoint_if_due());
        report_progress(false);
        if (granted == 0) pause_for_pace();
    }
    return {};
}

Status Runner::refill() {
    begin_ = end_ = 0;
    std::size_t bytes = 0;
    FedEvent fed;
    const std::uint64_t room = end_index() - std::min(end_index(), ledger_->state().settled);
    while (!fed_all_ && end_ < std::min<std::uint64_t>(target_->max_batch(), room) && bytes < slot_bytes) {
        Result<bool> more = feed_->next(fed);
        // Events before the one that cannot be read are sound: they are sent first, the error comes back at
        // the next refill.
        if (!more && end_ > 0) {
            manifest_->seek(ledger_->state().settled + end_);
            feed_ = std::make_unique<EventFeed>(setup_.parts.lake, *manifest_);
            return {};
        }
        if (!more) return fail(more.error());
        if (!*more) {
            fed_all_ = true;
            break;
        }
        if (slots_.size() == end_) slots_.push_back(std::make_unique<Slot>());
        TARN_TRY(load(*slots_[end_], fed));
        bytes += slots_[end_]->payload.size();
        ++end_;
    }
    return {};
}

Status Runner::load(Slot& slot, const FedEvent& fed) {
    slot.entry = fed.entry;
    slot.granted = slot.was_unknown = false;
    slot.meta.assign(fed.event->meta);
    slot.payload.assign(fed.event->payload);
    Outgoing& out = slot.outgoing;
    out.event = *fed.event;
    out.event.meta = slot.meta;
    out.event.payload = slot.payload;
    out.index = fed.index;
    out.attempt = 1;
    if (!target_->reads_meta()) return {};
    out.meta = slot.reader.read(out.event, stream_name(fed.entry.stream));
    out.idempotency_key =
        fmt::format("{}:{}:{}:{}", setup_.uid, fed.entry.stream.value, fed.entry.partition, fed.entry.offset);
    return {};
}

std::string_view Runner::stream_name(StreamId stream) const {
    const auto name = setup_.plan.streams.find(stream);
    return name == setup_.plan.streams.end() ? std::string_view() : std::string_view(name->second);
}

// How many of the loaded events may go now. What will not be sent needs no permission.
std::size_t Runner::grant() {
    const std::int64_t now = setup_.parts.clock.monotonic_us();
    std::size_t count = 0;
    for (std::size_t i = begin_; i < end_; ++i, ++count) {
        Slot& slot = *slots_[i];
        if (slot.granted || choose(slot.entry) != Choice::send) continue;
        slot.granted = pacer_.take(now, slot.entry.time_us, slot.entry.bytes);
        if (!slot.granted) break;
    }
    return count;
}

Runner::Choice Runner::choose(const ManifestEntry& entry) const {
    if (hold_all_ || (!held_keys_.empty() && held_keys_.contains(entry.key_hash))) return Choice::hold;
    if (!delivered_.empty() && delivered_.contains({entry.stream, entry.partition, entry.offset}))
        return Choice::skip;
    return Choice::send;
}

// Two runners of one run must not both send. A look at the ledger costs little, and less than each time.
Status Runner::check_is_ours() {
    const std::int64_t now = setup_.parts.clock.monotonic_us();
    if (ours_us_ && *ours_us_ <= now && now - *ours_us_ < ours_for_us) return {};
    const Status ours = ledger_->check_is_ours();
    was_taken_over_ = !ours && ours.error().code == Code::run_state;
    if (ours) ours_us_ = now;
    return ours;
}

Status Runner::send_granted(std::size_t count) {
    choices_.clear();
    batch_.clear();
    for (std::size_t i = 0; i < count; ++i) {
        const Slot& slot = *slots_[begin_ + i];
        choices_.push_back(choose(slot.entry));
        if (choices_.back() == Choice::send) batch_.push_back(slot.outgoing);
    }
    std::vector<Sent> answers;
    if (!batch_.empty()) {
        TARN_TRY(check_is_ours());
        const std::int64_t began_us = setup_.parts.clock.monotonic_us();
        TARN_ASSIGN(answers, target_->send(batch_));
        setup_.latency.add(setup_.parts.clock.monotonic_us() - began_us, answers.size());
        if (answers.empty() || answers.size() > batch_.size())
            return fail(Code::internal, fmt::format("the target gave {} answers to {} events", answers.size(),
                                                    batch_.size()));
    }
    const Time at = setup_.parts.clock.now();
    std::size_t answered = 0;
    for (const Choice choice : choices_) {
        if (choice == Choice::send && answered == answers.size()) return {};  // offered again
        Slot& slot = *slots_[begin_];
        if (choice == Choice::send && is_to_be_redone(slot, answers[answered])) {
            nap(redo_pause_us(slot));
            return {};  // offered again
        }
        ++begin_;
        if (choice == Choice::hold) {
            settle(slot, LedgerKind::held, {}, at);
        } else if (choice == Choice::skip) {
            settle(slot, LedgerKind::skipped, {Delivery::skipped, std::string(delivered_before_text)}, at);
        } else {
            const Sent& sent = answers[answered++];
            const LedgerKind kind = kind_of(sent.delivery);
            settle(slot, kind, sent, at);
            // The ledger knows of a failure before anything later is sent: see StreamTarget.
            if (is_failure(kind)) return checkpoint();
        }
    }
    return {};
}

// What was sent and not answered is neither done nor failed. The target is asked where it can tell; else it
// is sent again or stays unknown, as the run was told. Where it was settled so, the ledger says it.
bool Runner::is_to_be_redone(Slot& slot, Sent& sent) {
    sent.attempts = std::max(sent.attempts, slot.outgoing.attempt);
    if (sent.delivery != Delivery::unknown) {
        if (slot.was_unknown && sent.error.empty()) sent.error = redone_text;
        return false;
    }
    if (auto known = target_->look_up(slot.outgoing); known && known->delivery != Delivery::unknown) {
        known->attempts = sent.attempts;
        if (known->error.empty()) known->error = looked_up_text;
        sent = std::move(*known);
        return false;
    }
    if (!setup_.redoes_unknown || slot.outgoing.attempt >= max_redos || wants_to_stop()) return false;
    slot.was_unknown = true;
    ++slot.outgoing.attempt;
    return true;
}

std::int64_t Runner::redo_pause_us(const Slot& slot) const {
    return std::min(longest_redo_us, first_redo_us << std::max(0, slot.outgoing.attempt - 2));
}

void Runner::nap(std::int64_t us) {
    os::Clock& clock = setup_.parts.clock;
    for (const std::int64_t end = clock.monotonic_us() + us; !wants_to_stop() && clock.monotonic_us() < end;)
        clock.sleep_us(std::min(nap_us, end - clock.monotonic_us()));
}

void Runner::settle(const Slot& slot, LedgerKind kind, const Sent& sent, Time at) {
    enter(slot.outgoing.index, kind, sent, at);
    if (kind == LedgerKind::acknowledged) watch_turn(slot.outgoing.index);
    heed_failure(slot.entry, kind, sent);
}

void Runner::enter(std::uint64_t index, LedgerKind kind, const Sent& sent, Time at) {
    const LedgerKind outcome = in_its_turn(kind);
    const bool was_tried = outcome != LedgerKind::held && outcome != LedgerKind::skipped;
    LedgerRecord record;
    record.kind = kind;
    record.attempts =
        was_tried ? static_cast<std::uint8_t>(std::clamp(sent.attempts, 1, 255)) : std::uint8_t{0};
    record.first = index;
    record.at = at;
    record.text = sent.error;
    ledger_->add(std::move(record));
    if (kind == LedgerKind::acknowledged) ++unsettled_;
}

void Runner::heed_failure(const ManifestEntry& entry, LedgerKind kind, const Sent& sent) {
    if (!is_failure(kind)) return;
    ++failures_;
    count_cause(sent);
    if (setup_.max_failures && failures_ > *setup_.max_failures)
        stop_because("max_failures",
                     fmt::format("{} events failed or are unknown, --max-failures allows {}",
                                 format_count(failures_), format_count(*setup_.max_failures)));
    if (setup_.plan.on_failure == "stop")
        stop_because("on_failure", fmt::format("an event {}, and the plan says --on-failure stop",
                                               kind == LedgerKind::failed ? "failed" : "is unknown"));
    if (setup_.plan.on_failure != "hold") return;
    if (setup_.plan.order == "key") held_keys_.insert(entry.key_hash);
    if (setup_.plan.order == "total") hold_all_ = true;
    if (held_keys_.size() >= max_held_keys)
        stop_because("held_keys", fmt::format("{} keys wait behind a failure: more are not kept in mind",
                                              format_count(max_held_keys)));
}

void Runner::stop_because(std::string because, std::string text) {
    if (!stop_) stop_ = RunStop{std::move(because), std::move(text)};
}

// For whoever watches; the report has them all.
void Runner::count_cause(const Sent& sent) {
    const std::string text = sent.error.substr(0, shown_cause_bytes);
    if (causes_.size() < max_causes || causes_.contains(text))
        ++causes_[text];
    else
        ++causes_["other causes"];
}

void Runner::hold_rest() {
    const std::uint64_t entries = end_index();
    while (ledger_->state().settled < entries) {
        const std::uint64_t first = ledger_->state().settled;
        const auto count = static_cast<std::uint32_t>(std::min<std::uint64_t>(entries - first, UINT32_MAX));
        ledger_->add({.kind = LedgerKind::held,
                      .attempts = 0,
                      .count = count,
                      .first = first,
                      .at = setup_.parts.clock.now(),
                      .text = {}});
    }
    begin_ = end_ = 0;
}

// Sent one after the other, all places in the manifest must rise, whatever the keys are.
void Runner::watch_turn(std::uint64_t index) {
    if (last_index_ && index <= *last_index_) ++order_violations_;
    last_index_ = index;
}

// Within a key, places in the manifest must only rise. Watched where events leave, not derived from how they
// were arranged.
void Runner::watch_order(const ManifestEntry& entry, std::uint64_t index) {
    if (last_of_key_.empty()) last_of_key_.resize(watched_keys);
    LastOfKey& last = last_of_key_[entry.key_hash % watched_keys];
    if (last.key_hash == entry.key_hash && last.index > index) ++order_violations_;
    last = {entry.key_hash, index};
}

Status Runner::checkpoint() {
    const std::int64_t began = checkpoint_us_ = setup_.parts.clock.monotonic_us();
    if (!ledger_->has_pending() || checkpoint_failed_) return {};
    // After a failed sync nobody knows what the disk has: what is pending stays unrecorded and is sent again.
    checkpoint_failed_ = true;
    ours_us_.reset();
    TARN_TRY(check_is_ours());
    TARN_TRY(target_->flush());
    if (target_->mark() != ledger_->state().mark)
        ledger_->add({.kind = LedgerKind::mark,
                      .count = 0,
                      .first = target_->mark(),
                      .at = setup_.parts.clock.now(),
                      .text = {}});
    TARN_TRY(ledger_->commit());
    checkpoint_us_ = setup_.parts.clock.monotonic_us();
    checkpoint_interval_us_ = std::clamp((checkpoint_us_ - began) * checkpoint_share, checkpoint_every_us,
                                         checkpoint_at_least_every_us);
    checkpoint_failed_ = false;
    unsettled_ = 0;
    return {};
}

bool Runner::checkpoint_is_due() const {
    return unsettled_ >= target_->max_unsettled() ||
           setup_.parts.clock.monotonic_us() - checkpoint_us_ >= checkpoint_interval_us_;
}

Status Runner::checkpoint_if_due() { return checkpoint_is_due() ? checkpoint() : Status(); }

void Runner::take_new_pace() {
    std::optional<Pace> pace;
    {
        const std::scoped_lock lock(setup_.control.mutex);
        pace.swap(setup_.control.new_pace);
    }
    if (pace) pacer_.change(*pace, setup_.parts.clock.monotonic_us());
}

void Runner::pause_for_pace() {
    setup_.parts.clock.sleep_us(std::min(nap_us, pacer_.wait_us(setup_.parts.clock.monotonic_us())));
}

void Runner::report_progress(bool always) {
    const std::int64_t now = setup_.parts.clock.monotonic_us();
    if (!always && now - progress_us_ < progress_every_us) return;
    const LedgerState& state = ledger_->state();
    if (now > progress_us_)
        rate_ = static_cast<double>(state.settled - progress_done_) * 1e6 /
                static_cast<double>(now - progress_us_);
    progress_us_ = now;
    progress_done_ = state.settled;
    if (now - sample_us_ >= sample_every_us_) add_sample();
    if (!setup_.on_progress) return;
    RunProgress progress{.run = setup_.run, .state = "running", .counts = {}, .rate = rate_};
    progress.pace = pacer_.pace().text;
    progress.lag_us = pacer_.lag_us();
    if (throttle_) progress.throttled_to = throttle_->limit();
    progress.causes.assign(causes_.begin(), causes_.end());
    std::ranges::sort(progress.causes, [](const auto& a, const auto& b) { return a.second > b.second; });
    if (progress.causes.size() > shown_causes) progress.causes.resize(shown_causes);
    progress.counts = {manifest_->entries(), state.acknowledged, state.skipped,
                       state.failed,         state.held,         state.unknown};
    setup_.on_progress(progress);
}

// For the report's picture of throughput: when there are many, every other one goes and the rest come half as
// often.
void Runner::add_sample() {
    sample_us_ = setup_.parts.clock.monotonic_us();
    setup_.samples.push_back({active_us(), ledger_->state().settled});
    if (setup_.samples.size() < max_samples) return;
    std::vector<RunSample> thinned;
    for (std::size_t i = 0; i < setup_.samples.size(); i += 2) thinned.push_back(setup_.samples[i]);
    setup_.samples = std::move(thinned);
    sample_every_us_ *= 2;
}

}  // namespace tarn::replay
