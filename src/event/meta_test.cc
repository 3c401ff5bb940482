#include "event/meta.h"

#include <gtest/gtest.h>

namespace tarn::event {
namespace {

class MetaReaderTest : public testing::Test {
protected:
    const Meta& read(std::string meta, std::int64_t ingested_us = 0) {
        text_ = std::move(meta);
        event_.position = {StreamId{1}, 2, 41};
        event_.ingested = Time{ingested_us};
        event_.meta = text_;
        return reader_.read(event_, "bank");
    }
    MetaReader reader_;
    StoredEvent event_;
    std::string text_;
};

TEST_F(MetaReaderTest, FillsInTheDefaultsOfTheContract) {
    const Meta& meta = read(R"("attributes":{})", 1'000'000);
    EXPECT_EQ(meta.id, "2:41");
    EXPECT_EQ(meta.type, "bank");
    EXPECT_EQ(meta.source, "/tarn/bank");
    EXPECT_EQ(meta.time.us, 1'000'000);
    EXPECT_EQ(meta.time_text, "1970-01-01T00:00:01Z");
    EXPECT_FALSE(meta.key);
    EXPECT_TRUE(meta.run.empty());
}

TEST_F(MetaReaderTest, TimesDoNotLeakFromOneEventToTheNext) {
    EXPECT_EQ(read(R"("attributes":{})", 1'000'000).time_text, "1970-01-01T00:00:01Z");
    EXPECT_EQ(read(R"("attributes":{})", 2'000'000).time_text, "1970-01-01T00:00:02Z");
    EXPECT_EQ(read(R"("attributes":{"time":"2024-03-01T00:00:00+01:00"})", 2'000'000).time_text,
              "2024-03-01T00:00:00+01:00");
    EXPECT_EQ(read(R"("attributes":{"time":"not a time"})", 2'000'000).time_text, "1970-01-01T00:00:02Z");
    EXPECT_EQ(read(R"("attributes":{})", 0).time_text, "1970-01-01T00:00:00Z");
}

TEST_F(MetaReaderTest, NamesTheRunThatPutACopyHere) {
    EXPECT_EQ(read(R"("attributes":{"type":"a","tarnrun":"0192-7\u0041"})").run, "0192-7A");
    EXPECT_EQ(read(R"("attributes":{"type":"tarnrun"})").run, "");
    EXPECT_EQ(read(R"("attributes":{"tarnrun":7})").run, "7");
}

TEST_F(MetaReaderTest, UnescapesWhatIsEscaped) {
    const Meta& meta = read(R"("key":"a\"b","attributes":{"id":"\u00e9","subject":"s\n"})");
    EXPECT_EQ(*meta.key, "a\"b");
    EXPECT_EQ(meta.id, "é");
    EXPECT_EQ(*meta.subject, "s\n");
}

}  // namespace
}  // namespace tarn::event
