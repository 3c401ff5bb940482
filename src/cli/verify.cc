// tarn verify: is the result right?
#include "cli/commands.h"
#include "report/report.h"

namespace tarn::cli {
namespace {

Result<int> verify(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    codec::Json body = codec::Json::object();
    if (const auto against = context.arguments.get("--against")) body.set("against", *against);
    codec::Json ignore = codec::Json::array();
    for (const auto& column : context.arguments.all("--ignore")) ignore.push(column);
    body.set("ignore", std::move(ignore));
    TARN_ASSIGN(
        const codec::Json result,
        client->post("/v1/runs/" + net::percent_encode(context.arguments.get_or("RUN", "")) + "/verify",
                     body));
    if (context.out.is_for_people())
        context.out.data(report::render_verify_text(result, context.out.colour()));
    else
        context.out.document(result);
    return result["equal"].as_bool() ? 0 : 4;
}

}  // namespace

std::vector<Command> verify_commands() {
    return {{"verify",
             "reconcile a run's counts and hashes, re-read its target, compare state",
             {{"RUN", "such as rn-20"}},
             {{"--against", "SIDE", "snapshot:ID or store:NAME to compare the rebuilt state with"},
              {"--ignore", "COLUMN", "do not compare this column", true}},
             "Examples:\n  tarn verify rn-20\n  tarn verify rn-20 --against snapshot:sn-0052\n\n"
             "Exit codes: 0 all checks hold, 4 differences were found",
             verify,
             false,
             "text"}};
}

}  // namespace tarn::cli
