// The conformance suite on every target there is, and what is particular to one.
#include <gtest/gtest.h>

#include <mutex>

#include "codec/json.h"
#include "net/http_server.h"
#include "replay/replay_fakes.h"
#include "replay/target_conformance.h"
#include "replay/targets.h"

namespace tarn::replay {
namespace {

class NullFixture : public TargetFixture {
public:
    std::unique_ptr<Target> open(std::optional<std::uint64_t>) override {
        return std::make_unique<NullTarget>();
    }
    std::optional<std::vector<std::string>> arrived() override { return std::nullopt; }
    bool refuse(const std::string&) override { return false; }
    bool is_exactly_once() const override { return true; }
};

class FileFixture : public TargetFixture {
public:
    std::unique_ptr<Target> open(std::optional<std::uint64_t> resume_mark) override {
        (void)fs_.make_directories("/out");
        auto target = open_file_target(fs_, "/out/events", {.run = "run", .resume_mark = resume_mark});
        EXPECT_TRUE(target) << target.error().text();
        return target ? std::move(*target) : nullptr;
    }
    std::optional<std::vector<std::string>> arrived() override {
        const std::string text = *os::read_file(fs_, "/out/events");
        std::vector<std::string> ids;
        for (std::size_t begin = 0; begin < text.size(); begin = text.find('\n', begin) + 1)
            ids.push_back(
                (*codec::Json::parse(text.substr(begin, text.find('\n', begin) - begin)))["id"].as_string());
        return ids;
    }
    bool refuse(const std::string&) override { return false; }
    bool is_exactly_once() const override { return true; }

private:
    os::SimFileSystem fs_;
};

class StreamFixture : public TargetFixture {
public:
    std::unique_ptr<Target> open(std::optional<std::uint64_t>) override {
        return make_stream_target(stream_.append(), "copy", {.run = "run", .resume_mark = {}});
    }
    std::optional<std::vector<std::string>> arrived() override {
        std::vector<std::string> ids;
        for (const auto& kept : stream_.kept) ids.push_back(fmt::format("e{}", kept.position.offset));
        return ids;
    }
    bool refuse(const std::string& id) override {
        stream_.refused.insert({StreamId{1}, 0, std::stoull(id.substr(1))});
        return true;
    }
    bool is_exactly_once() const override { return true; }

private:
    fakes::FakeStream stream_;
};

class ProjectionFixture : public TargetFixture {
public:
    std::unique_ptr<Target> open(std::optional<std::uint64_t>) override {
        std::vector<FeederTarget> feeders;
        feeders.push_back({"totals", StreamId{1}, std::move(*state_.applier("accounts@fix", "totals"))});
        return make_projection_target(std::move(feeders), true);
    }
    std::optional<std::vector<std::string>> arrived() override {
        std::vector<std::string> ids;
        for (const Position& position : state_.at("accounts@fix").committed)
            ids.push_back(fmt::format("e{}", position.offset));
        return ids;
    }
    bool refuse(const std::string& id) override {
        state_.fails.insert({StreamId{1}, 0, std::stoull(id.substr(1))});
        return true;
    }
    bool is_exactly_once() const override { return true; }

private:
    fakes::FakeState state_;
};

// Answers with the statuses that were prepared, then 200; remembers what it took.
class Receiver : public net::Handler {
public:
    Receiver() { server_ = std::move(*net::HttpServer::start({.address = "127.0.0.1", .port = 0}, *this)); }
    ~Receiver() override { server_->stop(0); }

    void handle(net::Request request, Respond respond) override {
        net::Response response;
        {
            const std::scoped_lock lock(mutex_);
            requests.push_back(request);
            const auto body = codec::Json::parse(request.body);
            const std::string id = body ? (*body)["id"].as_string() : "";
            response.status = refused.contains(id) ? 400 : 200;
            if (!statuses.empty()) {
                response.status = statuses.front();
                statuses.erase(statuses.begin());
            }
            if (response.status == 200) ids.push_back(id);
        }
        respond(std::move(response));
    }
    std::string url() const { return fmt::format("http://127.0.0.1:{}/in", server_->port()); }

