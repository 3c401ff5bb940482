#include "event/raw_line.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "codec/hash.h"
#include "codec/json.h"
#include "event/derive.h"

namespace tarn::event {
namespace {

StoredEvent event_of(std::string_view payload, PayloadForm form) {
    StoredEvent event;
    event.position = {StreamId{3}, 2, 41};
    event.sequence = 977;
    event.ingested = Time{1'763'661'731'123'456};
    event.meta = R"("key":"ACC,\"1\"","attributes":{"type":"a,\"event\":1"},"headers":{"x":"y"})";
    event.payload = payload;
    event.form = form;
    return event;
}

std::string line_of(const StoredEvent& event) {
    std::string line;
    append_raw_line(line, event);
    return line;
}

TEST(RawLine, LooksAsDescribed) {
    StoredEvent event = event_of(R"({"a":1})", PayloadForm::json);
    event.meta = R"("attributes":{"type":"t"})";
    EXPECT_EQ(line_of(event),
              "{\"partition\":2,\"offset\":41,\"seq\":977,\"ingested\":\"2025-11-20T18:02:11.123456Z\","
              "\"attributes\":{\"type\":\"t\"},\"event\":{\"a\":1}}\n");
    event.form = PayloadForm::text;
    EXPECT_NE(line_of(event).find(R"("event_text":"{\"a\":1}"})"), std::string::npos);
    event.form = PayloadForm::base64;
    EXPECT_NE(line_of(event).find(R"("event_base64":"eyJhIjoxfQ=="})"), std::string::npos);
}

void expect_comes_back(const StoredEvent& event) {
    std::string line = line_of(event);
    ASSERT_EQ(std::ranges::count(line, '\n'), 1);
    ASSERT_EQ(line.back(), '\n');
    line.pop_back();
    ASSERT_TRUE(codec::validate_json(line, {.max_bytes = 1 << 24})) << line;
    std::string scratch;
    const auto read = parse_raw_line(event.position.stream, line, scratch, true);
    ASSERT_TRUE(read) << read.error().text();
    EXPECT_EQ(read->payload, event.payload);
    EXPECT_EQ(read->meta, event.meta);
    EXPECT_EQ(read->position, event.position);
    EXPECT_EQ(read->sequence, event.sequence);
    EXPECT_EQ(read->ingested, event.ingested);
    EXPECT_EQ(read->form, event.form);
    EXPECT_EQ(read->hash, codec::xxh3_128(event.payload));
}

TEST(RawLine, EveryFormComesBack) {
    expect_comes_back(event_of(R"({"event":{"a":"}\\"}})", PayloadForm::json));
    expect_comes_back(event_of("3", PayloadForm::json));
    expect_comes_back(event_of(" {\n}\r\n", PayloadForm::text));
    expect_comes_back(event_of("", PayloadForm::base64));
    expect_comes_back(event_of("", PayloadForm::text));
    StoredEvent without_meta = event_of("{}", PayloadForm::json);
    without_meta.meta = {};
    expect_comes_back(without_meta);
}

TEST(RawLine, RandomBytesComeBack) {
    std::mt19937_64 random(5);
    for (int round = 0; round < 2000; ++round) {
        std::string bytes(random() % 100, '\0');
        const bool text = random() % 2 == 0;
        for (char& c : bytes) c = static_cast<char>(text ? 9 + random() % 119 : random());
        expect_comes_back(event_of(bytes, form_of_bytes(bytes)));
    }
}

TEST(RawLine, DamagedLinesAreRefusedOrRead) {
    const std::string good = line_of(event_of(R"({"a":[1,"x\\"]})", PayloadForm::text));
    std::mt19937_64 random(6);
    std::string scratch;
    int refused = 0;
    for (int round = 0; round < 20'000; ++round) {
        std::string line = good.substr(0, random() % 5 == 0 ? random() % good.size() : good.size() - 1);
        for (auto n = random() % 3; n > 0 && !line.empty(); --n)
            line[random() % line.size()] = static_cast<char>(random());
        const auto read = parse_raw_line({}, line, scratch, true);
        if (read) continue;
        ++refused;
        ASSERT_EQ(read.error().code, Code::object_corrupt);
    }
    EXPECT_GT(refused, 4000);
    for (const char* line :
         {"", "{", "{}", "{\"partition\":", "[1]",
          "{\"partition\":0,\"offset\":0,\"seq\":1,\"ingested\":\"x\",\"event\":1}",
          "{\"partition\":0,\"offset\":0,\"seq\":1,\"ingested\":\"2024-01-01T00:00:00Z\",\"event\":}",
          "{\"partition\":0,\"offset\":0,\"seq\":1,\"ingested\":\"2024-01-01T00:00:00Z\",\"event_base64\":\"!"
          "\"}"})
        EXPECT_FALSE(parse_raw_line({}, line, scratch, true)) << line;
}

}  // namespace
}  // namespace tarn::event
