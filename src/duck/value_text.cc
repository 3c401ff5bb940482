#include "duck/value_text.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <limits>

namespace tarn::duck {
namespace {

constexpr std::int64_t seconds_per_day = 86'400;

struct Date {
    std::int64_t year;
    int month, day;
};

// Days since 1970-01-01 in the proleptic Gregorian calendar, for all of DuckDB's years (±5.8 million;
// std::chrono ends at ±32767). Years are counted from March, so that the leap day comes last and months have
// a regular rhythm of 153 days in 5.
Date civil_date(std::int64_t days) {
    constexpr std::int64_t days_per_era = 146'097;  // 400 years
    days += 719'468;                                // from 0000-03-01
    const std::int64_t era = (days >= 0 ? days : days - days_per_era + 1) / days_per_era;
    const std::int64_t in_era = days - era * days_per_era;
    const std::int64_t year_of_era = (in_era - in_era / 1460 + in_era / 36'524 - in_era / 146'096) / 365;
    const std::int64_t in_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const auto march_month = static_cast<int>((5 * in_year + 2) / 153);
    const int day = static_cast<int>(in_year) - (153 * march_month + 2) / 5 + 1;
    const int month = march_month < 10 ? march_month + 3 : march_month - 9;
    return {year_of_era + era * 400 + (month <= 2 ? 1 : 0), month, day};
}

void append_padded(std::string& out, std::uint64_t value, int width) {
    fmt::format_to(std::back_inserter(out), "{:0{}}", value, width);
}

void append_civil(std::string& out, std::int64_t days) {
    const Date date = civil_date(days);
    if (date.year < 0 || date.year > 9999) {
        out += date.year < 0 ? '-' : '+';
        append_padded(out, static_cast<std::uint64_t>(std::abs(date.year)), 6);
    } else {
        append_padded(out, static_cast<std::uint64_t>(date.year), 4);
    }
    fmt::format_to(std::back_inserter(out), "-{:02}-{:02}", date.month, date.day);
}

// The fraction of a second without trailing zeros, with its point; nothing when it is zero.
void append_fraction(std::string& out, std::int64_t ticks, std::int64_t per_second) {
    if (ticks == 0) return;
    int digits = 0;
    for (std::int64_t unit = per_second; unit > 1; unit /= 10) ++digits;
    out += '.';
    append_padded(out, static_cast<std::uint64_t>(ticks), digits);
    while (out.back() == '0') out.pop_back();
}

template <typename Float>
void append_floating(std::string& out, Float value) {
    if (std::isnan(value)) {
        out += "NaN";
    } else if (std::isinf(value)) {
        out += value < 0 ? "-Infinity" : "Infinity";
    } else {
        fmt::format_to(std::back_inserter(out), "{}", value);
    }
}

bool append_infinity(std::string& out, bool positive, bool negative) {
    if (positive) out += "infinity";
    if (negative) out += "-infinity";
    return positive || negative;
}

}  // namespace

void append_unsigned(std::string& out, Uint128 value) {
    constexpr Uint128 chunk = 10'000'000'000'000'000'000ULL;
    if (value >= chunk) {
        append_unsigned(out, value / chunk);
        append_padded(out, static_cast<std::uint64_t>(value % chunk), 19);
        return;
    }
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof digits, static_cast<std::uint64_t>(value)).ptr;
    out.append(digits, end);
}

void append_integer(std::string& out, Int128 value) {
    if (value < 0) out += '-';
    append_unsigned(out, value < 0 ? -static_cast<Uint128>(value) : static_cast<Uint128>(value));
}

void append_decimal(std::string& out, Int128 unscaled, int scale) {
    if (unscaled < 0) out += '-';
    std::string digits;
    append_unsigned(digits, unscaled < 0 ? -static_cast<Uint128>(unscaled) : static_cast<Uint128>(unscaled));
    const auto fraction = static_cast<std::size_t>(scale);
    if (digits.size() <= fraction) digits.insert(0, fraction + 1 - digits.size(), '0');
    out.append(digits, 0, digits.size() - fraction);
    if (fraction == 0) return;
    out += '.';
    out.append(digits, digits.size() - fraction, fraction);
}

void append_double(std::string& out, double value) { append_floating(out, value); }
void append_float(std::string& out, float value) { append_floating(out, value); }

void append_date(std::string& out, std::int32_t days) {
    constexpr std::int32_t largest = std::numeric_limits<std::int32_t>::max();
    if (!append_infinity(out, days == largest, days == -largest)) append_civil(out, days);
}

void append_time(std::string& out, std::int64_t ticks, std::int64_t per_second) {
    const std::int64_t seconds = ticks / per_second;
    fmt::format_to(std::back_inserter(out), "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60,
                   seconds % 60);
    append_fraction(out, ticks % per_second, per_second);
}

void append_timestamp(std::string& out, std::int64_t ticks, std::int64_t per_second) {
    constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();
    if (append_infinity(out, ticks == largest, ticks == -largest)) return;
    const std::int64_t per_day = seconds_per_day * per_second;
    std::int64_t days = ticks / per_day;
    std::int64_t rest = ticks % per_day;
    if (rest < 0) {
        rest += per_day;
        --days;
    }
    append_civil(out, days);
    out += 'T';
    append_time(out, rest, per_second);
    out += 'Z';
}

void append_time_tz(std::string& out, std::int64_t us, std::int32_t offset_seconds) {
    append_time(out, us, 1'000'000);
    const std::int32_t offset = std::abs(offset_seconds);
    fmt::format_to(std::back_inserter(out), "{}{:02}:{:02}", offset_seconds < 0 ? '-' : '+', offset / 3600,
                   offset / 60 % 60);
    if (offset % 60 != 0) fmt::format_to(std::back_inserter(out), ":{:02}", offset % 60);
}

void append_interval(std::string& out, std::int32_t months, std::int32_t days, std::int64_t us) {
    constexpr std::int64_t us_per_second = 1'000'000;
    const auto part = [&out](std::int64_t amount, char unit) {
        if (amount != 0) fmt::format_to(std::back_inserter(out), "{}{}", amount, unit);
    };
    out += 'P';
    part(months / 12, 'Y');
    part(months % 12, 'M');
    part(days, 'D');
    if (us != 0) {
        out += 'T';
        part(us / us_per_second / 3600, 'H');
        part(us / us_per_second / 60 % 60, 'M');
        const std::int64_t rest = us % (60 * us_per_second);
        if (rest != 0) {
            if (rest < 0) out += '-';
            fmt::format_to(std::back_inserter(out), "{}", std::abs(rest / us_per_second));
            append_fraction(out, std::abs(rest % us_per_second), us_per_second);
            out += 'S';
        }
    }
    if (out.back() == 'P') out += "T0S";
}

void append_uuid(std::string& out, Uint128 bits) {
    const auto high = static_cast<std::uint64_t>(bits >> 64), low = static_cast<std::uint64_t>(bits);
    fmt::format_to(std::back_inserter(out), "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32,
                   high >> 16 & 0xffff, high & 0xffff, low >> 48, low & 0xffff'ffff'ffffULL);
}

}  // namespace tarn::duck
