// Scalar values of DuckDB as exact texts. Pure functions over plain numbers; nothing here needs the library.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tarn::duck {

using Int128 = __int128;
using Uint128 = unsigned __int128;

void append_integer(std::string& out, Int128 value);
void append_unsigned(std::string& out, Uint128 value);
void append_decimal(std::string& out, Int128 unscaled, int scale);  // "-12.50"
// The shortest text that reads back as the same number; "NaN", "Infinity", "-Infinity" are no JSON numbers.
void append_double(std::string& out, double value);
void append_float(std::string& out, float value);

// "2024-03-01". Years outside 0000..9999 as ISO 8601 expands them: sign and at least six digits. infinity,
// -infinity.
void append_date(std::string& out, std::int32_t days);
// "10:02:11.25": `per_second` ticks a second, fraction without trailing zeros.
void append_time(std::string& out, std::int64_t ticks, std::int64_t per_second);
// RFC 3339 in UTC, "2024-03-01T10:02:11.25Z". The session's zone is UTC, so that a TIMESTAMP without a zone
// is one too.
void append_timestamp(std::string& out, std::int64_t ticks, std::int64_t per_second);
void append_time_tz(std::string& out, std::int64_t us, std::int32_t offset_seconds);  // "10:02:11+02:00"
// ISO 8601 duration, "P1Y2M3DT4H5M6.7S"; each part keeps its own sign, as DuckDB keeps months, days and time
// apart.
void append_interval(std::string& out, std::int32_t months, std::int32_t days, std::int64_t us);
void append_uuid(std::string& out, Uint128 bits);

}  // namespace tarn::duck
