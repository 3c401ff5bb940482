// tarn subscription: list, show, wait, pause, resume.
#include <fmt/core.h>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "os/clock.h"

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

std::string words(const codec::Json& status) {
    return fmt::format("{}: {} matched = {} delivered + {} pending + {} held + {} dead + {} discarded",
                       status["name"].as_string(), status["matched"].as_uint(), status["delivered"].as_uint(),
                       status["pending"].as_uint(), status["held"].as_uint(), status["dead"].as_uint(),
                       status["discarded"].as_uint());
}

// Why nothing will move any more without somebody's help; "" when it will.
std::string standstill(const codec::Json& status) {
    if (status["state"].as_string() == "paused") return "it is paused";
    return status["trouble"].as_string();
}

bool is_settled(const codec::Json& status) {
    return status["lag"].as_uint() == 0 && status["pending"].as_uint() == 0 && !status["redriving"].as_bool();
}

// Until all that was captured before has been looked at and nothing is under way.
Result<int> wait(Context& context) {
    constexpr std::int64_t shortest_us = 5'000, longest_us = 200'000;
    TARN_ASSIGN(Client * client, context.client());
    const auto clock = os::make_real_clock();
    for (std::int64_t pause = shortest_us;; pause = std::min(longest_us, pause * 2)) {
        TARN_ASSIGN(const codec::Json status, client->get(path_of(context)));
        if (is_settled(status)) {
            context.out.end_progress();
            if (context.wants_document()) context.out.document(status);
            context.out.note(words(status));
            const bool all_done = status["dead"].as_uint() == 0 && status["held"].as_uint() == 0;
            if (!all_done) context.out.note("next: tarn dlq list");
            return all_done ? 0 : 3;
        }
        if (const std::string why = standstill(status); !why.empty()) {
            context.out.end_progress();
            context.out.note(fmt::format("{}\nit does not move: {}", words(status), why));
            return 3;
        }
        if (interrupted()) return fail(Code::interrupted, "stopped waiting; the subscription goes on");
        context.out.progress(words(status));
        clock->sleep_us(pause);
    }
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
         "what feeds functions, streams and services, and how far it is",
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
        {"subscription wait",
         "until it has delivered all that was captured before",
         {name},
         {},
         "Example:\n  tarn import bank events/ && tarn subscription wait ledger\n\nExit 3 when dead letters, "
         "or "
         "events held behind them, are left, and when it is paused, its function cannot run or its service "
         "cannot be "
         "reached.",
         wait},
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
