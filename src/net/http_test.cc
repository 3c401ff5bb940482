#include "net/http.h"

#include <gtest/gtest.h>

#include "codec/json.h"

namespace tarn::net {
namespace {

TEST(ErrorBody, IsTheContracts) {
    Error error =
        make_error(Code::json_syntax, "expected a value, found \"x\"",
                   {.place = {.source = "body", .line = 2, .column = 17, .byte = 211}, .next = "correct it"});
    const Response response = error_response(error);
    EXPECT_EQ(response.status, 400);
    EXPECT_EQ(response.content_type, "application/json");
    const auto body = codec::Json::parse(response.body);
    ASSERT_TRUE(body);
    const codec::Json& parts = (*body)["error"];
    EXPECT_EQ(parts["code"].as_string(), "TARN-1203");
    EXPECT_EQ(parts["kind"].as_string(), "invalid");
    EXPECT_EQ(parts["message"].as_string(), error.message);
    EXPECT_EQ(parts["where"]["source"].as_string(), "body");
    EXPECT_EQ(parts["where"]["line"].as_int(), 2);
    EXPECT_EQ(parts["where"]["column"].as_int(), 17);
    EXPECT_EQ(parts["where"]["byte"].as_int(), 211);
    EXPECT_EQ(parts["next"].as_string(), "correct it");
}

TEST(ErrorBody, ComesBackAsTheSameError) {
    const Error error =
        make_error(Code::plan_stale, "object 7 vanished",
                   {.place = {.source = "plan x", .byte = 0}, .next = "plan again", .excerpt = "…"});
    const Response response = error_response(error);
    const Error back = parse_error_response(response.status, response.body);
    EXPECT_EQ(back.code, error.code);
    EXPECT_EQ(back.kind, error.kind);
    EXPECT_EQ(back.message, error.message);
    EXPECT_EQ(back.place.source, "plan x");
    EXPECT_EQ(back.place.byte, 0u);
    EXPECT_EQ(back.next, error.next);
    EXPECT_EQ(back.excerpt, error.excerpt);
}

TEST(ErrorBody, AsksToRetryWhenItIsBusy) {
    EXPECT_TRUE(find_header(error_response(make_error(Code::log_overloaded, "x")).headers, "retry-after"));
    EXPECT_TRUE(find_header(error_response(make_error(Code::log_poisoned, "x")).headers, "retry-after"));
    EXPECT_FALSE(find_header(error_response(make_error(Code::json_syntax, "x")).headers, "retry-after"));
}

TEST(ErrorBody, IsJsonWhateverIsQuoted) {
    const Response response = error_response(make_error(Code::json_syntax, "found \xFF\x01\"\n"));
    const auto body = codec::Json::parse(response.body);
    ASSERT_TRUE(body) << response.body;
    EXPECT_EQ((*body)["error"]["message"].as_string(), "found \xEF\xBF\xBD\x01\"\n");
}

TEST(ErrorBody, OfOthersIsQuoted) {
    const Error error = parse_error_response(502, "<html>bad\ngateway</html>");
    EXPECT_EQ(error.code, Code::bad_answer);
    EXPECT_EQ(error.kind, ErrorKind::outcome_unknown);
    EXPECT_EQ(error.message, "the other side answered 502: <html>bad gateway</html>");
    EXPECT_EQ(parse_error_response(404, "").kind, ErrorKind::not_found);
    EXPECT_EQ(parse_error_response(429, "{}").kind, ErrorKind::overloaded);
    EXPECT_EQ(parse_error_response(400, "[1]").kind, ErrorKind::invalid);
    EXPECT_EQ(parse_error_response(400, R"({"error":"text"})").code, Code::bad_answer);
}

TEST(ErrorBody, OfANewerTarnKeepsItsKind) {
    const Error error =
        parse_error_response(409, R"({"error":{"code":"TARN-9998","kind":"stale","message":"m"}})");
    EXPECT_EQ(error.code, Code::internal);
    EXPECT_EQ(error.kind, ErrorKind::stale);
    EXPECT_EQ(parse_error_response(409, R"({"error":{"code":"x","kind":"y","message":"m"}})").kind,
              ErrorKind::conflict);
}

TEST(PercentEncoding, ComesBack) {
    std::string all;
    for (int c = 0; c < 256; ++c) all.push_back(static_cast<char>(c));
    EXPECT_EQ(percent_decode(percent_encode(all), false), all);
    EXPECT_EQ(percent_decode(percent_encode(all), true), all);
    EXPECT_EQ(percent_encode("a b/c~"), "a%20b%2Fc~");
}

TEST(PercentEncoding, IsStrict) {
    EXPECT_EQ(percent_decode("a+b", true), "a b");
    EXPECT_EQ(percent_decode("a+b", false), "a+b");
    for (const char* bad : {"%", "%4", "%4g", "%g4", "a%", "%%41"})
        EXPECT_EQ(percent_decode(bad, false), std::nullopt) << bad;
}

TEST(Headers, FirstOneCounts) {
    const Headers headers = {{"a", "1"}, {"b", "2"}, {"a", "3"}};
    EXPECT_EQ(find_header(headers, "a"), "1");
    EXPECT_EQ(find_header(headers, "c"), std::nullopt);
}

}  // namespace
}  // namespace tarn::net
