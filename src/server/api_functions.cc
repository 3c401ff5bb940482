// Routes of functions.
#include <fmt/core.h>

#include "codec/base64.h"
#include "server/api.h"

namespace tarn::server {
namespace {

Result<functions::FunctionStatus> status_of(Engine& engine, const functions::FunctionSpec& spec) {
    functions::FunctionStatus status{.spec = spec, .state = "stopped"};
    if (engine.processing().started()) {
        TARN_ASSIGN(auto* host, engine.processing().host());
        if (auto running = host->find(spec.name)) return *running;
    }
    const auto version = functions::code_version(spec, engine.fs());
    if (version)
        status.version = *version;
    else
        status.last_error = version.error().text();
    return status;
}

Result<net::Response> list_functions(Call& call) {
    TARN_ASSIGN(const auto specs, call.engine.processing().functions());
    codec::Json items = codec::Json::array();
    for (const auto& spec : specs) {
        TARN_ASSIGN(const auto status, status_of(call.engine, spec));
        items.push(status.to_json());
    }
    return json_response(list_document(std::move(items)));
}

// With the subscriptions that feed it.
Result<net::Response> show_function(Call& call) {
    TARN_ASSIGN(const auto spec, call.engine.processing().function(call.arguments[0]));
    TARN_ASSIGN(const auto status, status_of(call.engine, spec));
    TARN_ASSIGN(const auto subscriptions, call.engine.processing().subscriptions());
    codec::Json names = codec::Json::array();
    for (const auto& each : subscriptions)
        if (each.function == spec.name) names.push(each.name);
    codec::Json json = versioned_document(status.to_json());
    json.set("subscriptions", std::move(names));
    return json_response(std::move(json));
}

codec::Json result_json(const functions::InvocationResult& result) {
    codec::Json json = codec::Json::object({{"end", functions::invocation_end_name(result.end)}});
    json.set("request_id", result.request_id)
        .set("version", result.version)
        .set("duration_us", result.duration_us);
    if (result.end == functions::InvocationEnd::returned) {
        const auto answer = codec::Json::parse(result.payload);
        json.set("result", answer ? *answer : codec::Json(result.payload));
    } else {
        json.set("error_type", result.error_type).set("message", result.error_message);
        const auto stack = codec::Json::parse(result.stack_trace);
        json.set("stack", stack ? *stack : codec::Json());
    }
    json.set("logs", result.log_tail);
    return json;
}

// As Lambda's Invoke takes it: base64 of {"custom":{…}}.
Result<std::string> client_context(const net::Request& request) {
    const auto header = request.header("x-amz-client-context");
    if (!header) return "";
    const auto text = codec::base64_decode(*header);
    const auto context = text ? codec::Json::parse(*text) : Result<codec::Json>(codec::Json());
    if (!context || !context->is_object())
        return fail(Code::bad_usage,
                    "the client context is not a JSON object (over HTTP: base64 in X-Amz-Client-Context)",
                    {.next = "for example {\"custom\":{\"TARN_POSITION\":\"0:41\"}}"});
    return context->dump();  // on one line, as a header needs it
}

Result<net::Response> invoke_function(Call& call) {
    const auto valid = codec::validate_json(call.request.body, {.max_bytes = 6u << 20});
    if (!valid) return fail(valid.error());
    TARN_ASSIGN(std::string context, client_context(call.request));
    TARN_ASSIGN(const auto result,
                call.engine.processing().invoke(call.arguments[0],
                                                {std::move(call.request.body), std::move(context)}));
    return json_response(versioned_document(result_json(result)));
}

Result<net::Response> function_logs(Call& call) {
    TARN_TRY(call.parameters({"limit", "request", "after"}));
    functions::LogSelection selection;
    TARN_ASSIGN(selection.limit, call.number("limit", selection.limit));
    TARN_ASSIGN(selection.after, call.number("after", 0));
    selection.request_id = std::string(call.request.parameter("request").value_or(""));
    TARN_TRY(call.engine.processing().function(call.arguments[0]));
    TARN_ASSIGN(auto* host, call.engine.processing().host());
    codec::Json items = codec::Json::array();
    for (const auto& line : host->logs(call.arguments[0], selection))
        items.push(codec::Json::object({{"at", format_rfc3339(line.at)},
                                        {"instance", line.instance},
                                        {"request_id", line.request_id},
                                        {"text", line.text},
                                        {"number", line.number}}));
    return json_response(list_document(std::move(items)));
}

}  // namespace

void Api::add_function_routes() {
    add("GET", "/v1/functions", "read", list_functions);
    add("GET", "/v1/functions/{}", "read", show_function);
    add("POST", "/v1/functions/{}/invoke", "run", invoke_function);
    add("GET", "/v1/functions/{}/logs", "read", function_logs);
}

}  // namespace tarn::server
