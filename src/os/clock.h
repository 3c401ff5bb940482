// Time and waiting. Wall time is data only; intervals come from the monotonic clock, which never jumps.
#pragma once

#include <cstdint>
#include <memory>

#include "base/time.h"

namespace tarn::os {

class Clock {
public:
    virtual ~Clock() = default;
    virtual Time now() = 0;                   // wall clock, UTC
    virtual std::int64_t monotonic_us() = 0;  // for intervals
    virtual void sleep_us(std::int64_t us) = 0;
};

std::unique_ptr<Clock> make_real_clock();

// A clock that moves only when told or slept on. Thread-compatible.
class SimClock final : public Clock {
public:
    explicit SimClock(Time start = Time{1'700'000'000'000'000}) : now_(start) {}
    Time now() override { return now_; }
    std::int64_t monotonic_us() override { return monotonic_us_; }
    void sleep_us(std::int64_t us) override { advance_us(us); }
    void advance_us(std::int64_t us) {
        now_.us += us;
        monotonic_us_ += us;
    }
    void jump_wall_us(std::int64_t us) { now_.us += us; }  // as a wrong NTP step would

private:
    Time now_;
    std::int64_t monotonic_us_ = 0;
};

}  // namespace tarn::os
