#include "pattern/rule_set.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <set>
#include <thread>

#include "../../tests/pattern_generator.h"
#include "pattern/compile.h"
#include "pattern/naive.h"

namespace tarn::pattern {
namespace {

Rule compiled(std::string_view pattern) {
    auto rule = compile_rule(pattern);
    if (!rule) ADD_FAILURE() << pattern << ": " << rule.error().text();
    return rule ? std::move(*rule) : Rule{};
}

std::vector<RuleId> matched(const RuleIndex& index, std::string_view document) {
    static Scratch scratch;
    std::vector<RuleId> ids;
    index.match(document, scratch, ids);
    std::ranges::sort(ids);
    return ids;
}

bool matches(std::string_view pattern, std::string_view document) {
    RuleIndex index;
    index.add(7, compiled(pattern));
    return !matched(index, document).empty();
}

// Patterns and events by chance, all events against all rules.
struct Generated {
    std::vector<std::string> patterns, events;
    std::vector<Rule> rules;

    Generated(std::uint64_t seed, std::size_t count) {
        test::PatternGenerator generator(seed);
        while (rules.size() < count) {
            test::Pair pair = generator.next();
            events.push_back(std::move(pair.event));
            auto rule = compile_rule(pair.pattern);
            if (!rule) continue;
            rules.push_back(std::move(*rule));
            patterns.push_back(std::move(pair.pattern));
        }
    }
};

TEST(RuleIndex, EachRuleAloneAnswersAsTheReferee) {
    const Generated generated(11, 20'000);
    std::size_t matches = 0;
    for (std::size_t i = 0; i < generated.rules.size(); ++i) {
        RuleIndex index;
        index.add(i, generated.rules[i]);
        for (const std::size_t e : {i, (i + 1) % generated.events.size()}) {
            const bool expected = naive::matches(generated.rules[i], generated.events[e]);
            matches += expected;
            ASSERT_EQ(!matched(index, generated.events[e]).empty(), expected) << generated.patterns[i] << "\n"
                                                                              << generated.events[e];
        }
    }
    EXPECT_GT(matches, 1000u);
}

TEST(RuleIndex, ASetAnswersAsEachRuleAlone) {
    for (const std::uint64_t seed : {1, 2, 3, 4, 5}) {
        const Generated generated(seed, 600);
        RuleIndex index;
        for (std::size_t i = 0; i < generated.rules.size(); ++i) index.add(i, generated.rules[i]);
        for (std::size_t e = 0; e < generated.events.size(); e += 3) {
            std::vector<RuleId> expected;
            for (std::size_t i = 0; i < generated.rules.size(); ++i)
                if (naive::matches(generated.rules[i], generated.events[e])) expected.push_back(i);
            ASSERT_EQ(matched(index, generated.events[e]), expected) << generated.events[e];
        }
    }
}

TEST(RuleIndex, AfterAddsAndRemovesItIsAsBuiltFresh) {
    std::mt19937_64 random(3);
    const Generated generated(21, 800);
    RuleIndex index;
    std::set<RuleId> present;
    for (int round = 0; round < 12; ++round) {
        for (int step = 0; step < 500; ++step) {
            const RuleId id = random() % generated.rules.size();
            if (random() % 2 == 0) {
                index.add(id, generated.rules[id]);
                present.insert(id);
            } else {
                ASSERT_EQ(index.remove(id), present.erase(id) == 1);
            }
        }
        if (round == 10) {
            for (const RuleId id : std::exchange(present, {})) ASSERT_TRUE(index.remove(id));
        }
        RuleIndex fresh;
        for (const RuleId id : present) fresh.add(id, generated.rules[id]);
        ASSERT_EQ(index.size(), present.size());
        for (std::size_t e = round % 4; e < generated.events.size(); e += 4)
            ASSERT_EQ(matched(index, generated.events[e]), matched(fresh, generated.events[e]))
                << generated.events[e];
    }
}

// With a few values in all rules, predicates are shared and groups split in every way.
TEST(RuleIndex, ManyRulesOfFewParts) {
    std::mt19937_64 random(5);
    const auto pick = [&](std::initializer_list<const char*> of) {
        return std::string(of.begin()[random() % of.size()]);
    };
    const auto field = [&](const char* path) {
        return std::string("\"") + path + "\":" +
               pick({R"(["v1"])", R"(["v2"])", R"(["v1","v3"])", R"([1])", R"([{"prefix":"v"}])",
                     R"([{"anything-but":"v1"}])", R"([{"anything-but":["v1","v2"]}])",
                     R"([{"exists":true}])", R"([{"exists":false}])", R"([{"numeric":[">",0,"<",5]}])",
                     R"([{"wildcard":"*1*"}])", R"([{"suffix":"3"}])", R"(["v2",{"exists":false}])"});
    };
    std::vector<Rule> rules;
    RuleIndex index;
    for (std::size_t i = 0; i < 3000; ++i) {
        std::string pattern = "{" + field("a");
        for (const char* path : {"b", "c.d", "c.e", "f"})
            if (random() % 2 == 0) pattern += "," + field(path);
        rules.push_back(compiled(pattern + "}"));
        index.add(i, rules.back());
    }
    for (std::size_t i = 0; i < 3000; i += 7) ASSERT_TRUE(index.remove(i));
    const auto value = [&] {
        return pick({R"("v1")", R"("v2")", R"("v3")", "1", "5", "null", "[]", R"(["v1","v2"])"});
    };
    for (int round = 0; round < 60; ++round) {
        const std::string event = "{\"a\":" + value() + ",\"b\":" + value() + ",\"c\":[{\"d\":" + value() +
                                  ",\"e\":" + value() + "},{\"d\":" + value() + "}],\"f\":" + value() + "}";
        std::vector<RuleId> expected;
        for (std::size_t i = 0; i < rules.size(); ++i)
            if (i % 7 != 0 && naive::matches(rules[i], event)) expected.push_back(i);
        ASSERT_EQ(matched(index, event), expected) << event;
    }
}

// Quamina, which merges such rules into one automaton, lets the last one match.
TEST(RuleIndex, AnythingButWithSharedBeginnings) {
    const char* const names[][3] = {{"GetBucketCors", "Op140", "Op141"},
                                    {"GetBucketReplication", "Op148", "Op149"},
                                    {"GetBucketPublicAccessBlock", "Op205", "Op206"},
                                    {"GetBucketAcl", "Op243", "Op244"},
                                    {"GetBucketLifecycle", "Op400", "Op401"}};
    RuleIndex index;
    for (std::size_t i = 0; i < 5; ++i) {
        const std::string user = i == 4 ? "benjamin" : "user-" + std::to_string(i);
        index.add(i,
                  compiled(std::string(R"({"source":["aws.s3"],"detail":{"eventName":[{"anything-but":[")") +
                           names[i][0] + "\",\"" + names[i][1] + "\",\"" + names[i][2] +
                           R"("]}],"userIdentity":{"userName":[")" + user + "\"]}}}"));
    }
    const auto event = [](const std::string& name) {
        return R"({"source":"aws.s3","detail":{"eventName":")" + name +
               R"(","userIdentity":{"userName":"benjamin"}}})";
    };
    EXPECT_EQ(matched(index, event("GetBucketLifecycle")), std::vector<RuleId>{});
    EXPECT_EQ(matched(index, event("GetBucketCors")), std::vector<RuleId>{4});
    EXPECT_EQ(matched(index, event("GetBucketLifecycleX")), std::vector<RuleId>{4});
}

