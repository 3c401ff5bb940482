#include "functions/runtime_api.h"

#include <gtest/gtest.h>

#include "codec/base64.h"

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
