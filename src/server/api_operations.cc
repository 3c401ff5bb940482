// Routes of imports, jobs, configuration, quarantine, checks and health.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "os/control_group.h"
#include "server/api.h"
#include "server/check.h"
#include "server/config.h"

namespace tarn::server {
namespace {

codec::Json failure_json(const Error& error) {
    codec::Json json;
    json.set("source", error.place.source).set("code", error.code_text()).set("message", error.message);
    if (error.place.byte) json.set("byte", *error.place.byte);
    return json;
}

codec::Json import_json(const capture::ImportCounts& counts) {
    codec::Json json;
    json.set("read", counts.read).set("accepted", counts.accepted).set("quarantined", counts.quarantined);
    json.set("skipped", counts.skipped).set("files", counts.files).set("files_total", counts.files_total);
    json.set("bytes", counts.bytes).set("empty_lines", counts.empty_lines).set("failed", counts.failed);
    codec::Json failures = codec::Json::array();
    for (const Error& error : counts.named_failures) failures.push(failure_json(error));
    json.set("failed_sources", std::move(failures));
    return json;
}

Result<net::Response> create_import(Call& call) {
    TARN_ASSIGN(const codec::Json body,
                codec::Json::parse(call.request.body.empty() ? "{}" : call.request.body));
    TARN_ASSIGN(const auto request,
                capture::ImportRequest::from_json(body));  // refuses what it does not know
    TARN_TRY(call.engine.catalog().stream(request.stream));
    Engine& engine = call.engine;
    auto job = engine.jobs().start(
        "import", request.stream, [&engine, request](const JobContext& context) -> Result<JobEnd> {
            TARN_TRY(engine.record("import.started", request.stream, request.to_json()));
            capture::ImportCounts last;
            const auto counts =
                engine.capture().import(request, context.stop, [&](const capture::ImportCounts& now) {
                    last = now;
                    context.progress(import_json(now));
                });
            codec::Json data = import_json(counts ? *counts : last);
            data.set("state", counts ? "finished" : "failed");
            if (!counts) data.set("error", error_json(counts.error()));
            TARN_TRY(engine.record("import.ended", request.stream, data));
            if (!counts) return fail(counts.error());
            return JobEnd{import_json(*counts)};
        });
    if (!job) return fail(std::move(job.error()));
    codec::Json json;
    json.set("schema_version", 1).set("job", *job);
    return json_response(std::move(json), 202);
}

Result<net::Response> list_jobs(Call& call) {
    TARN_ASSIGN(codec::Json list, call.engine.jobs().list());
    return json_response(std::move(list));
}

Result<net::Response> show_job(Call& call) {
    TARN_ASSIGN(codec::Json job, call.engine.jobs().show(call.arguments[0]));
    return json_response(std::move(job));
}

Result<net::Response> cancel_job(Call& call) {
    TARN_TRY(call.engine.jobs().cancel(call.arguments[0]));
    return show_job(call);
}

constexpr const char* apply_body =
    R"(send {"text": the file, "name": its name, "apply": true}; without apply nothing is changed)";

Result<net::Response> apply(Call& call) {
    TARN_ASSIGN(const codec::Json body, call.json({"text", "name", "apply", "directory"}));
    if (!body["text"].is_string())
        return fail(Code::bad_usage, "member text is missing: the file's text", {.next = apply_body});
    const std::string name = body["name"].as_string().empty() ? "tarn.yaml" : body["name"].as_string();
    TARN_ASSIGN(const auto changes, apply_config(call.engine, body["text"].as_string(), name,
                                                 body["apply"].as_bool(), body["directory"].as_string()));
    codec::Json items = codec::Json::array();
    for (const auto& change : changes) items.push(change.to_json());
    codec::Json json = list_document(std::move(items));
    json.set("applied", body["apply"].as_bool());
    return json_response(std::move(json));
}

codec::Json quarantine_json(const event::StoredEvent& event, const std::string& stream) {
    const auto meta = codec::Json::parse("{" + std::string(event.meta) + "}");
    codec::Json json;
    json.set("id", fmt::format("qr-{}", event.sequence)).set("stream", stream);
    if (meta)
        for (const auto& [name, value] : (*meta)["attributes"].members()) json.set(name, value);
    // The same words as in <stream>.quarantine.
    const std::string code = json["code"].as_string();
    int number = 0;
    if (code.starts_with("TARN-")) std::from_chars(code.data() + 5, code.data() + code.size(), number);
    if (const CodeInfo* known = find_code(number)) json.set("reason", known->title);
    json.set("at", format_rfc3339(event.ingested)).set("bytes", event.payload.size());
    return json;
}

// Calls fn for each quarantine entry of the stream; stops when it returns false.
Status for_each_quarantined(Engine& engine, StreamId stream,
                            const std::function<bool(const event::StoredEvent&)>& fn) {
    TARN_ASSIGN(const lake::StreamView view, engine.lake().view(stream));
    TARN_ASSIGN(const auto scan, engine.lake().scan(view, {.quarantine = true}));
    while (true) {
        TARN_ASSIGN(const event::StoredEvent* event, scan->next());
        if (event == nullptr || !fn(*event)) return {};
    }
}

Result<net::Response> list_quarantine(Call& call) {
    TARN_TRY(call.parameters({"stream", "limit"}));
    const auto wanted = call.request.parameter("stream");
    TARN_ASSIGN(const std::uint64_t limit, call.number("limit", 1000));
    TARN_ASSIGN(const auto streams, call.engine.catalog().streams());
    std::vector<codec::Json> items;
    std::uint64_t total = 0;
    for (const auto& info : streams) {
        if (wanted && info.name != *wanted) continue;
        TARN_TRY(for_each_quarantined(call.engine, info.id, [&](const event::StoredEvent& event) {
            ++total;
            items.push_back(quarantine_json(event, info.name));
            if (items.size() > limit) items.erase(items.begin());
            return true;
        }));
    }
    if (wanted) TARN_TRY(call.engine.catalog().stream(*wanted));
    std::ranges::reverse(items);
    const bool complete = total == items.size();
    codec::Json json;
    json.set("schema_version", 1)
        .set("items", codec::Json::array(std::move(items)))
        .set("complete", complete)
        .set("total", total);
    return json_response(std::move(json));
}

Result<net::Response> show_quarantine(Call& call) {
    const std::string& id = call.arguments[0];
    TARN_ASSIGN(const auto streams, call.engine.catalog().streams());
    for (const auto& info : streams) {
        std::optional<net::Response> found;
        TARN_TRY(for_each_quarantined(call.engine, info.id, [&](const event::StoredEvent& event) {
            if (fmt::format("qr-{}", event.sequence) != id) return true;
            net::Response response;
            if (call.request.parameter("bytes").value_or("false") == "true") {
                response.content_type = "application/octet-stream";
                response.body = event.payload;
            } else {
                codec::Json json = quarantine_json(event, info.name);
                json.set("schema_version", 1);
                if (codec::is_valid_utf8(event.payload)) json.set("text", event.payload);
                response = json_response(std::move(json));
            }
            found = std::move(response);
            return false;
        }));
        if (found) return std::move(*found);
    }
    return fail(Code::unknown_quarantine, fmt::format("there is no quarantine entry {}", id),
                {.next = "tarn quarantine list"});
}

Result<net::Response> check_files(Call& call) {
    TARN_ASSIGN(codec::Json found, check_stored(call.engine));
    return json_response(std::move(found));
}

Result<net::Response> health(Call&) {
    codec::Json json;
    json.set("status", "ok");
    return json_response(std::move(json));
}

Result<net::Response> ready(Call& call) {
    if (const auto poisoned = call.engine.log().poisoned()) return fail(*poisoned);
    if (const auto damage = call.engine.log().damage()) return fail(*damage);
    TARN_ASSIGN(const auto space, call.engine.fs().space(call.engine.directory().path()));
    if (space.free_bytes < log::LogOptions().low_water_bytes)
        return fail(Code::disk_full,
                    fmt::format("{} are free: capture is refused", format_bytes(space.free_bytes)),
                    {.next = "free disk space; capture goes on by itself"});
    return health(call);
}

// A label's value in Prometheus's text format.
std::string label_text(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '\\' || c == '"') out += '\\';
        c == '\n' ? out += "\\n" : out += c;
    }
    return out;
}

