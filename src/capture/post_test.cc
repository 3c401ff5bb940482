#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "capture/capture.h"
#include "capture/fakes.h"
#include "capture/post.h"
#include "capture/post_request.h"
#include "codec/json.h"
#include "os/real_file_system.h"

namespace tarn::capture {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class PostEvents : public testing::Test {
protected:
    PostEvents() {
        event::StreamSettings settings;
        settings.partitions = 4;
        catalog_.add("orders", settings, 7);
    }

    net::Response post(std::string_view content_type, std::string body, net::Headers headers = {},
                       std::vector<std::pair<std::string, std::string>> query = {},
                       const std::string& stream = "orders") {
        net::Request request;
        request.method = "POST";
        if (!content_type.empty()) headers.emplace_back("content-type", content_type);
        request.headers = std::move(headers);
        request.query = std::move(query);
        request.body = std::move(body);
        std::optional<net::Response> answer;
        capture_->post_events(stream, std::move(request), [&](net::Response response) {
            EXPECT_FALSE(answer) << "answered twice";
            answer = std::move(response);
        });
        EXPECT_TRUE(answer) << "not answered";
        return answer.value_or(net::Response{});
    }

    static codec::Json json(const net::Response& response) {
        auto parsed = codec::Json::parse(response.body);
        EXPECT_TRUE(parsed) << response.body;
        return parsed ? *parsed : codec::Json();
    }

    static std::string ndjson(int events) {
        std::string body;
        for (int i = 0; i < events; ++i) body += "{\"n\":" + std::to_string(i) + "}\n";
        return body;
    }

    FakeLog log_;
    FakeCatalog catalog_;
    std::unique_ptr<os::FileSystem> fs_ = os::make_real_file_system();
    os::SimClock clock_;
    std::unique_ptr<Capture> capture_ = Capture::make({catalog_, log_, *fs_, clock_});
};

constexpr std::string_view cloudevent =
    R"({ "specversion":"1.0", "id":"a1","source":"/shop","type":"order.placed","data":{"amount":12.50} })";

TEST_F(PostEvents, OneJsonPayloadIsKeptByteForByte) {
    const std::string body = "{\r\n  \"amount\": 1.50e1,\n \"a\":1, \"a\":2 }\n";
    const auto response = post("application/json; charset=UTF-8", body);
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body,
              R"({"accepted":1,"quarantined":0,"positions":[{"partition":0,"first":0,"last":0}]})");
    EXPECT_THAT(log_.accepted(), ElementsAre(body));
    EXPECT_THAT(log_.stored.at(0).meta, HasSubstr("tarnduplicatekeys"));
}

TEST_F(PostEvents, LinesBecomeEventsAndACarriageReturnBelongsToThePayload) {
    const auto response = post("application/x-ndjson", "{\"n\":1}\r\n\n{\"n\":2}\n\n{\"n\":3}");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(
        response.body,
        R"({"accepted":3,"quarantined":0,"positions":[{"partition":0,"first":0,"last":2}],"empty_lines":2})");
    EXPECT_THAT(log_.accepted(), ElementsAre("{\"n\":1}\r", "{\"n\":2}", "{\"n\":3}"));
    EXPECT_EQ(log_.batches, 1u);
}

TEST_F(PostEvents, AllNamesOfLineInputAreUnderstood) {
    for (const char* type :
         {"application/x-ndjson", "application/ndjson", "application/jsonl", "Application/X-NDJSON ;a=b"})
        EXPECT_EQ(json(post(type, ndjson(2)))["accepted"].as_int(), 2) << type;
}

