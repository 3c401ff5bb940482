// Instants as integer microseconds since 1970-01-01T00:00:00Z, and their texts. Leap seconds are folded into
// the next second.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tarn {

struct Time {
    std::int64_t us = 0;
    auto operator<=>(const Time&) const = default;
};

// "2026-11-20T18:02:11Z"; with a fraction only when there is one, then 3 or 6 digits. Years outside
// 0000..9999 are clamped.
std::string format_rfc3339(Time time);
// Appends the same text; for hot paths.
void append_rfc3339(std::string& out, Time time);
// RFC 3339 with any offset and 0 to 9 fraction digits (beyond microseconds cut off). A zone is required.
Result<Time> parse_rfc3339(std::string_view text);
// Times as people give them: RFC 3339; a date "2024-03-01" (midnight UTC); "2h", "3d", "-1h", "2h ago" before
// `now`; an epoch with unit: "1700000000s", "…ms", "…us", "…ns".
Result<Time> parse_time(std::string_view text, Time now);

// "60s", "1h", "250ms", "2d" → microseconds; > 0.
Result<std::int64_t> parse_duration_us(std::string_view text);
// "128MiB", "4kB", "1000" → bytes.
Result<std::uint64_t> parse_size(std::string_view text);
std::string duration_setting(std::int64_t us);  // "60s", "250ms": as parse_duration_us reads it
std::string format_duration(std::int64_t us);   // "38 ms", "2.9 s", "4 min 12 s"
std::string format_bytes(std::uint64_t bytes);  // "2.3 MB"
std::string format_count(std::uint64_t n);      // "10,020"

// The UTC day and hour of an instant: "2024-03-01" and "07".
std::string day_of(Time time);
std::string hour_of(Time time);

}  // namespace tarn