struct SubscriptionMetric {
    const char *name, *type, *help;
    std::function<double(const process::SubscriptionStatus&)> value;
};

const std::vector<SubscriptionMetric>& subscription_metrics() {
    using Status = process::SubscriptionStatus;
    const auto number = [](std::uint64_t count) { return static_cast<double>(count); };
    static const std::vector<SubscriptionMetric> metrics = {
        {"matched_total", "counter", "Events that it takes.",
         [number](const Status& s) { return number(s.counts.matched); }},
        {"delivered_total", "counter", "Events that its function took.",
         [number](const Status& s) { return number(s.counts.delivered); }},
        {"discarded_total", "counter", "Dead letters that were given up.",
         [number](const Status& s) { return number(s.counts.discarded); }},
        {"pending", "gauge", "Events that wait or are under way.",
         [number](const Status& s) { return number(s.counts.pending); }},
        {"held", "gauge", "Events behind a dead letter of their key.",
         [number](const Status& s) { return number(s.counts.held); }},
        {"dead", "gauge", "Dead letters.", [number](const Status& s) { return number(s.counts.dead); }},
        {"lag_events", "gauge", "Events of the log that it has not looked at.",
         [number](const Status& s) { return number(s.lag()); }},
        {"lag_seconds", "gauge", "Age of the oldest event that is not settled.",
         [](const Status& s) { return static_cast<double>(s.lag_us) / 1e6; }},
        {"paused", "gauge", "1 while it is paused.", [](const Status& s) { return s.paused ? 1.0 : 0.0; }},
        {"stuck", "gauge", "1 while something keeps it from moving.",
         [](const Status& s) { return s.trouble.empty() ? 0.0 : 1.0; }},
    };
    return metrics;
}

