// Routes of verification.
#include <fmt/core.h>

#include "server/api.h"
#include "verify/verify.h"

namespace tarn::server {
namespace {

Result<std::vector<std::string>> texts(const codec::Json& body, std::string_view member) {
    std::vector<std::string> list;
    for (const auto& text : body[member].elements()) list.push_back(text.as_string());
    if (!body[member].is_null() && !body[member].is_array())
        return fail(Code::bad_usage, fmt::format("\"{}\" must be a list of texts", member));
    return list;
}

Result<verify::Leniency> leniency_of(const codec::Json& body) {
    verify::Leniency leniency;
    TARN_ASSIGN(leniency.ignored, texts(body, "ignore"));
    TARN_ASSIGN(const auto tolerances, texts(body, "tolerance"));
    TARN_ASSIGN(leniency.tolerances, state::Tolerances::parse(tolerances));
    return leniency;
}

verify::Parts parts_of(Engine& engine) {
    return {engine.replay(), engine.lake(),  engine.state(),
            engine.query(),  engine.clock(), engine.stop_flag()};
}

Result<net::Response> compare(Call& call, const codec::Json& body) {
    for (const char* other : {"against", "read_back", "expect"})
        if (body.has(other))
            return fail(Code::bad_usage, fmt::format("{} does not go together with comparing outputs", other),
                        {.next = "verify twice: once for the run, once for the two functions"});
    verify::CompareRequest request{.plan_or_run = call.arguments[0],
                                   .before = body["before"].as_string(),
                                   .after = body["after"].as_string(),
                                   .allow = {}};
    if (request.before.empty() || request.after.empty())
        return fail(Code::bad_usage, "two functions are compared: \"before\" and \"after\"",
                    {.next = "tarn verify PLAN --compare-outputs function:OLD function:NEW"});
    TARN_ASSIGN(request.allow, texts(body, "allow"));
    TARN_ASSIGN(request.leniency, leniency_of(body));
    TARN_ASSIGN(codec::Json result, verify::compare_outputs(parts_of(call.engine), request));
    codec::Json data;
    data.set("before", request.before).set("after", request.after).set("equal", result["equal"]);
    TARN_TRY(call.engine.record("outputs.compared", request.plan_or_run, data));
    return json_response(std::move(result));
}

Result<net::Response> verify_run(Call& call) {
    TARN_TRY(call.engine.catch_up());
    TARN_ASSIGN(const codec::Json body, call.json({"against", "ignore", "tolerance", "read_back", "expect",
                                                   "expect_name", "before", "after", "allow"}));
    if (body.has("before") || body.has("after")) return compare(call, body);
    verify::VerifyRequest request{.run = call.arguments[0],
                                  .against = {},
                                  .read_back = {},
                                  .expect = body["expect"],
                                  .expect_name = body["expect_name"].as_string()};
    if (body.has("against")) request.against = body["against"].as_string();
    if (body.has("read_back")) request.read_back = body["read_back"].as_string();
    TARN_ASSIGN(request.leniency, leniency_of(body));
    TARN_ASSIGN(codec::Json result, verify::verify(parts_of(call.engine), request));
    codec::Json data;
    data.set("run", request.run)
        .set("equal", result["equal"])
        .set("differences", result["differences_total"]);
    TARN_TRY(call.engine.record("run.verified", request.run, data));
    return json_response(std::move(result));
}

Result<net::Response> verify_plan(Call& call) {
    TARN_ASSIGN(const codec::Json body, call.json({"before", "after", "allow", "ignore", "tolerance"}));
    return compare(call, body);
}

}  // namespace

void Api::add_verify_routes() {
    add("POST", "/v1/runs/{}/verify", "run", verify_run);
    add("POST", "/v1/plans/{}/verify", "run", verify_plan);
}

}  // namespace tarn::server
