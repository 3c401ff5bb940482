// How fast a run may go: events a second, bytes a second, a multiple of the original speed, or as fast as the
// target takes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tarn::replay {

struct Pace {
    enum class Kind : std::uint8_t { max, events, bytes, original };
    Kind kind = Kind::max;
    double rate = 0;  // events/s, bytes/s, or the factor

    // "max", "2000/s", "5MB/s", "10x", "0.5x". bad_selection.
    static Result<Pace> parse(std::string_view text);
};

// Gives out permission to send. Times are monotonic microseconds. One thread.
class Pacer {
public:
    Pacer(Pace pace, std::int64_t now_us);
    void change(Pace pace, std::int64_t now_us);
    // Whether the next event may go now; if so it is counted as gone.
    bool take(std::int64_t now_us, std::int64_t event_time_us, std::uint64_t bytes);
    // How long until the event that was refused may go.
    std::int64_t wait_us(std::int64_t now_us) const;

private:
    void refill(std::int64_t now_us);

    Pace pace_;
    double tokens_ = 0;
    std::int64_t refilled_us_ = 0;
    std::int64_t anchor_us_ = 0;      // when the first event went
    std::int64_t first_time_us_ = 0;  // its event time
    bool anchored_ = false;
    std::int64_t due_us_ = 0;
};

}  // namespace tarn::replay
