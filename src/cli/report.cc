// tarn report: what happened, as text, JSON or one HTML page.
#include "report/report.h"

#include "cli/commands.h"

namespace tarn::cli {
namespace {

Result<int> show_report(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    const std::string path =
        "/v1/runs/" + net::percent_encode(context.arguments.get_or("RUN", "")) + "/report";
    std::string format = "text";
    switch (context.out.format()) {
        case Format::html:
            format = "html";
            break;
        case Format::json:
        case Format::ndjson:
            format = "json";
            break;
        default:
            break;
    }
    if (context.out.format() == Format::csv) {
        TARN_ASSIGN(const codec::Json report, client->get(path + "?format=json"));
        context.out.document(report);
        return 0;
    }
    TARN_ASSIGN(const std::string text, client->send(make_request("GET", path + "?format=" + format)));
    context.out.data(text);
    return 0;
}

}  // namespace

std::vector<Command> report_commands() {
    return {{"report",
             "what a run did, as text, JSON or one self-contained HTML page",
             {{"RUN", "such as rn-20"}},
             {},
             "Examples:\n  tarn report rn-20 -o text\n  tarn report rn-20 -o html > report.html\n",
             show_report,
             false,
             "text html"}};
}

}  // namespace tarn::cli
