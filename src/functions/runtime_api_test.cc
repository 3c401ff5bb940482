#include "functions/runtime_api.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <map>

#include "../../tests/shared_data.h"
#include "codec/base64.h"
#include "codec/json.h"

namespace tarn::functions {
namespace {

net::Request post(std::string path, std::string body, net::Headers headers = {}, net::Headers trailers = {}) {
    net::Request request;
    request.method = "POST";
    request.path = std::move(path);
    request.headers = std::move(headers);
    request.body = std::move(body);
    request.trailers = std::move(trailers);
    return request;
}

TEST(RuntimeApi, CallsAreRecognised) {
    net::Request next;
    next.method = "GET";
    next.path = "/2018-06-01/runtime/invocation/next";
    EXPECT_EQ(classify(next).kind, RuntimeCall::Kind::next);
    const auto response = classify(post("/2018-06-01/runtime/invocation/id-1/response", ""));
    EXPECT_EQ(response.kind, RuntimeCall::Kind::response);
    EXPECT_EQ(response.request_id, "id-1");
    EXPECT_EQ(classify(post("/2018-06-01/runtime/invocation/id-1/error", "")).kind, RuntimeCall::Kind::error);
    EXPECT_EQ(classify(post("/2018-06-01/runtime/init/error", "")).kind, RuntimeCall::Kind::init_error);
    for (const char* path : {"/", "/2018-06-01/runtime/invocation/id-1",
                             "/2018-06-01/runtime/invocation/id-1/other", "/2018-06-01/runtime/restore/next"})
        EXPECT_EQ(classify(post(path, "")).kind, RuntimeCall::Kind::unknown) << path;
}

// The bodies as the official clients of the languages send them.
TEST(RuntimeApi, ErrorsOfEveryRuntime) {
    const RuntimeCall call{RuntimeCall::Kind::error, "id-1"};
    const auto go = read_answer(call, post("", R"({"errorMessage":"bad amount","errorType":"errorString"})"));
    EXPECT_EQ(go.end, InvocationEnd::failed);
    EXPECT_EQ(go.error_type, "errorString");
    EXPECT_EQ(go.error_message, "bad amount");
    const auto node = read_answer(
        call, post("", R"({"errorType":"Error","errorMessage":"m","trace":["Error: m","  at x"]})"));
    EXPECT_EQ(node.stack_trace, R"(["Error: m","  at x"])");
    const auto rust =
        read_answer(call, post("", R"({"errorType":"alloc::string::String","errorMessage":"m"})",
                               {{"lambda-runtime-function-error-type", "unhandled"}}));
    EXPECT_EQ(rust.error_type, "alloc::string::String");
    const auto garbage = read_answer(call, post("", "\xff not json"));
    EXPECT_EQ(garbage.error_type, "Unhandled");
    EXPECT_EQ(garbage.error_message, "\xff not json");
}

// A stream that fails after it began: by trailers (Go, Node), or by the same lines as its last data (Rust).
TEST(RuntimeApi, AStreamMayFailInTheMiddle) {
    const RuntimeCall call{RuntimeCall::Kind::response, "id-1"};
    const std::string error =
        codec::base64_encode(R"({"errorMessage":"mid-stream","errorType":"errorString"})");
    const auto trailers = read_answer(call, post("", "part\n", {{"trailer", "…"}},
                                                 {{"lambda-runtime-function-error-body", error},
                                                  {"lambda-runtime-function-error-type", "errorString"}}));
    EXPECT_EQ(trailers.end, InvocationEnd::failed);
    EXPECT_EQ(trailers.error_message, "mid-stream");
    EXPECT_EQ(trailers.payload, "");
    const std::string lines =
        "part\nLambda-Runtime-Function-Error-Type: Runtime.StreamError\r\n"
        "Lambda-Runtime-Function-Error-Body: " +
        error + "\r\n";
    const auto rust = read_answer(call, post("", lines, {{"trailer", "Lambda-Runtime-Function-Error-Type"}}));
    EXPECT_EQ(rust.end, InvocationEnd::failed);
    EXPECT_EQ(rust.error_message, "mid-stream");
    // One that announces no trailers may well answer such a text.
    EXPECT_EQ(read_answer(call, post("", lines)).payload, lines);
}

TEST(RuntimeApi, what_calls_itself_json_must_be_json) {
    const RuntimeCall call{RuntimeCall::Kind::response, "id-1"};
    const auto nan = read_answer(call, post("", "NaN", {{"content-type", "application/json"}}));
    EXPECT_EQ(nan.end, InvocationEnd::failed);
    EXPECT_EQ(nan.error_type, "Runtime.MarshalError");
    EXPECT_EQ(read_answer(call, post("", "NaN")).payload, "NaN") << "a stream is not JSON";
    EXPECT_EQ(read_answer(call, post("", "[1]", {{"content-type", "application/json"}})).payload, "[1]");
}

// ---- the recorded calls of the official clients

net::Headers headers_of(const codec::Json& lines) {
    net::Headers headers;
    for (const auto& line : lines.elements()) {
        const std::string& text = line.as_string();
        std::string name = text.substr(0, text.find(':'));
        std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
        headers.emplace_back(std::move(name), text.substr(text.find(':') + 2));
    }
    return headers;
}

net::Request request_of(const codec::Json& recorded) {
    net::Request request;
    const std::string& line = recorded["line"].as_string();
    request.method = line.substr(0, line.find(' '));
    request.path = line.substr(request.method.size() + 1, line.rfind(' ') - request.method.size() - 1);
    request.headers = headers_of(recorded["headers"]);
    request.trailers = headers_of(recorded["trailers"]);
    request.body = recorded["body"].as_string();
    return request;
}

// "failed ValueError" and the like, for what was recorded.
std::string reading_of(const codec::Json& recorded) {
    net::Request request = request_of(recorded);
    const RuntimeCall call = classify(request);
    using Kind = RuntimeCall::Kind;
    if (call.kind == Kind::next) return "next";
    if (call.kind == Kind::unknown) return "unknown " + request.path;
    const InvocationResult result = call.kind == Kind::init_error ? read_init_error(std::move(request))
                                                                  : read_answer(call, std::move(request));
    EXPECT_EQ(result.request_id, call.request_id);
    if (result.end == InvocationEnd::returned) return "returned";
    EXPECT_NE(result.error_message, "");
    EXPECT_EQ(result.payload, "");
    return fmt::format("{} {}", invocation_end_name(result.end), result.error_type);
}

TEST(RuntimeApi, what_the_official_clients_sent_is_understood) {
    const auto folder = test::shared_folder("oracles/wire");
    if (!folder) GTEST_SKIP() << "SKIPPED: the recorded calls are absent: set TARN_SHARED";
    std::map<std::string, int> readings;
    std::ifstream file(*folder / "runtime-api-calls.ndjson");
    for (std::string line; std::getline(file, line);) {
        const auto recorded = codec::Json::parse(line);
        ASSERT_TRUE(recorded) << recorded.error().text();
        ++readings[(*recorded)["client"].as_string() + ": " + reading_of(*recorded)];
    }
    const std::map<std::string, int> expected = {
        {"aws-lambda-go 1.55.1 stream: failed errorString", 1},
        {"aws-lambda-go 1.55.1 stream: next", 3},
        {"aws-lambda-go 1.55.1 stream: returned", 1},
        {"aws-lambda-go 1.55.1: failed SyntaxError", 1},
        {"aws-lambda-go 1.55.1: failed errorString", 1},
        {"aws-lambda-go 1.55.1: next", 5},
        {"aws-lambda-go 1.55.1: returned", 2},
        {"aws-lambda-java-runtime-interface-client 2.9.0 init error: init_failed "
         "java.lang.ExceptionInInitializerError",
         1},
        {"aws-lambda-java-runtime-interface-client 2.9.0: failed java.lang.IllegalStateException", 1},
        {"aws-lambda-java-runtime-interface-client 2.9.0: failed java.lang.RuntimeException", 1},
        {"aws-lambda-java-runtime-interface-client 2.9.0: next", 5},
        {"aws-lambda-java-runtime-interface-client 2.9.0: returned", 2},
        {"aws-lambda-ric 3.3.0 init error: init_failed Error", 1},
        {"aws-lambda-ric 3.3.0 stream: failed Error", 1},
        {"aws-lambda-ric 3.3.0 stream: next", 4},
        {"aws-lambda-ric 3.3.0 stream: returned", 2},
        {"aws-lambda-ric 3.3.0: failed RangeError", 1},
        {"aws-lambda-ric 3.3.0: failed SyntaxError", 1},
        {"aws-lambda-ric 3.3.0: next", 5},
        {"aws-lambda-ric 3.3.0: returned", 2},
        {"awslambdaric 4.2.2 init error: init_failed RuntimeError", 1},
        {"awslambdaric 4.2.2: failed Runtime.MarshalError", 2},
        {"awslambdaric 4.2.2: failed Runtime.UnmarshalError", 1},
        {"awslambdaric 4.2.2: failed ValueError", 1},
        {"awslambdaric 4.2.2: next", 7},
        {"awslambdaric 4.2.2: returned", 2},
        {"lambda_runtime 1.5.0 stream: failed Runtime.StreamError", 1},
        {"lambda_runtime 1.5.0 stream: next", 4},
        {"lambda_runtime 1.5.0 stream: returned", 2},
        {"lambda_runtime 1.5.0: failed &alloc::boxed::Box<dyn core::error::Error + core::marker::Send + "
         "core::marker::Sync>",
         1},
        {"lambda_runtime 1.5.0: failed &lambda_runtime::deserializer::DeserializeError", 1},
        {"lambda_runtime 1.5.0: next", 5},
        {"lambda_runtime 1.5.0: returned", 2},
    };
    EXPECT_EQ(readings, expected);
}

TEST(RuntimeApi, NextCarriesWhatRuntimesNeed) {
    const net::Response next = next_response("id-1", 1700000000123, "f", {"{}", R"({"custom":{}})"});
    EXPECT_EQ(next.status, 200);
    EXPECT_EQ(next.content_type, "application/json") << "three runtimes crash without it";
    const auto header = [&](std::string_view name) {
        for (const auto& [given, value] : next.headers)
            if (given == name) return value;
        return std::string("missing");
    };
    EXPECT_EQ(header("Lambda-Runtime-Aws-Request-Id"), "id-1");
    EXPECT_EQ(header("Lambda-Runtime-Deadline-Ms"), "1700000000123");
    EXPECT_EQ(header("Lambda-Runtime-Client-Context"), R"({"custom":{}})");
    EXPECT_EQ(accepted().status, 202) << "200 ends the runtimes of Go and Java";
}

}  // namespace
}  // namespace tarn::functions