TEST(RuleIndex, ElementsOfArraysAgree) {
    EXPECT_TRUE(matches(R"({"d":{"a":[1],"b":[2]}})", R"({"d":[{"a":1,"b":2}]})"));
    EXPECT_FALSE(matches(R"({"d":{"a":[1],"b":[2]}})", R"({"d":[{"a":1},{"b":2}]})"));
    // Independent arrays, and scalars directly in an array, do not bind one another.
    EXPECT_TRUE(matches(R"({"d":{"a":[1]},"e":{"b":[2]}})", R"({"d":[{},{"a":1}],"e":[{"b":2}]})"));
    EXPECT_TRUE(matches(R"({"a":[1],"a.b":[2]})", R"({"a":[1,{"b":2}]})"));
    EXPECT_FALSE(matches(R"({"a":[1],"a.b":[2]})", R"({"a":[[1],{"b":2}]})"));
    // The same array given twice is two arrays.
    EXPECT_TRUE(matches(R"({"a":{"b":[1],"c":[2]}})", R"({"a":[{"b":1}],"a":[{"c":2}]})"));
    // Absence is judged by what earlier fields chose.
    EXPECT_TRUE(matches(R"({"d":{"a":[1],"b":[{"exists":false}]}})", R"({"d":[{"a":1},{"b":2}]})"));
    EXPECT_FALSE(matches(R"({"d":{"a":[{"exists":false}],"b":[2]}})", R"({"d":[{"a":1},{"b":2}]})"));
}

