// tarn replay run, resume, pause, cancel, pace, show, list, ledger.
#include <fmt/core.h>

#include <charconv>

#include "cli/commands.h"
#include "cli/run_watch.h"
#include "cli/steps.h"
#include "report/report.h"

namespace tarn::cli {

void print_report(Context& context, const codec::Json& report) {
    if (context.out.is_for_people())
        context.out.data(report::render_text(report, context.out.colour()));
    else
        context.out.document(report);
}

namespace {

// It paused itself after the first events, as it was asked to.
bool is_canary(const codec::Json& report) { return report["stop"]["because"].as_string() == "first"; }

// 3 when something failed, waits or is unknown.
int code_of(const codec::Json& report) {
    const codec::Json& counts = report["counts"];
    const bool open = counts["failed"].as_uint() + counts["held"].as_uint() + counts["unknown"].as_uint() > 0;
    if (is_canary(report)) return open ? 3 : 0;
    if (report["state"].as_string() == "interrupted" || report["state"].as_string() == "paused") return 130;
    return open ? 3 : 0;
}

Result<int> follow(Context& context, const std::string& run, const std::string& job) {
    const std::string next = fmt::format("tarn replay resume {}", run);
    auto report = watch_run(context, run, job);
    if (!report) {
        // Whatever stopped it, what was acknowledged is in the ledger; only a stale plan cannot go on.
        Error error = report.error();
        if (error.next.empty() && error.kind != ErrorKind::stale)
            error.next = next + "    (nothing that was acknowledged is sent again)";
        return fail(std::move(error));
    }
    print_report(context, *report);
    const int code = code_of(*report);
    if (code == 130)
        context.out.note(fmt::format("checkpoint: what was acknowledged will not be sent again\n  {}", next));
    if (is_canary(*report))
        context.out.note(
            fmt::format("{} paused itself after the first events: look at them, then\n  {}", run, next));
    return code;
}

Result<std::optional<std::uint64_t>> count_option(const Arguments& arguments, const std::string& option) {
    const auto text = arguments.get(option);
    if (!text) return std::nullopt;
    std::uint64_t count = 0;
    const auto [end, problem] = std::from_chars(text->data(), text->data() + text->size(), count);
    if (problem == std::errc() && end == text->data() + text->size()) return count;
    return fail(Code::bad_usage, fmt::format("{} \"{}\": expected a whole number", option, *text));
}

// What run and resume have in common.
Status add_options(Context& context, codec::Json& body) {
    const Arguments& given = context.arguments;
    TARN_TRY(wants_ndjson_progress(given));
    TARN_ASSIGN(const auto first, count_option(given, "--first"));
    TARN_ASSIGN(const auto max_failures, count_option(given, "--max-failures"));
    if (first.has_value() != given.flag("--pause"))
        return fail(Code::bad_usage,
                    "--first N and --pause go together: the run pauses after its first N events",
                    {.next = "for example: --first 10 --pause"});
    if (first) body.set("first", *first);
    if (max_failures) body.set("max_failures", *max_failures);
    if (const auto on_unknown = given.get("--on-unknown")) body.set("on_unknown", *on_unknown);
    return {};
}

}  // namespace

Result<int> follow_run(Context& context, const codec::Json& started) {
    return follow(context, started["run"].as_string(), started["job"].as_string());
}

Result<codec::Json> run_request(Context& context, const std::string& plan) {
    codec::Json body = codec::Json::object();
    TARN_TRY(add_options(context, body));
    body.set("plan", plan);
    codec::Json allow = codec::Json::array();
    for (const auto& name : context.arguments.all("--allow")) allow.push(name);
    return codec::Json(body.set("allow", std::move(allow)));
}

namespace {

Result<int> run(Context& context) {
    TARN_ASSIGN(const codec::Json body, run_request(context, context.arguments.get_or("PLAN", "")));
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(const codec::Json started, client->post("/v1/runs", body));
    return follow_run(context, started);
}

std::string path_of(Context& context) {
    return "/v1/runs/" + net::percent_encode(context.arguments.get_or("RUN", ""));
}

Result<int> resume(Context& context) {
    codec::Json body = codec::Json::object();
    TARN_TRY(add_options(context, body));
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(const codec::Json started, client->post(path_of(context) + "/resume", body));
    return follow_run(context, started);
}

Result<int> pause(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(const codec::Json asked, client->post(path_of(context) + "/pause", codec::Json::object()));
    context.out.document(asked);
    return 0;
}

Result<int> cancel(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(const codec::Json report, client->get(path_of(context)));
    TARN_TRY(context.confirm(fmt::format("Cancel {}? {} of {} events are not sent yet and will not be.",
                                         report["run"].as_string(),
                                         format_count(report["counts"]["remaining"].as_uint()),
                                         format_count(report["counts"]["selected"].as_uint()))));
    TARN_ASSIGN(const codec::Json cancelled,
                client->post(path_of(context) + "/cancel", codec::Json::object()));
    print_report(context, cancelled);
    return 0;
}

Result<int> pace(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    codec::Json body;
    body.set("pace", context.arguments.get_or("PACE", ""));
    TARN_ASSIGN(const codec::Json report, client->post(path_of(context) + "/pace", body));
    print_report(context, report);
    return 0;
}

Result<int> show(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    const std::string id = context.arguments.get_or("ID", "");
    if (id.starts_with("pl-")) {
        TARN_ASSIGN(const codec::Json plan, client->get("/v1/plans/" + net::percent_encode(id)));
        if (context.out.is_for_people())
            context.out.data(report::render_plan_text(plan, context.out.colour()));
        else
            context.out.document(plan);
        return 0;
    }
    TARN_TRY(wants_ndjson_progress(context.arguments));
    TARN_ASSIGN(const codec::Json report, client->get("/v1/runs/" + net::percent_encode(id)));
    const std::string job = report["job"].as_string();
    if (context.arguments.flag("--watch") && !job.empty()) return follow(context, id, job);
    print_report(context, report);
    return 0;
}

Result<int> list(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    if (context.arguments.flag("--plans")) {
        TARN_ASSIGN(const codec::Json plans, client->get("/v1/plans"));
        context.out.list(plans, {"plan", "name", "created", "events", "target"});
        return 0;
    }
    TARN_ASSIGN(const codec::Json runs, client->get("/v1/runs"));
    context.out.list(runs, {"run", "plan", "state", "started", "ended", "counts"});
    return 0;
}

Result<int> ledger(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    const bool as_lines = context.out.format() == Format::ndjson;
    std::vector<codec::Json> items;
    std::string pending;
    std::optional<Error> broken;
    const auto take = [&](std::string_view line) -> Status {
        // Only the last line can be {"complete":false,"error":…}.
        if (as_lines && !line.starts_with("{\"complete\":")) {
            context.out.line(line);
            return {};
        }
        TARN_ASSIGN(codec::Json entry, codec::Json::parse(line));
        if (entry.has("complete"))
            broken = error_in(entry);
        else
            items.push_back(std::move(entry));
        return {};
    };
    Status problem;
    const Status streamed =
        client->stream(make_request("GET", path_of(context) + "/ledger"), [&](std::string_view piece) {
            pending.append(piece);
            std::size_t at = 0;
            for (std::size_t end; problem && (end = pending.find('\n', at)) != std::string::npos;
                 at = end + 1)
                problem = take(std::string_view(pending).substr(at, end - at));
            pending.erase(0, at);
            return problem.has_value() && !context.out.stdout_broken();
        });
    TARN_TRY(problem);
    if (broken) return fail(std::move(*broken));
    TARN_TRY(streamed);
    if (as_lines) return 0;
    codec::Json document;
    document.set("schema_version", 1)
        .set("items", codec::Json::array(std::move(items)))
        .set("complete", true);
    context.out.list(document, {"position", "id", "outcome", "attempts", "at", "error"});
    return 0;
}

}  // namespace

std::vector<Command> run_commands() {
    const Positional run_id{"RUN", "such as rn-20"};
    const Option progress{"--progress", "FORM", "text (default) or ndjson, a document a second on stderr"};
    const std::vector<Option> limits = {
        {"--first", "N", "with --pause: pause by itself after N more events"},
        {"--pause", "", "see --first"},
        {"--max-failures", "N", "stop when more than N events failed or are unknown"},
        {"--on-unknown", "P",
         "hold (default): what was sent and not answered stays unknown; redo: it is sent again"},
        progress};
    std::vector<Option> run_options = {
        {"--allow", "NAME", "allow functions and types marked replay: ask", true}};
    run_options.insert(run_options.end(), limits.begin(), limits.end());
    const std::string keys =
        "\nOn a terminal: + and - double and halve the pace, p pauses, q or Ctrl-C leaves a server's run "
        "going (a "
        "run in\nthis process stops at a checkpoint). SIGUSR1 prints how far it is.\n";
    const std::string codes =
        "\nExit codes: 0 all acknowledged or skipped, 3 some failed, held or unknown, 5 the plan is stale, "
        "12 something is marked replay: ask and was not allowed, 130 stopped at a checkpoint (a run that "
        "paused "
        "itself after --first N: 0 or 3)";
    return {
        {"replay run",
         "execute exactly what a plan froze",
         {{"PLAN", "such as pl-7"}},
         run_options,
         "Examples:\n  tarn replay run pl-7\n  tarn replay run pl-7 --first 10 --pause\n  tarn replay run "
         "pl-7 "
         "--max-failures 100 --progress ndjson\n" +
             keys + codes,
         run,
         false,
         "text"},
        {"replay resume",
         "go on where a run stopped",
         {run_id},
         limits,
         "Example:\n  tarn replay resume rn-20\n" + keys + codes,
         resume,
         false,
         "text"},
        {"replay pause",
         "stop a run at a checkpoint; resume goes on",
         {run_id},
         {},
         "Example:\n  tarn replay pause rn-20\n",
         pause},
        {"replay cancel",
         "end a run for good; what was sent stays sent",
         {run_id},
         {},
         "Example:\n  tarn replay cancel rn-20 --yes\n",
         cancel,
         false,
         "text"},
        {"replay pace",
         "change the pace of a run",
         {run_id, {"PACE", "N/s, NMB/s, Nx or max"}},
         {},
         "Example:\n  tarn replay pace rn-20 500/s\n",
         pace,
         false,
         "text"},
        {"replay show",
         "a plan (pl-…) or a run (rn-…)",
         {{"ID", "pl-… or rn-…"}},
         {{"--watch", "", "a run that is under way: follow it to its end"}, progress},
         "Examples:\n  tarn replay show rn-20 -o json\n  tarn replay show rn-20 --watch\n" + keys,
         show,
         false,
         "text"},
        {"replay list",
         "all runs, newest first",
         {},
         {{"--plans", "", "plans instead"}},
         "Example:\n  tarn replay list --plans\n",
         list},
        {"replay ledger",
         "what was done to each event, one JSON line an event",
         {run_id},
         {},
         "Example:\n  tarn replay ledger rn-20 | jq -c 'select(.outcome != \"acknowledged\")'\n",
         ledger},
    };
}

}  // namespace tarn::cli
