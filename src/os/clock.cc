#include "os/clock.h"

#include <chrono>
#include <ctime>
#include <thread>

namespace tarn::os {
namespace {

std::int64_t read_us(clockid_t id) {
    timespec now{};
    ::clock_gettime(id, &now);
    return static_cast<std::int64_t>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1'000;
}

class RealClock final : public Clock {
public:
    Time now() override { return Time{read_us(CLOCK_REALTIME)}; }
    std::int64_t monotonic_us() override { return read_us(CLOCK_MONOTONIC); }
    void sleep_us(std::int64_t us) override { std::this_thread::sleep_for(std::chrono::microseconds(us)); }
};

}  // namespace

std::unique_ptr<Clock> make_real_clock() { return std::make_unique<RealClock>(); }

}  // namespace tarn::os
