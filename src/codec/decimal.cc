#include "codec/decimal.h"

#include <fmt/core.h>

#include <algorithm>

namespace tarn::codec {
namespace {

constexpr int max_digits = 38;
// 10^38 < 2^127, so that any number of 38 digits fits, and so does the sum of two.
using Magnitude = unsigned __int128;

// value = ± magnitude / 10^scale
struct Decimal {
    bool negative = false;
    Magnitude magnitude = 0;
    int scale = 0;
};

constexpr Magnitude power_of_ten(int exponent) { return exponent == 0 ? 1 : 10 * power_of_ten(exponent - 1); }
constexpr Magnitude largest = power_of_ten(max_digits) - 1;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

Failure refuse(std::string_view text, std::string_view why) {
    return fail(Code::projection_failed,
                fmt::format("\"{}\" is not a decimal number: {}", text.substr(0, 64), why));
}

Result<Decimal> read(std::string_view text) {
    Decimal decimal;
    std::string_view left = text;
    if (left.starts_with('-') || left.starts_with('+')) {
        decimal.negative = left.front() == '-';
        left.remove_prefix(1);
    }
    if (left.empty() || !is_digit(left.front()) || !is_digit(left.back()))
        return refuse(text, "expected [+-]digits[.digits]");
    bool fraction = false;
    for (const char c : left) {
        if (c == '.' && !fraction) {
            fraction = true;
        } else if (!is_digit(c)) {
            return refuse(text, "expected [+-]digits[.digits]");
        } else {
            if (decimal.magnitude > largest / 10 || decimal.scale >= max_digits)
                return refuse(text, "more than 38 digits");
            decimal.magnitude = decimal.magnitude * 10 + static_cast<unsigned>(c - '0');
            decimal.scale += fraction ? 1 : 0;
        }
    }
    return decimal;
}

Failure overflow() { return fail(Code::projection_failed, "the decimal result has more than 38 digits"); }

// Multiplies by ten up to `scale`; false when more than 38 digits come out.
bool rescale(Decimal& decimal, int scale) {
    for (; decimal.scale < scale; ++decimal.scale) {
        if (decimal.magnitude > largest / 10) return false;
        decimal.magnitude *= 10;
    }
    return true;
}

Result<std::string> write(const Decimal& decimal) {
    if (decimal.magnitude > largest || decimal.scale > max_digits) return overflow();
    std::string digits;
    for (Magnitude left = decimal.magnitude; left != 0; left /= 10)
        digits += static_cast<char>('0' + static_cast<int>(left % 10));
    while (static_cast<int>(digits.size()) <= decimal.scale) digits += '0';
    std::string out;
    if (decimal.negative && decimal.magnitude != 0) out += '-';
    out.append(digits.rbegin(), digits.rend());
    if (decimal.scale > 0) out.insert(out.size() - static_cast<std::size_t>(decimal.scale), 1, '.');
    return out;
}

Result<std::string> sum(Decimal a, Decimal b) {
    const int scale = std::max(a.scale, b.scale);
    if (!rescale(a, scale) || !rescale(b, scale)) return overflow();
    if (a.negative == b.negative) return write({a.negative, a.magnitude + b.magnitude, scale});
    const bool a_larger = a.magnitude >= b.magnitude;
    return write({a_larger ? a.negative : b.negative,
                  a_larger ? a.magnitude - b.magnitude : b.magnitude - a.magnitude, scale});
}

int compare_magnitudes(Decimal a, Decimal b) {
    const int scale = std::max(a.scale, b.scale);
    // A number that cannot be widened within 38 digits is the larger one, because the other one can have no
    // more.
    if (!rescale(a, scale)) return 1;
    if (!rescale(b, scale)) return -1;
    return a.magnitude < b.magnitude ? -1 : a.magnitude > b.magnitude ? 1 : 0;
}

}  // namespace

Result<std::string> decimal_add(std::string_view a, std::string_view b) {
    TARN_ASSIGN(const Decimal left, read(a));
    TARN_ASSIGN(const Decimal right, read(b));
    return sum(left, right);
}

Result<std::string> decimal_sub(std::string_view a, std::string_view b) {
    TARN_ASSIGN(const Decimal left, read(a));
    TARN_ASSIGN(Decimal right, read(b));
    right.negative = !right.negative;
    return sum(left, right);
}

Result<std::string> decimal_mul(std::string_view a, std::string_view b) {
    TARN_ASSIGN(const Decimal left, read(a));
    TARN_ASSIGN(const Decimal right, read(b));
    Magnitude product = 0;
    if (__builtin_mul_overflow(left.magnitude, right.magnitude, &product)) return overflow();
    return write({left.negative != right.negative, product, left.scale + right.scale});
}

Result<int> decimal_cmp(std::string_view a, std::string_view b) {
    TARN_ASSIGN(const Decimal left, read(a));
    TARN_ASSIGN(const Decimal right, read(b));
    if (left.magnitude == 0 && right.magnitude == 0) return 0;
    if (left.magnitude == 0) return right.negative ? 1 : -1;
    if (right.magnitude == 0) return left.negative ? -1 : 1;
    if (left.negative != right.negative) return left.negative ? -1 : 1;
    return left.negative ? -compare_magnitudes(left, right) : compare_magnitudes(left, right);
}

}  // namespace tarn::codec
