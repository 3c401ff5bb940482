#include "pattern/fold.h"

#include <gtest/gtest.h>

namespace tarn::pattern {
namespace {

// Each line was asked of Event Ruler 2.1.0; the emoji is the difference on purpose.
TEST(Fold, ACodePointStandsForItsLowerAndUpperCase) {
    EXPECT_TRUE(fold_equal("Hello", "hELLO"));
    EXPECT_FALSE(fold_equal("hello", "hell"));
    EXPECT_TRUE(fold_equal("straße", "STRASSE"));
    EXPECT_TRUE(fold_equal("straße", "straSSe"));
    EXPECT_FALSE(fold_equal("straße", "strasse"));
    EXPECT_FALSE(fold_equal("strasse", "straße"));
    EXPECT_TRUE(fold_equal("ſ", "S"));
    EXPECT_FALSE(fold_equal("ſ", "s"));
    EXPECT_FALSE(fold_equal("S", "ſ"));
    EXPECT_TRUE(fold_equal("ς", "Σ"));
    EXPECT_FALSE(fold_equal("Σ", "ς"));
    EXPECT_TRUE(fold_equal("İ", "i̇"));
    EXPECT_TRUE(fold_equal("ı", "I"));
    EXPECT_FALSE(fold_equal("ı", "i"));
    EXPECT_TRUE(fold_equal("ẞ", "ß"));
    EXPECT_TRUE(fold_equal("Жук", "жУК"));
    EXPECT_TRUE(fold_equal("a😀", "A😀"));
    EXPECT_TRUE(fold_equal("𐐀", "𐐨"));
}

TEST(Fold, PrefixAndSuffix) {
    EXPECT_TRUE(fold_prefix("ß", "SSx"));
    EXPECT_FALSE(fold_prefix("s", "ßx"));
    EXPECT_TRUE(fold_suffix("ße", "straSSE"));
    EXPECT_FALSE(fold_suffix("xße", "ßE"));
    EXPECT_TRUE(fold_prefix("", "x"));
    EXPECT_TRUE(fold_suffix("", ""));
}

TEST(Fold, SpellingsHaveOneKey) {
    for (const auto& [a, b] :
         {std::pair("straße", "STRASSE"), {"ſ", "S"}, {"ς", "Σ"}, {"ı", "I"}, {"İ", "i̇"}, {"K", "k"}})
        EXPECT_EQ(fold_key(a), fold_key(b)) << a;
    EXPECT_NE(fold_key("a"), fold_key("b"));
    EXPECT_EQ(fold_key("\xC3(\xFF"), "\xC3(\xFF") << "bytes that are no UTF-8 stand for themselves";
}

}  // namespace
}  // namespace tarn::pattern
