#include "pattern/pattern.h"

#include <gtest/gtest.h>

namespace tarn::pattern {
namespace {

bool matches(std::string_view pattern, std::string_view document) {
    const auto compiled = Pattern::compile(pattern);
    if (!compiled) {
        ADD_FAILURE() << compiled.error().text();
        return false;
    }
    return compiled->matches(document);
}

TEST(Pattern, AllFieldsAndAnyOfTheirValues) {
    constexpr std::string_view pattern = R"({"type":["a","b"],"data":{"n":[1],"o":{"x":[true,null]}}})";
    EXPECT_TRUE(matches(pattern, R"({"type":"b","data":{"n":1,"o":{"x":null}},"more":1})"));
    EXPECT_FALSE(matches(pattern, R"({"type":"c","data":{"n":1,"o":{"x":null}}})"));
    EXPECT_FALSE(matches(pattern, R"({"type":"b","data":{"n":2,"o":{"x":null}}})"));
    EXPECT_FALSE(matches(pattern, R"({"type":"b","data":{"n":1,"o":{"x":false}}})"));
    EXPECT_FALSE(matches(pattern, R"({"type":"b","data":{"n":1,"o":{}}})"));
    EXPECT_FALSE(matches(pattern, R"({"type":"b"})"));
    EXPECT_FALSE(matches(pattern, R"([])"));
}

TEST(Pattern, ValuesMatchByTypeAndMeaning) {
    EXPECT_TRUE(matches(R"({"a":[300]})", R"({"a":300.0})"));
    EXPECT_TRUE(matches(R"({"a":[300]})", R"({"a":3e2})"));
    EXPECT_FALSE(matches(R"({"a":[300]})", R"({"a":"300"})"));
    EXPECT_FALSE(matches(R"({"a":["300"]})", R"({"a":300})"));
    EXPECT_FALSE(matches(R"({"a":[9007199254740993]})", R"({"a":9007199254740992})"));
    EXPECT_TRUE(matches(R"({"a":["é\n"]})", R"({"a":"\u00e9\n"})"));
    EXPECT_TRUE(matches(R"({"é":[""]})", R"({"\u00e9":""})"));
    EXPECT_FALSE(matches(R"({"a":[null]})", R"({})"));
    EXPECT_FALSE(matches(R"({"a":["A"]})", R"({"a":"a"})"));
}

TEST(Pattern, ArraysOfTheEventMatchByAnyElement) {
    EXPECT_TRUE(matches(R"({"a":["x"]})", R"({"a":["y","x"]})"));
    EXPECT_TRUE(matches(R"({"a":["x"]})", R"({"a":[["x"]]})"));
    EXPECT_FALSE(matches(R"({"a":["x"]})", R"({"a":[]})"));
    EXPECT_TRUE(matches(R"({"a":{"b":[1]}})", R"({"a":[{"b":2},{"b":1}]})"));
    EXPECT_FALSE(matches(R"({"a":{"b":[1]}})", R"({"a":[1]})"));
}

TEST(Pattern, TypesForPruning) {
    const auto with = Pattern::compile(R"({"type":["a","b",null]})");
    ASSERT_TRUE(with);
    ASSERT_NE(with->types(), nullptr);
    EXPECT_EQ(*with->types(), (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(with->text(), R"({"type":["a","b",null]})");
    EXPECT_EQ(Pattern::compile(R"({"data":{"type":["a"]}})")->types(), nullptr);
}

TEST(Pattern, OperatorsOfLaterVersionsAreRefusedByName) {
    for (const char* pattern : {R"({"a":[{"prefix":"x"}]})", R"({"a":["b",{"exists":false}]})",
                                R"({"$or":[{"a":[1]}]})", R"({"a":{"$or":[]}})"}) {
        const auto compiled = Pattern::compile(pattern);
        ASSERT_FALSE(compiled) << pattern;
        EXPECT_EQ(compiled.error().code, Code::not_built) << pattern;
    }
    EXPECT_EQ(Pattern::compile(R"({"a":[{"prefix":"x"}]})").error().message,
              R"(pattern operator "prefix" (in a) is not built yet: this version matches exact values)");
}

TEST(Pattern, MistakesAreNamed) {
    for (const char* pattern : {"", "[]", "{}", R"({"a":"x"})", R"({"a":[]})", R"({"a":{}})",
                                R"({"a":[[1]]})", R"({"a":[{}]})", R"({"a":[1],"a":[2]})", R"({"a":[1})"}) {
        const auto compiled = Pattern::compile(pattern);
        ASSERT_FALSE(compiled) << pattern;
        EXPECT_EQ(compiled.error().code, Code::bad_pattern) << pattern;
    }
    EXPECT_EQ(Pattern::compile("{\"type\":\n \"a\"}").error().message,
              "bad pattern: type must be a list of values such as [\"a\"], or an object");
    EXPECT_EQ(Pattern::compile("{\"type\":\n [\"a\"}").error().place.line, 2u);
}

}  // namespace
}  // namespace tarn::pattern