TEST_F(PostEvents, ABadLineGoesToQuarantineWithItsPlaceInTheBody) {
    const auto response = post("application/x-ndjson", "{\"n\":1}\n{\"n\":1,}\n{\"n\":3}\n");
    EXPECT_EQ(response.status, 200);
    const codec::Json body = json(response);
    EXPECT_EQ(body["accepted"].as_int(), 2);
    EXPECT_EQ(body["quarantined"].as_int(), 1);
    EXPECT_EQ(body["errors_complete"].as_bool(), true);
    const codec::Json& error = body["errors"].elements().at(0);
    EXPECT_EQ(error["line"].as_int(), 2);
    EXPECT_EQ(error["byte"].as_int(), 8 + error["column"].as_int() - 1);
    EXPECT_GE(error["column"].as_int(), 7);
    EXPECT_EQ(error["code"].as_string(), "TARN-1203");
    EXPECT_FALSE(error["message"].as_string().empty());
    EXPECT_EQ(error["quarantine"].as_string(), "qr-2");
    EXPECT_THAT(log_.quarantined(), ElementsAre("{\"n\":1,}"));
    EXPECT_EQ(log_.stored.at(1).sequence, 2u);
}

TEST_F(PostEvents, ManyErrorsAreNamedUpToALimitAndSaidToBeIncomplete) {
    std::string body;
    for (int i = 0; i < 150; ++i) body += "nope\n";
    const codec::Json answer = json(post("application/x-ndjson", body));
    EXPECT_EQ(answer["quarantined"].as_int(), 150);
    EXPECT_EQ(answer["errors"].size(), 100u);
    EXPECT_TRUE(answer.has("errors_complete"));
    EXPECT_FALSE(answer["errors_complete"].as_bool(true));
}

TEST_F(PostEvents, RejectStoresNothingAtAll) {
    const auto response = post("application/x-ndjson", "{\"n\":1}\n{\n", {}, {{"on_error", "reject"}});
    EXPECT_EQ(response.status, 400);
    EXPECT_EQ(json(response)["error"]["where"]["line"].as_int(), 2);
    EXPECT_EQ(post("application/json", "{", {}, {{"on_error", "reject"}}).status, 400);
    EXPECT_EQ(log_.batches, 0u);
    EXPECT_EQ(post("application/x-ndjson", ndjson(3), {}, {{"on_error", "reject"}}).status, 200);
}

TEST_F(PostEvents, ASingleBadEventIsAnErrorAndItsBytesAreKept) {
    using namespace std::string_literals;
    for (const std::string& body :
         {"{\"a\":\n }"s, "\xff\xfe"s, "\0"s, "{\"a\":\"\0\"}"s, std::string(1000, '[')}) {
        log_.stored.clear();
        const auto response = post("application/json", body);
        EXPECT_EQ(response.status, 400) << response.body;
        const codec::Json error = json(response)["error"];
        EXPECT_EQ(error["kind"].as_string(), "invalid");
        ASSERT_EQ(log_.stored.size(), 1u);
        EXPECT_EQ(error["where"]["quarantine"].as_string(),
                  "qr-" + std::to_string(log_.stored.at(0).sequence));
        EXPECT_THAT(log_.quarantined(), ElementsAre(body));
    }
}

TEST_F(PostEvents, AnEmptyBodyIsAnError) {
    for (const char* type : {"application/json", "application/x-ndjson", "text/plain", "",
                             "application/cloudevents+json", "application/cloudevents-batch+json"}) {
        const auto response = post(type, "");
        EXPECT_EQ(response.status, 400) << type;
        EXPECT_EQ(json(response)["error"]["code"].as_string(), "TARN-1202") << type;
    }
    EXPECT_EQ(log_.batches, 0u);
    EXPECT_EQ(post("application/x-ndjson", "\n\n").body,
              R"({"accepted":0,"quarantined":0,"positions":[],"empty_lines":2})");
}

