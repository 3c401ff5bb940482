#include "base/time.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <optional>
#include <utility>

namespace tarn {
namespace {

constexpr std::int64_t us_per_second = 1'000'000;
constexpr std::int64_t us_per_day = 86'400 * us_per_second;

struct Parts {
    int year;
    unsigned month, day, hour, minute, second;
    unsigned us;
};

Parts split(Time time) {
    std::int64_t days = time.us / us_per_day;
    std::int64_t rest = time.us % us_per_day;
    if (rest < 0) {
        rest += us_per_day;
        --days;
    }
    const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{days}}};
    const auto seconds = static_cast<unsigned>(rest / us_per_second);
    return {int(date.year()),
            unsigned(date.month()),
            unsigned(date.day()),
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60,
            static_cast<unsigned>(rest % us_per_second)};
}

char* put_digits(char* out, unsigned value, int width) {
    for (int i = width - 1; i >= 0; --i) {
        out[i] = static_cast<char>('0' + value % 10);
        value /= 10;
    }
    return out + width;
}

// Reads exactly `width` digits at the front of `text`.
bool take_digits(std::string_view& text, int width, unsigned& value) {
    if (text.size() < static_cast<std::size_t>(width)) return false;
    value = 0;
    for (int i = 0; i < width; ++i) {
        if (text[i] < '0' || text[i] > '9') return false;
        value = value * 10 + static_cast<unsigned>(text[i] - '0');
    }
    text.remove_prefix(width);
    return true;
}

bool take(std::string_view& text, char expected) {
    if (text.empty() || text.front() != expected) return false;
    text.remove_prefix(1);
    return true;
}

bool take_fraction(std::string_view& text, unsigned& us) {
    us = 0;
    if (!take(text, '.')) return true;
    int digits = 0;
    for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; text.remove_prefix(1), ++digits)
        if (digits < 6) us = us * 10 + static_cast<unsigned>(text.front() - '0');
    for (int i = digits; i < 6; ++i) us *= 10;
    return digits > 0 && digits <= 9;
}

bool take_zone(std::string_view& text, std::int64_t& offset_seconds) {
    offset_seconds = 0;
    if (take(text, 'Z') || take(text, 'z')) return text.empty();
    if (text.empty()) return false;
    const char sign = text.front();
    text.remove_prefix(1);
    unsigned hours = 0, minutes = 0;
    if ((sign != '+' && sign != '-') || !take_digits(text, 2, hours) || !take(text, ':') ||
        !take_digits(text, 2, minutes) || !text.empty() || hours > 23 || minutes > 59)
        return false;
    offset_seconds = (hours * 3600 + minutes * 60) * (sign == '-' ? -1 : 1);
    return true;
}

std::optional<Time> make_time(const Parts& p, std::int64_t offset_seconds) {
    const std::chrono::year_month_day date{std::chrono::year{p.year}, std::chrono::month{p.month},
                                           std::chrono::day{p.day}};
    if (!date.ok() || p.hour > 23 || p.minute > 59 || p.second > 60) return std::nullopt;
    const std::int64_t days = std::chrono::sys_days{date}.time_since_epoch().count();
    const std::int64_t seconds = days * 86'400 + p.hour * 3600 + p.minute * 60 + p.second - offset_seconds;
    return Time{seconds * us_per_second + p.us};
}

std::optional<Time> try_rfc3339(std::string_view text) {
    Parts p{};
    unsigned year = 0;
    std::int64_t offset = 0;
    if (!take_digits(text, 4, year) || !take(text, '-') || !take_digits(text, 2, p.month) ||
        !take(text, '-') || !take_digits(text, 2, p.day))
        return std::nullopt;
    if (!(take(text, 'T') || take(text, 't') || take(text, ' '))) return std::nullopt;
    if (!take_digits(text, 2, p.hour) || !take(text, ':') || !take_digits(text, 2, p.minute) ||
        !take(text, ':') || !take_digits(text, 2, p.second) || !take_fraction(text, p.us) ||
        !take_zone(text, offset))
        return std::nullopt;
    p.year = static_cast<int>(year);
    return make_time(p, offset);
}

std::optional<Time> try_date(std::string_view text) {
    Parts p{};
    unsigned year = 0;
    if (!take_digits(text, 4, year) || !take(text, '-') || !take_digits(text, 2, p.month) ||
        !take(text, '-') || !take_digits(text, 2, p.day) || !text.empty())
        return std::nullopt;
    p.year = static_cast<int>(year);
    return make_time(p, 0);
}

template <std::size_t N>
std::optional<std::int64_t> number_with_unit(
    std::string_view text, const std::array<std::pair<std::string_view, std::int64_t>, N>& units) {
    std::int64_t value = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (status != std::errc() || value < 0) return std::nullopt;
    const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
    for (const auto& [name, factor] : units) {
        if (unit != name) continue;
        std::int64_t product = 0;
        if (__builtin_mul_overflow(value, factor, &product)) return std::nullopt;
        return product;
    }
    return std::nullopt;
}

