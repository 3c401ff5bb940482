// tarn replay from: sources outside the lake are imported byte by byte, once, then planned and run.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "cli/commands.h"
#include "cli/steps.h"
#include "report/report.h"

namespace tarn::cli {
namespace {

constexpr std::string_view go_on =
    "run the same command again: what was taken or sent is not taken or sent again";

constexpr std::array selections = {"--since", "--until", "--pattern", "--where", "--ids"};

// "backup/Orders 2024.ndjson.gz" → "from_orders_2024".
std::string stream_of(const std::string& source) {
    std::string name = std::filesystem::path(source).filename().string();
    if (name.empty()) name = std::filesystem::path(source).parent_path().filename().string();
    std::string made = "from_";
    for (const char c : name.substr(0, name.find('.'))) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        const bool upper = c >= 'A' && c <= 'Z';
        made += plain ? c : upper ? static_cast<char>(c - 'A' + 'a') : '_';
    }
    return made.substr(0, 64);
}

std::string stream_name(Context& context) {
    if (const auto name = context.arguments.get("--stream")) return *name;
    return stream_of(context.arguments.all("SOURCE").front());
}

// By which a later call of the same command finds what an earlier one began.
std::string plan_name(Context& context, const codec::Json& body) {
    std::string name = "from";
    for (const auto& source : context.arguments.all("SOURCE")) name += " " + source;
    for (const auto* option : selections)
        if (const auto value = context.arguments.get(option)) name += fmt::format(" {} {}", option, *value);
    return fmt::format("{} to {}", name, body["target"].as_string());
}

std::string stream_path(const std::string& stream) { return "/v1/streams/" + net::percent_encode(stream); }

Status ensure_stream(Context& context, Client& client, const std::string& stream) {
    const auto found = client.get(stream_path(stream));
    if (found) return {};
    if (found.error().code != Code::unknown_stream) return fail(found.error());
    TARN_ASSIGN(codec::Json settings, stream_settings(context));
    codec::Json body;
    body.set("name", stream).set("settings", std::move(settings));
    TARN_TRY(client.post("/v1/streams", body));
    return {};
}

// Everything in the stream will be selected, so nothing else may be in it. `read` counts every record of the
// sources, also those that an earlier call took.
Status check_nothing_else(Client& client, const std::string& stream, const codec::Json& counts) {
    TARN_ASSIGN(const codec::Json info, client.get(stream_path(stream)));
    const std::uint64_t held = info["events"].as_uint() + info["quarantined"].as_uint();
    const std::uint64_t read = counts["read"].as_uint();
    if (held <= read) return {};
    return fail(
        Code::bad_usage,
        fmt::format("stream {} holds {} that did not come from these sources", stream,
                    format_count(held - read)),
        {.next = "give these sources a stream of their own with --stream NAME, or select from this one "
                 "with: tarn replay plan " +
                 stream});
}

// The newest run that an earlier call of the same command began; null when there is none.
Result<codec::Json> earlier_run(Client& client, const std::string& name) {
    TARN_ASSIGN(const codec::Json plans, client.get("/v1/plans"));
    TARN_ASSIGN(const codec::Json runs, client.get("/v1/runs"));
    const auto& made = plans["items"].elements();
    for (const auto& run : runs["items"].elements()) {
        const bool ours = std::ranges::any_of(made, [&](const codec::Json& plan) {
            return plan["plan"] == run["plan"] && plan["name"].as_string() == name;
        });
        if (ours) return run;
    }
    return codec::Json();
}

bool is_over(const codec::Json& run) {
    return run["state"].as_string() == "finished" || run["state"].as_string() == "cancelled";
}

bool all_went_well(const codec::Json& run) {
    const codec::Json& counts = run["counts"];
    return counts["acknowledged"].as_uint() + counts["skipped"].as_uint() == counts["selected"].as_uint();
}

Result<int> go_on_with(Context& context, Client& client, const codec::Json& run) {
    const std::string id = run["run"].as_string();
    if (run["state"].as_string() == "running")
        return fail(Code::run_state, fmt::format("{} is doing this already", id),
                    {.next = fmt::format("watch it: tarn replay show {} --watch", id)});
    context.out.note(fmt::format("going on with {}, which an earlier call began", id));
    TARN_ASSIGN(const codec::Json started,
                client.post(fmt::format("/v1/runs/{}/resume", id), codec::Json::object()));
    return follow_run(context, started);
}

Result<codec::Json> make_plan(Context& context, Client& client, const std::string& stream, codec::Json body,
                              const std::string& name) {
    const bool selects = std::ranges::any_of(
        selections, [&](const char* option) { return context.arguments.get(option).has_value(); });
    body.set("stream", stream).set("name", name);
    if (!selects) body.set("all", true);
    TARN_ASSIGN(codec::Json plan, client.post("/v1/plans", body));
    context.out.note(
        report::render_plan_text(plan, context.out.stderr_is_terminal() && context.out.colour()));
    return plan;
}

Result<int> from(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    // Unreadable files of the selection are found before gigabytes are imported.
    TARN_ASSIGN(codec::Json body, plan_request(context));
    const std::string stream = stream_name(context), name = plan_name(context, body);
    TARN_TRY(ensure_stream(context, *client, stream));
    Imported imported;
    const Status done = import_sources(context, stream, false, std::string(go_on), imported);
    if (imported.counts.is_object())
        context.out.note(fmt::format("stream {}: {}", stream, import_text(imported)));
    TARN_TRY(done);
    TARN_TRY(check_nothing_else(*client, stream, imported.counts));
    TARN_ASSIGN(const codec::Json earlier, earlier_run(*client, name));
    if (earlier.is_object() && !is_over(earlier)) return go_on_with(context, *client, earlier);
    const bool nothing_new = imported.counts["accepted"].as_uint() == 0 && !context.arguments.flag("--again");
    if (earlier.is_object() && nothing_new && all_went_well(earlier)) {
        context.out.note(fmt::format("nothing is new since {}, which sent all of it; --again sends it again",
                                     earlier["run"].as_string()));
        print_report(context, earlier);
        return 0;
    }
    TARN_ASSIGN(const codec::Json plan, make_plan(context, *client, stream, std::move(body), name));
    if (context.arguments.flag("--plan-only")) {
        context.out.line(plan["plan"].as_string());
        return 0;
    }
    TARN_ASSIGN(const codec::Json request, run_request(context, plan["plan"].as_string()));
    TARN_ASSIGN(const codec::Json started, client->post("/v1/runs", request));
    return follow_run(context, started);
}

}  // namespace

