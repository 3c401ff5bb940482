#include "replay/throttle.h"

#include <algorithm>
#include <numeric>

namespace tarn::replay {
namespace {

constexpr double kept_part = 0.7;             // of the rate, after a push back
constexpr double raise_a_second = 0.1;        // of the rate at which it pushed back
constexpr double quiet_raise_a_second = 0.3;  // of the limit, when it has not pushed back for long
constexpr double lowest_limit = 1;            // a second: it must be asked to be seen to take again
constexpr double first_limit = 10;            // when it has taken nothing yet
constexpr std::int64_t burst_us = 20'000;
constexpr std::int64_t deaf_us = 100'000;      // push backs of one moment are one
constexpr std::int64_t quiet_us = 8'000'000;   // without any: raise faster; not in the way: no limit
constexpr std::int64_t drift_us = 30'000'000;  // in which what is usual may double
constexpr std::int64_t trusted_us = 200'000;   // a rate of less time says nothing
constexpr std::uint64_t trusted_answers = 50;
// So few of all that were dealt with in the last second are a mishap each, not a target that has too much to
// do: slowing down for each would end at nearly nothing.
constexpr double mishaps = 0.02;
constexpr double slow_factor = 3;            // of the usual time of an answer …
constexpr double slow_at_least_us = 50'000;  // … and this much more is too much to do
constexpr double smoothing = 1.0 / 16;

}  // namespace

void Throttle::follow(std::int64_t now_us) {
    const std::int64_t back = seen_us_ - now_us;
    seen_us_ = now_us;
    if (back <= 0) return;
    next_us_ -= static_cast<double>(back);
    for (std::int64_t* time : {&open_at_us_, &slowed_us_, &sped_us_, &refused_us_, &usual_at_us_})
        *time -= back;
    if (closed_since_us_) *closed_since_us_ -= back;
    taken_.fill(0);
    first_slice_ = -1;
}

bool Throttle::may_begin(std::int64_t now_us) {
    follow(now_us);
    if (now_us < open_at_us_) return false;
    if (!limit_) return true;
    speed_up(now_us);
    if (!limit_ || static_cast<double>(now_us) >= next_us_) return true;
    refused_us_ = now_us;
    return false;
}

void Throttle::count(std::int64_t now_us) {
    if (!limit_) return;
    next_us_ = std::max(next_us_, static_cast<double>(now_us - burst_us)) + 1e6 / *limit_;
}

std::int64_t Throttle::wait_us(std::int64_t now_us) const {
    const std::int64_t until_open = open_at_us_ - now_us;
    const auto until_next = static_cast<std::int64_t>(next_us_ - static_cast<double>(now_us));
    return std::max<std::int64_t>({1, until_open, limit_ ? until_next : 0});
}

// Only a limit that is in the way is raised: nothing is known of one that is not.
void Throttle::speed_up(std::int64_t now_us) {
    const double seconds =
        static_cast<double>(std::clamp<std::int64_t>(now_us - sped_us_, 0, 1'000'000)) / 1e6;
    sped_us_ = now_us;
    if (now_us - std::max(refused_us_, slowed_us_) > quiet_us) {
        limit_.reset();
        return;
    }
    if (now_us - refused_us_ > 1'000'000) return;
    const bool is_quiet = now_us - slowed_us_ > quiet_us;
    const double raise = !is_knee_known_ ? *limit_
                         : is_quiet      ? quiet_raise_a_second * *limit_
                                         : raise_a_second * knee_;
    *limit_ += std::max(lowest_limit, raise) * seconds;
}

void Throttle::slow_down(std::int64_t now_us, double floor) {
    const double taken = taken_per_second();
    const bool is_trusted = first_slice_ >= 0 && now_us - first_slice_ * slice_us >= trusted_us;
    if (!limit_)
        knee_ = taken > 0 ? taken : first_limit;
    else
        knee_ = is_trusted && taken > 0 ? std::min(*limit_, taken) : *limit_;
    // A rate of too short a time may be far off: what it takes is then found by doubling.
    is_knee_known_ = is_trusted || limit_;
    limit_ = std::max(floor, knee_ * kept_part);
    slowed_us_ = sped_us_ = refused_us_ = now_us;
    next_us_ = std::max(next_us_, static_cast<double>(now_us));
}

void Throttle::pushed_back(std::int64_t now_us, std::int64_t wait_us) {
    follow(now_us);
    ++pushbacks_;
    if (!closed_since_us_) closed_since_us_ = now_us;
    turn_to(now_us);
    ++refused_[static_cast<std::size_t>(slice_) % slices];
    const bool is_same_moment = now_us < open_at_us_ || now_us - slowed_us_ < deaf_us;
    if (!is_same_moment && (wait_us > 0 || !is_one_of_many())) slow_down(now_us, lowest_limit);
    if (wait_us <= 0) return;
    open_at_us_ = std::max(open_at_us_, now_us + wait_us);
    // What it took before it closed says nothing of what it takes afterwards.
    taken_.fill(0);
    first_slice_ = -1;
}

bool Throttle::is_one_of_many() const {
    const auto sum = [](const auto& slices_of) {
        return std::accumulate(slices_of.begin(), slices_of.end(), 0.0);
    };
    const double taken = sum(taken_), refused = sum(refused_);
    return taken >= static_cast<double>(trusted_answers) && refused <= mishaps * (taken + refused);
}

double Throttle::taken_per_second() const {
    if (first_slice_ < 0) return 0;
    std::uint64_t sum = 0;
    for (const std::uint32_t count : taken_) sum += count;
    const std::int64_t from =
        std::max(first_slice_, slice_ - static_cast<std::int64_t>(slices) + 1) * slice_us;
    const auto elapsed = static_cast<double>(std::max<std::int64_t>(seen_us_ - from, slice_us / 10));
    return static_cast<double>(sum) * 1e6 / elapsed;
}

void Throttle::turn_to(std::int64_t now_us) {
    const std::int64_t slice = now_us / slice_us;
    if (first_slice_ < 0 || slice - slice_ >= static_cast<std::int64_t>(slices)) {
        taken_.fill(0);
        refused_.fill(0);
        first_slice_ = slice_ = slice;
    }
    while (slice_ < slice) {
        const std::size_t next = static_cast<std::size_t>(++slice_) % slices;
        taken_[next] = refused_[next] = 0;
    }
}

void Throttle::answered(std::int64_t now_us, std::int64_t latency_us) {
    follow(now_us);
    closed_since_us_.reset();
    turn_to(now_us);
    ++taken_[static_cast<std::size_t>(slice_) % slices];
    if (heeds_latency_) heed_latency(now_us, latency_us);
}

void Throttle::heed_latency(std::int64_t now_us, std::int64_t latency_us) {
    const auto latency = static_cast<double>(std::max<std::int64_t>(latency_us, 1));
    latency_us_ = answers_ == 0 ? latency : latency_us_ + (latency - latency_us_) * smoothing;
    const auto since = static_cast<double>(std::max<std::int64_t>(now_us - usual_at_us_, 0));
    usual_at_us_ = now_us;
    usual_us_ = answers_ == 0 ? latency_us_
                              : std::min(latency_us_, usual_us_ * (1 + std::min(1.0, since / drift_us)));
    if (++answers_ < trusted_answers || latency_us_ < slow_factor * usual_us_ ||
        latency_us_ < usual_us_ + slow_at_least_us)
        return;
    // What was asked lately must have been answered before it is known what it did.
    const std::int64_t settle_us =
        std::max<std::int64_t>(1'000'000, static_cast<std::int64_t>(4 * latency_us_));
    if (now_us - slowed_us_ < settle_us) return;
    ++pushbacks_;
    // One at a time is the least: it cannot be the run that makes it slow then.
    slow_down(now_us, std::max(lowest_limit, 1e6 / latency_us_));
}

}  // namespace tarn::replay
