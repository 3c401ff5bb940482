// Services: what goes out, and what becomes of an event by what comes back.
#include <gtest/gtest.h>

#include <future>

#include "codec/base64.h"
#include "codec/hash.h"
#include "net/http_test_socket.h"
#include "os/sim_file_system.h"
#include "replay/target_conformance.h"
#include "replay/target_fixtures.h"
#include "replay/targets.h"

namespace tarn::replay {
namespace {

HttpSettings settings_for(const std::string& url, HttpMode mode = HttpMode::structured) {
    return {.url = url, .mode = mode, .secret = {}, .headers = {}};
}

class HttpTargetTest : public testing::Test {
protected:
    std::unique_ptr<ParallelTarget> open(HttpSettings settings) {
        return make_http_target(clock_, std::move(settings), {.run = "run-1", .resume_mark = {}});
    }
    // One attempt.
    static Result<Attempted> begin(ParallelTarget& target, const Outgoing& outgoing) {
        std::promise<Result<Attempted>> answer;
        auto future = answer.get_future();
        target.begin(outgoing, [&answer](Result<Attempted> result) { answer.set_value(std::move(result)); });
        return future.get();
    }
    // What one attempt comes to when the service answers so.
    Attempted answered(net::Response response, int attempt = 1) {
        HttpReceiver receiver;
        receiver.answer_next(std::move(response));
        Outgoing outgoing = events_.events[0];
        outgoing.attempt = attempt;
        const auto attempted = begin(*open(settings_for(receiver.url())), outgoing);
        EXPECT_TRUE(attempted) << attempted.error().text();
        return attempted ? *attempted : Attempted();
    }
    static net::Response with(int status, net::Headers headers = {}) {
        return {.status = status, .headers = std::move(headers), .body = {}, .stream = {}};
    }

