// tarn replay plan: resolve a selection and freeze it.
#include <fmt/core.h>

#include "cli/commands.h"
#include "cli/selection_flags.h"
#include "cli/steps.h"
#include "os/user.h"
#include "report/report.h"

namespace tarn::cli {
Result<codec::Json> plan_request(Context& context) {
    const Arguments& given = context.arguments;
    TARN_ASSIGN(codec::Json body, selection_given(given));
    const std::pair<const char*, const char*> plain[] = {
        {"--rebuild", "rebuild"}, {"--base", "base"},   {"--into", "into"},
        {"--to", "target"},       {"--order", "order"}, {"--on-failure", "on_failure"},
        {"--pace", "pace"},       {"--shape", "shape"}, {"--name", "name"},
        {"--via", "via"},
    };
    for (const auto& [option, member] : plain)
        if (const auto value = given.get(option)) body.set(member, *value);
    // The host may have another working directory.
    if (const std::string target = body["target"].as_string(); target.starts_with("file:"))
        body.set("target", "file:" + absolute_path(target.substr(5)));
    if (const auto snapshot = given.get("--from-snapshot")) body.set("base", *snapshot);
    if (given.flag("--again")) body.set("again", true);
    if (given.flag("--require-approval")) body.set("needs_approval", true).set("planner", os::user_name());
    for (const auto& name : given.all("--only")) {
        codec::Json only = body["only"];
        body.set("only", only.push(name));
    }
    return body;
}

namespace {

void print_plan(Context& context, const codec::Json& plan) {
    if (context.out.is_for_people())
        context.out.data(report::render_plan_text(plan, context.out.colour()));
    else
        context.out.document(plan);
}

Result<int> explain(Context& context, Client& client, const codec::Json& body) {
    TARN_ASSIGN(const codec::Json explained, client.post("/v1/plans?explain=true", body));
    if (context.out.is_for_people())
        context.out.data(report::render_explanation_text(explained));
    else
        context.out.document(explained);
    return 0;
}

Result<int> plan(Context& context) {
    TARN_ASSIGN(const codec::Json body, plan_request(context));
    TARN_ASSIGN(Client * client, context.client());
    if (context.arguments.flag("--explain")) return explain(context, *client, body);
    TARN_ASSIGN(const codec::Json plan, client->post("/v1/plans", body));
    print_plan(context, plan);
    return 0;
}

Result<int> approve(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    const codec::Json body = codec::Json::object({{"by", context.arguments.get_or("--as", os::user_name())}});
    const std::string path = "/v1/plans/" + net::percent_encode(context.arguments.get_or("PLAN", ""));
    TARN_ASSIGN(const codec::Json plan, client->post(path + "/approve", body));
    print_plan(context, plan);
    return 0;
}

std::vector<Option> plan_options() {
    std::vector<Option> options = selection_options();
    const std::vector<Option> others = {
        {"--rebuild", "STORE", "all that feeds the store after the base, into a copy"},
        {"--to", "TARGET",
         "null:, file:PATH, stream:NAME, projection:NAME, function:NAME, http(s)://…, exec:PROGRAM, "
         "target:NAME"},
        {"--via", "FUNCTION", "function:NAME: what it makes of each payload is sent instead"},
        {"--into", "COPY", "a copy of the store, STORE@NAME or NAME"},
        {"--base", "BASE", "what the copy starts from: a snapshot, empty or live"},
        {"--from-snapshot", "S", "the base, for a projection or function target"},
        {"--order", "O", "key (default), total or none"},
        {"--on-failure", "F", "hold (default), continue or stop"},
        {"--pace", "P", "N/s, NMB/s, Nx of the original speed, or max (default)"},
        {"--shape", "S", "cloudevents (default), eventbridge or payload"},
        {"--only", "SUBSCRIPTION", "with stream: targets, who shall see the events", true},
        {"--name", "TEXT", "a name for people"},
        {"--again", "", "also what this target has had already"},
        {"--explain", "", "what would be read and passed over, and why; freezes nothing"},
        {"--require-approval", "", "somebody else must approve it before it runs"},
    };
    options.insert(options.end(), others.begin(), others.end());
    return options;
}

}  // namespace

std::vector<Command> plan_commands() {
    return {{"replay plan",
             "resolve a selection, freeze it, and show what a run would do; nothing is sent",
             {{"STREAM", "which streams; not with --rebuild", false, true}},
             plan_options(),
             "Examples:\n  tarn replay plan bank --since 2024-03-01 --where \"type = 'cash_deposit'\" --to "
             "file:deposits.ndjson\n"
             "  tarn replay plan --rebuild accounts --base sn-0031 --into accounts@fix\n"
             "  tarn replay plan bank --all --to null:\n"
             "  tarn replay plan orders --since 2024-03-01 --to function:mailer\n"
             "  tarn replay plan orders --all --to stream:hydrate --only billing\n"
             "  tarn replay plan orders --all --to stream:anonymous --via function:redact\n"
             "  tarn replay plan --failed-of rn-3 --to http://127.0.0.1:9000/\n"
             "  tarn replay plan bank orders --keys A17 --since 3d --to null: --explain\n\n"
             "All that is given must hold; --except… takes away. docs/reference/replay-selections.md shows "
             "each way.\n"
             "Exit codes: 0 frozen, 2 usage (no selection was given), 10 nothing is selected, 12 the target "
             "may not be written, or a function or type is marked replay: never",
             plan,
             false,
             "text"},
            {"replay approve",
             "say that a plan made with --require-approval may run",
             {{"PLAN", "such as pl-7"}},
             {{"--as", "NAME", "whose approval it is; else the user of this system"}},
             "Example:\n  tarn replay approve pl-7 --as maria\n\n"
             "Exit codes: 0 approved, 5 the plan is stale, 12 it is the planner who asks",
             approve,
             false,
             "text"}};
}

}  // namespace tarn::cli