// matched_total = delivered_total + pending + held + dead + discarded_total, of each.
Status append_subscription_metrics(Call& call, std::string& out) {
    TARN_ASSIGN(const auto declared, call.engine.processing().subscriptions());
    if (declared.empty()) return {};
    TARN_ASSIGN(auto* processes, call.engine.processing().processes());
    TARN_ASSIGN(const auto all, processes->list());
    for (const auto& metric : subscription_metrics()) {
        const std::string name = fmt::format("tarn_subscription_{}", metric.name);
        out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, metric.help, name, metric.type);
        for (const auto& status : all)
            out += fmt::format("{}{{subscription=\"{}\",stream=\"{}\"}} {}\n", name,
                               label_text(status.spec.name), label_text(status.spec.stream),
                               metric.value(status));
    }
    return {};
}

// Each with its numbers, and whether they add up.
Result<codec::Json> subscriptions_json(Engine& engine) {
    codec::Json items = codec::Json::array();
    TARN_ASSIGN(const auto declared, engine.processing().subscriptions());
    if (declared.empty()) return items;
    TARN_ASSIGN(auto* processes, engine.processing().processes());
    TARN_ASSIGN(const auto all, processes->list());
    for (const auto& status : all) {
        const auto& counts = status.counts;
        const std::uint64_t sum =
            counts.delivered + counts.pending + counts.held + counts.dead + counts.discarded;
        codec::Json json = codec::Json::object({{"name", status.spec.name},
                                                {"matched", counts.matched},
                                                {"delivered", counts.delivered},
                                                {"pending", counts.pending},
                                                {"held", counts.held},
                                                {"dead", counts.dead},
                                                {"discarded", counts.discarded},
                                                {"adds_up", sum == counts.matched}});
        json.set("lag", status.lag()).set("trouble", status.trouble);
        items.push(std::move(json));
    }
    return items;
}

// Of those at work: how their memory is limited, and which cannot start.
Result<codec::Json> functions_json(Engine& engine) {
    TARN_ASSIGN(auto* host, engine.processing().host());
    const os::GroupBase& groups = os::group_base();
    codec::Json json =
        codec::Json::object({{"memory_limit", groups.path.empty() ? "watched" : "control groups"}});
    if (!groups.why_not.empty()) json.set("no_control_groups", groups.why_not);
    codec::Json failing = codec::Json::object();
    for (const auto& each : host->list())
        if (each.state == "failing") failing.set(each.spec.name, each.last_error);
    json.set("failing", std::move(failing));
    return json;
}