    os::SimClock clock_;
    HttpReceiver receiver_;
    OutgoingEvents events_{4};
};

TEST_F(HttpTargetTest, tries_again_what_may_be_repeated_and_says_how_often) {
    receiver_.answer_next({503, 429, 200});
    const auto target = open(settings_for(receiver_.url()));
    const auto answers = target->send(events_.part(0, 1));
    ASSERT_TRUE(answers);
    EXPECT_EQ(answers->front().delivery, Delivery::acknowledged);
    EXPECT_EQ(answers->front().attempts, 3);
    EXPECT_GE(clock_.monotonic_us(), 300'000);
    ASSERT_EQ(receiver_.requests.size(), 3u);
    EXPECT_EQ(receiver_.requests[2].header("content-type"), "application/cloudevents+json");
    EXPECT_EQ(receiver_.requests[2].header("idempotency-key"), "run:1:0:0");
    const auto body = codec::Json::parse(receiver_.requests[2].body);
    ASSERT_TRUE(body);
    EXPECT_EQ((*body)["tarnrun"].as_string(), "run-1");
    EXPECT_EQ((*body)["tarnattempt"].as_int(), 3);
}

TEST_F(HttpTargetTest, gives_up_after_five_attempts_and_at_once_on_other_errors) {
    receiver_.answer_next({500, 500, 500, 500, 500, 404});
    const auto target = open(settings_for(receiver_.url()));
    auto answers = target->send(events_.part(0, 2));
    ASSERT_TRUE(answers);
    ASSERT_EQ(answers->size(), 1u);
    EXPECT_EQ(answers->front().delivery, Delivery::failed);
    EXPECT_EQ(answers->front().attempts, 5);
    answers = target->send(events_.part(1, 2));
    EXPECT_EQ(answers->front().attempts, 1);
    EXPECT_TRUE(answers->front().error.starts_with("HTTP 404")) << answers->front().error;
}

TEST_F(HttpTargetTest, nobody_there_ends_the_session_and_fails_no_event) {
    std::string url;
    {
        const HttpReceiver gone;
        url = gone.url();
    }
    const auto answers = open(settings_for(url))->send(events_.part(0, 1));
    ASSERT_FALSE(answers);
    EXPECT_EQ(answers.error().kind, ErrorKind::unavailable);
    const auto attempted = begin(*open(settings_for(url)), events_.events[0]);
    ASSERT_TRUE(attempted);
    EXPECT_FALSE(attempted->was_reached);
    EXPECT_TRUE(attempted->again_us);
    EXPECT_TRUE(answered(with(500)).was_reached);
}

TEST_F(HttpTargetTest, being_pushed_back_is_told_with_the_pause_that_was_asked_for) {
    auto attempted = answered(with(429, {{"retry-after", "7"}}));
    EXPECT_EQ(attempted.pushed_back_us, 7'000'000);
    EXPECT_EQ(attempted.again_us, 7'000'000);
    attempted = answered(with(503));
    EXPECT_EQ(attempted.pushed_back_us, 0);
    EXPECT_EQ(attempted.again_us, 100'000);
    EXPECT_TRUE(answered(with(429), 30).again_us) << "too much to do is no failure";
    EXPECT_EQ(answered(with(429, {{"retry-after", "86400"}})).pushed_back_us, 3'600'000'000);
    EXPECT_EQ(answered(with(429, {{"retry-after", "soon"}})).pushed_back_us, 0);
    EXPECT_EQ(answered(with(503, {{"retry-after", "Tue, 14 Nov 2023 22:14:00 GMT"}})).pushed_back_us,
              40'000'000);  // the clock stands at 22:13:20
    attempted = answered(with(500, {{"retry-after", "2"}}));
    EXPECT_FALSE(attempted.pushed_back_us);
    EXPECT_EQ(attempted.again_us, 2'000'000);
}

TEST_F(HttpTargetTest, statuses_decide) {
    for (const int status : {200, 201, 202, 204, 299})
        EXPECT_EQ(answered(with(status)).sent.delivery, Delivery::acknowledged) << status;
    for (const int status : {408, 409, 425, 429, 500, 502, 503, 504})
        EXPECT_TRUE(answered(with(status)).again_us) << status;
    for (const int status : {408, 409, 425, 500}) EXPECT_FALSE(answered(with(status), 5).again_us) << status;
    for (const int status : {301, 307, 400, 401, 403, 404, 410, 413, 422}) {
        const auto attempted = answered(with(status, {{"location", "http://127.0.0.1:1/"}}));
        EXPECT_EQ(attempted.sent.delivery, Delivery::failed) << status;
        EXPECT_FALSE(attempted.again_us) << status;
    }
}

// ---- modes

TEST_F(HttpTargetTest, binary_mode_has_the_attributes_as_headers) {
    ASSERT_TRUE(open(settings_for(receiver_.url(), HttpMode::binary))->send(events_.part(1, 2)));
    const net::Request& request = receiver_.requests.at(0);
    EXPECT_EQ(request.body, "{\"n\":1}");
    EXPECT_EQ(request.header("content-type"), "application/json");
    EXPECT_EQ(request.header("ce-specversion"), "1.0");
    EXPECT_EQ(request.header("ce-id"), "e1");
    EXPECT_EQ(request.header("ce-type"), "t");
    EXPECT_EQ(request.header("ce-source"), "/s");
    EXPECT_EQ(request.header("ce-tarnrun"), "run-1");
    EXPECT_EQ(request.header("ce-tarnattempt"), "1");
    EXPECT_EQ(request.header("idempotency-key"), "run:1:0:1");
}

TEST_F(HttpTargetTest, the_payload_alone_says_in_headers_that_it_is_a_replay) {
    const auto target = make_http_target(clock_, settings_for(receiver_.url(), HttpMode::batched),
                                         {.run = "run-1", .shape = event::Shape::payload, .resume_mark = {}});
    ASSERT_TRUE(target->send(events_.part(1, 2)));
    EXPECT_EQ(receiver_.requests.at(0).body, "{\"n\":1}");
    EXPECT_EQ(receiver_.requests.at(0).header("tarn-run"), "run-1");
    EXPECT_EQ(receiver_.requests.at(0).header("ce-id"), std::nullopt);
}

// The first goes at once; what comes while it is under way goes together.
TEST_F(HttpTargetTest, batches_fill_while_something_is_under_way) {
    HttpSettings settings = settings_for(receiver_.url(), HttpMode::batched);
    settings.batch = 3;
    const auto target = open(settings);
    EXPECT_EQ(target->at_once(), 48u);
    std::vector<std::future<Result<Attempted>>> answers;
    for (const Outgoing& outgoing : events_.events) {
        auto answer = std::make_shared<std::promise<Result<Attempted>>>();
        answers.push_back(answer->get_future());
        target->begin(outgoing, [answer](Result<Attempted> result) { answer->set_value(std::move(result)); });
    }
    for (auto& answer : answers) EXPECT_EQ(answer.get()->sent.delivery, Delivery::acknowledged);
    EXPECT_EQ(receiver_.ids().size(), 4u);
    for (const net::Request& request : receiver_.requests) {
        EXPECT_EQ(request.header("content-type"), "application/cloudevents-batch+json");
        const auto batch = codec::Json::parse(request.body);
        ASSERT_TRUE(batch && batch->is_array()) << request.body;
        EXPECT_LE(batch->size(), 3u);
        for (const codec::Json& event : batch->elements())
            EXPECT_EQ(event["tarnkey"].as_string(), "run:1:0:" + event["id"].as_string().substr(1));
        EXPECT_EQ(request.header("idempotency-key"),
                  fmt::format("{}+{}", batch->elements()[0]["tarnkey"].as_string(), batch->size()));
    }
}

TEST_F(HttpTargetTest, a_batch_names_its_failed_events) {
    const auto outcome = [this](const std::string& body, int status = 200) {
        HttpReceiver receiver;
        auto response = with(status);
        response.body = body;
        receiver.answer_next(response);
        const auto attempted =
            begin(*open(settings_for(receiver.url(), HttpMode::batched)), events_.events[2]);
        EXPECT_TRUE(attempted);
        return attempted ? *attempted : Attempted();
    };
    EXPECT_EQ(outcome("").sent.delivery, Delivery::acknowledged);
    EXPECT_EQ(outcome("ok").sent.delivery, Delivery::acknowledged);
    EXPECT_EQ(outcome(R"({"failures":[]})").sent.delivery, Delivery::acknowledged);
    for (const char* named :
         {R"({"failures":[{"index":0,"error":"no"}]})", R"({"failures":[{"id":"e2","error":"no"}]})",
          R"({"failures":[{"key":"run:1:0:2","error":"no"}]})"}) {
        const auto failed = outcome(named);
        EXPECT_EQ(failed.sent.delivery, Delivery::failed) << named;
        EXPECT_EQ(failed.sent.error, "no");
        EXPECT_FALSE(failed.again_us);
    }
    EXPECT_TRUE(outcome(R"({"failures":[{"index":0,"error":"busy","retry":true}]})").again_us);
    for (const char* nobody : {R"({"failures":[{"index":1}]})", R"({"failures":[{"id":"e3"}]})",
                               R"({"failures":[{}]})", R"({"failures":["e2"]})"})
        EXPECT_EQ(outcome(nobody).sent.delivery, Delivery::unknown) << nobody;
    EXPECT_EQ(outcome(R"({"failures":[]})", 400).sent.delivery, Delivery::failed);
}

TEST_F(HttpTargetTest, the_receiver_says_whether_it_takes_batches) {
    const auto mode = [](net::Response answer) {
        HttpReceiver receiver;
        receiver.answer_next(std::move(answer));
        const HttpMode asked = ask_for_mode(settings_for(receiver.url(), HttpMode::automatic));
        EXPECT_EQ(receiver.requests.at(0).method, "OPTIONS");
        return asked;
    };
    EXPECT_EQ(mode(with(204, {{"accept-post", "application/json, application/cloudevents-batch+json"}})),
              HttpMode::batched);
    EXPECT_EQ(mode(with(204, {{"accept-post", "application/json"}})), HttpMode::structured);
    EXPECT_EQ(mode(with(405, {{"accept-post", "application/cloudevents-batch+json"}})), HttpMode::structured);
    EXPECT_EQ(ask_for_mode(settings_for("http://127.0.0.1:1/", HttpMode::automatic)), HttpMode::structured);
    EXPECT_EQ(ask_for_mode(settings_for("http://127.0.0.1:1/", HttpMode::binary)), HttpMode::binary);
}

// ---- signature

TEST_F(HttpTargetTest, signs_as_standard_webhooks_does) {
    os::SimFileSystem fs;
    ASSERT_TRUE(os::write_file_durably(fs, "/secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"));
    ASSERT_TRUE(os::write_file_durably(fs, "/token", "Bearer abc\n"));
    const auto spec = TargetSpec::from_json(
        "hook",
        *codec::Json::parse(
            R"({"url":"http://h/","secret_file":"secret","headers":{"Authorization":{"file":"token"}}})"),
        "/");
    ASSERT_TRUE(spec) << spec.error().text();
    EXPECT_EQ(spec->to_json().dump().find("whsec_"), std::string::npos);
    auto settings = http_settings(fs, *spec);
    ASSERT_TRUE(settings) << settings.error().text();
    settings->url = receiver_.url();
    settings->mode = HttpMode::structured;
    ASSERT_TRUE(open(*settings)->send(events_.part(0, 1)));
    const net::Request& request = receiver_.requests.at(0);
    EXPECT_EQ(request.header("authorization"), "Bearer abc");
    EXPECT_EQ(request.header("webhook-id"), "run:1:0:0");
    EXPECT_EQ(request.header("webhook-timestamp"), "1700000000");
    const std::string mac = codec::hmac_sha256(*codec::base64_decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
                                               "run:1:0:0.1700000000." + request.body);
    EXPECT_EQ(request.header("webhook-signature"), "v1," + codec::base64_encode(mac));
}

// The vector of the Standard Webhooks libraries.
TEST(Hmac, agrees_with_a_published_vector) {
    const std::string mac =
        codec::hmac_sha256(*codec::base64_decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
                           "msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{\"test\": 2432232314}");
    EXPECT_EQ(codec::base64_encode(mac), "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

// ---- addresses

TEST_F(HttpTargetTest, private_networks_are_not_reached_unless_allowed) {
    for (const char* url : {"http://10.0.0.1/", "http://192.168.1.1:8080/", "http://169.254.169.254/latest",
                            "http://[::ffff:10.0.0.1]/", "http://[fe80::1]/", "http://0.0.0.0:1/",
                            "http://100.100.100.200/", "http://172.31.0.1/", "http://2886794753/"}) {
        HttpSettings settings = settings_for(url);
        settings.timeout_us = 2'000'000;
        const auto attempted = begin(*open(settings), events_.events[0]);
        ASSERT_FALSE(attempted) << url;
        EXPECT_EQ(attempted.error().code, Code::address_refused) << attempted.error().text();
        EXPECT_EQ(attempted.error().kind, ErrorKind::denied);
    }
}

// ---- peers that misbehave

constexpr const char* good_answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

class RudePeer : public HttpTargetTest {
protected:
    Result<Attempted> outcome(net::ScriptedPeer::Serve serve, std::int64_t timeout_us = 10'000'000) {
        const net::ScriptedPeer peer(std::move(serve));
        HttpSettings settings = settings_for(peer.url("/in"));
        settings.timeout_us = timeout_us;
        return begin(*open(settings), events_.events[0]);
    }
    void expect_unknown(net::ScriptedPeer::Serve serve, std::int64_t timeout_us = 10'000'000) {
        const auto attempted = outcome(std::move(serve), timeout_us);
        ASSERT_TRUE(attempted) << attempted.error().text();
        EXPECT_EQ(attempted->sent.delivery, Delivery::unknown) << attempted->sent.error;
        EXPECT_FALSE(attempted->again_us);
    }
    // All of it: closing with something unread would reset the connection.
    static void read_request(int fd) {
        const std::string head = net::ScriptedPeer::read_head(fd);
        const std::size_t at = head.find("Content-Length: ");
        std::string body(at == std::string::npos ? 0 : std::stoul(head.substr(at + 16)), ' ');
        EXPECT_EQ(::recv(fd, body.data(), body.size(), MSG_WAITALL), static_cast<ssize_t>(body.size()));
    }
    static void reset(int fd) {
        const linger now{1, 0};
        ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
};

TEST_F(RudePeer, that_resets_after_it_has_read_leaves_the_outcome_unknown) {
    expect_unknown([](int fd, int) {
        net::ScriptedPeer::read_head(fd);
        reset(fd);
    });
}

TEST_F(RudePeer, that_says_nothing_leaves_the_outcome_unknown) {
    expect_unknown(
        [](int fd, int) {
            while (!net::ScriptedPeer::read_head(fd).empty()) {
            }
        },
        100'000);
}

TEST_F(RudePeer, whose_answer_is_garbage_or_cut_off_leaves_the_outcome_unknown) {
    for (const char* answer : {"this is no HTTP\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Le",
                               "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
                               "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"})
        expect_unknown([answer](int fd, int) {
            read_request(fd);
            net::ScriptedPeer::write(fd, answer);
        });
}

TEST_F(RudePeer, whose_headers_never_end_is_cut_off) {
    expect_unknown([](int fd, int) {
        read_request(fd);
        net::ScriptedPeer::write(fd, "HTTP/1.1 200 OK\r\n");
        const std::string line = "x-more: " + std::string(1000, 'x') + "\r\n";
        while (::send(fd, line.data(), line.size(), MSG_NOSIGNAL) > 0) {
        }
    });
}

TEST_F(RudePeer, whose_answer_never_ends_is_not_kept_in_memory) {
    const auto attempted = outcome(
        [](int fd, int) {
            read_request(fd);
            net::ScriptedPeer::write(fd, "HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n");
            const std::string part(100'000, 'x');
            for (int i = 0; i < 200; ++i) net::ScriptedPeer::write(fd, part);
        },
        60'000'000);
    ASSERT_TRUE(attempted) << attempted.error().text();
    EXPECT_EQ(attempted->sent.delivery, Delivery::acknowledged);
}

TEST_F(RudePeer, that_answers_before_it_has_read_is_believed) {
    const auto attempted = outcome([](int fd, int) {
        net::ScriptedPeer::write(fd, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
        net::ScriptedPeer::read_head(fd);
    });
    ASSERT_TRUE(attempted) << attempted.error().text();
    EXPECT_EQ(attempted->sent.delivery, Delivery::failed);
}

TEST_F(RudePeer, that_answers_byte_by_byte_is_waited_for) {
    const auto attempted = outcome([](int fd, int) {
        read_request(fd);
        for (const char* at = good_answer; *at != 0; ++at) net::ScriptedPeer::write(fd, {at, 1});
    });
    ASSERT_TRUE(attempted) << attempted.error().text();
    EXPECT_EQ(attempted->sent.delivery, Delivery::acknowledged);
}

// A receiver that knows its keys has nothing against a second time.
TEST_F(RudePeer, that_is_idempotent_is_asked_again) {
    const net::ScriptedPeer peer([](int fd, int number) {
        read_request(fd);
        if (number > 1) net::ScriptedPeer::write(fd, good_answer);
    });
    HttpSettings settings = settings_for(peer.url("/in"));
    settings.is_idempotent = true;
    const auto answers = open(settings)->send(events_.part(0, 1));
    ASSERT_TRUE(answers) << answers.error().text();
    EXPECT_EQ(answers->front().delivery, Delivery::acknowledged);
    EXPECT_EQ(answers->front().attempts, 2);
}

TEST_F(HttpTargetTest, what_is_under_way_is_answered_when_the_target_goes) {
    std::promise<void> over;
    const net::ScriptedPeer peer([&over](int fd, int) {
        net::ScriptedPeer::read_head(fd);
        over.get_future().wait();
    });
    std::optional<Result<Attempted>> answer;
    {
        const auto target = open(settings_for(peer.url("/in")));
        target->begin(events_.events[0], [&answer](Result<Attempted> result) { answer = std::move(result); });
    }
    over.set_value();
    ASSERT_TRUE(answer);
}

}  // namespace
}  // namespace tarn::replay
