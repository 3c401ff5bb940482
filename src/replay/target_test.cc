// The conformance suite on every target there is, and what is particular to one.
#include <gtest/gtest.h>

#include <future>

#include "codec/json.h"
#include "replay/replay_fakes.h"
#include "replay/target_conformance.h"
#include "replay/target_fixtures.h"
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

class HttpFixture : public TargetFixture {
public:
    explicit HttpFixture(HttpMode mode = HttpMode::structured) : mode_(mode) {}
    std::unique_ptr<Target> open(std::optional<std::uint64_t>) override {
        return make_http_target(
            clock_, {.url = receiver_.url(), .mode = mode_, .batch = 7, .secret = {}, .headers = {}},
            {.run = "run", .resume_mark = {}});
    }
    std::optional<std::vector<std::string>> arrived() override { return receiver_.ids(); }
    bool refuse(const std::string& id) override {
        receiver_.refuse(id);
        return true;
    }
    bool push_back(int times) override {
        receiver_.answer_next(std::vector<int>(static_cast<std::size_t>(times), 429));
        return true;
    }
    bool lose_answer() override {
        receiver_.lose_next_answer();
        return true;
    }
    bool is_exactly_once() const override { return false; }

private:
    os::SimClock clock_;
    HttpReceiver receiver_;
    HttpMode mode_;
};
class HttpBinaryFixture : public HttpFixture {
public:
    HttpBinaryFixture() : HttpFixture(HttpMode::binary) {}
};
class HttpBatchedFixture : public HttpFixture {
public:
    HttpBatchedFixture() : HttpFixture(HttpMode::batched) {}
};