TEST_F(PostEvents, OneMebibyteIsTakenAndOneByteMoreIsNot) {
    const std::string largest = "\"" + std::string((1 << 20) - 2, 'x') + "\"";
    EXPECT_EQ(post("application/json", largest).status, 200);
    const std::string larger = "\"" + std::string((1 << 20) - 1, 'x') + "\"";
    const auto response = post("application/json", larger);
    EXPECT_EQ(response.status, 413);
    EXPECT_EQ(json(response)["error"]["code"].as_string(), "TARN-1201");
    EXPECT_THAT(log_.quarantined(), ElementsAre(larger));

    const codec::Json answer = json(post("application/x-ndjson", "1\n" + larger + "\n2\n"));
    EXPECT_EQ(answer["accepted"].as_int(), 2);
    EXPECT_EQ(answer["errors"].elements().at(0)["code"].as_string(), "TARN-1201");
    EXPECT_EQ(answer["errors"].elements().at(0)["line"].as_int(), 2);
}

TEST_F(PostEvents, TooManyEventsInOneRequestAreRefusedAndNoneIsStored) {
    std::string body;
    for (std::size_t i = 0; i <= max_events_per_request; ++i) body += "x\n";
    EXPECT_EQ(post("application/x-ndjson", body).status, 413);
    EXPECT_EQ(log_.batches, 0u);
}

TEST_F(PostEvents, AStructuredCloudEventKeepsItsBytes) {
    EXPECT_EQ(post("application/cloudevents+json; charset=utf-8", std::string(cloudevent)).status, 200);
    EXPECT_THAT(log_.accepted(), ElementsAre(cloudevent));
    EXPECT_THAT(log_.stored.at(0).meta, HasSubstr("order.placed"));
    const auto response =
        post("application/cloudevents+json", R"({"specversion":"1.0","id":"a1","source":"/s"})");
    EXPECT_EQ(response.status, 400);
    EXPECT_EQ(json(response)["error"]["code"].as_string(), "TARN-1206");
}

TEST_F(PostEvents, ABatchIsCutIntoItsMembersByteForByte) {
    const std::string bad = R"({"specversion":"1.0","id":"","source":"/s","type":"t"})";
    const std::string body =
        "[\n " + std::string(cloudevent) + " ,\n" + bad + "\n,\t" + std::string(cloudevent) + "]";
    const codec::Json answer = json(post("application/cloudevents-batch+json", body));
    EXPECT_EQ(answer["accepted"].as_int(), 2);
    EXPECT_EQ(answer["quarantined"].as_int(), 1);
    const codec::Json& error = answer["errors"].elements().at(0);
    EXPECT_EQ(error["line"].as_int(), 3);
    EXPECT_GE(error["byte"].as_uint(), body.find(bad));
    EXPECT_LT(error["byte"].as_uint(), body.find(bad) + bad.size());
    EXPECT_THAT(log_.accepted(), ElementsAre(cloudevent, cloudevent));
    EXPECT_THAT(log_.quarantined(), ElementsAre(bad));
}

TEST_F(PostEvents, ABatchThatIsNotAnArrayIsOneBadBody) {
    for (const std::string body : {"{}", "[{]", "[1,2", "\"x\""}) {
        log_.stored.clear();
        EXPECT_EQ(post("application/cloudevents-batch+json", body).status, 400) << body;
        EXPECT_THAT(log_.quarantined(), ElementsAre(body));
    }
    EXPECT_EQ(post("application/cloudevents-batch+json", "[]").body,
              R"({"accepted":0,"quarantined":0,"positions":[]})");
}

TEST_F(PostEvents, BinaryModeTakesAttributesFromHeaders) {
    const net::Headers headers = {{"ce-specversion", "1.0"},
                                  {"ce-id", "a%201"},
                                  {"ce-source", "/s"},
                                  {"ce-type", "order.\xe2\x82\xac"},
                                  {"ce-subject", "\"Euro %E2%82%AC \\\"x\\\"\""}};
    EXPECT_EQ(post("text/plain", "any bytes", headers).status, 200);
    EXPECT_THAT(log_.accepted(), ElementsAre("any bytes"));
    EXPECT_THAT(log_.stored.at(0).meta, HasSubstr("\"a 1\""));
    EXPECT_THAT(log_.stored.at(0).meta, HasSubstr("Euro \xe2\x82\xac \\\"x\\\""));
}

