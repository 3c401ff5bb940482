#include "event/binary_mode.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <map>

namespace tarn::event {
namespace {

struct Shown {
    std::map<std::string, std::string> headers;
    std::string body;
};

Shown shown(std::string_view meta, std::string_view payload, const ShapeExtras& extras = {}) {
    StoredEvent event;
    event.position = {StreamId{1}, 0, 4};
    event.ingested = Time{1'700'000'000'000'000};
    event.meta = meta;
    event.payload = payload;
    MetaReader reader;
    BinaryMode out = binary_mode(event, reader.read(event, "s"), extras);
    Shown shown{.headers = {}, .body = std::move(out.body)};
    for (auto& [name, value] : out.headers) {
        EXPECT_TRUE(shown.headers.emplace(name, value).second) << name << " stands twice";
    }
    return shown;
}

TEST(BinaryMode, HasEachAttributeAsAHeader) {
    const auto event = shown(
        R"("attributes":{"id":"a","source":"/s","type":"t","subject":"ü \"x\" 5%","dataschema":"http://d/","trace":"00-a","n":3,"ok":true,"tarndefaulted":true})",
        R"({"x": 1})");
    EXPECT_EQ(event.headers.at("ce-specversion"), "1.0");
    EXPECT_EQ(event.headers.at("ce-subject"), "%C3%BC%20%22x%22%205%25");
    EXPECT_EQ(event.headers.at("ce-dataschema"), "http://d/");
    EXPECT_EQ(event.headers.at("ce-trace"), "00-a");
    EXPECT_EQ(event.headers.at("ce-n"), "3");
    EXPECT_EQ(event.headers.at("ce-ok"), "true");
    EXPECT_EQ(event.headers.at("content-type"), "application/json");
    EXPECT_FALSE(event.headers.contains("ce-tarnrun"));
    EXPECT_EQ(event.body, R"({"x": 1})");
}

TEST(BinaryMode, HasTheRunInPlaceOfAnEarlierOne) {
    const auto event =
        shown(R"("attributes":{"id":"a","source":"/s","type":"t","tarnrun":"old","tarnattempt":9})", "{}",
              {.run = "new", .attempt = 2});
    EXPECT_EQ(event.headers.at("ce-tarnrun"), "new");
    EXPECT_EQ(event.headers.at("ce-tarnattempt"), "2");
    EXPECT_FALSE(event.headers.contains("ce-tarnkey"));
}

TEST(BinaryMode, HasTheDataOfACloudEventAsItsBody) {
    const auto body = [](std::string_view type, std::string_view payload) {
        return shown(
            fmt::format(R"("attributes":{{"id":"a","source":"/s","type":"t"{},"tarnformat":"cloudevents"}})",
                        type),
            payload);
    };
    EXPECT_EQ(body("", R"({"data": {"a":1}})").body, R"({"a":1})");
    EXPECT_EQ(body("", R"({"data":"text"})").body, R"("text")");
    const auto text = body(R"(,"datacontenttype":"text/plain")", R"({"data":"two\nlines"})");
    EXPECT_EQ(text.body, "two\nlines");
    EXPECT_EQ(text.headers.at("content-type"), "text/plain");
    const auto bytes = body("", R"({"data_base64":"AP8="})");
    EXPECT_EQ(bytes.body, std::string("\0\xff", 2));
    EXPECT_EQ(bytes.headers.at("content-type"), "application/octet-stream");
    EXPECT_EQ(body("", "{}").body, "");
    EXPECT_FALSE(body("", "{}").headers.contains("content-type"));
}

TEST(BinaryMode, HasBytesAsTheyCame) {
    const auto event = shown(
        R"("attributes":{"id":"a","source":"/s","type":"t","datacontenttype":"image/png","tarnformat":"bytes"})",
        std::string_view("\x89PNG\0", 5));
    EXPECT_EQ(event.body, std::string("\x89PNG\0", 5));
    EXPECT_EQ(event.headers.at("content-type"), "image/png");
}

}  // namespace
}  // namespace tarn::event
