#include "pattern/compile.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "codec/json.h"

namespace tarn::pattern {
namespace {

using Kind = Test::Kind;

std::string refusal(std::string_view json, const Limits& limits = {}) {
    const auto rule = compile_rule(json, limits);
    return rule ? "valid" : rule.error().message;
}

// The only field's tests.
std::vector<Test> tests_of(const std::string& list) {
    const auto rule = compile_rule("{\"a\":" + list + "}");
    if (rule) return rule->alternatives.front().fields.front().tests;
    ADD_FAILURE() << list << ": " << rule.error().text();
    return {Test{}};
}

Test test_of(const std::string& value) { return tests_of("[" + value + "]").front(); }

// ---- refusals: Event Ruler's own words (each line was asked of Event Ruler 2.1.0)

struct Refused {
    const char* list;  // what stands at {"a": …}
    const char* message;
};

class RefusedList : public testing::TestWithParam<Refused> {};
TEST_P(RefusedList, HasTheWordsOfEventRuler) {
    const std::string json = std::string("{\"a\":") + GetParam().list + "}";
    EXPECT_EQ(refusal(json), GetParam().message) << json;
    const auto rule = compile_rule(json);
    ASSERT_FALSE(rule);
    EXPECT_EQ(rule.error().code, Code::bad_pattern);
    EXPECT_GT(rule.error().place.column, 5u) << "the place is in the list";
    EXPECT_FALSE(rule.error().next.empty());
}

constexpr const char* kOneKey = "Only one key allowed in match expression";
constexpr const char* kTooMany = "Too many elements in numeric expression";
constexpr const char* kNotText = "prefix/suffix match pattern must be a string";
constexpr const char* kNotFold =
    "Inside anything-but/ignore-case list, number|start|null|boolean is not supported.";
constexpr const char* kNotExcept = "Value of anything-but must be an array or single string/number value.";
constexpr const char* kMixed =
    "Inside anything but list, either all values are number or string, mixed type is not supported";

INSTANTIATE_TEST_SUITE_P(Structure, RefusedList,
                         testing::Values(Refused{"5", "\"a\" must be an object or an array"},
                                         Refused{"\"x\"", "\"a\" must be an object or an array"},
                                         Refused{"[]", "Empty arrays are not allowed"},
                                         Refused{"{}", "Empty objects are not allowed"},
                                         Refused{"{\"b\":{}}", "Empty objects are not allowed"},
                                         Refused{"[[1]]",
                                                 "Match value must be String, number, true, false, or null"},
                                         Refused{"[{}]", "Match expression name not found"},
                                         Refused{R"([{"PREFIX":"a"}])", "Unrecognized match type PREFIX"},
                                         Refused{R"([{"$or":[1]}])", "Unrecognized match type $or"},
                                         Refused{R"([{"prefix":"a","suffix":"b"}])", kOneKey},
                                         Refused{R"([{"exists":true,"prefix":"b"}])", kOneKey}));

INSTANTIATE_TEST_SUITE_P(
    Text, RefusedList,
    testing::Values(
        Refused{R"([{"exactly":1}])", "exact match pattern must be a string"},
        Refused{R"([{"prefix":1}])", "prefix match pattern must be a string"},
        Refused{R"([{"suffix":["a"]}])", "suffix match pattern must be a string"},
        Refused{R"([{"prefix":{}}])", "Prefix expression name not found"},
        Refused{R"([{"suffix":{}}])", "Suffix expression name not found"},
        Refused{R"([{"prefix":{"x":1}}])", "Unsupported prefix pattern: x"},
        Refused{R"([{"suffix":{"x":1}}])", "Unsupported suffix pattern: x"},
        Refused{R"([{"prefix":{"equals-ignore-case":1}}])",
                "equals-ignore-case match pattern must be a string"},
        Refused{R"([{"suffix":{"equals-ignore-case":"a","b":1}}])", kOneKey},
        Refused{R"([{"equals-ignore-case":["a"]}])", "equals-ignore-case match pattern must be a string"},
        Refused{R"([{"wildcard":1}])", "wildcard match pattern must be a string"},
        Refused{R"([{"wildcard":"ab**c"}])", "Consecutive wildcard characters at pos 3"},
        Refused{R"([{"wildcard":"a\\bc"}])", "Invalid escape character at pos 2"},
        Refused{R"([{"wildcard":"abc\\"}])", "Invalid escape character at pos 4"},
        Refused{R"([{"wildcard":"*:*:*:*:*:event-bus/*"}])",
                "Rule is too complex - try using fewer wildcard characters or fewer repeating character "
                "sequences after a wildcard character"},
        Refused{R"([{"exists":"x"}])", "exists match pattern must be either true or false."}));

INSTANTIATE_TEST_SUITE_P(
    Numeric, RefusedList,
    testing::Values(Refused{R"([{"numeric":10}])", "Value of numeric must be an array."},
                    Refused{R"([{"numeric":[]}])", "Invalid member in numeric match: ]"},
                    Refused{R"([{"numeric":[1]}])", "Invalid member in numeric match: 1"},
                    Refused{R"([{"numeric":[{}]}])", "Invalid member in numeric match: {"},
                    Refused{R"([{"numeric":["="]}])", "Value of equals must be numeric"},
                    Refused{R"([{"numeric":["<=","1"]}])", "Value of <= must be numeric"},
                    Refused{R"([{"numeric":["<>",1]}])", "Unrecognized numeric range operator: <>"},
                    Refused{R"([{"numeric":["=",1,2]}])", kTooMany},
                    Refused{R"([{"numeric":["<",2,">",1]}])", kTooMany},
                    Refused{R"([{"numeric":["=",2],"x":1}])", kTooMany},
                    Refused{R"([{"numeric":[">",1,2]}])", "Bad value in numeric range: 2"},
                    Refused{R"([{"numeric":[">",1,"=",2]}])", "Bad numeric range operator: ="},
                    Refused{R"([{"numeric":[">",1,"<"]}])", "Value of < must be numeric"},
                    Refused{R"([{"numeric":[">",1,"<",2,3]}])", "Too many terms in numeric range expression"},
                    Refused{R"([{"numeric":[">=",1,"<=",1]}])", "Bottom must be less than top"},
                    Refused{R"([{"numeric":[">",12345678901234567890]}])",
                            "Cannot compare number : 12345678901234567890"},
                    Refused{R"([{"numeric":["=",1e400]}])", "Cannot compare number : 1e400"},
                    Refused{R"([{"numeric":["=",5e-324]}])", "Cannot compare number : 5e-324"},
                    Refused{R"([{"numeric":["=",1e99999999999]}])", "value exceeds limits"}));

INSTANTIATE_TEST_SUITE_P(
    Cidr, RefusedList,
    testing::Values(Refused{R"([{"cidr":1}])", "prefix match pattern must be a string"},
                    Refused{R"([{"cidr":"x"}])", "Malformed CIDR, one '/' required"},
                    Refused{R"([{"cidr":"1.2.3.4/8/9"}])", "Malformed CIDR, one '/' required"},
                    Refused{R"([{"cidr":"bad-/64filter"}])", "Malformed CIDR, mask bits must be an integer"},
                    Refused{R"([{"cidr":"1.2.3.4/99999999999"}])",
                            "Malformed CIDR, mask bits must be an integer"},
                    Refused{R"([{"cidr":"1.2.3.4/-8"}])", "Malformed CIDR, mask bits must not be negative"},
                    Refused{R"([{"cidr":"xxxx:db8::/64"}])", "Nonstandard IP address: xxxx:db8::"},
                    Refused{R"([{"cidr":"/8"}])", "Nonstandard IP address: "},
                    Refused{R"([{"cidr":"999.0.0.0/8"}])", "Invalid IP address: 999.0.0.0"},
                    Refused{R"([{"cidr":"1::2::/8"}])", "Invalid IP address: 1::2::"},
                    Refused{R"([{"cidr":"10.0.0.1/32"}])", "IPv4 mask bits must be < 32"},
                    Refused{R"([{"cidr":"::ffff:102:304/120"}])", "IPv4 mask bits must be < 32"},
                    Refused{R"([{"cidr":"::1/128"}])", "IPv6 mask bits must be < 128"}));

INSTANTIATE_TEST_SUITE_P(
    AnythingBut, RefusedList,
    testing::Values(
        Refused{R"([{"anything-but":null}])", kNotExcept}, Refused{R"([{"anything-but":true}])", kNotExcept},
        Refused{R"([{"anything-but":[]}])", kMixed}, Refused{R"([{"anything-but":["a",1]}])", kMixed},
        Refused{R"([{"anything-but":["a",null]}])",
                "Inside anything but list, start|null|boolean is not supported."},
        Refused{R"([{"anything-but":[12345678901234567890]}])",
                "Cannot compare number : 12345678901234567890"},
        Refused{R"([{"anything-but":["a"],"x":1}])", kTooMany},
        Refused{R"([{"anything-but":{}}])", "Anything-But expression name not found"},
        Refused{R"([{"anything-but":{"numeric":["=",1]}}])", "Unsupported anything-but pattern: numeric"},
        Refused{R"([{"anything-but":{"prefix":""}}])", "Null prefix/suffix not allowed"},
        Refused{R"([{"anything-but":{"suffix":1}}])", kNotText},
        Refused{R"([{"anything-but":{"prefix":["a",""]}}])", kNotText},
        Refused{R"([{"anything-but":{"prefix":{"equals-ignore-case":"a"}}}])", kNotText},
        Refused{R"([{"anything-but":{"prefix":"a","suffix":"b"}}])", kOneKey},
        Refused{R"([{"anything-but":{"prefix":"a"},"x":1}])", kOneKey},
        Refused{R"([{"anything-but":{"equals-ignore-case":[1]}}])", kNotFold},
        Refused{R"([{"anything-but":{"equals-ignore-case":null}}])", kNotExcept},
        Refused{R"([{"anything-but":{"equals-ignore-case":"a","b":1}}])", kTooMany},
        Refused{R"([{"anything-but":{"wildcard":1}}])", "Unsupported anything-but pattern: wildcard"},
        Refused{R"([{"anything-but":{"prefix":[]}}])", "Empty arrays are not allowed"}));

TEST(Refusal, OfTheWholePattern) {
    EXPECT_EQ(refusal(""), "Filter is not an object");
    EXPECT_EQ(refusal("[]"), "Filter is not an object");
    EXPECT_EQ(refusal("{}"), "Empty objects are not allowed");
    EXPECT_TRUE(refusal("{\"a\":[1]").starts_with("not JSON: unexpected end of text"));
    EXPECT_TRUE(refusal("{\"a\":[1]} more").starts_with("not JSON: "))
        << "on purpose: Event Ruler reads no further";
}

// With $or, Event Ruler's last words are about its older grammar, in which $or is a field. The place and the
// next step are of the true cause.
TEST(Refusal, BelowOr) {
    const auto rule = compile_rule(R"({"$or":[{"a":[1]},{"b":[2]}],"c":5})");
    ASSERT_FALSE(rule);
    EXPECT_EQ(rule.error().message, "Unrecognized match type a");
    EXPECT_EQ(rule.error().place.column, 34u);
    EXPECT_TRUE(rule.error().next.starts_with("\"c\" must be an object or an array: ")) << rule.error().next;
    EXPECT_EQ(refusal(R"({"$or":[{"a":[{"cidr":"x"}]},{"b":[2]}]})"), "Malformed CIDR, one '/' required");
    EXPECT_EQ(refusal(R"({"$or":[{"a":[1]}]})"), "Unrecognized match type a");
    EXPECT_EQ(refusal(R"({"$or":[]})"), "Empty arrays are not allowed");
}

TEST(Refusal, PointsAtTheToken) {
    const auto rule = compile_rule("{\"a\": [1],\n \"b\": [{\"prefx\": \"x\"}]}");
    ASSERT_FALSE(rule);
    EXPECT_EQ(rule.error().place.line, 2u);
    EXPECT_EQ(rule.error().place.column, 9u);
    EXPECT_EQ(rule.error().place.byte, 19u);
    EXPECT_TRUE(rule.error().next.starts_with("did you mean prefix?"));
    EXPECT_EQ(rule.error().excerpt, " \"b\": [{\"prefx\": \"x\"}]}\n        ^");
}

// ---- meaning

TEST(Compile, Values) {
    EXPECT_EQ(test_of("\"x\"").kind, Kind::text);
    EXPECT_EQ(test_of("true").text, "true");
    EXPECT_EQ(test_of("300").low, test_of("3.0e2").low);
    EXPECT_EQ(test_of("-0.0").low, 0);
    EXPECT_FALSE(test_of("12345678901234567890").comparable);
    EXPECT_EQ(test_of("\"::1\""), test_of("\"0:0:0:0:0:0:0:1\""));
    EXPECT_EQ(test_of("\"1.2.3.4\""), test_of("\"::ffff:102:304\""));
    EXPECT_EQ(test_of("\"010.0.0.1\""), test_of("\"10.0.0.1\""));
    EXPECT_EQ(test_of("\"08:23\"").kind, Kind::text);
    EXPECT_EQ(test_of(R"({"exactly":"1.2.3.4"})").kind, Kind::text);
}

TEST(Compile, Operators) {
    EXPECT_EQ(test_of(R"({"wildcard":"a\\*b*"})").parts, (std::vector<std::string>{"a*b", ""}));
    EXPECT_EQ(test_of(R"({"wildcard":""})").parts, (std::vector<std::string>{""}));
    EXPECT_EQ(test_of(R"({"prefix":{"equals-ignore-case":"Ab"}})").text, "ab");
    EXPECT_EQ(test_of(R"({"exists":false})").kind, Kind::absent);
    EXPECT_EQ(test_of(R"({"anything-but":{"suffix":["a","b"]}})").except.size(), 2u);
    EXPECT_EQ(test_of(R"({"cidr":"10.1.2.3/8"})").to, test_of("\"10.255.255.255\"").from);
    EXPECT_EQ(test_of(R"({"cidr":"10.0.0.0/+8/"})").from, test_of("\"10.0.0.0\"").from);
    const auto range = test_of(R"({"numeric":[">",0,"<=",5]})");
    EXPECT_TRUE(range.kind == Kind::range && !range.low_closed && range.high_closed && range.high == 5);
}

std::string shape(std::string_view json) {
    const auto rule = compile_rule(json);
    if (!rule) return rule.error().text();
    std::string out;
    for (const Alternative& alternative : rule->alternatives) {
        for (const Field& field : alternative.fields)
            out += field.path + "=" + field.tests.front().text + " ";
        out += "| ";
    }
    return out;
}

TEST(Compile, OrMakesAlternatives) {
    EXPECT_EQ(shape(R"({"$or":[{"a":[1]},{"b":[2]}]})"), "a=1 | b=2 | ");
    EXPECT_EQ(shape(R"({"x":{"$or":[{"a":[1]},{"b":[2]}]},"$or":[{"c":[3]},{"d":[4]}]})"),
              "c=3 x.a=1 | c=3 x.b=2 | d=4 x.a=1 | d=4 x.b=2 | ")
        << "sorted below";
    EXPECT_EQ(shape(R"({"a":[1],"$or":[{"a":[2]},{"b":[3]}]})"), "a=2 | a=1 b=3 | ");
    EXPECT_EQ(shape(R"({"$or":[{"a":[2]},{"b":[3]}],"a":[1]})"), "a=1 | a=1 b=3 | ");
    EXPECT_EQ(shape(R"({"$or":["x"]})"), "$or=x | ") << "a field of that name";
    EXPECT_EQ(shape(R"({"$or":[{"prefix":"a"},{"prefix":"b"}]})"), "$or=a | ")
        << "prefix is reserved inside $or";
}

TEST(Compile, PathsAreJoinedSortedAndUnique) {
    EXPECT_EQ(shape(R"({"b":["1"],"a":{"c":["2"],"b":["3"]},"a.b":["4"]})"), "a.b=4 a.c=2 b=1 | ");
    EXPECT_EQ(shape(R"({"":{"a":["1"]},"b":{"":["2"]}})"), "a=1 b.=2 | ");
    EXPECT_EQ(shape("{\"\xEF\xBF\xBD\":[\"1\"],\"\xF0\x9F\x98\x80\":[\"2\"]}"),
              "\xF0\x9F\x98\x80=2 \xEF\xBF\xBD=1 | ")
        << "in the order of UTF-16 units";
}

TEST(Compile, StrictRefusesAFieldGivenTwice) {
    constexpr std::string_view twice = R"({"a":["x"],"a":["y"]})";
    EXPECT_EQ(shape(twice), "a=y | ");
    EXPECT_EQ(refusal(twice, {.strict = true}), "Path `a` cannot be allowed multiple times");
    EXPECT_EQ(refusal(R"({"a":["x"],"$or":[{"a":["y"]},{"b":["z"]}]})", {.strict = true}),
              "Path `a` cannot be allowed multiple times");
}

// ---- limits

TEST(Limits, EachHasAClearError) {
    EXPECT_EQ(refusal(R"({"a":[1]})", {.max_bytes = 8}), "the pattern has 9 bytes: at most 8 are taken");
    EXPECT_EQ(refusal(R"({"a":{"b":[1]}})", {.max_depth = 2}), "nested more than 2 levels deep");
    std::string ors;
    for (int i = 0; i < 4; ++i)
        ors += R"("$or":[{"a":[1]},{"b":[1]},{"c":[1]},{"d":[1]},{"e":[1]},{"f":[1]}],)";
    EXPECT_TRUE(refusal("{" + ors + R"("z":[1]})").starts_with("$or makes more than 1000 alternatives"));
    EXPECT_TRUE(
        refusal(R"({"a":["x","y"]})", {.max_expanded_bytes = 100}).starts_with("the pattern is too large"));
}

TEST(Limits, LongPathsDoNotMultiply) {
    std::string json = "{\"" + std::string(100'000, 'k') + "\":{";
    for (int i = 0; i < 100'000; ++i) json += "\"" + std::to_string(i) + "\":[1],";
    json += "\"x\":[1]}}";
    EXPECT_TRUE(refusal(json, {.max_bytes = 8 << 20}).starts_with("the pattern is too large"));
}

int complexity(const std::string& list) {
    const auto rule = compile_rule("{\"a\":" + list + "}", {.max_wildcard_complexity = 1000});
    return rule ? wildcard_complexity(*rule) : -1;
}

// Measured by Event Ruler's MachineComplexityEvaluator.
TEST(Limits, WildcardComplexity) {
    EXPECT_EQ(complexity(R"(["x"])"), 0);
    EXPECT_EQ(complexity(R"([{"wildcard":"abc"}])"), 1);
    EXPECT_EQ(complexity(R"([{"wildcard":"*"}])"), 2);
    EXPECT_EQ(complexity(R"([{"wildcard":"*a*b*"}])"), 4);
    EXPECT_EQ(complexity(R"([{"wildcard":"*a*a*a"}])"), 6);
    EXPECT_EQ(complexity(R"([{"wildcard":"*aaaaaaaaaaaaaaa"}])"), 16);
    EXPECT_EQ(complexity(R"([{"wildcard":"*:*:*:*:*:event-bus/*"}])"), 11);
    EXPECT_EQ(complexity(R"([{"wildcard":"*éà"}])"), 3) << "counted in bytes";
    EXPECT_EQ(complexity(R"([{"wildcard":"a*"},{"wildcard":"a*b"}])"), 4);
    EXPECT_EQ(complexity(R"([{"anything-but":{"wildcard":["*a","*b"]}}])"), 2);
    EXPECT_EQ(complexity(R"([{"wildcard":"*a"},{"wildcard":"*a"}])"), 3);
    EXPECT_EQ(complexity(R"([{"wildcard":"*:"},{"wildcard":"*:"}])"), 2);
    EXPECT_EQ(complexity(R"([{"wildcard":"*a*a"},{"wildcard":"*a*a"}])"), 7);
    EXPECT_EQ(complexity(R"([{"wildcard":"*ab*"}],"$or":[{"b":[1]},{"c":[2]},{"d":[2]},{"e":[2]}])"), 9);
}

TEST(Limits, WildcardComplexityInBranches) {
    EXPECT_EQ(complexity(R"([{"wildcard":"*a"}],"c":[{"wildcard":"*aaaaa"}],"$or":[{"d":[1]},{"e":[1]}])"), 6)
        << "*a leads to a state of its own each time, so nothing is repeated behind it";
    EXPECT_EQ(complexity(R"([1],"c":[{"wildcard":"*aaaaa"}],"$or":[{"d":[1]},{"e":[1]}])"), 11);
    EXPECT_EQ(complexity(R"(["a"],"$or":[{"a":[{"wildcard":"aba*"},{"wildcard":"*B1"}]},
                                         {"a":[{"wildcard":"*B1"}]}])"),
              5);
    EXPECT_EQ(complexity(R"(["a"],"$or":[{"k":[{"wildcard":"b:*"},{"wildcard":"b:*a"}]},
                                         {"k":[{"wildcard":"b:*a"},{"wildcard":"b:*"}]}])"),
              5);
    EXPECT_EQ(complexity(R"(["a"],"$or":[{"k":[{"wildcard":"*Bb:1b"}]},{"k":[{"wildcard":"*Bb:1b"},1]}])"),
              3);
}

TEST(Limits, AlternativesThatShareManyValuesTakeBoundedTime) {
    std::string json = R"({"z":[{"wildcard":"*a"}],"$or":[)";
    for (int branch = 0; branch < 500; ++branch) {
        json += branch == 0 ? "{" : ",{";
        for (int field = 0; field < 12; ++field)
            json += fmt::format(R"({}"k{}":["{}","{}","{}"])", field == 0 ? "" : ",", field, branch,
                                branch + 1, branch + 2);
        json += "}";
    }
    EXPECT_TRUE(refusal(json + "]}").starts_with("Rule is too complex"));
}

TEST(Limits, AHostileWildcardTakesBoundedTime) {
    std::string text;
    for (unsigned i = 0; i < 100'000; ++i) text += static_cast<char>('a' + i * i % 7);
    EXPECT_TRUE(refusal("{\"a\":[{\"wildcard\":\"*" + text + "\"}]}").starts_with("Rule is too complex"))
        << "not measured to the end";
}

// ---- findings

std::string findings(std::string_view json) {
    const auto found = lint(json);
    if (!found) return found.error().text();
    std::string out;
    for (const Finding& finding : *found)
        out += std::string(finding_name(finding.kind)) + " " + finding.path + " " +
               std::to_string(finding.place.column) + "; ";
    return out;
}

TEST(Lint, Findings) {
    EXPECT_EQ(findings(R"({"a":["x",{"prefix":"y"}],"b":[{"exists":true}]})"), "");
    EXPECT_EQ(findings(R"({"a":[{"anything-but":"x"},{"anything-but":"y"}]})"), "always_matches a 28; ");
    EXPECT_EQ(findings(R"({"a":[{"exists":true},{"exists":false}]})"), "always_matches a 2; ");
    EXPECT_EQ(findings(R"({"a":[{"prefix":""}]})"), "always_matches a 7; ");
    EXPECT_EQ(findings(R"({"a":["x","x"]})"), "redundant a 11; ");
    EXPECT_EQ(findings(R"({"a":["x",{"exists":true}]})"), "redundant a 2; ");
    EXPECT_EQ(findings(R"({"a":["x"],"a":["y"]})"), "duplicate_path a 2; ");
    EXPECT_EQ(findings(R"({"a":[12345678901234567890]})"), "exact_spelling a 7; ");
    EXPECT_EQ(findings(R"({"a":[{"numeric":[">",0,"<",4.9e-324]}]})"), "never_matches a 7; ");
    EXPECT_EQ(findings(R"({"d":{"a":[{"exists":false}],"b":[1]}})"), "order_dependent d.a 12; ");
    EXPECT_EQ(findings(R"({"d":{"a":[1],"b":[{"exists":false}]}})"), "") << "b is looked at after a";
    EXPECT_EQ(findings(R"({"$or":["x"]})"), "or_as_field $or 2; ");
    EXPECT_EQ(findings(R"({"a":[{"wildcard":"*aaaaaaa"}]})"), "complex_wildcard  1; ");
    EXPECT_EQ(findings("{\"a\":[\"" + std::string(4096, 'x') + "\"]}"), "service_limit  1; ");
}

}  // namespace
}  // namespace tarn::pattern