TEST_F(PostEvents, BadBinaryAttributesAreRefusedAndTheBodyIsKept) {
    const net::Headers base = {{"ce-specversion", "1.0"}, {"ce-source", "/s"}, {"ce-type", "t"}};
    for (const net::Headers& more :
         {net::Headers{}, net::Headers{{"ce-id", "%zz"}}, net::Headers{{"ce-id", "1"}, {"ce-id", "2"}},
          net::Headers{{"ce-id", ""}}}) {
        log_.stored.clear();
        net::Headers headers = base;
        headers.insert(headers.end(), more.begin(), more.end());
        const auto response = post("text/plain", "body", headers);
        EXPECT_EQ(response.status, 400) << response.body;
        EXPECT_EQ(json(response)["error"]["code"].as_string(), "TARN-1206");
        EXPECT_THAT(log_.quarantined(), ElementsAre("body"));
    }
}

TEST_F(PostEvents, AnythingElseIsOneOpaquePayload) {
    const std::string bytes("\0\xff{\n", 4);
    for (const char* type : {"", "text/plain", "application/octet-stream", "image/png"})
        EXPECT_EQ(json(post(type, bytes))["accepted"].as_int(), 1) << type;
    EXPECT_THAT(log_.accepted(), ElementsAre(bytes, bytes, bytes, bytes));
}

TEST_F(PostEvents, AKeyDecidesThePartitionAndKeylessRequestsTakeTurns) {
    const codec::Json keyed = json(post("application/x-ndjson", ndjson(3), {}, {{"key", "abc"}}));
    ASSERT_EQ(keyed["positions"].size(), 1u);
    EXPECT_EQ(keyed["positions"].elements()[0]["partition"].as_uint(), event::partition_of("abc", 4));
    std::vector<std::uint64_t> partitions;
    for (int i = 0; i < 5; ++i) {
        const codec::Json answer = json(post("application/x-ndjson", ndjson(3)));
        ASSERT_EQ(answer["positions"].size(), 1u) << "one request's keyless events stay together";
        partitions.push_back(answer["positions"].elements()[0]["partition"].as_uint());
    }
    EXPECT_EQ(std::set<std::uint64_t>(partitions.begin(), partitions.end()).size(), 4u);
}

TEST_F(PostEvents, TheTypeParameterNamesTheType) {
    EXPECT_EQ(post("application/json", "{}", {}, {{"type", "cash_deposit"}}).status, 200);
    EXPECT_THAT(log_.stored.at(0).meta, HasSubstr("cash_deposit"));
}

TEST_F(PostEvents, UnknownParametersAndStreamsAreRefused) {
    EXPECT_EQ(post("application/json", "{}", {}, {{"kye", "a"}}).status, 400);
    EXPECT_EQ(post("application/json", "{}", {}, {{"on_error", "ignore"}}).status, 400);
    EXPECT_EQ(post("application/json", "{}", {}, {{"type", ""}}).status, 400);
    const auto unknown = post("application/json", "{}", {}, {}, "nowhere");
    EXPECT_EQ(unknown.status, 404);
    EXPECT_EQ(json(unknown)["error"]["code"].as_string(), "TARN-1001");
    EXPECT_EQ(post("application/json", "{}", {}, {}, "_tarn").status, 400);
    EXPECT_EQ(log_.batches, 0u);
}

TEST_F(PostEvents, TheSameIdempotencyKeyAgainAnswersTheFirstResult) {
    const net::Headers key = {{"idempotency-key", "k1"}};
    const std::string body = "{\"n\":1}\n{\n{\"n\":3}\n";
    const codec::Json first = json(post("application/x-ndjson", body, key));
    post("application/json", "{}");  // others go on
    codec::Json again = json(post("application/x-ndjson", body, key));
    EXPECT_TRUE(again["repeated"].as_bool());
    for (const char* member : {"accepted", "quarantined", "positions", "errors"})
        EXPECT_EQ(first[member].dump(), again[member].dump()) << member;
    EXPECT_EQ(log_.stored.size(), 4u);

    const auto other = post("application/x-ndjson", ndjson(1), key);
    EXPECT_EQ(other.status, 409);
    EXPECT_EQ(json(other)["error"]["code"].as_string(), "TARN-1215");
    EXPECT_EQ(log_.stored.size(), 4u);
    EXPECT_EQ(post("application/x-ndjson", ndjson(1), {{"idempotency-key", ""}}).status, 400);
}

