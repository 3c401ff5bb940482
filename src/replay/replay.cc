#include "replay/replay.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <set>

#include "replay/approval.h"
#include "replay/comparison.h"
#include "replay/delivered.h"
#include "replay/destination.h"
#include "replay/event_feed.h"
#include "replay/permissions.h"
#include "replay/plan_document.h"
#include "replay/planner.h"
#include "replay/run_report.h"
#include "replay/runner.h"
#include "replay/target_opening.h"

namespace tarn::replay {
namespace {

using codec::Json;
constexpr std::size_t max_known_runs = 1000;

using Progress = std::function<void(const RunProgress&)>;

std::string_view state_of(const RunResult& result) {
    switch (result.end) {
        case RunEnd::finished:
            return "finished";
        case RunEnd::stopped:
            return "interrupted";
        case RunEnd::paused:
            return "paused";
        case RunEnd::cancelled:
            return "cancelled";
        case RunEnd::failed:
            return "failed";
    }
    return "interrupted";
}

bool is_over(const Json& record) {
    return record["state"].as_string() == "finished" || record["state"].as_string() == "cancelled";
}

Json samples_json(const std::vector<RunSample>& samples) {
    Json list = Json::array();
    for (const RunSample& sample : samples)
        list.push(Json::object().set("t", static_cast<double>(sample.t_us) / 1e6).set("done", sample.done));
    return list;
}

std::vector<RunSample> read_samples(const Json& list) {
    std::vector<RunSample> samples;
    for (const Json& sample : list.elements())
        samples.push_back(
            {static_cast<std::int64_t>(sample["t"].as_double() * 1e6), sample["done"].as_uint()});
    return samples;
}

Json error_json(const Error& error) {
    return Json::object()
        .set("code", error.code_text())
        .set("message", error.message)
        .set("next", error.next);
}

Json stop_json(const RunStop& stop) {
    return Json::object().set("because", stop.because).set("text", stop.text);
}

Json throttled_json(const Throttled& throttled) {
    return Json::object()
        .set("pushbacks", throttled.pushbacks)
        .set("limit", throttled.limit ? Json(std::round(*throttled.limit * 10) / 10) : Json());
}

std::optional<std::uint64_t> optional_count(const Json& json) {
    return json.is_null() ? std::nullopt : std::optional(json.as_uint());
}

// Plans and runs are documents of the catalog; what is large stands in <data>/jobs/<id>/.
class ReplayImpl final : public Replay {
public:
    explicit ReplayImpl(Parts parts) : parts_(std::move(parts)) {}

    Result<Json> plan(const PlanRequest& request) override { return make_plan(parts_, *this, request); }
    Result<Json> explain(const PlanRequest& request) override { return explain_plan(parts_, *this, request); }
    Result<Json> approve(std::string_view plan, const std::string& by) override {
        TARN_ASSIGN(Json document, body_of("plan", plan));
        TARN_TRY(check_plan(document));
        return approve_plan(parts_, std::move(document), by);
    }
    Result<Json> show_plan(std::string_view plan) override { return body_of("plan", plan); }
    Result<Json> show_plan_of_today(std::string_view plan) override {
        TARN_ASSIGN(Json document, body_of("plan", plan));
        return with_newer_events(parts_, std::move(document));
    }
    Result<std::vector<Json>> plans() override {
        TARN_ASSIGN(const auto documents, parts_.catalog.documents("plan"));
        std::vector<Json> plans;
        for (const catalog::Document& document : documents) plans.push_back(document.body);
        return plans;
    }

    Result<std::vector<Json>> runs() override {
        TARN_ASSIGN(const auto documents, parts_.catalog.documents("run"));
        std::vector<Json> runs;
        for (const catalog::Document& document : documents) {
            TARN_ASSIGN(Json report, report_of(current(document.id, document.body), false));
            runs.push_back(std::move(report));
        }
        return runs;
    }

