#include "pattern/number.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

namespace tarn::pattern {
namespace {

// The number 0.DIGITS × 10^exponent: the digits without the zeros around them, so that equal numbers look
// alike. Zero has no digits. Views into the text, which may have a point between the digits.
struct Decimal {
    std::string_view digits;
    std::int64_t exponent = 0;
    bool in_range = true;  // the exponent is one that decimal numbers can have
};

// The exponent of a number text, saturated.
std::int64_t written_exponent(std::string_view text) {
    constexpr std::int64_t kBound = 1ll << 40;
    std::int64_t value = 0;
    const bool negative = !text.empty() && text.front() == '-';
    if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
    for (const char digit : text) value = std::min(kBound, value * 10 + (digit - '0'));
    return negative ? -value : value;
}

Decimal read(std::string_view text) {
    Decimal decimal;
    if (text.starts_with('-')) text.remove_prefix(1);
    const auto e = text.find_first_of("eE");
    const std::int64_t exponent = e == text.npos ? 0 : written_exponent(text.substr(e + 1));
    const std::string_view mantissa = text.substr(0, e);
    const auto point = std::min(mantissa.find('.'), mantissa.size());
    const auto fraction = static_cast<std::int64_t>(mantissa.size() - std::min(point + 1, mantissa.size()));
    decimal.in_range = std::abs(exponent - fraction) <= std::numeric_limits<std::int32_t>::max();
    const auto first = mantissa.find_first_not_of("0.");
    if (first == mantissa.npos) return decimal;
    decimal.digits = mantissa.substr(first, mantissa.find_last_not_of("0.") + 1 - first);
    // Where the point stands, counted from the first digit.
    const auto before = static_cast<std::int64_t>(point) - static_cast<std::int64_t>(first);
    decimal.exponent = exponent + (before > 0 ? before : before + 1);
    return decimal;
}

bool same_digits(std::string_view a, std::string_view b) {
    std::size_t i = 0, j = 0;
    for (;; ++i, ++j) {
        if (i < a.size() && a[i] == '.') ++i;
        if (j < b.size() && b[j] == '.') ++j;
        if (i == a.size() || j == b.size()) return i == a.size() && j == b.size();
        if (a[i] != b[j]) return false;
    }
}

// The decimal that stands for a double, as Java's Double.toString from JDK 19 gives it: the shortest one that
// reads back as the same double; of those with one digit, the nearest with two (4.9e-324, not 5e-324).
std::string shortest(double value) {
    std::array<char, 32> buffer{};
    auto end = std::to_chars(buffer.begin(), buffer.end(), value, std::chars_format::scientific).ptr;
    if (buffer[1] == 'e')
        end = std::to_chars(buffer.begin(), buffer.end(), value, std::chars_format::scientific, 1).ptr;
    return {buffer.begin(), end};
}

}  // namespace

bool exceeds_decimal(std::string_view text) { return !read(text).in_range; }

std::optional<double> comparable_number(std::string_view text) {
    const Decimal decimal = read(text);
    if (!decimal.in_range) return std::nullopt;
    if (decimal.digits.empty()) return 0.0;
    if (decimal.exponent > 310 || decimal.exponent < -324) return std::nullopt;
    constexpr std::size_t kMostDigits = 17, kWithPoint = kMostDigits + 1;
    if (decimal.digits.size() > kWithPoint) return std::nullopt;
    double value = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc()) return std::nullopt;
    // Fifteen digits always survive in a normal double.
    constexpr std::size_t kSafeDigits = 15;
    if (decimal.digits.size() <= kSafeDigits && std::abs(value) >= std::numeric_limits<double>::min())
        return value;
    const std::string back = shortest(std::abs(value));
    const Decimal other = read(back);
    if (decimal.exponent != other.exponent || !same_digits(decimal.digits, other.digits)) return std::nullopt;
    return value;
}

}  // namespace tarn::pattern
