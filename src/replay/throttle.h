// How much a target takes, learned from its answers: it may refuse for now (429, 503, a connection reset),
// say for how long, or answer more and more slowly. Then the run asks less of it, at once and by a part, and
// afterwards a little more each second (AIMD), so that the rate settles around what the target takes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

namespace tarn::replay {

// No limit until the target pushes back. Times are monotonic microseconds; a clock that leaps does no more
// than let events go or wait for a moment. One thread.
class Throttle {
public:
    // `heeds_latency`: that answers become slower means that the target has too much to do.
    Throttle(std::int64_t now_us, bool heeds_latency) : heeds_latency_(heeds_latency), seen_us_(now_us) {}

    // Whether one more may be begun now; `count` it then.
    bool may_begin(std::int64_t now_us);
    void count(std::int64_t now_us);
    // How long until the one that was refused may be begun.
    std::int64_t wait_us(std::int64_t now_us) const;

    // The target dealt with one, whatever came of it.
    void answered(std::int64_t now_us, std::int64_t latency_us);
    // It refused one for now; `wait_us`: and wants nothing for so long.
    void pushed_back(std::int64_t now_us, std::int64_t wait_us = 0);

    // Events a second; nullopt: as many as it takes.
    std::optional<double> limit() const { return limit_; }
    std::uint64_t pushbacks() const { return pushbacks_; }
    // Since when it has refused everything; nullopt while it takes some.
    std::optional<std::int64_t> closed_since_us() const { return closed_since_us_; }

private:
    static constexpr std::size_t slices = 10;
    static constexpr std::int64_t slice_us = 100'000;

    void follow(std::int64_t now_us);
    void turn_to(std::int64_t now_us);  // the slice of this time
    bool is_one_of_many() const;
    void slow_down(std::int64_t now_us, double floor);
    void speed_up(std::int64_t now_us);
    void heed_latency(std::int64_t now_us, std::int64_t latency_us);
    double taken_per_second() const;

    const bool heeds_latency_;
    std::int64_t seen_us_;
    std::optional<double> limit_;
    double knee_ = 0;  // the limit or the rate at which it pushed back last
    bool is_knee_known_ = false;
    double next_us_ = 0;
    std::int64_t open_at_us_ = 0;
    std::int64_t slowed_us_ = INT64_MIN / 4, sped_us_ = 0, refused_us_ = 0;
    std::uint64_t pushbacks_ = 0;
    std::optional<std::int64_t> closed_since_us_;

    std::array<std::uint32_t, slices> taken_{}, refused_{};  // in the last second, a slice each
    std::int64_t slice_ = 0, first_slice_ = -1;

    double latency_us_ = 0, usual_us_ = 0;  // smoothed; the lowest of that lately
    std::uint64_t answers_ = 0;
    std::int64_t usual_at_us_ = 0;
};

}  // namespace tarn::replay
