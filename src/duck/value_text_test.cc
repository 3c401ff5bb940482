#include "duck/value_text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace tarn::duck {
namespace {

template <typename Append, typename... Values>
std::string text(Append append, Values... values) {
    std::string out;
    append(out, values...);
    return out;
}

Int128 power_of_ten(int exponent) { return exponent == 0 ? Int128{1} : 10 * power_of_ten(exponent - 1); }

TEST(ValueText, IntegersOfAllSizes) {
    EXPECT_EQ(text(append_integer, Int128{0}), "0");
    EXPECT_EQ(text(append_integer, Int128{std::numeric_limits<std::int64_t>::min()}), "-9223372036854775808");
    EXPECT_EQ(text(append_integer, static_cast<Int128>(Uint128{1} << 127)),
              "-170141183460469231731687303715884105728");
    EXPECT_EQ(text(append_integer, power_of_ten(38)), "1" + std::string(38, '0'));
    EXPECT_EQ(text(append_integer, power_of_ten(19)), "1" + std::string(19, '0'));
    EXPECT_EQ(text(append_unsigned, ~Uint128{0}), "340282366920938463463374607431768211455");
}

TEST(ValueText, DecimalsKeepTheirZeros) {
    EXPECT_EQ(text(append_decimal, Int128{1250}, 2), "12.50");
    EXPECT_EQ(text(append_decimal, Int128{-5}, 2), "-0.05");
    EXPECT_EQ(text(append_decimal, Int128{0}, 3), "0.000");
    EXPECT_EQ(text(append_decimal, Int128{42}, 0), "42");
    EXPECT_EQ(text(append_decimal, -(power_of_ten(38) - 1), 38), "-0." + std::string(38, '9'));
}

TEST(ValueText, FloatingPointIsShortestAndNamesWhatIsNoNumber) {
    EXPECT_EQ(text(append_double, 0.1), "0.1");
    EXPECT_EQ(text(append_double, 1e300), "1e+300");
    EXPECT_EQ(text(append_float, 0.1f), "0.1");
    EXPECT_EQ(text(append_double, -0.0), "-0");
    EXPECT_EQ(text(append_double, std::nan("")), "NaN");
    EXPECT_EQ(text(append_double, -std::numeric_limits<double>::infinity()), "-Infinity");
}

TEST(ValueText, Dates) {
    EXPECT_EQ(text(append_date, 0), "1970-01-01");
    EXPECT_EQ(text(append_date, -1), "1969-12-31");
    EXPECT_EQ(text(append_date, 11'016), "2000-02-29");
    EXPECT_EQ(text(append_date, 47'541), "2100-03-01");
    EXPECT_EQ(text(append_date, -719'528), "0000-01-01");
    EXPECT_EQ(text(append_date, -719'529), "-000001-12-31");
    EXPECT_EQ(text(append_date, 2'932'897), "+010000-01-01");
    EXPECT_EQ(text(append_date, std::numeric_limits<std::int32_t>::max()), "infinity");
}

TEST(ValueText, TimestampsOfAllUnits) {
    EXPECT_EQ(text(append_timestamp, std::int64_t{1'700'000'000}, 1), "2023-11-14T22:13:20Z");
    EXPECT_EQ(text(append_timestamp, std::int64_t{1'700'000'000'250}, 1'000), "2023-11-14T22:13:20.25Z");
    EXPECT_EQ(text(append_timestamp, std::int64_t{-1}, 1'000'000), "1969-12-31T23:59:59.999999Z");
    EXPECT_EQ(text(append_timestamp, std::int64_t{1}, 1'000'000'000), "1970-01-01T00:00:00.000000001Z");
    EXPECT_EQ(text(append_timestamp, -std::numeric_limits<std::int64_t>::max(), 1'000'000), "-infinity");
    EXPECT_EQ(text(append_time_tz, std::int64_t{36'131'000'000}, -19'800), "10:02:11-05:30");
}

TEST(ValueText, IntervalsKeepMonthsDaysAndTimeApart) {
    EXPECT_EQ(text(append_interval, 0, 0, 0), "PT0S");
    EXPECT_EQ(text(append_interval, 14, 3, 3'661'500'000), "P1Y2M3DT1H1M1.5S");
    EXPECT_EQ(text(append_interval, 0, -1, -500'000), "P-1DT-0.5S");
    EXPECT_EQ(text(append_interval, 1, 0, 0), "P1M");
}

TEST(ValueText, Uuid) {
    const auto bits = static_cast<Uint128>(0x0123456789abcdefULL) << 64 | 0xfedcba9876543210ULL;
    EXPECT_EQ(text(append_uuid, bits), "01234567-89ab-cdef-fedc-ba9876543210");
}

}  // namespace
}  // namespace tarn::duck
