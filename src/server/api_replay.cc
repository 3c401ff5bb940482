// Routes of plans, runs, ledgers, reports and verification.
#include <fmt/core.h>

#include "os/thread_priority.h"
#include "report/report.h"
#include "server/api.h"

namespace tarn::server {
namespace {

Result<net::Response> create_plan(Call& call) {
    TARN_TRY(call.engine.catch_up());
    TARN_ASSIGN(const codec::Json body,
                codec::Json::parse(call.request.body.empty() ? "{}" : call.request.body));
    TARN_ASSIGN(const auto request, replay::PlanRequest::from_json(body));  // refuses what it does not know
    if (call.request.parameter("explain").value_or("") == "true") {
        TARN_ASSIGN(codec::Json explained, call.engine.replay().explain(request));
        return json_response(std::move(explained));
    }
    TARN_ASSIGN(codec::Json plan, call.engine.replay().plan(request));
    codec::Json data;
    data.set("plan", plan["plan"])
        .set("digest", plan["digest"])
        .set("events", plan["events"])
        .set("target", plan["target"]);
    TARN_TRY(call.engine.record("plan.frozen", plan["plan"].as_string(), data));
    return json_response(std::move(plan), 201);
}

Result<net::Response> approve_plan(Call& call) {
    TARN_ASSIGN(const codec::Json body, call.json({"by"}));
    TARN_ASSIGN(codec::Json plan, call.engine.replay().approve(call.arguments[0], body["by"].as_string()));
    TARN_TRY(call.engine.record("plan.approved", call.arguments[0], plan["approval"]));
    return json_response(std::move(plan));
}

Result<net::Response> list_plans(Call& call) {
    TARN_ASSIGN(auto plans, call.engine.replay().plans());
    return json_response(list_document(codec::Json::array(std::move(plans))));
}

Result<net::Response> show_plan(Call& call) {
    TARN_ASSIGN(codec::Json plan, call.engine.replay().show_plan_of_today(call.arguments[0]));
    return json_response(std::move(plan));
}

codec::Json progress_json(const replay::RunProgress& progress) {
    const auto& counts = progress.counts;
    codec::Json json;
    json.set("run", progress.run).set("state", progress.state).set("rate", progress.rate);
    json.set("selected", counts.selected)
        .set("acknowledged", counts.acknowledged)
        .set("skipped", counts.skipped);
    json.set("failed", counts.failed).set("held", counts.held).set("unknown", counts.unknown);
    json.set("remaining", counts.remaining());
    json.set("pace", progress.pace).set("lag_us", progress.lag_us);
    json.set("throttled_to", progress.throttled_to ? codec::Json(*progress.throttled_to) : codec::Json());
    // At the rate of late; a moment without any says nothing.
    json.set("left_us", progress.rate > 0
                            ? codec::Json(static_cast<double>(counts.remaining()) / progress.rate * 1e6)
                            : codec::Json());
    codec::Json causes = codec::Json::array();
    for (const auto& [cause, count] : progress.causes)
        causes.push(codec::Json::object().set("cause", cause).set("count", count));
    json.set("failures", std::move(causes));
    return json;
}

bool is_stopped(const std::string& state) { return state != "finished" && state != "failed"; }

// What an ended session came to, for the audit trail.
codec::Json ended_data(Engine& engine, const std::string& run, const Result<codec::Json>& report) {
    codec::Json data;
    data.set("run", run);
    const auto shown = report ? report : engine.replay().show_run(run);
    if (shown) data.set("state", (*shown)["state"]).set("counts", (*shown)["counts"]);
    if (!report) data.set("error", error_json(report.error()));
    return data;
}

// Executes or resumes a run as a job; what happened stands in the audit trail too. A start that is refused
// (a stale plan, a target in the way) is none: it is recorded with the first sign of progress.
Result<std::string> start_run(Engine& engine, const std::string& plan, const std::string& run, bool resume) {
    if (!engine.jobs().running_on(run).empty())
        return fail(Code::run_state, fmt::format("{} is running", run),
                    {.next = fmt::format("tarn replay show {}", run)});
    return engine.jobs().start(
        "run", run, [&engine, plan, run, resume](const JobContext& job) -> Result<JobEnd> {
            os::lower_thread_priority();  // captures and whoever waits for an answer go first
            std::optional<Status> begun;
            const auto watch = [&](const replay::RunProgress& progress) {
                codec::Json data;
                data.set("run", run).set("plan", plan);
                if (!begun) begun = engine.record(resume ? "run.resumed" : "run.started", run, data);
                job.progress(progress_json(progress));
            };
            const auto report = resume ? engine.replay().resume(run, job.stop, watch)
                                       : engine.replay().run(plan, run, job.stop, watch);
            const Status ended =
                begun ? engine.record("run.ended", run, ended_data(engine, run, report)) : Status();
            if (!report) return fail(report.error());
            if (begun) TARN_TRY(*begun);
            TARN_TRY(ended);
            return JobEnd{*report, is_stopped((*report)["state"].as_string())};
        });
}

net::Response started(const std::string& run, const std::string& job) {
    codec::Json json;
    json.set("schema_version", 1).set("run", run).set("job", job);
    return json_response(std::move(json), 202);
}

Result<net::Response> create_run(Call& call) {
    TARN_TRY(call.engine.catch_up());
    TARN_ASSIGN(const codec::Json body, call.json({"plan", "allow", "first", "max_failures", "on_unknown"}));
    const std::string plan = body["plan"].as_string();
    TARN_TRY(call.engine.replay().show_plan(plan));
    TARN_ASSIGN(const replay::RunOptions options, replay::RunOptions::from_json(body));
    TARN_ASSIGN(const std::string run, call.engine.replay().create_run(plan, options));
    TARN_ASSIGN(const std::string job, start_run(call.engine, plan, run, false));
    return started(run, job);
}

Result<net::Response> resume_run(Call& call) {
    const std::string& run = call.arguments[0];
    TARN_TRY(call.engine.replay().check_can_resume(run));
    TARN_ASSIGN(const codec::Json body, call.json({"first", "max_failures", "on_unknown"}));
    TARN_ASSIGN(const replay::RunOptions options, replay::RunOptions::from_json(body));
    if (options.first || options.max_failures || options.on_unknown)
        TARN_TRY(call.engine.replay().change_options(run, options));
    TARN_ASSIGN(const codec::Json report, call.engine.replay().show_run(run));
    TARN_ASSIGN(const std::string job, start_run(call.engine, report["plan"].as_string(), run, true));
    return started(run, job);
}

// Between the start of its job and the first look at its plan a run cannot be told anything: wait for it.
Status pause_when_it_runs(Engine& engine, const std::string& run) {
    constexpr std::int64_t poll_us = 1'000;
    while (!engine.jobs().running_on(run).empty()) {
        if (engine.replay().pause(run)) return {};
        engine.clock().sleep_us(poll_us);
    }
    TARN_TRY(engine.replay().show_run(run));
    return fail(Code::run_state, fmt::format("{} is not running", run),
                {.next = fmt::format("tarn replay show {}", run)});
}

Result<net::Response> pause_run(Call& call) {
    const std::string& run = call.arguments[0];
    const std::string job = call.engine.jobs().running_on(run);
    TARN_TRY(pause_when_it_runs(call.engine, run));
    codec::Json json;
    json.set("schema_version", 1).set("run", run).set("job", job).set("asked", "pause");
    return json_response(std::move(json), 202);
}

Result<net::Response> cancel_run(Call& call) {
    const std::string job = call.engine.jobs().running_on(call.arguments[0]);
    if (!job.empty()) TARN_TRY(call.engine.jobs().cancel(job));
    TARN_TRY(call.engine.replay().cancel(call.arguments[0]));
    TARN_ASSIGN(codec::Json report, call.engine.replay().show_run(call.arguments[0]));
    return json_response(std::move(report));
}

Result<net::Response> pace_run(Call& call) {
    TARN_ASSIGN(const codec::Json body, call.json({"pace"}));
    TARN_TRY(call.engine.replay().set_pace(call.arguments[0], body["pace"].as_string()));
    TARN_ASSIGN(codec::Json report, call.engine.replay().show_run(call.arguments[0]));
    return json_response(std::move(report));
}

Result<net::Response> list_runs(Call& call) {
    TARN_ASSIGN(auto runs, call.engine.replay().runs());
    return json_response(list_document(codec::Json::array(std::move(runs))));
}

Result<net::Response> show_run(Call& call) {
    TARN_ASSIGN(codec::Json report, call.engine.replay().show_run(call.arguments[0]));
    const std::string job = call.engine.jobs().running_on(call.arguments[0]);
    report.set("job", job.empty() ? codec::Json() : codec::Json(job));
    return json_response(std::move(report));
}

Result<net::Response> show_report(Call& call) {
    TARN_ASSIGN(codec::Json report, call.engine.replay().show_run(call.arguments[0]));
    const auto format = call.request.parameter("format").value_or("json");
    if (format == "json") return json_response(std::move(report));
    net::Response response;
    if (format == "html") {
        TARN_ASSIGN(const codec::Json plan, call.engine.replay().show_plan(report["plan"].as_string()));
        response.content_type = "text/html; charset=utf-8";
        response.headers.emplace_back("content-security-policy",
                                      "default-src 'none'; style-src 'unsafe-inline'");
        response.body = report::render_html(report, plan);
        return response;
    }
    if (format != "text")
        return fail(Code::bad_usage, fmt::format("there is no format {}", format.substr(0, 20)),
                    {.next = "format=text, json or html"});
    response.content_type = "text/plain; charset=utf-8";
    response.body = report::render_text(report, false);
    return response;
}

Result<net::Response> show_ledger(Call& call) {
    TARN_TRY(call.engine.replay().show_run(call.arguments[0]));
    net::Response response;
    response.content_type = "application/x-ndjson";
    response.stream = [&engine = call.engine, run = call.arguments[0]](net::BodyWriter& out) {
        std::string buffer;
        const auto done = engine.replay().ledger(run, [&](std::string_view line) -> Status {
            buffer.append(line);
            if (!line.ends_with('\n')) buffer += '\n';
            if (buffer.size() < 64 * 1024) return {};
            Status written = out.write(buffer);
            buffer.clear();
            return written;
        });
        if (!done) buffer += error_line(done.error());
        (void)out.write(buffer);
        if (!done) out.break_off();
    };
    return response;
}

}  // namespace

void Api::add_replay_routes() {
    add("POST", "/v1/plans", "plan", create_plan);
    add("GET", "/v1/plans", "read", list_plans);
    add("GET", "/v1/plans/{}", "read", show_plan);
    add("POST", "/v1/plans/{}/approve", "approve", approve_plan);
    add("POST", "/v1/runs", "run", create_run);
    add("GET", "/v1/runs", "read", list_runs);
    add("GET", "/v1/runs/{}", "read", show_run);
    add("GET", "/v1/runs/{}/ledger", "read", show_ledger);
    add("GET", "/v1/runs/{}/report", "read", show_report);
    add("POST", "/v1/runs/{}/pause", "run", pause_run);
    add("POST", "/v1/runs/{}/resume", "run", resume_run);
    add("POST", "/v1/runs/{}/cancel", "run", cancel_run);
    add("POST", "/v1/runs/{}/pace", "run", pace_run);
}

}  // namespace tarn::server