    std::mutex mutex_;
    std::vector<net::Request> requests;
    std::vector<int> statuses;
    std::vector<std::string> ids;
    std::set<std::string> refused;

private:
    std::unique_ptr<net::HttpServer> server_;
};

class HttpFixture : public TargetFixture {
public:
    std::unique_ptr<Target> open(std::optional<std::uint64_t>) override {
        return make_http_target(clock_, receiver_.url(), {.run = "run", .resume_mark = {}});
    }
    std::optional<std::vector<std::string>> arrived() override { return receiver_.ids; }
    bool refuse(const std::string& id) override {
        receiver_.refused.insert(id);
        return true;
    }
    bool is_exactly_once() const override { return false; }

private:
    os::SimClock clock_;
    Receiver receiver_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(Null, TargetConformance, NullFixture);
INSTANTIATE_TYPED_TEST_SUITE_P(File, TargetConformance, FileFixture);
INSTANTIATE_TYPED_TEST_SUITE_P(Stream, TargetConformance, StreamFixture);
INSTANTIATE_TYPED_TEST_SUITE_P(Projection, TargetConformance, ProjectionFixture);
INSTANTIATE_TYPED_TEST_SUITE_P(Http, TargetConformance, HttpFixture);

TEST(HttpTarget, tries_again_what_may_be_repeated_and_says_how_often) {
    os::SimClock clock;
    Receiver receiver;
    receiver.statuses = {503, 429, 200};
    const auto target = make_http_target(clock, receiver.url(), {.run = "run-1", .resume_mark = {}});
    const OutgoingEvents events(1);
    const auto answers = target->send(events.events);
    ASSERT_TRUE(answers);
    EXPECT_EQ(answers->front().delivery, Delivery::acknowledged);
    EXPECT_EQ(answers->front().attempts, 3);
    EXPECT_GE(clock.monotonic_us(), 300'000);
    ASSERT_EQ(receiver.requests.size(), 3u);
    EXPECT_EQ(receiver.requests[2].header("content-type"), "application/cloudevents+json");
    EXPECT_EQ(receiver.requests[2].header("idempotency-key"), "run:1:0:0");
    const auto body = codec::Json::parse(receiver.requests[2].body);
    ASSERT_TRUE(body);
    EXPECT_EQ((*body)["tarnrun"].as_string(), "run-1");
}

TEST(HttpTarget, gives_up_after_five_attempts_and_at_once_on_other_errors) {
    os::SimClock clock;
    Receiver receiver;
    receiver.statuses = {500, 500, 500, 500, 500, 404};
    const auto target = make_http_target(clock, receiver.url(), {.run = "run-1", .resume_mark = {}});
    const OutgoingEvents events(2);
    auto answers = target->send(events.part(0, 2));
    ASSERT_TRUE(answers);
    ASSERT_EQ(answers->size(), 1u);
    EXPECT_EQ(answers->front().delivery, Delivery::failed);
    EXPECT_EQ(answers->front().attempts, 5);
    answers = target->send(events.part(1, 2));
    EXPECT_EQ(answers->front().attempts, 1);
    EXPECT_TRUE(answers->front().error.starts_with("HTTP 404")) << answers->front().error;
}

TEST(HttpTarget, nobody_there_ends_the_session_and_fails_no_event) {
    os::SimClock clock;
    std::string url;
    {
        const Receiver gone;
        url = gone.url();
    }
    const auto target = make_http_target(clock, url, {.run = "run-1", .resume_mark = {}});
    const auto answers = target->send(OutgoingEvents(1).events);
    ASSERT_FALSE(answers);
    EXPECT_EQ(answers.error().kind, ErrorKind::unavailable);
}

TEST(FileTarget, writes_one_line_whatever_the_payload_is) {
    event::StoredEvent event;
    event.meta = R"("attributes":{"id":"a","source":"/s","type":"t"})";
    event::MetaReader reader;
    const auto line_of = [&](std::string_view payload, event::PayloadForm form, event::Shape shape) {
        event.payload = payload;
        event.form = form;
        std::string line;
        append_file_line(line, shape, event, reader.read(event, "bank"), "run");
        EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
        EXPECT_TRUE(codec::validate_json(line)) << line;
        return line;
    };
    EXPECT_EQ(line_of("{\"a\": 1}", event::PayloadForm::json, event::Shape::payload), "{\"a\": 1}\n");
    EXPECT_EQ(line_of("{\n\"a\":\r\n1}", event::PayloadForm::text, event::Shape::payload), "{ \"a\":  1}\n");
    EXPECT_EQ(line_of("not\njson", event::PayloadForm::text, event::Shape::payload), "\"not\\njson\"\n");
    EXPECT_EQ(line_of(std::string_view("\xff\x00", 2), event::PayloadForm::base64, event::Shape::payload),
              "\"/wA=\"\n");
    line_of("{\n\"a\":1}", event::PayloadForm::text, event::Shape::cloudevents);
}

TEST(TargetAddress, names_what_is_wrong) {
    for (const char* good : {"null:", "file:/a/b", "stream:x", "projection:a,b", "http://h/p", "https://h",
                             "http://[::1]:80/a%20b", "http://h:65535?q=1"}) {
        const auto address = TargetAddress::parse(good);
        ASSERT_TRUE(address) << good;
        EXPECT_EQ(address->text(), good);
    }
    EXPECT_TRUE(TargetAddress::parse("file:x")->place.starts_with("/"));
    for (const char* bad : {"",
                            "null",
                            "null:x",
                            "file:",
                            "file:/",
                            "file:/a/",
                            "stream:",
                            "streem:x",
                            "http://",
                            "http:///p",
                            "http://h/a b",
                            "http://:80/",
                            "http://h:0/",
                            "http://h:65536/",
                            "http://h:x/",
                            "http://h:/",
                            "http://h/#a",
                            "http://h/%4",
                            "http://h/%zz",
                            "http://u:p@h/",
                            "http://[::1/",
                            "http://[h]/",
                            "http://h,i/"}) {
        const auto address = TargetAddress::parse(bad);
        ASSERT_FALSE(address) << bad;
        EXPECT_EQ(address.error().code, Code::bad_target) << bad;
    }
    EXPECT_EQ(TargetAddress::parse("http://u:geheim@h/").error().message.find("geheim"), std::string::npos);
    EXPECT_NE(TargetAddress::parse("streem:x").error().message.find("nearest: stream"), std::string::npos);
}

}  // namespace
}  // namespace tarn::replay