constexpr std::array<std::pair<std::string_view, std::int64_t>, 7> duration_units = {{
    {"us", 1},
    {"ms", 1'000},
    {"s", us_per_second},
    {"m", 60 * us_per_second},
    {"min", 60 * us_per_second},
    {"h", 3'600 * us_per_second},
    {"d", us_per_day},
}};

constexpr std::array<std::pair<std::string_view, std::int64_t>, 10> size_units = {{
    {"", 1},
    {"B", 1},
    {"kB", 1'000},
    {"KB", 1'000},
    {"MB", 1'000'000},
    {"GB", 1'000'000'000},
    {"KiB", 1'024},
    {"MiB", 1'024 * 1'024},
    {"GiB", 1'024 * 1'024 * 1'024},
    {"k", 1'000},
}};

// An epoch needs ten digits or more, so that "30s" stays a duration.
std::optional<Time> try_epoch(std::string_view text) {
    if (text.ends_with("ns")) {
        std::int64_t ns = 0;
        const auto [end, status] = std::from_chars(text.data(), text.data() + text.size() - 2, ns);
        if (status == std::errc() && end == text.data() + text.size() - 2) return Time{ns / 1000};
        return std::nullopt;
    }
    const auto digits = text.find_first_not_of("0123456789");
    if (digits == std::string_view::npos || digits < 9) return std::nullopt;
    const auto us = number_with_unit(text, duration_units);
    return us ? std::optional(Time{*us}) : std::nullopt;
}

std::optional<Time> try_relative(std::string_view text, Time now) {
    if (text.starts_with('-')) text.remove_prefix(1);
    if (text.ends_with(" ago")) text.remove_suffix(4);
    const auto us = number_with_unit(text, duration_units);
    return us ? std::optional(Time{now.us - *us}) : std::nullopt;
}

}  // namespace

void append_rfc3339(std::string& out, Time time) {
    // The first and last microsecond of the years that RFC 3339 can write.
    constexpr std::int64_t first = -62'167'219'200 * us_per_second;
    constexpr std::int64_t last = 253'402'300'800 * us_per_second - 1;
    time.us = std::clamp(time.us, first, last);
    const Parts p = split(time);
    char buffer[32];
    char* at = put_digits(buffer, static_cast<unsigned>(p.year), 4);
    *at++ = '-';
    at = put_digits(at, p.month, 2);
    *at++ = '-';
    at = put_digits(at, p.day, 2);
    *at++ = 'T';
    at = put_digits(at, p.hour, 2);
    *at++ = ':';
    at = put_digits(at, p.minute, 2);
    *at++ = ':';
    at = put_digits(at, p.second, 2);
    if (p.us != 0) {
        *at++ = '.';
        at = p.us % 1000 == 0 ? put_digits(at, p.us / 1000, 3) : put_digits(at, p.us, 6);
    }
    *at++ = 'Z';
    out.append(buffer, at);
}

std::string format_rfc3339(Time time) {
    std::string out;
    append_rfc3339(out, time);
    return out;
}

Result<Time> parse_rfc3339(std::string_view text) {
    if (const auto time = try_rfc3339(text)) return *time;
    return fail(Code::bad_time,
                fmt::format("\"{}\" is not a time as in RFC 3339, for example 2026-11-20T18:02:11Z",
                            text.substr(0, 64)));
}

Result<Time> parse_time(std::string_view text, Time now) {
    if (const auto time = try_rfc3339(text)) return *time;
    if (const auto time = try_date(text)) return *time;
    if (const auto time = try_epoch(text)) return *time;
    if (const auto time = try_relative(text, now)) return *time;
    return fail(Code::bad_time, fmt::format("\"{}\" is not a time", text.substr(0, 64)),
                {.next = "give 2026-11-20T18:02:11Z, 2026-11-20, 2h (before now), or 1700000000s"});
}

Result<std::int64_t> parse_duration_us(std::string_view text) {
    if (const auto us = number_with_unit(text, duration_units); us && *us > 0) return *us;
    return fail(Code::bad_time,
                fmt::format("\"{}\" is not a duration such as 250ms, 60s, 1h or 2d", text.substr(0, 64)));
}

Result<std::uint64_t> parse_size(std::string_view text) {
    if (const auto bytes = number_with_unit(text, size_units)) return static_cast<std::uint64_t>(*bytes);
    return fail(Code::bad_usage,
                fmt::format("\"{}\" is not a size such as 4096, 64kB or 128MiB", text.substr(0, 64)));
}

std::string duration_setting(std::int64_t us) {
    if (us % us_per_second == 0) return fmt::format("{}s", us / us_per_second);
    return us % 1'000 == 0 ? fmt::format("{}ms", us / 1'000) : fmt::format("{}us", us);
}

std::string format_duration(std::int64_t us) {
    if (us < 1'000) return fmt::format("{} us", us);
    if (us < us_per_second) return fmt::format("{} ms", us / 1000);
    if (us < 60 * us_per_second) return fmt::format("{:.1f} s", static_cast<double>(us) / us_per_second);
    const std::int64_t seconds = us / us_per_second;
    if (seconds < 3600) return fmt::format("{} min {} s", seconds / 60, seconds % 60);
    return fmt::format("{} h {} min", seconds / 3600, seconds / 60 % 60);
}

std::string format_bytes(std::uint64_t bytes) {
    if (bytes < 1000) return fmt::format("{} B", bytes);
    double value = static_cast<double>(bytes);
    for (const char* unit : {"kB", "MB", "GB"}) {
        value /= 1000;
        if (value < 1000) return fmt::format("{:.1f} {}", value, unit);
    }
    return fmt::format("{:.1f} TB", value / 1000);
}

std::string format_count(std::uint64_t n) {
    std::string digits = std::to_string(n);
    for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
    return digits;
}

std::string day_of(Time time) { return format_rfc3339(time).substr(0, 10); }
std::string hour_of(Time time) { return format_rfc3339(time).substr(11, 2); }

}  // namespace tarn
