#include "replay/latency.h"

#include <gtest/gtest.h>

namespace tarn::replay {
namespace {

TEST(Latency, each_value_lies_in_a_bucket_that_ends_little_above_it) {
    for (std::int64_t us = 0; us < 5'000'000; us += 1 + us / 7) {
        LatencyHistogram histogram;
        histogram.add(us);
        const auto upper = histogram.to_json()["buckets"].elements().at(0).elements().at(0).as_int();
        EXPECT_GE(upper, us);
        EXPECT_LE(upper, us + us / 4 + 1);
    }
}

TEST(Latency, percentiles_and_sums) {
    LatencyHistogram histogram;
    EXPECT_TRUE(histogram.to_json().is_null());
    histogram.add(100, 90);
    histogram.add(1'000, 9);
    histogram.add(50'000);
    const codec::Json json = histogram.to_json();
    EXPECT_EQ(json["answers"].as_uint(), 100u);
    EXPECT_EQ(json["p50_us"].as_uint(), 111u);
    EXPECT_EQ(json["p90_us"].as_uint(), 111u);
    EXPECT_EQ(json["p99_us"].as_uint(), 1023u);
    EXPECT_EQ(json["max_us"].as_uint(), 50'000u);
    EXPECT_EQ(json["mean_us"].as_uint(), 680u);
}

TEST(Latency, goes_on_from_what_was_written) {
    LatencyHistogram histogram;
    for (int i = 0; i < 1000; ++i) histogram.add(i * i);
    const codec::Json json = histogram.to_json();
    EXPECT_EQ(LatencyHistogram::from_json(json).to_json().dump(), json.dump());
    LatencyHistogram longest;
    longest.add(INT64_MAX);
    longest.add(-5);
    EXPECT_EQ(longest.answers(), 2u);
    EXPECT_EQ(LatencyHistogram::from_json({}).answers(), 0u);
}

}  // namespace
}  // namespace tarn::replay
