// tarn dlq: list, show, edit, redrive, discard.
#include <fmt/core.h>

#include "cli/commands.h"
#include "cli/text_argument.h"

namespace tarn::cli {
namespace {

std::string path_of(Context& context) {
    return "/v1/dead-letters/" + net::percent_encode(context.arguments.get_or("GROUP", ""));
}

Result<int> list(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(const codec::Json groups, client->get("/v1/dead-letters"));
    context.out.list(groups, {"group", "subscription", "cause", "count", "held", "first", "last", "sample"});
    return 0;
}

Result<int> show(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(const codec::Json letters,
                client->get(path_of(context) +
                            "?limit=" + net::percent_encode(context.arguments.get_or("--limit", "100"))));
    if (!context.out.is_for_people() || letters["items"].size() != 1) {
        context.out.list(letters,
                         {"position", "subscription", "error_type", "message", "first", "last", "edited"});
        return 0;
    }
    context.out.document(letters["items"].elements().front());
    return 0;
}

Result<int> edit(Context& context) {
    TARN_ASSIGN(const std::string payload, text_argument(context.arguments.get_or("FILE", "-")));
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(const std::string body, client->send(make_request("PUT", path_of(context), payload)));
    TARN_ASSIGN(const codec::Json done, codec::Json::parse(body));
    if (context.wants_document()) {
        context.out.document(done);
        return 0;
    }
    context.out.line("- " + printable(done["before"].as_string()));
    context.out.line("+ " + printable(done["after"].as_string()));
    context.out.note(fmt::format("kept as a correction; the original stays. next: tarn dlq redrive '{}'",
                                 context.arguments.get_or("GROUP", "")));
    return 0;
}

// Says how many there are before it asks.
Result<int> act(Context& context, const char* verb, const char* done_word, const char* question) {
    TARN_ASSIGN(Client * client, context.client());
    codec::Json body = codec::Json::object({{"dry_run", true}});
    if (const auto limit = context.arguments.get("--limit"))
        body.set("limit", codec::Json::number_text(*limit));
    const std::string path = path_of(context) + "/" + verb;
    TARN_ASSIGN(codec::Json answer, client->post(path, body));
    const std::uint64_t count = answer[done_word].as_uint();
    if (!context.arguments.flag("--dry-run")) {
        TARN_TRY(context.confirm(fmt::format("{} {} dead letter{} of {}?", question, format_count(count),
                                             count == 1 ? "" : "s", context.arguments.get_or("GROUP", ""))));
        body.set("dry_run", false);
        TARN_ASSIGN(answer, client->post(path, body));
    }
    if (context.wants_document())
        context.out.document(answer);
    else
        context.out.line(fmt::format("{}{} {}", context.arguments.flag("--dry-run") ? "would be " : "",
                                     done_word, answer[done_word].as_uint()));
    return 0;
}
Result<int> redrive(Context& context) { return act(context, "redrive", "redriven", "Send again"); }
Result<int> discard(Context& context) { return act(context, "discard", "discarded", "Give up"); }

}  // namespace

std::vector<Command> dead_letter_commands() {
    const Positional group{"GROUP", "a group (dg-…) or a position ('bank 0:41')"};
    const Option dry{"--dry-run", "", "say how many, change nothing"};
    const Option limit{"--limit", "N", "the oldest N"};
    return {
        {"dlq list",
         "dead letters, grouped by cause",
         {},
         {},
         "Example:\n  tarn dlq list\n\nheld: later events of the same keys, which wait so that order is "
         "kept.",
         list},
        {"dlq show",
         "dead letters with every attempt",
         {group},
         {{"--limit", "N", "default 100"}},
         "Examples:\n  tarn dlq show dg-51c07a2e\n  tarn dlq show 'bank 0:41' -o json\n",
         show},
        {"dlq edit",
         "correct the payload of one; the original stays",
         {group, {"FILE", "JSON, a file with it, or - (default)", false}},
         {},
         "Example:\n  tarn dlq edit 'bank 0:41' fixed.json\n",
         edit},
        {"dlq redrive",
         "send them to their function again; what was held behind them follows",
         {group},
         {dry, limit},
         "Examples:\n  tarn dlq redrive dg-51c07a2e --dry-run\n  tarn dlq redrive dg-51c07a2e "
         "--yes\n\nIdentity and "
         "time of the events stay. Needs a server: functions run under tarn up.",
         redrive},
        {"dlq discard",
         "give them up; what was held behind them goes on",
         {group},
         {dry, limit},
         "Example:\n  tarn dlq discard 'bank 0:41' --yes\n",
         discard},
    };
}

}  // namespace tarn::cli
