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
    double rate = 0;           // events/s, bytes/s, or the factor
    std::string text = "max";  // as it was given

    // "max", "2000/s", "5MB/s", "10x", "0.5x". bad_selection.
    static Result<Pace> parse(std::string_view text);
};

// What a run that was held up makes good at once; what it is behind more than that moves the whole schedule,
// so that a stall, or a clock that leaps forward, is not followed by a flood.
inline constexpr std::int64_t catch_up_us = 200'000;

// Gives out permission to send: each event has a time at which it is due. Times are monotonic microseconds; a
// clock that goes back all the same takes the schedule with it. One thread.
class Pacer {
public:
    Pacer(Pace pace, std::int64_t now_us);
    void change(Pace pace, std::int64_t now_us);
    // Whether the next event may go now; if so it is counted as gone.
    bool take(std::int64_t now_us, std::int64_t event_time_us, std::uint64_t bytes);
    // How long until the event that was refused may go.
    std::int64_t wait_us(std::int64_t now_us) const;
    const Pace& pace() const { return pace_; }
    // How far the run is behind the pace that was asked for, from its beginning or the last change on.
    std::int64_t lag_us() const { return slipped_us_ + lateness_us_; }

private:
    void follow(std::int64_t now_us);

    Pace pace_;
    std::int64_t seen_us_ = 0;         // the clock when it was last looked at
    double due_us_ = 0;                // of the next event
    bool has_begun_ = false;           // the first event has been seen: the schedule begins with it
    double anchor_us_ = 0;             // when it was due
    std::int64_t first_time_us_ = 0;   // its event time
    std::int64_t newest_time_us_ = 0;  // of the events that went
    std::int64_t slipped_us_ = 0;      // how far the schedule was moved
    std::int64_t lateness_us_ = 0;     // of the event that went last
};

}  // namespace tarn::replay
