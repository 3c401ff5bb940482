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
    const auto types = [](std::string_view pattern) -> std::optional<std::vector<std::string>> {
        const auto compiled = Pattern::compile(pattern);
        if (!compiled) return std::vector<std::string>{compiled.error().text()};
        return compiled->types() == nullptr ? std::nullopt : std::optional(*compiled->types());
    };
    using List = std::vector<std::string>;
    EXPECT_EQ(types(R"({"type":["a","b",null]})"), (List{"a", "b"}));
    EXPECT_EQ(types(R"({"$or":[{"type":["b"]},{"type":["a"],"x":[1]}]})"), (List{"a", "b"}));
    EXPECT_EQ(types(R"({"type":["a"],"$or":[{"x":[1]},{"y":[1]}]})"), (List{"a"}));
    EXPECT_EQ(types(R"({"type":[{"wildcard":"a"}]})"), (List{"a"}));
    for (const char* any : {R"({"data":{"type":["a"]}})", R"({"type":["a",{"prefix":"b"}]})",
                            R"({"type":[{"anything-but":"a"}]})", R"({"type":["a",{"exists":false}]})",
                            R"({"$or":[{"type":["a"]},{"x":[1]}]})", R"({"type":["1.2.3.4"]})",
                            R"({"type":[{"equals-ignore-case":"a"}]})"})
        EXPECT_EQ(types(any), std::nullopt) << any;
    EXPECT_EQ(Pattern::compile(R"({"type":["a"]})")->text(), R"({"type":["a"]})");
}

TEST(Pattern, NeedIsNeverTooNarrow) {
    const auto need =
        Pattern::compile(R"({"$or":[{"type":["a",{"prefix":"b."}]},{"type":[{"wildcard":"c*d"}]}]})")
            ->need("type");
    ASSERT_TRUE(need);
    for (const char* allowed : {"a", "b.", "b.x", "c", "cd", "cxd"})
        EXPECT_TRUE(need->allows(allowed)) << allowed;
    for (const char* refused : {"", "ab", "b", "d"}) EXPECT_FALSE(need->allows(refused)) << refused;
    const auto quoted = Pattern::compile(R"({"type":[{"prefix":"ab\""}]})");
    EXPECT_TRUE(quoted->matches(R"({"type":"ab"})"));
    EXPECT_TRUE(quoted->need("type")->allows("ab"));
    for (const char* any : {R"({"x":["a"]})", R"({"type":[{"suffix":"a"}]})", R"({"type":[{"prefix":""}]})",
                            R"({"type":[{"wildcard":"*a"}]})", R"({"type":["a",{"exists":false}]})"})
        EXPECT_FALSE(Pattern::compile(any)->need("type")) << any;
}

TEST(Pattern, RefusalsAreTheCompilers) {
    const auto refused = Pattern::compile(R"({"a":"x"})");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::bad_pattern);
    EXPECT_EQ(refused.error().message, compile_rule(R"({"a":"x"})").error().message);
}

}  // namespace
}  // namespace tarn::pattern
