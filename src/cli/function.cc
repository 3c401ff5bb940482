// tarn function: list, show, invoke, logs.
#include <fmt/core.h>

#include <chrono>
#include <thread>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/text_argument.h"
#include "codec/base64.h"

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

Result<int> show(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(const codec::Json function, client->get(path_of(context)));
    context.out.document(function);
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
    net::Request request = make_request("POST", path_of(context) + "/invoke", event);
    if (const auto given = context.arguments.get("--context")) {
        TARN_ASSIGN(const std::string client_context, text_argument(*given));
        request.headers.emplace_back("x-amz-client-context", codec::base64_encode(client_context));
    }
    TARN_ASSIGN(const std::string body, client->send(std::move(request)));
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

const std::vector<std::string> log_columns = {"at", "instance", "request_id", "text"};

std::string logs_path(Context& context, std::uint64_t after, std::string_view limit) {
    return fmt::format("{}/logs?limit={}&request={}&after={}", path_of(context), net::percent_encode(limit),
                       net::percent_encode(context.arguments.get_or("--request", "")), after);
}

// For people a line a line; the request's id is shortened to what tells two of them apart.
void print_lines(Context& context, const codec::Json& lines) {
    if (!context.out.is_for_people()) return context.out.list(lines, log_columns);
    for (const auto& line : lines["items"].elements()) {
        const std::string& request = line["request_id"].as_string();
        context.out.line(
            fmt::format("{}  {}  {}  {}", line["at"].as_string(), line["instance"].as_string(),
                        request.empty() ? std::string(12, '-') : request.substr(request.size() - 12),
                        printable(line["text"].as_string())));
    }
}

Result<int> follow_logs(Context& context, Client& client) {
    if (context.out.format() == Format::json || context.out.format() == Format::csv)
        return fail(Code::bad_usage, "tarn function logs --follow: one document needs an end",
                    {.next = "leave out --follow, or take a line each: -o ndjson"});
    if (client.in_process())
        return fail(Code::bad_usage, "functions run only under tarn up: there is nothing to follow",
                    {.next = "tarn up, then this command again"});
    constexpr auto pause = std::chrono::milliseconds(200);
    std::uint64_t after = 0;
    while (!interrupted() && !context.out.stdout_broken()) {
        TARN_ASSIGN(const codec::Json lines, client.get(logs_path(context, after, "1000")));
        print_lines(context, lines);
        context.out.flush();
        const auto& items = lines["items"].elements();
        if (!items.empty()) after = items.back()["number"].as_uint(after);
        std::this_thread::sleep_for(pause);
    }
    return 0;
}

Result<int> logs(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    if (context.arguments.flag("--follow")) return follow_logs(context, *client);
    const std::string limit = context.arguments.get_or("--limit", "200");
    TARN_ASSIGN(const codec::Json lines, client->get(logs_path(context, 0, limit)));
    print_lines(context, lines);
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
        {"function show",
         "one function: its declaration, its instances, why it does not start, who feeds it",
         {name},
         {},
         "Example:\n  tarn function show ledger\n",
         show},
        {"function invoke",
         "call one with an event and print its answer",
         {name},
         {{"--event", "FILE", "JSON, a file with it, or - (default)"},
          {"--context", "FILE", "the client context: JSON, or a file with it"}},
         "Examples:\n  tarn function invoke ledger --event deposit.json\n  tarn get bank 0:7 | tarn function "
         "invoke "
         "ledger\n  tarn function invoke ledger --event deposit.json --context "
         "'{\"custom\":{\"TARN_POSITION\":\"0:7\"}}'\n\nRuns the function in this process when no server "
         "serves the directory. The function's "
         "own "
         "effects are real.\n\nExit codes: 0 it answered, 1 it failed",
         invoke},
        {"function logs",
         "what its instances printed, oldest first",
         {name},
         {{"--limit", "N", "lines, default 200; the server keeps the last 1,000"},
          {"--request", "ID", "only what was printed during this invocation"},
          {"--follow", "", "and what comes, until Ctrl-C"}},
         "Examples:\n  tarn function logs ledger\n  tarn function logs ledger --follow\n",
         logs},
    };
}

}  // namespace tarn::cli
