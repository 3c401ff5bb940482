// Plan and run. A run executes exactly the frozen plan; its ledger (docs/formats/ledger.md) survives kill -9
// anywhere.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "lake/lake.h"
#include "net/http_client.h"
#include "query/query.h"
#include "replay/event_feed.h"
#include "replay/functions.h"
#include "replay/plan.h"
#include "replay/target.h"
#include "state/state.h"

namespace tarn::replay {

struct RunCounts {
    std::uint64_t selected = 0, acknowledged = 0, skipped = 0, failed = 0, held = 0, unknown = 0;
    std::uint64_t remaining() const { return selected - acknowledged - skipped - failed - held - unknown; }
};

// Seen by whoever watches; values may lag by a moment.
struct RunProgress {
    std::string run;
    std::string state;  // running, paused, finished, failed, cancelled, interrupted
    RunCounts counts;
    double rate = 0;  // events/s lately
    std::string pace = "max";
    std::optional<double> throttled_to;                         // events/s, while the target takes no more
    std::int64_t lag_us = 0;                                    // behind the pace that was asked for
    std::vector<std::pair<std::string, std::uint64_t>> causes;  // of failures in this session, most first
};

// What the one who starts a run says of it; it holds when the run is resumed, too, unless said again.
struct RunOptions {
    std::vector<std::string> allow = {};             // functions and types marked `replay: ask`
    std::optional<std::uint64_t> first = {};         // after so many more events are settled: pause
    std::optional<std::uint64_t> max_failures = {};  // more failed or unknown in a session: stop
    std::optional<std::string> on_unknown = {};      // redo | hold (default)
    static Result<RunOptions> from_json(const codec::Json& json);  // bad_usage
};

// Appends a batch to a stream as capture would: gives its own origin. Provided by the server, which knows
// how.
using StreamAppend =
    std::function<Result<log::Appended>(const std::string& stream, const std::vector<Outgoing>& batch,
                                        const log::Origin& origin, const std::string& run)>;

class Replay {
public:
    struct Parts {
        catalog::Catalog& catalog;
        lake::Lake& lake;
        query::QueryService& query;
        state::State& state;
        os::FileSystem& fs;
        os::Clock& clock;
        os::Rng& rng;
        std::string directory;  // <data>/jobs
        StreamAppend append;
        Functions* functions = nullptr;  // needed by plans that name functions or subscriptions
        bool may_execute = false;        // exec: targets that nobody declared
    };
    static Result<std::unique_ptr<Replay>> open(Parts parts);
    virtual ~Replay() = default;

    virtual Result<codec::Json> plan(const PlanRequest& request) = 0;  // the plan document; nothing_selected
    virtual Result<codec::Json> explain(
        const PlanRequest& request) = 0;  // what it would read; freezes nothing
    // Says that somebody else than the planner has looked at it; gives the plan.
    virtual Result<codec::Json> approve(std::string_view plan, const std::string& by) = 0;
    virtual Result<codec::Json> show_plan(std::string_view plan) = 0;
    // With how many events have come since; reads the log's tail.
    virtual Result<codec::Json> show_plan_of_today(std::string_view plan) = 0;
    virtual Result<std::vector<codec::Json>> plans() = 0;  // newest first
    virtual Result<std::vector<codec::Json>> runs() = 0;   // report documents without ledger, newest first

    // Executes on the calling thread until done, stopped (checkpointed, state interrupted) or paused.
    // plan_stale when the data no longer fits. `on_progress` is called at most ten times a second.
    virtual Result<codec::Json> run(std::string_view plan, std::string_view run_id,
                                    const std::atomic<bool>& stop,
                                    const std::function<void(const RunProgress&)>& on_progress) = 0;
    // Gives the run's id, nothing is sent yet. not_allowed_here names what `options.allow` lacks.
    virtual Result<std::string> create_run(std::string_view plan, const RunOptions& options = {}) = 0;
    virtual Result<codec::Json> resume(std::string_view run, const std::atomic<bool>& stop,
                                       const std::function<void(const RunProgress&)>& on_progress) = 0;
    // What shall hold when it is resumed next; run_state while it is executed. `allow` stays as it was.
    virtual Status change_options(std::string_view run, const RunOptions& options) = 0;
    // run_state when there is nothing left to do.
    virtual Status check_can_resume(std::string_view run) = 0;
    // Asks a run that is being executed to stop at its next checkpoint, in state paused; run_state when it is
    // not.
    virtual Status pause(std::string_view run) = 0;
    virtual Status cancel(std::string_view run) = 0;
    virtual Status set_pace(std::string_view run, std::string_view pace) = 0;
    virtual Result<codec::Json> show_run(std::string_view run) = 0;  // the report document
    // NDJSON lines, one an event: position, id, outcome, attempts, at, error.
    virtual Status ledger(std::string_view run, const std::function<Status(std::string_view line)>& sink) = 0;
    // For verify: the frozen entries, each with what the ledger says of it ("acknowledged", …, "remaining").
    virtual Status for_each_entry(
        std::string_view run,
        const std::function<Status(const ManifestEntry&, std::string_view outcome)>& fn) = 0;
    // The same with the events themselves, in the order of the manifest. Of a plan every outcome is
    // "remaining". What can no longer be read as it was frozen has a problem instead of an event.
    using EventVisitor =
        std::function<Status(const FedEvent& event, std::string_view stream_name, std::string_view outcome)>;
    virtual Status for_each_event(std::string_view plan_or_run, const EventVisitor& fn) = 0;
    // For comparing what functions answer to the plan's events: see comparison.h.
    virtual Result<std::vector<ComparedFunction>> open_for_comparison(
        std::string_view plan, const std::vector<std::string>& functions,
        const std::vector<std::string>& allow) = 0;
    // Whether the plan of the run of that uid named this subscription (`--only`). Cheap after the first time.
    virtual bool run_names(std::string_view run_uid, const std::string& subscription) = 0;
    virtual Status save_report_part(std::string_view run, std::string_view key, const codec::Json& value) = 0;
};

}  // namespace tarn::replay
