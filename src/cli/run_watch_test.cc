#include "cli/run_watch.h"

#include <gtest/gtest.h>

namespace tarn::cli {
namespace {

TEST(RunWatch, keys_double_and_halve_the_pace) {
    EXPECT_EQ(changed_pace("500/s", 0, true), "1000/s");
    EXPECT_EQ(changed_pace("500/s", 0, false), "250/s");
    EXPECT_EQ(changed_pace("5MB/s", 0, true), "10MB/s");
    EXPECT_EQ(changed_pace("1x", 0, false), "0.5x");
    EXPECT_EQ(changed_pace("0.5x", 0, false), "0.25x");
    EXPECT_EQ(changed_pace("max", 84'123, false), "42062/s");
    EXPECT_EQ(changed_pace("max", 84'123, true), std::nullopt);
    EXPECT_EQ(changed_pace("max", 0, false), std::nullopt) << "nothing goes yet";
}

TEST(RunWatch, a_line_says_how_far_a_run_is_and_what_is_wrong) {
    const codec::Json progress = *codec::Json::parse(
        R"({"run":"rn-1","selected":2000,"acknowledged":990,"failed":9,"held":1,"unknown":0,"remaining":1000,"rate":250.4,
            "pace":"500/s","lag_us":4000000,"throttled_to":120.2,"left_us":4000000,
            "failures":[{"cause":"HTTP 400 no","count":8},{"cause":"a\u001b[31m","count":1}]})");
    EXPECT_EQ(describe_run(progress),
              "rn-1 ━━━━━━━━━━━━━━━╸────────────── 1,000/2,000 · 250/s · 4.0 s left · throttled: 120/s of "
              "500/s · 4.0 s behind"
              " · 9 failed · 1 held · 0 unknown (8 × HTTP 400 no, 1 × a\\x1b[31m)");
}

}  // namespace
}  // namespace tarn::cli