    Result<std::string> create_run(std::string_view plan_id, const RunOptions& options) override {
        TARN_ASSIGN(const Json plan, body_of("plan", plan_id));
        TARN_TRY(check_plan(plan));
        TARN_TRY(check_approval(plan));
        TARN_TRY(check_permissions(parts_, plan, options.allow));
        TARN_TRY(check_functions_run(plan, fmt::format("plan {}", plan_id)));
        TARN_ASSIGN(const std::uint64_t number, parts_.catalog.next_number("run"));
        const std::string id = fmt::format("rn-{}", number);
        const Time now = parts_.clock.now();
        Json record = Json::object();
        record.set("run", id)
            .set("plan", plan["plan"])
            .set("uid", os::make_uuid7(now, parts_.rng))
            .set("digest", plan["digest"]);
        record.set("state", "created")
            .set("created", format_rfc3339(now))
            .set("started", nullptr)
            .set("ended", nullptr);
        record.set("target", plan["target"])
            .set("into", plan["into"])
            .set("target_version", plan["target_version"]);
        Json allowed = Json::array();
        for (const std::string& name : options.allow) allowed.push(name);
        record.set("allow", std::move(allowed)).set("on_unknown", "hold");
        set_options(record, options, 0);
        record.set("pace", plan["pace"]).set("active_us", 0).set("sessions", 0).set("order_violations", 0);
        record.set("throughput", Json::array()).set("error", nullptr).set("verify", nullptr);
        TARN_TRY(parts_.fs.make_directories(os::join(parts_.directory, id)));
        TARN_TRY(parts_.catalog.put_document({"run", id, now, std::move(record)}));
        return id;
    }

    Result<Json> run(std::string_view plan, std::string_view run_id, const std::atomic<bool>& stop,
                     const Progress& on_progress) override {
        TARN_ASSIGN(const Json record, body_of("run", run_id));
        if (record["plan"].as_string() != plan)
            return fail(Code::run_state, fmt::format("run {} belongs to plan {}, not to {}", run_id,
                                                     record["plan"].as_string(), plan));
        if (record["state"].as_string() != "created")
            return fail(Code::run_state, fmt::format("run {} has been started before", run_id),
                        {.next = fmt::format("tarn replay resume {}", run_id)});
        return execute(std::string(run_id), stop, on_progress);
    }

    Status check_can_resume(std::string_view run) override {
        TARN_ASSIGN(const Json record, body_of("run", run));
        if (!is_over(record)) {
            TARN_ASSIGN(const Json plan, body_of("plan", record["plan"].as_string()));
            return check_functions_run(plan, fmt::format("run {}", run));
        }
        return fail(Code::run_state,
                    fmt::format("run {} is {}: there is nothing to resume", run, record["state"].as_string()),
                    {.next = fmt::format("tarn report {}", run)});
    }

    Status change_options(std::string_view run, const RunOptions& options) override {
        TARN_TRY(check_can_resume(run));
        TARN_ASSIGN(Json record, body_of("run", run));
        if (is_active(run))
            return fail(Code::run_state, fmt::format("run {} is being executed", run),
                        {.next = fmt::format("tarn replay show {}", run)});
        TARN_ASSIGN(const LedgerState state, read_ledger(parts_.fs, ledger_path(record)));
        set_options(record, options, state.settled);
        return store(record);
    }

    Result<Json> resume(std::string_view run, const std::atomic<bool>& stop,
                        const Progress& on_progress) override {
        TARN_TRY(check_can_resume(run));
        return execute(std::string(run), stop, on_progress);
    }

    Status pause(std::string_view run) override {
        const std::scoped_lock lock(mutex_);
        const auto active = active_.find(run);
        if (active == active_.end())
            return fail(Code::run_state, fmt::format("run {} is not being executed", run),
                        {.next = fmt::format("tarn replay show {}", run)});
        active->second->pause = true;
        return {};
    }

    Status cancel(std::string_view run) override {
        TARN_ASSIGN(Json record, body_of("run", run));
        {
            const std::scoped_lock lock(mutex_);
            if (const auto active = active_.find(run); active != active_.end()) {
                active->second->cancel = true;
                return {};
            }
        }
        if (is_over(record))
            return fail(Code::run_state,
                        fmt::format("run {} is {} already", run, record["state"].as_string()),
                        {.next = fmt::format("tarn report {}", run)});
        record.set("state", "cancelled").set("ended", format_rfc3339(parts_.clock.now()));
        return store(record);
    }