class ExecFixture : public TargetFixture {
public:
    std::unique_ptr<Target> open(std::optional<std::uint64_t>) override {
        auto target = open_exec_target({.command = {program_.path()}, .directory = {}},
                                       {.run = "run", .resume_mark = {}});
        EXPECT_TRUE(target) << target.error().text();
        return target ? std::move(*target) : nullptr;
    }
    std::optional<std::vector<std::string>> arrived() override { return program_.ids(); }
    bool refuse(const std::string& id) override {
        program_.refuse(id);
        return true;
    }
    bool lose_answer() override {
        program_.say_nothing();
        return true;
    }
    bool is_exactly_once() const override { return false; }

private:
    TestProgram program_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(Null, TargetConformance, NullFixture);
INSTANTIATE_TYPED_TEST_SUITE_P(File, TargetConformance, FileFixture);
INSTANTIATE_TYPED_TEST_SUITE_P(Stream, TargetConformance, StreamFixture);
INSTANTIATE_TYPED_TEST_SUITE_P(Projection, TargetConformance, ProjectionFixture);
INSTANTIATE_TYPED_TEST_SUITE_P(Http, TargetConformance, HttpFixture);
INSTANTIATE_TYPED_TEST_SUITE_P(HttpBinary, TargetConformance, HttpBinaryFixture);
INSTANTIATE_TYPED_TEST_SUITE_P(HttpBatched, TargetConformance, HttpBatchedFixture);
INSTANTIATE_TYPED_TEST_SUITE_P(Exec, TargetConformance, ExecFixture);

// What a program got and said, one attempt each.
std::vector<Attempted> told(const std::string& script, std::size_t count, bool is_idempotent = false) {
    const OutgoingEvents events(count);
    auto target = open_exec_target({.command = {"sh", "-c", script},
                                    .directory = {},
                                    .timeout_us = 10'000'000,
                                    .is_idempotent = is_idempotent},
                                   {.run = "run", .resume_mark = {}});
    EXPECT_TRUE(target) << target.error().text();
    std::vector<Attempted> answers;
    for (const Outgoing& outgoing : events.events) {
        std::promise<Result<Attempted>> answer;
        auto future = answer.get_future();
        (*target)->begin(outgoing,
                         [&answer](Result<Attempted> result) { answer.set_value(std::move(result)); });
        auto result = future.get();
        if (!result) {
            EXPECT_EQ(result.error().code, Code::program_failed) << result.error().text();
            break;
        }
        answers.push_back(std::move(*result));
    }
    return answers;
}

TEST(ExecTarget, takes_each_answer_for_what_it_is) {
    const auto answers = told(
        R"sh(for answer in ok '{"ok":true}' '{"error":"no"}' '{"error":"busy","retry":true}'; do read -r line; echo "$answer"; done; read -r line)sh",
        4);
    ASSERT_EQ(answers.size(), 4u);
    EXPECT_EQ(answers[0].sent.delivery, Delivery::acknowledged);
    EXPECT_EQ(answers[1].sent.delivery, Delivery::acknowledged);
    EXPECT_EQ(answers[2].sent.delivery, Delivery::failed);
    EXPECT_EQ(answers[2].sent.error, "no");
    EXPECT_FALSE(answers[2].again_us);
    EXPECT_TRUE(answers[3].again_us);
}

TEST(ExecTarget, what_was_not_handed_over_is_still_to_be_sent) {
    const auto answers = told("read -r line; echo ok; read -r line; exit 4", 4);
    ASSERT_EQ(answers.size(), 2u) << "the third is no attempt: the target cannot go on";
    EXPECT_EQ(answers[1].sent.delivery, Delivery::unknown);
    EXPECT_NE(answers[1].sent.error.find("exit code 4"), std::string::npos) << answers[1].sent.error;
    EXPECT_EQ(told("read -r line; echo ok; read -r line; exit 4", 4, true).size(), 1u)
        << "one that knows its keys is asked again";
}

TEST(ExecTarget, words_that_are_no_answer_end_it) {
    EXPECT_EQ(told("read -r line; echo maybe; sleep 60", 1).at(0).sent.delivery, Delivery::unknown);
}

TEST(ExecTarget, must_be_there) {
    for (const char* program : {"/nowhere/program", "./nothing", "surely-no-such-program", "/tmp"}) {
        const auto target =
            open_exec_target({.command = {program}, .directory = {}}, {.run = "run", .resume_mark = {}});
        ASSERT_FALSE(target) << program;
        EXPECT_EQ(target.error().code, Code::bad_target);
    }
}

TEST(TargetSpec, keeps_what_was_declared) {
    for (
        const char* text :
        {R"({"url":"https://h/x","mode":"batched","batch":7,"connections":3,"timeout":"5s","headers":{"X-A":"b"},"idempotent":true})",
         R"({"exec":"load 'a b' c","timeout":"1m"})", R"({"url":"http://10.0.0.1/","allow_private":true})"}) {
        const auto spec = TargetSpec::from_json("n", *codec::Json::parse(text), "/folder");
        ASSERT_TRUE(spec) << spec.error().text();
        const auto again = TargetSpec::from_json("n", spec->to_json(), "/elsewhere");
        ASSERT_TRUE(again) << again.error().text();
        EXPECT_EQ(again->version(), spec->version()) << spec->to_json().dump();
    }
    const auto program =
        TargetSpec::from_json("n", *codec::Json::parse(R"({"exec":"load 'a b' c"})"), "/folder");
    EXPECT_EQ(program->command, (std::vector<std::string>{"load", "a b", "c"}));
    EXPECT_EQ(program->directory, "/folder");
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
    for (const char* good :
         {"null:", "file:/a/b", "stream:x", "projection:a,b", "http://h/p", "https://h",
          "http://[::1]:80/a%20b", "http://h:65535?q=1", "exec:load -x 'a b'", "target:billing"}) {
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
                            "http://h,i/",
                            "exec:",
                            "exec:'a",
                            "target:"}) {
        const auto address = TargetAddress::parse(bad);
        ASSERT_FALSE(address) << bad;
        EXPECT_EQ(address.error().code, Code::bad_target) << bad;
    }
    EXPECT_EQ(TargetAddress::parse("http://u:geheim@h/").error().message.find("geheim"), std::string::npos);
    EXPECT_NE(TargetAddress::parse("streem:x").error().message.find("nearest: stream"), std::string::npos);
}

}  // namespace
}  // namespace tarn::replay
