// Executes a plan: reads its events in order, sends them at the asked pace, holds back what must not overtake
// a failure, and keeps the ledger ahead of everything that could be done twice. One thread; killed anywhere,
// a new Runner goes on. Memory does not grow with the number of events.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "replay/event_feed.h"
#include "replay/latency.h"
#include "replay/ledger.h"
#include "replay/pace.h"
#include "replay/plan_document.h"
#include "replay/position_set.h"
#include "replay/replay.h"
#include "replay/throttle.h"

namespace tarn::replay {

// What others may tell a run while it runs.
struct RunControl {
    std::atomic<bool> cancel = false;
    std::atomic<bool> pause = false;
    std::mutex mutex;
    std::optional<Pace> new_pace;  // guarded by mutex
};

struct RunSample {
    std::int64_t t_us = 0;   // since the run's first start, running time only
    std::uint64_t done = 0;  // settled
};

enum class RunEnd : std::uint8_t { finished, stopped, paused, cancelled, failed };  // failed: see RunStop

// Why a run ended by itself before everything was settled.
struct RunStop {
    std::string because;  // first, on_failure, max_failures, held_keys
    std::string text;     // for people
};

// How the target was asked less of, over all sessions.
struct Throttled {
    std::uint64_t pushbacks = 0;
    std::optional<double> limit;  // events/s, at the end
};

struct RunResult {
    RunEnd end = RunEnd::finished;
    std::uint64_t order_violations = 0;
    std::int64_t active_us = 0;
    std::vector<RunSample> samples;
    LatencyHistogram latency;
    std::optional<Error> error;  // the target or the data could not go on
    std::optional<RunStop> stop;
    Throttled throttled;
    bool was_taken_over = false;  // another session has the run: nothing may be written of it here
};

struct RunnerSetup {
    Replay::Parts& parts;
    const FrozenPlan& plan;
    std::string run, uid;
    Pace pace;
    RunControl& control;
    const std::atomic<bool>& stop;
    std::function<void(const RunProgress&)> on_progress;
    std::function<bool(std::string_view run_uid, const std::string& subscription)> run_names;
    std::int64_t active_us_before = 0;  // of earlier sessions
    std::vector<RunSample> samples;
    std::optional<std::uint64_t> pause_at;      // so many settled: pause
    std::optional<std::uint64_t> max_failures;  // more failed or unknown in this session: stop
    bool redoes_unknown = false;                // what was sent and not answered is sent again
    std::uint64_t pushbacks_before = 0;
    LatencyHistogram latency = {};
};

LedgerKind kind_of(Delivery delivery);

class Runner {
public:
    // Opens manifest, ledger and target. plan_stale, plan_damaged; nothing is sent before everything needed
    // was seen.
    static Result<std::unique_ptr<Runner>> open(RunnerSetup setup, const std::string& manifest_path,
                                                const std::string& ledger_path);
    // Never fails without a result: what went wrong is in it, and what was settled is in the ledger.
    RunResult run();

private:
    enum class Choice : std::uint8_t { send, skip, hold };
    // One event with its own bytes, between the feed and the target. Reused.
    struct Slot {
        ManifestEntry entry;
        std::string meta, payload;
        event::MetaReader reader;
        Outgoing outgoing;
        bool granted = false;
        bool was_unknown = false;  // it was sent before, and not answered
    };

    class Lanes;  // sends to a target that works on several events at once: runner_lanes.cc

    explicit Runner(RunnerSetup setup);
    Status prepare_target();
    Status hold_behind(const std::vector<std::uint64_t>& failed_indexes);
    Status load_delivered();

    Status run_loop();
    Status loop();
    Status loop_in_lanes(ParallelTarget& target);
    Status check_is_ours();
    Status refill();
    Status load(Slot& slot, const FedEvent& fed);
    std::size_t grant();
    Status send_granted(std::size_t count);
    Choice choose(const ManifestEntry& entry) const;
    bool is_to_be_redone(Slot& slot, Sent& sent);
    std::int64_t redo_pause_us(const Slot& slot) const;
    void nap(std::int64_t us);
    void settle(const Slot& slot, LedgerKind kind, const Sent& sent, Time at);
    void enter(std::uint64_t index, LedgerKind kind, const Sent& sent, Time at);
    void heed_failure(const ManifestEntry& entry, LedgerKind kind, const Sent& sent);
    void stop_because(std::string because, std::string text);
    void count_cause(const Sent& sent);
    bool has_reached_pause() const {
        return setup_.pause_at && ledger_->state().settled >= *setup_.pause_at &&
               ledger_->state().settled < manifest_->entries();
    }
    // What stands there and behind is not taken up.
    std::uint64_t end_index() const {
        return std::min(setup_.pause_at.value_or(UINT64_MAX), manifest_->entries());
    }
    void hold_rest();
    Status checkpoint();
    bool checkpoint_is_due() const;
    Status checkpoint_if_due();
    void watch_turn(std::uint64_t index);
    void watch_order(const ManifestEntry& entry, std::uint64_t index);
    void take_new_pace();
    void pause_for_pace();
    void report_progress(bool always);
    void add_sample();
    bool wants_to_stop() const {
        return setup_.stop.load() || setup_.control.cancel.load() || setup_.control.pause.load();
    }
    std::int64_t active_us() const;
    std::string_view stream_name(StreamId stream) const;

    RunnerSetup setup_;
    std::unique_ptr<ManifestReader> manifest_;
    std::unique_ptr<Ledger> ledger_;
    std::unique_ptr<Target> target_;
    std::unique_ptr<EventFeed> feed_;
    Pacer pacer_;

    std::vector<std::unique_ptr<Slot>> slots_;
    std::size_t begin_ = 0, end_ = 0;  // loaded and not settled
    std::vector<Choice> choices_;      // of those being sent; reused
    std::vector<Outgoing> batch_;
    bool fed_all_ = false;

    PositionSet delivered_;                        // by earlier runs
    std::map<std::uint64_t, LedgerRecord> ahead_;  // by an earlier session, ahead of their turn
    std::unordered_set<std::uint64_t> held_keys_;
    bool hold_all_ = false;
    std::optional<RunStop> stop_;
    std::uint64_t failures_ = 0;                   // in this session
    std::map<std::string, std::uint64_t> causes_;  // of them
    bool checkpoint_failed_ = false;
    bool was_taken_over_ = false;
    std::optional<std::int64_t> ours_us_;      // when the ledger was last seen to be ours
    std::optional<std::uint64_t> last_index_;  // acknowledged last, where they go one after the other
    // Where a key's last event stood, a slot for each of some keys: a key may push another one out.
    struct LastOfKey {
        std::uint64_t key_hash = 0, index = 0;
    };
    std::vector<LastOfKey> last_of_key_;
    std::uint64_t order_violations_ = 0;
    std::optional<Throttle> throttle_;

    std::uint64_t unsettled_ = 0;  // acknowledged since the last checkpoint
    std::int64_t started_us_ = 0, checkpoint_us_ = 0, progress_us_ = 0, sample_us_ = 0;
    std::int64_t sample_every_us_ = 100'000, checkpoint_interval_us_ = 100'000;
    std::uint64_t progress_done_ = 0;
    double rate_ = 0;
};

}  // namespace tarn::replay