    Status set_pace(std::string_view run, std::string_view pace) override {
        TARN_ASSIGN(const Pace parsed, Pace::parse(pace));
        TARN_ASSIGN(Json record, body_of("run", run));
        if (is_over(record))
            return fail(
                Code::run_state,
                fmt::format("run {} is {}: its pace cannot be changed", run, record["state"].as_string()),
                {.next = fmt::format("tarn report {}", run)});
        record.set("pace", pace);
        TARN_TRY(store(record));
        const std::scoped_lock lock(mutex_);
        if (const auto active = active_.find(run); active != active_.end()) {
            const std::scoped_lock control(active->second->mutex);
            active->second->new_pace = parsed;
        }
        return {};
    }

    Result<Json> show_run(std::string_view run) override {
        TARN_ASSIGN(const Json record, body_of("run", run));
        return report_of(current(run, record), is_over(record));
    }

    Status ledger(std::string_view run, const std::function<Status(std::string_view)>& sink) override;
    Status for_each_entry(std::string_view run,
                          const std::function<Status(const ManifestEntry&, std::string_view)>& fn) override;

    Status for_each_event(std::string_view plan_or_run, const EventVisitor& fn) override;
    Result<std::vector<ComparedFunction>> open_for_comparison(
        std::string_view plan, const std::vector<std::string>& functions,
        const std::vector<std::string>& allow) override {
        TARN_ASSIGN(const Json document, body_of("plan", plan));
        return replay::open_for_comparison(parts_, document, functions, allow);
    }

    bool run_names(std::string_view run_uid, const std::string& subscription) override;

    Status save_report_part(std::string_view run, std::string_view key, const Json& value) override {
        TARN_ASSIGN(Json record, body_of("run", run));
        record.set(key, value);
        TARN_TRY(store(record));
        TARN_TRY(write_report(record));
        return {};
    }

private:
    Result<Json> body_of(std::string_view kind, std::string_view id) {
        TARN_ASSIGN(const auto document, parts_.catalog.document(kind, id));
        if (document) return document->body;
        const Code code = kind == "plan" ? Code::unknown_plan : Code::unknown_run;
        return fail(code, fmt::format("there is no {} {}", kind, id),
                    {.next = fmt::format("list what there is with: tarn replay list{}",
                                         kind == "plan" ? " --plans" : "")});
    }

    Status store(const Json& record) {
        return parts_.catalog.put_document({"run", record["run"].as_string(), parts_.clock.now(), record});
    }

    // A run that says it is running though nobody runs it was killed.
    Json current(std::string_view run, Json record) {
        const std::scoped_lock lock(mutex_);
        if (record["state"].as_string() == "running" && !active_.contains(run))
            record.set("state", "interrupted");
        return record;
    }

    Result<Json> report_of(const Json& record, bool with_hashes) {
        TARN_ASSIGN(const Json plan, body_of("plan", record["plan"].as_string()));
        return make_report(
            {parts_.lake, parts_.fs, record, plan, manifest_path(record), ledger_path(record), with_hashes});
    }

    Result<Json> write_report(const Json& record) {
        TARN_ASSIGN(Json report, report_of(record, true));
        TARN_TRY(os::write_file_durably(parts_.fs, job_file(parts_, record["run"].as_string(), "report.json"),
                                        report.dump_pretty()));
        return report;
    }

    std::string manifest_path(const Json& record) const {
        return job_file(parts_, record["plan"].as_string(), "manifest.bin");
    }
    std::string ledger_path(const Json& record) const {
        return job_file(parts_, record["run"].as_string(), "ledger.bin");
    }

    // `settled`: from there `first` counts.
    static void set_options(Json& record, const RunOptions& options, std::uint64_t settled) {
        if (options.first) record.set("pause_at", settled + *options.first);
        if (options.max_failures) record.set("max_failures", *options.max_failures);
        if (options.on_unknown) record.set("on_unknown", *options.on_unknown);
    }
    bool is_active(std::string_view run) {
        const std::scoped_lock lock(mutex_);
        return active_.contains(run);
    }

    Status check_plan(const Json& plan);
    Status check_functions_run(const Json& plan, const std::string& what);
    std::set<std::string> named_by(std::string_view run_uid);
    Result<Json> execute(const std::string& run, const std::atomic<bool>& stop, const Progress& on_progress);
    Result<RunResult> execute_session(const Json& record, RunControl& control, const std::atomic<bool>& stop,
                                      const Progress& on_progress);
    Result<Json> conclude(Json record, const RunResult& result);