std::vector<Command> from_commands() {
    return {{"replay from",
             "import sources from outside, once each, and replay them: import, plan and run in one",
             {{"SOURCE", "files, directories or globs; .gz, .zst, .tar and .zip are unpacked", true, true}},
             {{"--to", "TARGET", "where to, as of tarn replay plan"},
              {"--via", "FUNCTION", "function:NAME: what it makes of each payload is sent instead"},
              {"--stream", "NAME", "where they are kept; default from_<name of the first source>"},
              {"--format", "F", "auto, ndjson, json-array or file-per-event; default auto"},
              {"--records", "PATH", "the array of records inside each document, such as Records"},
              {"--name-pattern", "REGEX", "one event a file; named groups give attributes"},
              {"--key", "PATHS", "where the key is: paths into the data, the first that exists"},
              {"--id", "PATHS", "where the id is"},
              {"--type", "PATHS", "where the type is"},
              {"--time", "PATH:UNIT", "where the time is; unit s, ms, us, ns or rfc3339"},
              {"--since", "T", "event time from (inclusive)"},
              {"--until", "T", "event time to (exclusive)"},
              {"--pattern", "JSON|FILE", "only events that match"},
              {"--where", "SQL", "only events for which it is true"},
              {"--ids", "FILE", "only these event ids or positions"},
              {"--order", "O", "key (default), total or none"},
              {"--on-failure", "F", "hold (default), continue or stop"},
              {"--pace", "P", "N/s, NMB/s, Nx of the original speed, or max (default)"},
              {"--shape", "S", "cloudevents (default), eventbridge or payload"},
              {"--into", "COPY", "with projections and functions: a copy of their store"},
              {"--base", "BASE", "what the copy starts from: a snapshot, empty or live"},
              {"--only", "SUBSCRIPTION", "with stream: targets, who shall see the events", true},
              {"--allow", "NAME", "allow functions and types marked replay: ask", true},
              {"--again", "", "also what this target has had already"},
              {"--plan-only", "", "stop behind the plan and print its name"}},
             "Examples:\n  tarn replay from orders.json.gz --to stream:orders\n"
             "  tarn replay from events/ --name-pattern '(?P<type>.+)_(?P<id>[^_]+)\\.event$' --to "
             "function:ledger --allow ledger\n"
             "  tarn replay from 'AWSLogs/**/*.json.gz' --records Records --pattern failed.json --to "
             "file:failed.ndjson\n\n"
             "The sources are kept, byte by byte, in a stream of their own and can be replayed from there "
             "again. After any\n"
             "interruption run the same command again: what was taken is not taken twice, and a run that was "
             "begun is resumed.\n\n"
             "Exit codes: as of tarn replay run; 1 when a source could not be read, before anything is sent",
             from,
             false,
             "text"}};
}

}  // namespace tarn::cli
