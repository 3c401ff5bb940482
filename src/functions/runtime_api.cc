#include "functions/runtime_api.h"

#include <fmt/core.h>

#include "codec/base64.h"
#include "codec/json.h"

namespace tarn::functions {
namespace {

constexpr std::string_view base_path = "/2018-06-01/runtime/";
constexpr std::string_view type_header = "lambda-runtime-function-error-type";
constexpr std::string_view body_header = "lambda-runtime-function-error-body";

net::Response json_answer(int status, codec::Json body) {
    net::Response response;
    response.status = status;
    response.body = body.dump();
    return response;
}

std::string text_member(const codec::Json& error, std::string_view name) {
    const codec::Json& member = error[name];
    return member.is_string() ? member.as_string() : "";
}

// The error document as the runtimes write it: Node calls the stack `trace`, Go's errors have none.
void read_error_document(InvocationResult& result, std::string_view document) {
    const auto error = codec::Json::parse(document);
    if (!error || !error->is_object()) {
        if (result.error_message.empty()) result.error_message = std::string(document);
        return;
    }
    if (std::string type = text_member(*error, "errorType"); !type.empty())
        result.error_type = std::move(type);
    result.error_message = text_member(*error, "errorMessage");
    for (const std::string_view name : {"stackTrace", "trace"})
        if (const codec::Json& stack = (*error)[name]; stack.size() > 0) result.stack_trace = stack.dump();
}

void fail_in_stream(InvocationResult& result, std::string_view type, std::string_view body_base64) {
    result.end = InvocationEnd::failed;
    result.error_type = std::string(type);
    if (const auto document = codec::base64_decode(body_base64)) read_error_document(result, *document);
    result.payload.clear();  // the beginning of an answer is no answer
}

// The runtime of Rust ends a broken stream with the two trailer lines as data:
// "Lambda-Runtime-Function-Error-Type: T\r\nLambda-Runtime-Function-Error-Body: B\r\n".
bool cut_trailing_failure(std::string& payload, std::string& type, std::string& body) {
    constexpr std::string_view type_line = "Lambda-Runtime-Function-Error-Type: ";
    constexpr std::string_view body_line = "Lambda-Runtime-Function-Error-Body: ";
    if (!payload.ends_with("\r\n")) return false;
    const std::size_t second = payload.rfind(body_line);
    const std::size_t first = second == std::string::npos ? second : payload.rfind(type_line, second);
    if (first == std::string::npos) return false;
    const std::size_t type_end = payload.find("\r\n", first);
    const std::size_t body_end = payload.find("\r\n", second);
    if (type_end + 2 != second || body_end + 2 != payload.size()) return false;
    type = payload.substr(first + type_line.size(), type_end - first - type_line.size());
    body = payload.substr(second + body_line.size(), body_end - second - body_line.size());
    payload.resize(first);
    return true;
}

bool announces_trailers(const net::Request& request) {
    for (const auto& [name, value] : request.headers)
        if (name == "trailer") return true;
    return false;
}

// Clients that call every answer JSON also send what is none, such as NaN. A stream has another type or none.
void check_is_json(InvocationResult& result) {
    if (!result.content_type.starts_with("application/json")) return;
    const auto valid = codec::validate_json(result.payload, {.max_bytes = max_answer_bytes});
    if (valid) return;
    result.end = InvocationEnd::failed;
    result.error_type = "Runtime.MarshalError";
    result.error_message = fmt::format("it answered {} bytes of application/json that are not JSON: {}",
                                       result.payload.size(), valid.error().message);
    result.payload.clear();
}

void read_response(InvocationResult& result, net::Request request) {
    result.content_type = std::string(request.header("content-type").value_or(""));
    result.payload = std::move(request.body);
    if (const auto type = net::find_header(request.trailers, type_header)) {
        fail_in_stream(result, *type, net::find_header(request.trailers, body_header).value_or(""));
        return;
    }
    std::string type, body;
    if (announces_trailers(request) && request.trailers.empty() &&
        cut_trailing_failure(result.payload, type, body)) {
        fail_in_stream(result, type, body);
        return;
    }
    check_is_json(result);
}

}  // namespace

std::string_view invocation_end_name(InvocationEnd end) {
    switch (end) {
        case InvocationEnd::returned:
            return "returned";
        case InvocationEnd::failed:
            return "failed";
        case InvocationEnd::timed_out:
            return "timed_out";
        case InvocationEnd::crashed:
            return "crashed";
        case InvocationEnd::init_failed:
            return "init_failed";
        case InvocationEnd::refused:
            return "refused";
        case InvocationEnd::stopped:
            return "stopped";
        case InvocationEnd::recalled:
            return "recalled";
    }
    return "";
}

RuntimeCall classify(const net::Request& request) {
    std::string_view path = request.path;
    if (!path.starts_with(base_path)) return {};
    path.remove_prefix(base_path.size());
    if (request.method == "GET" && path == "invocation/next") return {RuntimeCall::Kind::next, ""};
    if (request.method != "POST") return {};
    if (path == "init/error") return {RuntimeCall::Kind::init_error, ""};
    constexpr std::string_view invocation = "invocation/";
    if (!path.starts_with(invocation)) return {};
    path.remove_prefix(invocation.size());
    const std::size_t slash = path.find('/');
    if (slash == std::string_view::npos) return {};
    const std::string_view what = path.substr(slash + 1);
    const std::string id(path.substr(0, slash));
    if (what == "response") return {RuntimeCall::Kind::response, id};
    if (what == "error") return {RuntimeCall::Kind::error, id};
    return {};
}

net::Response next_response(std::string_view request_id, std::int64_t deadline_epoch_ms,
                            std::string_view function, const Invocation& invocation) {
    net::Response response;
    response.headers = {
        {"Lambda-Runtime-Aws-Request-Id", std::string(request_id)},
        {"Lambda-Runtime-Deadline-Ms", std::to_string(deadline_epoch_ms)},
        {"Lambda-Runtime-Invoked-Function-Arn",
         fmt::format("arn:aws:lambda:us-east-1:000000000000:function:{}", function)},
        {"Lambda-Runtime-Trace-Id", "Root=1-00000000-000000000000000000000000;Sampled=0"},
    };
    if (!invocation.client_context.empty())
        response.headers.emplace_back("Lambda-Runtime-Client-Context", invocation.client_context);
    response.body = invocation.payload;
    return response;
}

net::Response accepted() {
    net::Response response;
    response.status = 202;
    response.body = R"({"status":"OK"})";
    return response;
}

net::Response refused(int status, std::string_view type, std::string_view message) {
    return json_answer(status, codec::Json::object({{"errorType", type}, {"errorMessage", message}}));
}

InvocationResult read_answer(const RuntimeCall& call, net::Request request) {
    InvocationResult result;
    result.request_id = call.request_id;
    if (call.kind == RuntimeCall::Kind::response) {
        read_response(result, std::move(request));
        return result;
    }
    result.end = InvocationEnd::failed;
    result.error_type = std::string(request.header(type_header).value_or("Unhandled"));
    read_error_document(result, request.body);
    return result;
}

InvocationResult read_init_error(net::Request request) {
    InvocationResult result;
    result.end = InvocationEnd::init_failed;
    result.error_type = std::string(request.header(type_header).value_or("Runtime.InitError"));
    read_error_document(result, request.body);
    return result;
}

}  // namespace tarn::functions
