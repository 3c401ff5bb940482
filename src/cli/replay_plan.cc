// tarn replay plan: resolve a selection and freeze it.
#include <fmt/core.h>

#include "cli/commands.h"
#include "cli/steps.h"
#include "cli/text_argument.h"
#include "os/real_file_system.h"
#include "report/report.h"

namespace tarn::cli {
namespace {

Result<codec::Json> id_list(const std::string& file) {
    const auto fs = os::make_real_file_system();
    TARN_ASSIGN(const std::string text, os::read_file(*fs, file));
    codec::Json ids = codec::Json::array();
    std::string_view rest = text;
    while (!rest.empty()) {
        const auto end = rest.find('\n');
        std::string_view line = rest.substr(0, end);
        rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (!line.empty()) ids.push(line);
    }
    return ids;
}

}  // namespace

Result<codec::Json> plan_request(Context& context) {
    const Arguments& given = context.arguments;
    codec::Json body = codec::Json::object();
    const std::pair<const char*, const char*> plain[] = {
        {"STREAM", "stream"},
        {"--since", "since"},
        {"--until", "until"},
        {"--where", "where"},
        {"--sql", "sql"},
        {"--rebuild", "rebuild"},
        {"--base", "base"},
        {"--into", "into"},
        {"--to", "target"},
        {"--order", "order"},
        {"--on-failure", "on_failure"},
        {"--pace", "pace"},
        {"--shape", "shape"},
        {"--name", "name"},
    };
    for (const auto& [option, member] : plain)
        if (const auto value = given.get(option)) body.set(member, *value);
    // The host may have another working directory.
    if (const std::string target = body["target"].as_string(); target.starts_with("file:"))
        body.set("target", "file:" + absolute_path(target.substr(5)));
    if (const auto snapshot = given.get("--from-snapshot")) body.set("base", *snapshot);
    for (const auto& [option, member] :
         {std::pair{"--all", "all"}, {"--ingested", "ingested"}, {"--again", "again"}})
        if (given.flag(option)) body.set(member, true);
    if (const auto pattern = given.get("--pattern")) {
        TARN_ASSIGN(std::string text, text_argument(*pattern));
        body.set("pattern", std::move(text));
    }
    if (const auto ids = given.get("--ids")) {
        TARN_ASSIGN(codec::Json list, id_list(*ids));
        body.set("ids", std::move(list));
    }
    for (const auto& name : given.all("--only")) {
        codec::Json only = body["only"];
        body.set("only", only.push(name));
    }
    if (given.get("--dead-letters"))
        return fail(Code::not_built,
                    "--dead-letters is not there yet in this version: dead letters come with subscriptions",
                    {.next = "select with --pattern, --where or --ids"});
    return body;
}

namespace {

Result<int> plan(Context& context) {
    TARN_ASSIGN(codec::Json body, plan_request(context));
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(const codec::Json plan, client->post("/v1/plans", body));
    if (context.out.is_for_people())
        context.out.data(report::render_plan_text(plan, context.out.colour()));
    else
        context.out.document(plan);
    return 0;
}

}  // namespace

std::vector<Command> plan_commands() {
    return {
        {"replay plan",
         "resolve a selection, freeze it, and show what a run would do; nothing is sent",
         {{"STREAM", "which stream; not with --rebuild", false}},
         {{"--since", "T", "event time from (inclusive)"},
          {"--until", "T", "event time to (exclusive)"},
          {"--ingested", "", "--since and --until mean ingest time"},
          {"--pattern", "JSON|FILE", "events that match"},
          {"--where", "SQL", "a condition over the columns of <stream>.events"},
          {"--sql", "SQL", "a SELECT that gives tarn_partition and tarn_offset"},
          {"--ids", "FILE", "event ids or positions P:O, one a line"},
          {"--dead-letters", "GROUP", "(later)"},
          {"--from-snapshot", "S", "the base, for a projection or function target"},
          {"--all", "", "everything, said explicitly"},
          {"--rebuild", "STORE", "all that feeds the store after the base, into a copy"},
          {"--to", "TARGET", "null:, file:PATH, stream:NAME, projection:NAME, function:NAME, http(s)://…"},
          {"--into", "COPY", "a copy of the store, STORE@NAME or NAME"},
          {"--base", "BASE", "what the copy starts from: a snapshot, empty or live"},
          {"--order", "O", "key (default), total or none"},
          {"--on-failure", "F", "hold (default), continue or stop"},
          {"--pace", "P", "N/s, NMB/s, Nx of the original speed, or max (default)"},
          {"--shape", "S", "cloudevents (default), eventbridge or payload"},
          {"--only", "SUBSCRIPTION", "with stream: targets, who shall see the events", true},
          {"--name", "TEXT", "a name for people"},
          {"--again", "", "also what this target has had already"}},
         "Examples:\n  tarn replay plan bank --since 2024-03-01 --where \"type = 'cash_deposit'\" --to "
         "file:deposits.ndjson\n"
         "  tarn replay plan --rebuild accounts --base sn-0031 --into accounts@fix\n"
         "  tarn replay plan bank --all --to null:\n"
         "  tarn replay plan orders --since 2024-03-01 --to function:mailer\n"
         "  tarn replay plan orders --all --to stream:hydrate --only billing\n\n"
         "Exit codes: 0 frozen, 2 usage (no selection was given), 10 nothing is selected, 12 the target "
         "may not be written, or a function or type is marked replay: never",
         plan,
         false,
         "text"}};
}

}  // namespace tarn::cli
