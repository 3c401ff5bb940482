#include "codec/decimal.h"

#include <gtest/gtest.h>

#include <random>

namespace tarn::codec {
namespace {

TEST(Decimal, ScalesAndSigns) {
    EXPECT_EQ(decimal_add("1.10", "2.2"), "3.30");
    EXPECT_EQ(decimal_add("0.1", "0.2"), "0.3");
    EXPECT_EQ(decimal_add("-1", "1"), "0");
    EXPECT_EQ(decimal_add("-1.00", "1"), "0.00");
    EXPECT_EQ(decimal_sub("1", "1.01"), "-0.01");
    EXPECT_EQ(decimal_sub("-0", "0"), "0");
    EXPECT_EQ(decimal_add("+007", "0"), "7");
    EXPECT_EQ(decimal_mul("1.5", "-2.05"), "-3.075");
    EXPECT_EQ(decimal_mul("0.10", "0.10"), "0.0100");
    EXPECT_EQ(decimal_mul("-0.0", "5"), "0.0");
    EXPECT_EQ(decimal_cmp("1.0", "1"), 0);
    EXPECT_EQ(decimal_cmp("-2", "1"), -1);
    EXPECT_EQ(decimal_cmp("-2", "-3"), 1);
    EXPECT_EQ(decimal_cmp("0.00", "-0"), 0);
    EXPECT_EQ(decimal_cmp("0", "0.01"), -1);
    EXPECT_EQ(decimal_cmp("0", "-0.01"), 1);
}

TEST(Decimal, Limits) {
    const std::string most(38, '9');
    EXPECT_EQ(decimal_add(most, "0"), most);
    EXPECT_FALSE(decimal_add(most, "1"));
    EXPECT_EQ(decimal_sub(most, most), "0");
    EXPECT_FALSE(decimal_add(most + "9", "0"));
    EXPECT_FALSE(decimal_add(most, "0.1"));
    EXPECT_EQ(decimal_cmp(most, "0.00000000000000000000000000000000000001"), 1);
    EXPECT_EQ(decimal_cmp("-" + most, "-0.00000000000000000000000000000000000001"), -1);
    EXPECT_EQ(decimal_cmp("0.00000000000000000000000000000000000001", most), -1);
    EXPECT_FALSE(decimal_mul(most, "11"));
    EXPECT_FALSE(decimal_mul(most, most));
    EXPECT_EQ(decimal_mul(std::string(19, '9'), std::string(19, '9')),
              "99999999999999999980000000000000000001");
    EXPECT_EQ(decimal_add(std::string(100, '0') + "1", "1"), "2");
}

TEST(Decimal, RefusesEverythingElse) {
    for (const char* text : {"", "+", "-", ".", ".5", "5.", "1e3", " 1", "1 ", "1,0", "--1", "1.2.3", "NaN",
                             "0x1", "1_000", "\xff"}) {
        EXPECT_FALSE(decimal_add(text, "1")) << text;
        EXPECT_FALSE(decimal_cmp("1", text)) << text;
    }
}

std::string text_of(__int128 value, int scale) {
    const bool negative = value < 0;
    if (negative) value = -value;
    std::string digits;
    while (value != 0 || static_cast<int>(digits.size()) <= scale) {
        digits.insert(digits.begin(), static_cast<char>('0' + static_cast<int>(value % 10)));
        value /= 10;
    }
    if (scale > 0) digits.insert(digits.size() - static_cast<std::size_t>(scale), 1, '.');
    const bool zero = digits.find_first_of("123456789") == std::string::npos;
    return (negative && !zero ? "-" : "") + digits;
}

TEST(Decimal, AgreesWithWholeNumbers) {
    std::mt19937_64 random(4);
    __int128 powers[10] = {1};
    for (int i = 1; i < 10; ++i) powers[i] = powers[i - 1] * 10;
    for (int round = 0; round < 20'000; ++round) {
        const auto number = [&] {
            return static_cast<__int128>(static_cast<std::int64_t>(random()) >> (random() % 60));
        };
        const __int128 a = number(), b = number();
        const int a_scale = static_cast<int>(random() % 9), b_scale = static_cast<int>(random() % 9);
        const int scale = std::max(a_scale, b_scale);
        const __int128 wide_a = a * powers[scale - a_scale], wide_b = b * powers[scale - b_scale];
        const std::string left = text_of(a, a_scale), right = text_of(b, b_scale);
        ASSERT_EQ(decimal_add(left, right), text_of(wide_a + wide_b, scale)) << left << " " << right;
        ASSERT_EQ(decimal_sub(left, right), text_of(wide_a - wide_b, scale)) << left << " " << right;
        const __int128 half_a = a >> 32, half_b = b >> 32;
        ASSERT_EQ(decimal_mul(text_of(half_a, a_scale), text_of(half_b, b_scale)),
                  text_of(half_a * half_b, a_scale + b_scale));
        ASSERT_EQ(decimal_cmp(left, right), wide_a < wide_b   ? -1
                                            : wide_a > wide_b ? 1
                                                              : 0)
            << left << " " << right;
    }
}

}  // namespace
}  // namespace tarn::codec
