// Where Tarn differs from Event Ruler on purpose: a test for each row of the table at the end of
// docs/reference/patterns.md, in its order.
#include <gtest/gtest.h>

#include "pattern/address.h"
#include "pattern/compile.h"
#include "pattern/naive.h"
#include "pattern/number.h"
#include "pattern/pattern.h"

namespace tarn::pattern {
namespace {

// The matcher's answer, which is the referee's.
bool matches(std::string_view pattern, std::string_view event) {
    const auto compiled = Pattern::compile(pattern);
    if (!compiled) {
        ADD_FAILURE() << compiled.error().text();
        return false;
    }
    const bool answer = compiled->matches(event);
    EXPECT_EQ(naive::matches(*compile_rule(pattern), event), answer) << pattern << ' ' << event;
    return answer;
}

std::string refusal(std::string_view pattern) {
    const auto rule = compile_rule(pattern);
    return rule ? "" : rule.error().message;
}

TEST(Differences, IgnoringCaseBeyondTheBasicPlane) {
    EXPECT_TRUE(matches(R"({"a":[{"equals-ignore-case":"a😀"}]})", R"({"a":"A😀"})"));
}

TEST(Differences, TextAfterThePatternsObject) { EXPECT_FALSE(compile_rule(R"({"a":[1]} {"b":[2]})")); }

TEST(Differences, AnEmptyListUnderAnythingBut) {
    for (const char* inner : {"prefix", "suffix", "equals-ignore-case", "wildcard"})
        EXPECT_EQ(refusal(R"({"a":[{"anything-but":{")" + std::string(inner) + R"(":[]}}]})"),
                  "Empty arrays are not allowed");
}

TEST(Differences, TheLargestDoubleAsABound) {
    EXPECT_FALSE(
        matches(R"({"a":[{"numeric":[">",1.7976931348623157e308]}]})", R"({"a":1.7976931348623157e308})"));
    EXPECT_TRUE(
        matches(R"({"a":[{"numeric":["<=",1.7976931348623157e308]}]})", R"({"a":1.7976931348623157e308})"));
}

TEST(Differences, NumbersThatJdk17PrintsTooLong) {
    EXPECT_EQ(comparable_number("2e23"), 2e23);
    EXPECT_EQ(comparable_number("8.41E21"), 8.41e21);
    EXPECT_TRUE(matches(R"({"a":[{"numeric":["=",2e23]}]})", R"({"a":2e23})"));
    EXPECT_NE(refusal(R"({"a":[{"numeric":["=",223372036854775808]}]})"), "");
}

TEST(Differences, AddressFamilies) {
    EXPECT_FALSE(matches(R"({"a":[{"cidr":"0a00::/8"}]})", R"({"a":"10.0.0.1"})"));
    EXPECT_TRUE(matches(R"({"a":[{"cidr":"10.0.0.0/8"}]})", R"({"a":"10.0.0.1"})"));
}

TEST(Differences, NumbersAreNoAddresses) {
    EXPECT_FALSE(matches(R"({"a":[{"cidr":"0.0.0.0/0"}]})", R"({"a":1})"));
    EXPECT_FALSE(matches(R"({"a":["16.0.0.0"]})", R"({"a":10000000})"));
}

TEST(Differences, LoneSurrogates) {
    EXPECT_TRUE(matches(R"({"a":["\ud800"]})", R"({"a":"\udfff"})"));
    EXPECT_FALSE(matches(R"({"a":["\ud800"]})", R"({"a":"?"})"));
}

TEST(Differences, OnePathInsideAndOutsideOfAnArray) {
    const std::string_view pattern = R"({"a":{"b":[1],"c":[2]}})";
    EXPECT_TRUE(matches(pattern, R"({"a":[{"b":1},{"c":3}],"a.c":2})"));
    EXPECT_TRUE(matches(pattern, R"({"a":[{"b":1},{"c":3}],"a":{"c":2}})"));
    EXPECT_FALSE(matches(pattern, R"({"a":[{"b":1},{"c":2}]})"));
}

TEST(Differences, BranchesThatShareAValue) {
    const std::string_view pattern = R"({"$or":[{"a":["x"]},{"a":["x",null]}]})";
    EXPECT_TRUE(matches(pattern, R"({"a":null})"));
    EXPECT_TRUE(matches(pattern, R"({"a":"x"})"));
    EXPECT_FALSE(matches(pattern, R"({"a":1})"));
}

// Event Ruler takes this in about half of the runs, because of the numeric range. What it measures in other
// branches is held in Limits.WildcardComplexityInBranches.
TEST(Differences, ComplexityOfRepeatedWildcards) {
    EXPECT_TRUE(refusal(R"({"$or":[{"l":[{"wildcard":"*aaaaaaaaaaa"}],"k":["a"]},
                                   {"k":[{"numeric":["<",3]},"b"],"l":[1]}]})")
                    .starts_with("Rule is too complex"));
}

