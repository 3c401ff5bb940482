// tarn verify: is the result right?
#include <fmt/core.h>

#include "cli/commands.h"
#include "cli/text_argument.h"
#include "report/report.h"
#include "server/config_file.h"

namespace tarn::cli {
namespace {

codec::Json list_of(Context& context, std::string_view option) {
    codec::Json list = codec::Json::array();
    for (const auto& value : context.arguments.all(option)) list.push(value);
    return list;
}

// YAML or JSON; `expect:` may stand around the list.
Result<codec::Json> read_expectations(const std::string& file) {
    TARN_ASSIGN(const std::string text, text_argument(file));
    TARN_ASSIGN(const codec::Json read, server::read_yaml(text, file));
    return read.is_object() && read.size() == 1 && read["expect"].is_array() ? read["expect"] : read;
}

// --compare-outputs A B: the second name stands where nothing else is expected.
Status add_functions(Context& context, codec::Json& body) {
    const auto before = context.arguments.get("--compare-outputs"), after = context.arguments.get("FUNCTION");
    if (!before && !after) return {};
    if (!before || !after)
        return fail(Code::bad_usage,
                    before ? "--compare-outputs takes two functions" : fmt::format("what is {}?", *after),
                    {.next = "tarn verify PLAN --compare-outputs function:OLD function:NEW"});
    body.set("before", *before).set("after", *after).set("allow", list_of(context, "--allow"));
    return {};
}

Result<codec::Json> body_of(Context& context) {
    codec::Json body = codec::Json::object();
    TARN_TRY(add_functions(context, body));
    if (const auto against = context.arguments.get("--against")) body.set("against", *against);
    if (const auto url = context.arguments.get("--read-back")) body.set("read_back", *url);
    if (const auto file = context.arguments.get("--expect")) {
        TARN_ASSIGN(codec::Json expectations, read_expectations(*file));
        body.set("expect", std::move(expectations)).set("expect_name", *file);
    }
    body.set("ignore", list_of(context, "--ignore")).set("tolerance", list_of(context, "--tolerance"));
    return body;
}

Result<int> verify(Context& context) {
    TARN_ASSIGN(const codec::Json body, body_of(context));
    TARN_ASSIGN(Client * client, context.client());
    const std::string what = context.arguments.get_or("RUN", "");
    const bool is_plan = what.starts_with("pl-");
    if (is_plan && !body.has("before"))
        return fail(Code::bad_usage, fmt::format("{} is a plan: what it did is known of its runs", what),
                    {.next = "tarn replay list    or compare what two functions answer: --compare-outputs"});
    TARN_ASSIGN(
        const codec::Json result,
        client->post(fmt::format("/v1/{}/{}/verify", is_plan ? "plans" : "runs", net::percent_encode(what)),
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
             "reconcile a run's counts and hashes, re-read its target, compare state, outputs, expectations",
             {{"RUN", "such as rn-20; with --compare-outputs a plan, too"},
              {"FUNCTION", "the second function of --compare-outputs", false}},
             {{"--against", "SIDE", "snapshot:ID or store:NAME to compare the rebuilt state with"},
              {"--expect", "FILE", "rows that SELECTs over the store, or the lake, must give"},
              {"--read-back", "URL", "GET each event at a URL with {id}, {key} or {position}, and compare"},
              {"--compare-outputs", "FUNCTION",
               "give the frozen events to two functions and compare their answers"},
              {"--allow", "NAME", "for --compare-outputs: a function or type marked replay: ask", true},
              {"--ignore", "NAME", "do not compare this column, or this member of JSON", true},
              {"--tolerance", "NAME=N", "numbers of this column or member may lie so far apart", true}},
             "Examples:\n  tarn verify rn-20\n  tarn verify rn-20 --against snapshot:sn-0052 --tolerance "
             "balance=0.01\n"
             "  tarn verify rn-20 --expect balances.yaml\n"
             "  tarn verify rn-20 --read-back 'http://127.0.0.1:9000/orders/{id}'\n"
             "  tarn verify pl-3 --compare-outputs function:price function:price_new --ignore took_ms\n\n"
             "What is checked, and the form of an expectation file: docs/reference/verify.md\n\n"
             "Exit codes: 0 all checks hold, 4 differences were found",
             verify,
             false,
             "text"}};
}

}  // namespace tarn::cli
