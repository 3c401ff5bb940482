#include "state/tolerance.h"

#include <gtest/gtest.h>

namespace tarn::state {
namespace {

TEST(Tolerance, decimals_are_compared_exactly) {
    const auto tolerances = Tolerances::parse({"balance=0.01", "share=1e-3"});
    ASSERT_TRUE(tolerances);
    EXPECT_TRUE(tolerances->covers("balance", "0.29", "0.30"));
    EXPECT_TRUE(tolerances->covers("balance", "-0.005", "0.005"));
    EXPECT_FALSE(tolerances->covers("balance", "0.29", "0.3000000000000000001"));
    EXPECT_FALSE(tolerances->covers("other", "1", "1"));
    EXPECT_FALSE(tolerances->covers("balance", "one", "1"));
    EXPECT_TRUE(tolerances->covers("share", "0.5", "5.005e-1"));
    EXPECT_FALSE(tolerances->covers("share", "0.5", "5.02e-1"));
}

TEST(Tolerance, numbers_are_equal_however_they_are_written) {
    EXPECT_TRUE(are_equal_numbers("1.50", "1.5"));
    EXPECT_TRUE(are_equal_numbers("1e2", "100"));
    EXPECT_TRUE(are_equal_numbers("123456789012345678901234567890", "123456789012345678901234567890.0"));
    EXPECT_FALSE(are_equal_numbers("123456789012345678901234567890", "123456789012345678901234567891"));
    EXPECT_FALSE(are_equal_numbers("a", "a"));
}

TEST(Tolerance, what_is_no_tolerance_is_refused) {
    for (const char* text :
         {"balance", "=1", "balance=", "balance=-1", "balance=x", "balance=inf", "balance=nan"})
        EXPECT_FALSE(Tolerances::parse({text})) << text;
    EXPECT_TRUE(Tolerances::parse({"a=b=1"})->has("a=b"));
}

}  // namespace
}  // namespace tarn::state
