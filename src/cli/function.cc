// tarn function: list, invoke, logs.
#include <fmt/core.h>

#include "cli/commands.h"
#include "cli/text_argument.h"

namespace tarn::cli {
namespace {

std::string path_of(Context& context) {
    return "/v1/functions/" + net::percent_encode(context.arguments.get_or("NAME", ""));
}

Result<int> list(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(const codec::Json functions, client->get("/v1/functions"));
    context.out.list(functions, {"name", "state", "runtime", "running", "busy", "waiting", "invocations",
                                 "errors", "timeouts", "crashes", "version", "last_error"});
    return 0;
}

void print_failure(Context& context, const codec::Json& answer) {
    context.out.note(fmt::format("{}: {}: {}", answer["end"].as_string(),
                                 printable(answer["error_type"].as_string()),
                                 printable(answer["message"].as_string())));
    for (const auto& frame : answer["stack"].elements())
        context.out.note("  " + printable(frame.is_string() ? frame.as_string() : frame.dump()));
}

Result<int> invoke(Context& context) {
    TARN_ASSIGN(const std::string event, text_argument(context.arguments.get_or("--event", "-")));
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(const std::string body,
                client->send(make_request("POST", path_of(context) + "/invoke", event)));
    TARN_ASSIGN(const codec::Json answer, codec::Json::parse(body));
    const bool returned = answer["end"].as_string() == "returned";
    if (context.out.format() == Format::json || !context.out.is_for_people()) {
        context.out.document(answer);
        return returned ? 0 : 1;
    }
    if (returned)
        context.out.line(answer["result"].dump_pretty());
    else
        print_failure(context, answer);
    if (const std::string& logs = answer["logs"].as_string(); !logs.empty())
        context.out.note(printable(logs));
    context.out.note(fmt::format("{} · version {}", format_duration(answer["duration_us"].as_int()),
                                 answer["version"].as_string()));
    return returned ? 0 : 1;
}

Result<int> logs(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(const codec::Json lines,
                client->get(path_of(context) + "/logs?limit=" +
                            net::percent_encode(context.arguments.get_or("--limit", "200"))));
    context.out.list(lines, {"at", "instance", "request_id", "text"});
    return 0;
}

}  // namespace

std::vector<Command> function_commands() {
    const Positional name{"NAME", "as declared in tarn.yaml"};
    return {
        {"function list",
         "functions, and what their instances are doing",
         {},
         {},
         "Example:\n  tarn function list\n",
         list},
        {"function invoke",
         "call one with an event and print its answer",
         {name},
         {{"--event", "FILE", "JSON, a file with it, or - (default)"}},
         "Examples:\n  tarn function invoke ledger --event deposit.json\n  tarn get bank 0:7 | tarn function "
         "invoke "
         "ledger\n\nRuns the function in this process when no server serves the directory. The function's "
         "own "
         "effects are real.\n\nExit codes: 0 it answered, 1 it failed",
         invoke},
        {"function logs",
         "what its instances printed, oldest first",
         {name},
         {{"--limit", "N", "lines, default 200; the server keeps the last 1,000"}},
         "Example:\n  tarn function logs ledger\n",
         logs},
    };
}

}  // namespace tarn::cli
