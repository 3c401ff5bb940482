#include "lake/corrections.h"

#include <gtest/gtest.h>

#include "codec/hash.h"

namespace tarn::lake {
namespace {

const Position place{StreamId{3}, 1, 41};

TEST(CorrectionsTest, a_stream_without_any_gives_nothing_to_look_at) {
    Corrections corrections;
    corrections.put(Correction::make(place, "{}"));
    EXPECT_EQ(corrections.of(StreamId{4}), nullptr);
    EXPECT_EQ(corrections.at({StreamId{3}, 1, 40}), nullptr);
    ASSERT_NE(corrections.at(place), nullptr);
}

TEST(CorrectionsTest, the_last_one_counts_and_readers_keep_what_they_have) {
    Corrections corrections;
    corrections.put(Correction::make(place, "1"));
    const auto before = corrections.of(place.stream);
    corrections.put(Correction::make(place, "2"));
    EXPECT_EQ(find_correction(before, place)->payload, "1");
    EXPECT_EQ(corrections.at(place)->payload, "2");
}

TEST(CorrectionsTest, it_replaces_the_payload_and_nothing_else) {
    event::StoredEvent event;
    event.position = place;
    event.sequence = 7;
    event.meta = "\"attributes\":{}";
    event.payload = "broken";
    const auto correction = Correction::make(place, R"({"a":1})");
    correction.replace(event);
    EXPECT_EQ(event.payload, R"({"a":1})");
    EXPECT_EQ(event.hash, codec::xxh3_128(R"({"a":1})"));
    EXPECT_EQ(event.form, event::PayloadForm::json);
    EXPECT_EQ(event.sequence, 7u);
}

TEST(CorrectionsTest, a_document_gives_the_same_bytes_back) {
    auto correction = Correction::make(place, std::string("\0\xff\n", 3));
    correction.event = "0:12";
    const auto read = Correction::from_json(correction.to_json());
    ASSERT_TRUE(read);
    EXPECT_EQ(read->payload, correction.payload);
    EXPECT_EQ(read->original, place);
    EXPECT_EQ(read->event, "0:12");
    EXPECT_EQ(read->form, event::PayloadForm::base64);
}

}  // namespace
}  // namespace tarn::lake
