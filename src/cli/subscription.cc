// tarn subscription: list, show, pause, resume.
#include <fmt/core.h>

#include "cli/commands.h"

namespace tarn::cli {
namespace {

std::string path_of(Context& context) {
    return "/v1/subscriptions/" + net::percent_encode(context.arguments.get_or("NAME", ""));
}

Result<int> list(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(const codec::Json all, client->get("/v1/subscriptions"));
    context.out.list(all, {"name", "stream", "to", "state", "matched", "delivered", "pending", "held", "dead",
                           "discarded", "lag", "trouble"});
    return 0;
}

Result<int> show(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(const codec::Json status, client->get(path_of(context)));
    context.out.document(status);
    if (status["dead"].as_uint() > 0) context.out.note("next: tarn dlq list");
    return 0;
}

Result<int> set_paused(Context& context, const char* verb) {
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(const codec::Json status, client->post(path_of(context) + "/" + verb, codec::Json::object()));
    if (context.wants_document())
        context.out.document(status);
    else
        context.out.note(fmt::format("{} is {}", status["name"].as_string(), status["state"].as_string()));
    return 0;
}
Result<int> pause(Context& context) { return set_paused(context, "pause"); }
Result<int> resume(Context& context) { return set_paused(context, "resume"); }

}  // namespace

std::vector<Command> subscription_commands() {
    const Positional name{"NAME", "as declared in tarn.yaml"};
    return {
        {"subscription list",
         "what feeds functions, and how far it is",
         {},
         {},
         "Example:\n  tarn subscription list\n\nmatched = delivered + pending + held + dead + discarded, at "
         "every "
         "instant. lag: sequences of the log that it has not looked at.",
         list},
        {"subscription show",
         "one, with its counts",
         {name},
         {},
         "Example:\n  tarn subscription show ledger\n",
         show},
        {"subscription pause",
         "deliver nothing until it is resumed; nothing is lost",
         {name},
         {},
         "Example:\n  tarn subscription pause ledger\n",
         pause},
        {"subscription resume", "go on", {name}, {}, "Example:\n  tarn subscription resume ledger\n", resume},
    };
}

}  // namespace tarn::cli
