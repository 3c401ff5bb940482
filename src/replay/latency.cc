#include "replay/latency.h"

#include <algorithm>
#include <bit>

namespace tarn::replay {

using codec::Json;

// Values below 4 have a bucket each; above, four equal ones an octave.
std::size_t LatencyHistogram::bucket_of(std::uint64_t us) {
    if (us < 4) return us;
    const auto octave = static_cast<std::size_t>(std::bit_width(us)) - 1;
    return std::min(buckets - 1, (octave - 1) * 4 + ((us >> (octave - 2)) & 3));
}

std::uint64_t LatencyHistogram::upper_end(std::size_t bucket) {
    if (bucket < 4) return bucket;
    const std::size_t octave = bucket / 4 + 1;
    return ((4 + bucket % 4 + 1) << (octave - 2)) - 1;
}

void LatencyHistogram::add(std::int64_t us, std::uint64_t answers) {
    const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(us, 0));
    counts_[bucket_of(value)] += answers;
    answers_ += answers;
    sum_us_ += value * answers;
    if (answers > 0) max_us_ = std::max(max_us_, value);
}

std::uint64_t LatencyHistogram::percentile(std::uint64_t per_cent) const {
    const std::uint64_t wanted = (answers_ * per_cent + 99) / 100;
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets; ++i)
        if ((seen += counts_[i]) >= wanted) return std::min(upper_end(i), max_us_);
    return max_us_;
}

Json LatencyHistogram::to_json() const {
    if (answers_ == 0) return {};
    Json list = Json::array();
    for (std::size_t i = 0; i < buckets; ++i)
        if (counts_[i] > 0) list.push(Json::array({upper_end(i), counts_[i]}));
    return Json::object()
        .set("answers", answers_)
        .set("mean_us", sum_us_ / answers_)
        .set("max_us", max_us_)
        .set("p50_us", percentile(50))
        .set("p90_us", percentile(90))
        .set("p99_us", percentile(99))
        .set("buckets", std::move(list));
}

LatencyHistogram LatencyHistogram::from_json(const Json& json) {
    LatencyHistogram histogram;
    for (const Json& one : json["buckets"].elements())
        if (one.size() == 2)
            histogram.add(static_cast<std::int64_t>(one.elements()[0].as_uint()),
                          one.elements()[1].as_uint());
    histogram.sum_us_ = json["mean_us"].as_uint() * histogram.answers_;
    histogram.max_us_ = json["max_us"].as_uint();
    return histogram;
}

}  // namespace tarn::replay
