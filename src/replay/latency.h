// How long a target took for its answers: a histogram of fixed size, exact to a quarter of an octave.
#pragma once

#include <array>
#include <cstdint>

#include "codec/json.h"

namespace tarn::replay {

// One thread.
class LatencyHistogram {
public:
    void add(std::int64_t us, std::uint64_t answers = 1);
    std::uint64_t answers() const { return answers_; }

    // {"answers","mean_us","max_us","p50_us","p90_us","p99_us","buckets":[[up to µs, answers],…]}; null when
    // there were none. Percentiles are the upper ends of their buckets.
    codec::Json to_json() const;
    // Goes on from what an earlier session wrote.
    static LatencyHistogram from_json(const codec::Json& json);

private:
    static constexpr std::size_t buckets = 128;  // up to 2^32 µs, more than an hour
    static std::size_t bucket_of(std::uint64_t us);
    static std::uint64_t upper_end(std::size_t bucket);
    std::uint64_t percentile(std::uint64_t per_cent) const;

    std::array<std::uint64_t, buckets> counts_ = {};
    std::uint64_t answers_ = 0, sum_us_ = 0, max_us_ = 0;
};

}  // namespace tarn::replay
