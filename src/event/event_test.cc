#include "event/event.h"

#include <gtest/gtest.h>

#include "event/stream_settings.h"

namespace tarn::event {
namespace {

TEST(Position, TextComesBack) {
    EXPECT_EQ(position_text(0, 41), "0:41");
    const auto position = parse_position(StreamId{7}, "3:18446744073709551615");
    ASSERT_TRUE(position);
    EXPECT_EQ(*position, (Position{StreamId{7}, 3, 18446744073709551615u}));
    for (const char* text :
         {"", "1", "1:", ":1", "1:2:3", "-1:2", "1:-2", " 1:2", "1:2 ", "4294967296:0", "a:b"})
        EXPECT_FALSE(parse_position({}, text)) << text;
}

TEST(Partition, IsKafkas) {
    EXPECT_EQ(partition_of("abc", 4), (479470107u & 0x7FFF'FFFF) % 4);
    EXPECT_EQ(partition_of("21", 7), (static_cast<std::uint32_t>(-973932308) & 0x7FFF'FFFF) % 7);
    EXPECT_EQ(partition_of("anything", 1), 0u);
}

TEST(StreamName, Rules) {
    for (const char* name : {"a", "bank", "a-b_c9"}) EXPECT_TRUE(is_valid_stream_name(name)) << name;
    for (const char* name : {"", "_tarn", "9a", "Bank", "a.b", "a b", "é", "a/b", "-a"})
        EXPECT_FALSE(is_valid_stream_name(name)) << name;
    EXPECT_TRUE(is_valid_stream_name(std::string(64, 'a')));
    EXPECT_FALSE(is_valid_stream_name(std::string(65, 'a')));
}

codec::Json json_of(std::string_view text) { return codec::Json::parse(text).value(); }

TEST(StreamSettings, ReadsTheBankOfTheContract) {
    const auto settings = StreamSettings::from_json(json_of(R"({
        "partitions": 4, "name_pattern": "(?P<type>.+)_(?P<id>[^_]+)\\.event$",
        "event": {"type": {"name":"type"}, "id": {"name":"id"}, "source": {"value":"/bank"},
                  "time": {"path":"EventTimeStamp","unit":"s"}, "key": [{"path":"TargetAccount"},{"path":"SourceAccount"}]},
        "roll": {"age":"60s","size":"128MiB"}})"));
    ASSERT_TRUE(settings) << settings.error().text();
    EXPECT_EQ(settings->partitions, 4u);
    EXPECT_EQ(settings->format, std::nullopt);
    ASSERT_EQ(settings->mapping.key.size(), 2u);
    EXPECT_EQ(settings->mapping.key[1].what, "SourceAccount");
    EXPECT_EQ(settings->mapping.time.front().unit, TimeUnit::s);
    EXPECT_EQ(settings->mapping.source.front().from, Rule::From::constant);
    EXPECT_EQ(settings->roll.size_bytes, 128u << 20);
    const codec::Json written = settings->to_json();
    const auto again = StreamSettings::from_json(written);
    ASSERT_TRUE(again) << again.error().text();
    EXPECT_EQ(again->to_json(), written);
    EXPECT_EQ(written["roll"]["age"].as_string(), "60s");
    EXPECT_EQ(again->roll.age_us, settings->roll.age_us);
}

TEST(StreamSettings, DefaultsAndEveryField) {
    EXPECT_EQ(StreamSettings::from_json(codec::Json())->partitions, 1u);
    const auto settings = StreamSettings::from_json(json_of(
        R"({"format":"bytes","event":{"source":{"value":7},"time":[{"path":"a","unit":"ns"},{"path":"b"}]},"roll":{"age":"1500us","size":4096},"max_event_bytes":"2MiB","replay":{"mail_sent":"never","paid":"ask"}})"));
    ASSERT_TRUE(settings) << settings.error().text();
    EXPECT_EQ(settings->format, Format::bytes);
    EXPECT_EQ(settings->max_event_bytes, 2u << 20);
    EXPECT_EQ(settings->mapping.source.front().what, "7");
    EXPECT_EQ(settings->replay.at("mail_sent"), ReplayMark::never);
    EXPECT_EQ(settings->replay.at("paid"), ReplayMark::ask);
    const auto again = StreamSettings::from_json(settings->to_json());
    ASSERT_TRUE(again);
    EXPECT_EQ(again->to_json(), settings->to_json());
    EXPECT_EQ(again->roll.age_us, 1500);
}

TEST(StreamSettings, MistakesAreNamed) {
    const std::pair<const char*, const char*> cases[] = {
        {R"({"partition":4})", R"(a stream has no setting "partition": the nearest is "partitions")"},
        {R"({"event":{"tim":{}}})", R"(event has no setting "tim": the nearest is "time")"},
        {R"({"event":{"key":[{"path":"a"},{"pat":"b"}]}})",
         R"(event.key[1] has no setting "pat": the nearest is "path")"},
        {R"({"event":{"id":{"path":"a","value":"b"}}})",
         "event.id needs exactly one of path, name and value"},
        {R"({"event":{"id":{"path":"a","unit":"s"}}})", "event.id.unit: only time has a unit"},
        {R"({"event":{"time":{"path":"a","unit":"sec"}}})",
         R"(event.time.unit "sec" is unknown: expected s, ms, us, ns or rfc3339)"},
        {R"({"event":{"id":{"path":""}}})", "event.id.path must not be empty"},
        {R"({"event":7})", "event must be an object"},
        {R"({"partitions":0})", "partitions must be a number from 1 to 1024"},
        {R"({"partitions":1025})", "partitions must be a number from 1 to 1024"},
        {R"({"partitions":"4"})", "partitions must be a number from 1 to 1024"},
        {R"({"format":"xml"})",
         R"(format "xml" is unknown: expected auto, cloudevents, eventbridge, json or bytes)"},
        {R"({"replay":"never"})", "replay must be an object: event type to safe, ask or never"},
        {R"({"replay":{"paid":"maybe"}})", "replay.paid: expected safe, ask or never"},
        {R"({"roll":{"size":0}})", "roll.size must be a size above 0 such as 128MiB"},
        {R"([])", "a stream must be an object"},
    };
    for (const auto& [text, message] : cases) {
        const auto settings = StreamSettings::from_json(json_of(text));
        ASSERT_FALSE(settings) << text;
        EXPECT_EQ(settings.error().code, Code::bad_config);
        EXPECT_EQ(settings.error().message, message);
    }
    EXPECT_FALSE(StreamSettings::from_json(json_of(R"({"roll":{"age":"soon"}})")));
}

}  // namespace
}  // namespace tarn::event
