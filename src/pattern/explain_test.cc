#include "pattern/explain.h"

#include <gtest/gtest.h>

#include "../../tests/pattern_generator.h"
#include "pattern/compile.h"
#include "pattern/naive.h"
#include "pattern/test_text.h"

namespace tarn::pattern {
namespace {

Explanation explained(std::string_view pattern, std::string_view event) {
    const auto rule = compile_rule(pattern);
    EXPECT_TRUE(rule) << pattern;
    return rule ? explain(*rule, event) : Explanation{};
}

// The nearest alternative: "match", or a line "field why => instead" for each field that does not hold.
std::string told(std::string_view pattern, std::string_view event) {
    const Explanation explanation = explained(pattern, event);
    if (explanation.matches) return "match";
    std::string text;
    for (const auto& field : explanation.alternatives[explanation.nearest].fields) {
        if (field.holds) continue;
        text += (text.empty() ? "" : "\n") + field.path + " " + field.why;
        if (!field.instead.empty()) text += " => " + field.instead;
    }
    return text;
}

TEST(Explain, StringsThatAreNearlyRight) {
    EXPECT_EQ(told(R"({"a":["x"]})", R"({"a":"x"})"), "match");
    EXPECT_EQ(told(R"({"a":["running"]})", R"({"a":"Running"})"),
              R"(a differs only in case => {"equals-ignore-case":"running"})");
    EXPECT_EQ(told(R"({"a":["running"]})", R"({"a":"runing"})"), R"(a is nearly it => "runing")");
    EXPECT_EQ(told(R"({"a":["stopped","running"]})", R"({"a":"runing"})"), R"(a is nearly it => "runing")");
    EXPECT_EQ(told(R"({"a":["x"]})", R"({"a":" x\n"})"),
              R"(a differs only in the white space around it => " x\n")");
    EXPECT_EQ(told(R"({"a":["Get"]})", R"({"a":"GetObjectTagging"})"),
              R"(a begins with it, and goes on => {"prefix":"Get"})");
    EXPECT_EQ(told(R"({"a":["a*b"]})", R"({"a":"this is a*b and more of it"})"),
              R"(a has it in the middle => {"wildcard":"*a\\*b*"})");
    EXPECT_EQ(told(R"({"a":["running"]})", R"({"a":"idle"})"), R"(a is another string => "idle")");
}

TEST(Explain, TypesThatAreNearlyRight) {
    EXPECT_EQ(told(R"({"a":["5"]})", R"({"a":5})"), R"(a is a number, not the string "5" => 5)");
    EXPECT_EQ(told(R"({"a":[5]})", R"({"a":"5"})"), R"(a is a string, not a number => "5")");
    EXPECT_EQ(told(R"({"a":[5]})", R"({"a":"5.0"})"), R"(a is a string, not a number => "5.0")");
    EXPECT_EQ(told(R"({"a":[true]})", R"({"a":"true"})"), R"(a is a string, not the word true => "true")");
    EXPECT_EQ(told(R"({"a":["null"]})", R"({"a":null})"), R"(a is null, not the string "null" => null)");
    EXPECT_EQ(told(R"({"a":[{"prefix":"4"}]})", R"({"a":404})"),
              R"(a is a number, and this looks at strings only => 404)");
}

TEST(Explain, RangesAndAddresses) {
    EXPECT_EQ(told(R"({"a":[{"numeric":[">",10,"<",20]}]})", R"({"a":10})"),
              R"(a is too small => {"numeric":[">=",10,"<",20]})");
    EXPECT_EQ(told(R"({"a":[{"numeric":["<=",20]}]})", R"({"a":21.5})"),
              R"(a is too large => {"numeric":["<=",21.5]})");
    EXPECT_EQ(told(R"({"a":[{"numeric":["<",20]}]})", R"({"a":"3"})"),
              R"(a is a string, and ranges take numbers only => "3")");
    EXPECT_EQ(told(R"({"a":[{"numeric":[">",0]}]})", R"({"a":12345678901234567890})"),
              "a has more digits than can be compared, so no range holds it => 12345678901234567890");
    EXPECT_EQ(told(R"({"a":[{"cidr":"10.0.0.0/8"}]})", R"({"a":"11.0.0.1"})"),
              R"(a lies outside of the network => "11.0.0.1")");
    EXPECT_EQ(told(R"({"a":[{"cidr":"10.0.0.0/8"}]})", R"({"a":"::1"})"),
              R"(a is IPv6, the pattern IPv4 => "::1")");
    EXPECT_EQ(told(R"({"a":[{"cidr":"10.0.0.0/8"}]})", R"({"a":"here"})"),
              R"(a is not an IP address => "here")");
}

TEST(Explain, PartsOfStrings) {
    EXPECT_EQ(told(R"({"a":[{"prefix":"get"}]})", R"({"a":"GetObject"})"),
              R"(a begins with it in another case => {"prefix":{"equals-ignore-case":"get"}})");
    EXPECT_EQ(told(R"({"a":[{"suffix":".PNG"}]})", R"({"a":"x.png"})"),
              R"(a ends with it in another case => {"suffix":{"equals-ignore-case":".PNG"}})");
    EXPECT_EQ(told(R"({"a":[{"prefix":"Object"}]})", R"({"a":"GetObject"})"),
              R"(a has it elsewhere => {"wildcard":"*Object*"})");
    EXPECT_EQ(told(R"({"a":[{"wildcard":"a*b*c"}]})", R"({"a":"axxc"})"),
              R"(a has no "b" after "a" => "axxc")");
    EXPECT_EQ(told(R"({"a":[{"wildcard":"a*c"}]})", R"({"a":"abcd"})"),
              R"(a does not end with "c" => "abcd")");
    EXPECT_EQ(told(R"({"a":[{"wildcard":"*x"}]})", R"({"a":"y"})"), R"(a does not end with "x" => "y")");
}

TEST(Explain, ExcludedAndAbsent) {
    EXPECT_EQ(told(R"({"a":[{"anything-but":["x","y"]}]})", R"({"a":"y"})"),
              R"(a is what the pattern excludes => "y")");
    EXPECT_EQ(told(R"({"a":[{"exists":false}]})", R"({"a":1})"),
              R"(a is there, and must not be => {"exists":true})");
    EXPECT_EQ(told(R"({"a":[{"exists":true}]})", R"({"b":"some other thing"})"), "a is not there");
}

TEST(Explain, FieldsThatAreNotThere) {
    EXPECT_EQ(told(R"({"detail":{"state":["x"]}})", R"({"detail":{"State":"x"}})"),
              "detail.state is not there, but detail.State is: names differ by case => ask for detail.State");
    EXPECT_EQ(told(R"({"detail":{"state":["x"]}})", R"({"state":"x","other":1})"),
              "detail.state is not there, but state is => ask for state");
    EXPECT_EQ(told(R"({"detail":{"stat":["x"]}})", R"({"detail":{"state":"x"}})"),
              "detail.stat is not there, but detail.state is => ask for detail.state");
    EXPECT_EQ(told(R"({"detail":{"state":["x"]}})", R"({"detail":"{\"state\":\"x\"}"})"),
              "detail.state is not there: detail is a string that holds JSON, and patterns do not look into "
              "strings "
              "=> give detail as an object");
    EXPECT_EQ(told(R"({"detail":{"state":["x"]}})", R"({"detail":7})"),
              "detail.state is not there: detail is a number, so nothing is below it => ask for detail");
    EXPECT_EQ(told(R"({"detail":["x"]})", R"({"detail":{"state":"x"}})"),
              "detail is an object, and patterns ask for values, not for objects => ask for detail.state");
    EXPECT_EQ(told(R"({"detail":[{"exists":true}]})", R"({"detail":[]})"),
              R"(detail is empty ([]), which counts as not there => {"exists":false})");
    EXPECT_EQ(told(R"({"detail":[{"exists":true}]})", R"({"detail":{ }})"),
              R"(detail is empty ({}), which counts as not there => {"exists":false})");
}

TEST(Explain, ElementsThatMatchButNotInOne) {
    EXPECT_EQ(
        told(R"({"d":{"a":[1],"b":[2]}})", R"({"d":[{"a":1,"b":3},{"a":4,"b":2}]})"),
        "d.a holds at d[0].a only, in another array element than the other fields => the fields of one array "
        "must hold in the same element\n"
        "d.b holds at d[1].b only, in another array element than the other fields => the fields of one array "
        "must hold in the same element");
    EXPECT_EQ(
        told(R"({"c":[0],"d":{"a":[1],"b":[{"exists":false}]}})", R"({"c":0,"d":[{"a":1,"b":3},{"a":4}]})"),
        "d.b is there, and must not be => {\"exists\":true}");
}

TEST(Explain, TheNearestAlternativeIsTold) {
    const auto explanation = explained(R"({"x":[1],"$or":[{"a":[1],"b":[2]},{"c":[3],"d":[4]}]})",
                                       R"({"x":1,"a":0,"b":0,"c":3,"d":5})");
    EXPECT_FALSE(explanation.matches);
    ASSERT_EQ(explanation.alternatives.size(), 2u);
    EXPECT_EQ(explanation.nearest, 1u);
    EXPECT_EQ(explanation.alternatives[0].failed, 2u);
    EXPECT_EQ(explanation.alternatives[1].failed, 1u);
}

TEST(Explain, ValuesAndWhereTheyStand) {
    const auto explanation =
        explained(R"({"d":{"a":[1,{"prefix":"x"}]}})", R"({"d":[{"a":2},{"a":[3,"xy"]}]})");
    EXPECT_TRUE(explanation.matches);
    const FieldReport& field = explanation.alternatives[0].fields[0];
    EXPECT_EQ(field.asked, (std::vector<std::string>{"1", R"({"prefix":"x"})"}));
    ASSERT_EQ(field.found.size(), 3u);
    EXPECT_EQ(field.found[2].where, "d[1].a[1]");
    EXPECT_EQ(field.found[2].raw, "\"xy\"");
    EXPECT_TRUE(field.found[2].fits);
    EXPECT_FALSE(field.found[1].fits);
}

TEST(Explain, SetsTellWhichRulesFailByOneField) {
    std::vector<Rule> rules;
    for (const char* text :
         {R"({"a":[1],"b":[2]})", R"({"a":[1],"b":[3]})", R"({"a":[2],"b":[3]})", R"({"z":[1]})",
          R"({"$or":[{"a":[5],"b":[6]},{"a":[1],"c":[1]}]})", R"({"a":[1]})"})
        rules.push_back(*compile_rule(text));
    const auto outcomes = explain_set(rules, R"({"a":1,"b":2})");
    std::string text;
    for (const auto& outcome : outcomes)
        text += (outcome.matches ? "match" : outcome.failed_by.empty() ? "no" : outcome.failed_by) + " ";
    EXPECT_EQ(text, "match b no z c match ");
}

// Whatever the pair: explanations agree with the referee about the whole, tell a reason for each field that
// does not hold, and blame some field exactly when there is no match.
TEST(Explain, AgreesWithTheReferee) {
    test::PatternGenerator generator(77);
    int told = 0;
    for (int i = 0; i < 4000; ++i) {
        const test::Pair pair = generator.next();
        const auto rule = compile_rule(pair.pattern);
        if (!rule) continue;
        const Explanation explanation = explain(*rule, pair.event);
        const std::string shown = pair.pattern + "\n" + pair.event;
        ASSERT_EQ(explanation.matches, naive::matches(*rule, pair.event)) << shown;
        const auto outcome = explain_set(std::span(&*rule, 1), pair.event).front();
        ASSERT_EQ(outcome.matches, explanation.matches) << shown;
        for (const auto& alternative : explanation.alternatives) {
            ASSERT_EQ(alternative.matches, alternative.failed == 0) << shown;
            for (const auto& field : alternative.fields) {
                ASSERT_EQ(field.holds, field.why.empty()) << shown << "\n" << field.path;
                told += field.holds ? 0 : 1;
            }
        }
    }
    EXPECT_GT(told, 1000);
}

// A test that is written out and compiled again is the same test.
TEST(TestText, ComesBack) {
    test::PatternGenerator generator(78);
    int tests = 0;
    for (int i = 0; i < 10'000; ++i) {
        const auto rule = compile_rule(generator.next().pattern);
        if (!rule) continue;
        for (const auto& field : rule->alternatives.front().fields) {
            for (const auto& test : field.tests) {
                const std::string text = test_text(test);
                const auto again = compile_rule("{\"a\":[" + text + "]}");
                ASSERT_TRUE(again) << text;
                const auto& back = again->alternatives.front().fields.front().tests;
                ASSERT_EQ(back.size(), 1u) << text;
                ASSERT_EQ(back.front(), test) << text << "\n" << test_text(back.front());
                ++tests;
            }
        }
    }
    EXPECT_GT(tests, 10'000);
}

}  // namespace
}  // namespace tarn::pattern