Result<net::Response> status(Call& call) {
    Engine& engine = call.engine;
    TARN_ASSIGN(const auto space, engine.fs().space(engine.directory().path()));
    codec::Json json;
    json.set("schema_version", 1)
        .set("data", engine.directory().path())
        .set("pid", static_cast<int>(::getpid()));
    json.set("free_bytes", space.free_bytes).set("next_sequence", engine.log().durable_end());
    const auto& recovery = engine.log().recovery();
    codec::Json log;
    log.set("recovered_events", recovery.events)
        .set("torn_bytes", recovery.torn_bytes)
        .set("torn_at", recovery.torn_at);
    const auto poisoned = engine.log().poisoned();
    log.set("poisoned", poisoned ? codec::Json(poisoned->message) : codec::Json());
    const auto damage = engine.log().damage();
    log.set("damaged", damage ? codec::Json(fmt::format("{}: {}", damage->place.text(), damage->message))
                              : codec::Json());
    json.set("log", std::move(log));
    const auto troubles = engine.state().snapshot_troubles();
    codec::Json snapshots = codec::Json::object();
    for (const auto& [store, trouble] : troubles) snapshots.set(store, trouble);
    if (!troubles.empty()) json.set("snapshots_failing", std::move(snapshots));
    TARN_ASSIGN(codec::Json subscriptions, subscriptions_json(engine));
    json.set("subscriptions", std::move(subscriptions));
    TARN_ASSIGN(const auto declared, engine.processing().functions());
    if (!declared.empty() && engine.processing().started()) {
        TARN_ASSIGN(codec::Json functions, functions_json(engine));
        json.set("functions", std::move(functions));
    }
    return json_response(std::move(json));
}

Result<net::Response> metrics(Call& call) {
    Engine& engine = call.engine;
    TARN_ASSIGN(const auto streams, engine.catalog().streams());
    std::string out;
    out +=
        "# HELP tarn_log_next_sequence One past the last durable event.\n# TYPE tarn_log_next_sequence "
        "gauge\n";
    out += fmt::format("tarn_log_next_sequence {}\n", engine.log().durable_end());
    out += "# HELP tarn_log_poisoned 1 after a failed write or sync.\n# TYPE tarn_log_poisoned gauge\n";
    out += fmt::format("tarn_log_poisoned {}\n", engine.log().poisoned() ? 1 : 0);
    out +=
        "# HELP tarn_stream_rolled_sequence Events below this are in objects.\n# TYPE "
        "tarn_stream_rolled_sequence gauge\n";
    for (const auto& info : streams)
        out +=
            fmt::format("tarn_stream_rolled_sequence{{stream=\"{}\"}} {}\n", info.name, info.rolled_sequence);
    TARN_TRY(append_subscription_metrics(call, out));
    net::Response response;
    response.content_type = "text/plain; version=0.0.4";
    response.body = std::move(out);
    return response;
}

Result<net::Response> list_projections(Call& call) {
    TARN_ASSIGN(const auto specs, call.engine.state().projections());
    codec::Json items = codec::Json::array();
    for (const auto& spec : specs) {
        codec::Json json;
        json.set("name", spec.name)
            .set("version", spec.version())
            .set("stream", spec.stream)
            .set("store", spec.store);
        items.push(std::move(json));
    }
    return json_response(list_document(std::move(items)));
}

}  // namespace

void Api::add_operation_routes() {
    add("POST", "/v1/imports", "capture", create_import);
    add("GET", "/v1/jobs", "read", list_jobs);
    add("GET", "/v1/jobs/{}", "read", show_job);
    add("POST", "/v1/jobs/{}/cancel", "run", cancel_job);
    add("POST", "/v1/apply", "configure", apply);
    add("GET", "/v1/projections", "read", list_projections);
    add("GET", "/v1/quarantine", "read", list_quarantine);
    add("GET", "/v1/quarantine/{}", "read", show_quarantine);
    add("POST", "/v1/check", "read", check_files);
    add("GET", "/v1/status", "read", status);
    add("GET", "/healthz", "health", health);
    add("GET", "/readyz", "health", ready);
    add("GET", "/metrics", "read", metrics);
}

}  // namespace tarn::server