TEST_F(PostEvents, ARepeatedBadEventIsAnsweredLikeTheFirst) {
    const net::Headers key = {{"idempotency-key", "k2"}};
    const auto first = post("application/json", "{", key);
    const auto again = post("application/json", "{", key);
    EXPECT_EQ(first.status, 400);
    EXPECT_EQ(first.body, again.body);
    EXPECT_EQ(log_.stored.size(), 1u);
}

TEST_F(PostEvents, WhatTheLogRefusesIsTheAnswer) {
    log_.overloads = 1;
    EXPECT_EQ(post("application/json", "{}").status, 429);
    log_.batches_until_failure = log_.batches;
    EXPECT_EQ(post("application/json", "{}").status, 503);
    EXPECT_EQ(post("application/json", "{").status, 503)
        << "a bad event is not said to be kept when it is not";
}

TEST_F(PostEvents, TheCatalogIsAskedOnceUntilToldOtherwise) {
    post("application/json", "{}");
    post("application/json", "{}");
    EXPECT_EQ(catalog_.asked, 1);
    event::StreamSettings settings;
    settings.max_event_bytes = 1;
    catalog_.add("orders", settings, 7);
    capture_->forget_stream("orders");
    EXPECT_EQ(post("application/json", "{}").status, 413);
    EXPECT_EQ(catalog_.asked, 2);
}

TEST_F(PostEvents, ReplayedEventsAreTakenOnceByTheirOrigin) {
    event::Incoming one, two;
    one.payload = cloudevent;
    one.structured = true;
    two.payload = "{\"n\":1}";
    const log::Origin origin{.producer = "run:rn-1", .sequence = 1, .tag = 0};
    const auto appended = capture_->append_replayed("orders", {one, two}, origin);
    ASSERT_TRUE(appended);
    EXPECT_EQ(appended->events, 2u);
    EXPECT_TRUE(capture_->append_replayed("orders", {one, two}, origin)->repeated);
    EXPECT_THAT(log_.accepted(), ElementsAre(cloudevent, "{\"n\":1}"));
    two.payload = "{";
    const auto bad = capture_->append_replayed("orders", {one, two}, {});
    ASSERT_FALSE(bad);
    EXPECT_THAT(bad.error().message, HasSubstr("event 2 of 2"));
    EXPECT_EQ(log_.stored.size(), 2u);
}

TEST_F(PostEvents, WhatHappensToTarnItselfIsACloudEventOfTheSystemStream) {
    ASSERT_TRUE(capture_->record("stream.created", "orders", codec::Json::object({{"partitions", 4}})));
    ASSERT_EQ(log_.stored.size(), 1u);
    EXPECT_EQ(log_.stored.at(0).stream, StreamId{0});
    const auto event = codec::Json::parse(log_.stored.at(0).payload);
    ASSERT_TRUE(event);
    EXPECT_EQ((*event)["type"].as_string(), "stream.created");
    EXPECT_EQ((*event)["subject"].as_string(), "orders");
    EXPECT_EQ((*event)["data"]["partitions"].as_int(), 4);
    EXPECT_THAT((*event)["id"].as_string(), HasSubstr("stream.created-"));
}

TEST(MediaType, IsLowerCaseWithoutParameters) {
    EXPECT_EQ(media_type(" Application/JSON ; charset=utf-8"), "application/json");
    EXPECT_EQ(media_type(""), "");
    EXPECT_EQ(media_type(";"), "");
}

}  // namespace
}  // namespace tarn::capture