TEST(Differences, StringsBesideANumericRange) {
    const std::string_view pattern = R"({"a":["x",{"numeric":["<",100]},"y"]})";
    for (const char* event : {R"({"a":"x"})", R"({"a":"y"})", R"({"a":99})"})
        EXPECT_TRUE(matches(pattern, event)) << event;
    EXPECT_FALSE(matches(pattern, R"({"a":100})"));
    EXPECT_FALSE(matches(pattern, R"({"a":"z"})"));
}

TEST(Differences, IgnoringCaseBesideAWildcard) {
    const std::string_view pattern = R"({"a":[{"wildcard":"*Bx"},{"equals-ignore-case":"b"}]})";
    EXPECT_FALSE(matches(pattern, R"({"a":"a"})"));
    EXPECT_TRUE(matches(pattern, R"({"a":"B"})"));
    EXPECT_TRUE(matches(pattern, R"({"a":"aBx"})"));
    EXPECT_FALSE(matches(R"({"a":[{"anything-but":{"wildcard":"*Bx"}},{"equals-ignore-case":"b"}]})",
                         R"({"a":"aBx"})"));
}

TEST(Differences, EmptyKeys) { EXPECT_TRUE(matches(R"({"a":{"":[1]}})", R"({"a":{"":1}})")); }

// ---- what the pieces take, as Event Ruler does

TEST(ComparableNumber, SurvivesTheWayToADoubleAndBack) {
    for (const char* text : {"3.14159265358979323846", "9007199254740993", "12345678901234567890", "1e400",
                             "1E-325", "5e-324", "0e9999999999", "1e-400"})
        EXPECT_FALSE(comparable_number(text)) << text;
    for (const auto& [text, value] : {std::pair("300", 300.0),
                                      {"3.0e2", 300.0},
                                      {"-0.0", 0.0},
                                      {"0.30000000000000004", 0.30000000000000004},
                                      {"4.9e-324", 4.9e-324},
                                      {"9007199254740992", 9007199254740992.0},
                                      {"0e999999999", 0.0},
                                      {"-1.7976931348623157E308", -1.7976931348623157e308},
                                      {"0.00012300", 0.000123}})
        EXPECT_EQ(comparable_number(text), value) << text;
    EXPECT_TRUE(exceeds_decimal("1e2147483648"));
    EXPECT_FALSE(exceeds_decimal("1e2147483647"));
}

TEST(Address, Spellings) {
    for (const char* text :
         {"1.2.3.4", "01.02.03.04", "::", "::1", "1::", "000001::", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8"})
        EXPECT_TRUE(parse_address(text)) << text;
    for (const char* text : {"", "1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.4 ", "00000000012.0.0.0", ":",
                             ":::", "1:", "1:2", "1::2::3", "10000::", "1:2:3:4::5:6:7:8", "::ffff:1.2.3.4",
                             "fe80::1%1", "g::", "0x1.2.3.4"})
        EXPECT_FALSE(parse_address(text)) << text;
    EXPECT_EQ(parse_address("::ffff:102:304"), parse_address("1.2.3.4"));
    EXPECT_EQ(network_last(*parse_address("2001:db8::1"), 32),
              parse_address("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"));
    EXPECT_EQ(network_first(*parse_address("10.20.30.40"), 12), parse_address("10.16.0.0"));
}

}  // namespace
}  // namespace tarn::pattern