TEST(RuleIndex, AlternativesOfARuleCountOnce) {
    RuleIndex index;
    index.add(1, compiled(R"({"$or":[{"a":[1]},{"b":[2]}]})"));
    EXPECT_EQ(matched(index, R"({"a":1,"b":2})"), std::vector<RuleId>{1});
    EXPECT_EQ(matched(index, R"({"b":2})"), std::vector<RuleId>{1});
    index.add(1, compiled(R"({"a":[3]})"));  // replaces
    EXPECT_EQ(matched(index, R"({"a":1,"b":2})"), std::vector<RuleId>{});
    EXPECT_EQ(index.size(), 1u);
}

TEST(RuleIndex, OnlyObjectsMatch) {
    for (const char* document : {"", "  ", "[]", "5", "null", "\"a\"", "[{}]"})
        EXPECT_FALSE(matches(R"({"a":[{"exists":false}]})", document)) << document;
    EXPECT_TRUE(matches(R"({"a":[{"exists":false}]})", " {} "));
}

// Whatever the bytes: an answer, and nothing outside of them is read (under a sanitizer).
TEST(RuleIndex, AnyBytes) {
    std::mt19937_64 random(9);
    const Generated generated(31, 300);
    RuleIndex index;
    for (std::size_t i = 0; i < generated.rules.size(); ++i) index.add(i, generated.rules[i]);
    for (int round = 0; round < 20'000; ++round) {
        std::string text = generated.events[random() % generated.events.size()];
        for (std::size_t i = 0; i < 1 + random() % 4 && !text.empty(); ++i) {
            const std::size_t at = random() % text.size();
            switch (random() % 3) {
                case 0:
                    text.resize(at);
                    break;
                case 1:
                    text[at] = "\"\\{}[],:. \n1a\xFF"[random() % 14];
                    break;
                default:
                    text.insert(at, std::string(random() % 80, "{[\"\\,"[random() % 5]));
            }
        }
        const std::unique_ptr<char[]> exact(new char[text.size()]);
        std::ranges::copy(text, exact.get());
        (void)matched(index, {exact.get(), text.size()});
    }
}

TEST(RuleSet, ReadersSeeTheSetBeforeOrAfterAChange) {
    RuleSet set;
    for (RuleId id = 0; id < 50; ++id)
        set.add(id, compiled(R"({"a":["x"],"n":[)" + std::to_string(id % 5) + "]}"));
    // Rules 100 and 101 come and go, 100 always first: 101 alone is never there.
    const Rule rule = compiled(R"({"a":[{"prefix":"x"}]})");
    std::atomic<bool> stop = false;
    std::atomic<int> wrong = 0, seen = 0;
    std::vector<std::thread> readers;
    for (int i = 0; i < 3; ++i)
        readers.emplace_back([&] {
            Scratch scratch;
            std::vector<RuleId> ids;
            while (!stop) {
                ids.clear();
                set.match(R"({"a":"x","n":3})", scratch, ids);
                const auto has = [&](RuleId id) { return std::ranges::find(ids, id) != ids.end(); };
                if (has(101) && !has(100)) ++wrong;
                if (!has(3) || !has(48)) ++wrong;
                ++seen;
            }
        });
    for (int round = 0; round < 100 || seen < 300; ++round) {
        set.add(100, rule);
        set.add(101, rule);
        set.remove(101);
        set.remove(100);
    }
    stop = true;
    for (std::thread& reader : readers) reader.join();
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(set.size(), 50u);
}

}  // namespace
}  // namespace tarn::pattern