    Parts parts_;
    std::mutex mutex_;
    std::map<std::string, std::shared_ptr<RunControl>, std::less<>> active_;  // guarded by mutex_
    std::mutex names_mutex_;
    std::map<std::string, std::set<std::string>, std::less<>> names_;  // by run uid; guarded by names_mutex_
};

// Everything that was frozen is still what the digest sealed, and the streams are still the same.
Status ReplayImpl::check_plan(const Json& plan) {
    const std::string path = job_file(parts_, plan["plan"].as_string(), "manifest.bin");
    TARN_ASSIGN(const auto manifest, ManifestReader::open(parts_.fs, path));
    TARN_TRY(manifest->check());
    if (plan_digest(plan, manifest->sha256()) != plan["digest"].as_string())
        return fail(
            Code::plan_damaged,
            fmt::format("plan {}: document and manifest do not give the digest {}", plan["plan"].as_string(),
                        plan["digest"].as_string()),
            {.place = {.source = path, .byte = {}}, .next = "make the plan again: tarn replay plan …"});
    for (const auto& [name, id] : plan["stream_ids"].members()) {
        const auto stream = parts_.catalog.stream(name);
        if (stream && stream->id.value == id.as_uint()) continue;
        return fail(Code::plan_stale,
                    fmt::format("stream {} was deleted{} since plan {} was made", name,
                                stream ? " and made anew" : "", plan["plan"].as_string()),
                    {.next = "plan again"});
    }
    TARN_ASSIGN(const FrozenPlan frozen, FrozenPlan::from_document(plan));
    return check_target_is_same(parts_, frozen);
}

// Only a run that calls a function itself needs them at work; one into a stream leaves that to subscriptions.
Status ReplayImpl::check_functions_run(const Json& plan, const std::string& what) {
    if (!plan["target"].as_string().starts_with("function:") && !plan.has("via")) return {};
    TARN_ASSIGN(Functions * functions, functions_of(parts_));
    return functions->check_can_run(what);
}

bool ReplayImpl::run_names(std::string_view run_uid, const std::string& subscription) {
    const std::scoped_lock lock(names_mutex_);
    auto known = names_.find(run_uid);
    if (known == names_.end()) {
        if (names_.size() >= max_known_runs) names_.clear();
        known = names_.emplace(std::string(run_uid), named_by(run_uid)).first;
    }
    return known->second.contains(subscription);
}

// Empty for a run that named none, and for one of another data directory.
std::set<std::string> ReplayImpl::named_by(std::string_view run_uid) {
    std::set<std::string> names;
    const auto runs = parts_.catalog.documents("run");
    if (!runs) return names;
    const auto run = std::ranges::find(*runs, run_uid, [](const catalog::Document& document) {
        return std::string_view(document.body["uid"].as_string());
    });
    if (run == runs->end()) return names;
    const auto plan = body_of("plan", run->body["plan"].as_string());
    if (!plan) return names;
    for (const Json& name : (*plan)["only"].elements()) names.insert(name.as_string());
    return names;
}

Result<Json> ReplayImpl::execute(const std::string& run, const std::atomic<bool>& stop,
                                 const Progress& on_progress) {
    TARN_TRY(parts_.fs.make_directories(os::join(parts_.directory, run)));
    const auto lock = parts_.fs.lock(job_file(parts_, run, "lock"));
    if (!lock && lock.error().code == Code::directory_locked)
        return fail(Code::run_state, fmt::format("run {} is being executed already", run),
                    {.next = fmt::format("tarn replay show {}", run)});
    if (!lock) return fail(lock.error());
    // Read again behind the lock: another runner may have finished it meanwhile.
    TARN_ASSIGN(Json record, body_of("run", run));
    if (is_over(record))
        return fail(Code::run_state, fmt::format("run {} is {}", run, record["state"].as_string()),
                    {.next = fmt::format("tarn report {}", run)});
    const auto control = std::make_shared<RunControl>();
    {
        const std::scoped_lock guard(mutex_);
        active_[run] = control;
    }
    Result<RunResult> result = execute_session(record, *control, stop, on_progress);
    {
        const std::scoped_lock guard(mutex_);
        active_.erase(run);
    }
    if (!result) return fail(result.error());
    TARN_ASSIGN(record, body_of("run", run));
    const std::optional<Error> error = result->error;
    // What is said of the run is said by the one who has it now.
    if (result->was_taken_over) return fail(*error);
    TARN_ASSIGN(Json report, conclude(std::move(record), *result));
    if (error) return fail(*error);
    return report;
}

Result<RunResult> ReplayImpl::execute_session(const Json& before, RunControl& control,
                                              const std::atomic<bool>& stop, const Progress& on_progress) {
    TARN_ASSIGN(const Json plan, body_of("plan", before["plan"].as_string()));
    TARN_TRY(check_plan(plan));
    std::vector<std::string> allow;
    for (const Json& name : before["allow"].elements()) allow.push_back(name.as_string());
    TARN_TRY(check_permissions(parts_, plan, allow));
    TARN_ASSIGN(const FrozenPlan frozen, FrozenPlan::from_document(plan));
    TARN_ASSIGN(const Pace pace, Pace::parse(before["pace"].as_string()));
    Json record = before;
    record.set("state", "running")
        .set("error", nullptr)
        .set("stop", nullptr)
        .set("sessions", before["sessions"].as_uint() + 1);
    if (before["started"].is_null()) record.set("started", format_rfc3339(parts_.clock.now()));
    RunnerSetup setup{
        .parts = parts_,
        .plan = frozen,
        .run = record["run"].as_string(),
        .uid = record["uid"].as_string(),
        .pace = pace,
        .control = control,
        .stop = stop,
        .on_progress = on_progress,
        .run_names = [this](std::string_view uid, const std::string& name) { return run_names(uid, name); },
        .active_us_before = record["active_us"].as_int(),
        .samples = read_samples(record["throughput"]),
        .pause_at = optional_count(record["pause_at"]),
        .max_failures = optional_count(record["max_failures"]),
        .redoes_unknown = record["on_unknown"].as_string() == "redo",
        .pushbacks_before = record["throttled"]["pushbacks"].as_uint(),
        .latency = LatencyHistogram::from_json(record["latency"])};
    TARN_ASSIGN(const auto runner,
                Runner::open(std::move(setup), manifest_path(record), ledger_path(record)));
    TARN_TRY(store(record));
    RunResult result = runner->run();
    if (result.end != RunEnd::finished || result.error) return result;
    TARN_ASSIGN(const LedgerState state, read_ledger(parts_.fs, ledger_path(record)));
    if (state.failed + state.held + state.unknown > 0) return result;
    if (const Status completed = complete_target(parts_, frozen); !completed) {
        result.end = RunEnd::stopped;
        result.error = completed.error();
    }
    return result;
}

Result<Json> ReplayImpl::conclude(Json record, const RunResult& result) {
    std::string_view state = state_of(result);
    if (result.error && result.error->kind == ErrorKind::stale) state = "failed";
    record.set("state", state)
        .set("active_us", result.active_us)
        .set("throughput", samples_json(result.samples))
        .set("latency", result.latency.to_json());
    record.set("order_violations", record["order_violations"].as_uint() + result.order_violations);
    record.set("error", result.error ? error_json(*result.error) : Json());
    record.set("ended", format_rfc3339(parts_.clock.now()));
    record.set("stop", result.stop ? stop_json(*result.stop) : Json());
    // Reached: what is resumed goes on to the end.
    if (result.stop && result.stop->because == "first") record.set("pause_at", nullptr);
    if (result.throttled.pushbacks > 0) record.set("throttled", throttled_json(result.throttled));
    TARN_TRY(store(record));
    return write_report(record);
}

// Calls fn for each manifest entry together with the ledger record that settled it; nullptr: remaining.
Status for_each_settled(
    os::FileSystem& fs, const std::string& manifest_path, const std::string& ledger_path,
    const std::function<Status(const ManifestEntry&, std::uint64_t index, const LedgerRecord*)>& fn) {
    TARN_ASSIGN(const auto manifest, ManifestReader::open(fs, manifest_path));
    ManifestEntry entry;
    const auto one = [&](const LedgerRecord* record) -> Result<bool> {
        TARN_ASSIGN(const bool more, manifest->next(entry));
        if (more) TARN_TRY(fn(entry, manifest->index() - 1, record));
        return more;
    };
    const auto take = [&](const LedgerRecord& record) -> Status {
        for (std::uint64_t i = 0; settles(record.kind) && i < record.count; ++i) {
            TARN_ASSIGN(const bool more, one(&record));
            if (!more)
                return fail(Code::ledger_damaged, "the ledger names more events than the manifest has",
                            {.place = {.source = ledger_path, .byte = {}}});
        }
        return {};
    };
    TARN_ASSIGN(const LedgerState state, read_ledger(fs, ledger_path, take));
    while (true) {
        const auto ahead = state.ahead.find(manifest->index());
        TARN_ASSIGN(const bool more, one(ahead == state.ahead.end() ? nullptr : &ahead->second));
        if (!more) return {};
    }
}

Status ReplayImpl::for_each_entry(std::string_view run,
                                  const std::function<Status(const ManifestEntry&, std::string_view)>& fn) {
    TARN_ASSIGN(const Json record, body_of("run", run));
    return for_each_settled(
        parts_.fs, manifest_path(record), ledger_path(record),
        [&fn](const ManifestEntry& entry, std::uint64_t, const LedgerRecord* settled) {
            return fn(entry, settled ? ledger_kind_name(in_its_turn(settled->kind)) : "remaining");
        });
}

std::map<StreamId, std::string> streams_of(const Json& plan) {
    std::map<StreamId, std::string> streams;
    for (const auto& [name, id] : plan["stream_ids"].members())
        streams[StreamId{static_cast<std::uint32_t>(id.as_uint())}] = name;
    return streams;
}

Status ReplayImpl::for_each_event(std::string_view plan_or_run, const EventVisitor& fn) {
    const bool is_plan = plan_or_run.starts_with("pl-");
    TARN_ASSIGN(const Json record, body_of(is_plan ? "plan" : "run", plan_or_run));
    TARN_ASSIGN(const Json plan, body_of("plan", record["plan"].as_string()));
    TARN_ASSIGN(const auto manifest, ManifestReader::open(parts_.fs, manifest_path(record)));
    const std::map<StreamId, std::string> streams = streams_of(plan);
    EventFeed feed(parts_.lake, *manifest, true);
    FedEvent fed;
    const auto visit = [&](const ManifestEntry& entry, std::uint64_t, const LedgerRecord* settled) -> Status {
        TARN_TRY(feed.next(fed));
        const auto stream = streams.find(entry.stream);
        return fn(fed, stream == streams.end() ? "" : stream->second,
                  settled ? ledger_kind_name(in_its_turn(settled->kind)) : "remaining");
    };
    // What was never run has no ledger, which reads as an empty one.
    return for_each_settled(parts_.fs, manifest_path(record),
                            is_plan ? job_file(parts_, plan_or_run, "ledger.bin") : ledger_path(record),
                            visit);
}

Status ReplayImpl::ledger(std::string_view run, const std::function<Status(std::string_view)>& sink) {
    TARN_ASSIGN(const Json record, body_of("run", run));
    TARN_ASSIGN(const Json plan, body_of("plan", record["plan"].as_string()));
    TARN_ASSIGN(const auto manifest, ManifestReader::open(parts_.fs, manifest_path(record)));
    std::map<StreamId, std::string> streams = streams_of(plan);
    EventFeed feed(parts_.lake, *manifest, true);
    event::MetaReader reader;
    const auto write = [&](const ManifestEntry& entry, std::uint64_t, const LedgerRecord* settled) -> Status {
        FedEvent fed;
        TARN_ASSIGN(const bool more, feed.next(fed));
        Json line = Json::object();
        line.set("position", event::position_text(entry.partition, entry.offset));
        if (streams.size() > 1) line.set("stream", streams[entry.stream]);
        // What can no longer be read still has its line.
        const bool readable = more && fed.event;
        line.set("id", readable ? Json(reader.read(*fed.event, streams[entry.stream]).id) : Json());
        line.set("outcome", settled ? ledger_kind_name(in_its_turn(settled->kind)) : "remaining")
            .set("attempts", settled ? settled->attempts : 0);
        line.set("at", settled ? Json(format_rfc3339(settled->at)) : Json());
        line.set("error", settled && !settled->text.empty() ? Json(settled->text) : Json());
        return sink(line.dump());
    };
    return for_each_settled(parts_.fs, manifest_path(record), ledger_path(record), write);
}

}  // namespace

Result<std::unique_ptr<Replay>> Replay::open(Parts parts) {
    TARN_TRY(parts.fs.make_directories(parts.directory));
    return std::make_unique<ReplayImpl>(std::move(parts));
}

}  // namespace tarn::replay
