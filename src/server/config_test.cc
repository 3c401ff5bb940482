// A tarn.yaml with mistakes: each is found, with its line and column, and nothing of the file is applied.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "os/real_file_system.h"
#include "server/config.h"
#include "server/config_check.h"

namespace tarn::server {
namespace {

std::vector<Error> mistakes_in(const std::string& text, const KnownThings& known = {}) {
    std::vector<Error> mistakes;
    const auto file = read_config_file(text, "t.yaml", mistakes);
    if (!file) return {file.error()};
    for (Error& mistake : config_mistakes(*file, known)) mistakes.push_back(std::move(mistake));
    return mistakes;
}

struct Mistake {
    const char* yaml;  // behind "version: 1\n"
    const char* place;
    const char* said;  // in the message or the next step
};

class EachMistake : public testing::TestWithParam<Mistake> {};

TEST_P(EachMistake, IsFoundAtItsPlace) {
    const auto mistakes = mistakes_in(std::string("version: 1\n") + GetParam().yaml);
    ASSERT_EQ(mistakes.size(), 1u) << (mistakes.empty() ? "none" : mistakes.back().text());
    EXPECT_EQ(mistakes[0].place.text(), std::string("t.yaml:") + GetParam().place) << mistakes[0].text();
    EXPECT_NE((mistakes[0].message + " " + mistakes[0].next).find(GetParam().said), std::string::npos)
        << mistakes[0].text() << " / " << mistakes[0].next;
}

INSTANTIATE_TEST_SUITE_P(
    Config, EachMistake,
    testing::Values(Mistake{"steams: {}\n", "2:1", "did you mean streams?"},
                    Mistake{"streams:\n  Big: {}\n", "3:3", "not a valid name"},
                    Mistake{"streams:\n  a: {partitions: 0}\n", "3:19", "1 to 1024"},
                    Mistake{"streams:\n  a:\n    format: jsn\n", "4:13", "unknown"},
                    Mistake{"streams:\n  a:\n    roll: {age: 60x}\n", "4:17", "duration"},
                    Mistake{"streams:\n  a:\n    roll:\n      size: 12QB\n", "5:13", "size"},
                    Mistake{"streams:\n  a: {max_event_bytes: much}\n", "3:24", "size"},
                    Mistake{"streams:\n  a: {name_pattern: '(?P<x>a'}\n", "3:21", "regular expression"},
                    Mistake{"streams:\n  a:\n    name_pattern: '(?P<x>a)'\n    event:\n      id: {name: y}\n",
                            "6:11", "\"y\""},
                    Mistake{"streams:\n  a:\n    event:\n      time: {path: x, unit: sec}\n", "5:13", "unit"},
                    Mistake{"streams:\n  a:\n    event:\n      key: [{path: x}, {pth: y}]\n", "5:25",
                            "did you mean path?"},
                    Mistake{"stores:\n  s: {kind: sqlit}\n", "3:13", "did you mean sqlite?"},
                    Mistake{"stores:\n  s: {knd: sqlite}\n", "3:7", "did you mean kind?"},
                    Mistake{"stores:\n  's@copy': {}\n", "3:3", "not a valid name"}));

constexpr const char* with_projection = R"(version: 1
streams: {bank: {}}
stores: {totals: {kind: sqlite}}
projections:
  p:
    stream: bank
    store: totals
    schema: CREATE TABLE t(a INTEGER)
    on:
      - pattern: {type: [x]}
        sql: INSERT INTO t VALUES (1)
      - pattern: {type: [y], data: {a: [1, 2]}}
        sql:
          - INSERT INTO t VALUES (2)
          - INSERT INTO t VALUES (3)
)";

struct Edit {
    const char* from;
    const char* to;
    const char* place;
    Code code;
};

class EachProjectionMistake : public testing::TestWithParam<Edit> {};

TEST_P(EachProjectionMistake, IsFoundAtItsPlace) {
    std::string text = with_projection;
    const auto at = text.find(GetParam().from);
    ASSERT_NE(at, std::string::npos);
    text.replace(at, std::string_view(GetParam().from).size(), GetParam().to);
    const auto mistakes = mistakes_in(text);
    ASSERT_EQ(mistakes.size(), 1u) << (mistakes.empty() ? "none" : mistakes.back().text());
    EXPECT_EQ(mistakes[0].place.text(), std::string("t.yaml:") + GetParam().place) << mistakes[0].text();
    EXPECT_EQ(mistakes[0].code, GetParam().code);
    EXPECT_EQ(exit_code(mistakes[0].kind), 78) << mistakes[0].text();
}

INSTANTIATE_TEST_SUITE_P(
    Config, EachProjectionMistake,
    testing::Values(Edit{"stream: bank", "stream: bnk", "6:13", Code::bad_config},
                    Edit{"store: totals", "store: total", "7:12", Code::bad_config},
                    Edit{"t(a INTEGER)", "t(a INTEGER", "8:13", Code::projection_sql},
                    Edit{"INTO t VALUES (1)", "INTO u VALUES (1)", "11:14", Code::projection_sql},
                    Edit{"INTO t VALUES (1)", "INTO t VALUES (:n)", "11:14", Code::projection_sql},
                    Edit{"INTO t VALUES (3)", "INTO t VALUES (random())", "15:13", Code::projection_sql},
                    Edit{"sql: INSERT", "sq: INSERT", "11:9", Code::bad_config}));

TEST(Config, ABadPatternIsAConfigMistakeWithItsPlace) {
    std::string text = with_projection;
    text.replace(text.find("[1, 2]"), 6, "[{}]");
    const auto mistakes = mistakes_in(text);
    ASSERT_EQ(mistakes.size(), 1u);
    EXPECT_EQ(mistakes[0].code, Code::bad_pattern);
    EXPECT_EQ(mistakes[0].kind, ErrorKind::config);
    EXPECT_EQ(mistakes[0].place.line, 12u) << mistakes[0].text();
}

TEST(Config, WhatIsThereNeedNotBeDeclared) {
    std::string text = with_projection;
    text.erase(text.find("streams:"), text.find("projections:") - text.find("streams:"));
    EXPECT_EQ(mistakes_in(text).size(), 2u);
    EXPECT_TRUE(mistakes_in(text, {.streams = {"bank"}, .stores = {"totals"}, .projections = {}}).empty());
}

TEST(Config, ASubscriptionNamesADeclaredService) {
    const auto with = [](const std::string& targets, const std::string& to) {
        return "version: 1\nstreams: {bank: {}}\n" + targets + "subscriptions:\n  s: {stream: bank, to: \"" +
               to + "\"}\n";
    };
    const std::string billing = "targets: {billing: {url: 'http://10.0.0.1/', allow_private: true}}\n";
    EXPECT_TRUE(mistakes_in(with(billing, "target:billing")).empty());
    EXPECT_TRUE(mistakes_in(with("", "target:billing"), {.targets = {"billing"}}).empty());
    struct Case {
        std::string text;
        KnownThings known;
        const char* said;
    };
    for (const Case& each :
         {Case{with(billing, "target:biling"), {}, "did you mean target:billing?"},
          Case{with("", "target:t"), {}, "declare it: targets: {t:"},
          Case{with("targets: {t: {exec: [cat]}}\n", "target:t"), {}, "is a program"},
          Case{with("", "target:t"), {.targets = {"t"}, .programs = {"t"}}, "is a program"},
          Case{with("", "http://10.0.0.1/"), {}, "allow_private: true"}}) {
        const auto mistakes = mistakes_in(each.text, each.known);
        ASSERT_EQ(mistakes.size(), 1u) << each.text;
        EXPECT_EQ(mistakes[0].code, Code::bad_config);
        EXPECT_EQ(mistakes[0].place.line,
                  each.text.starts_with("version: 1\nstreams: {bank: {}}\ntargets") ? 5u : 4u);
        EXPECT_NE((mistakes[0].message + " " + mistakes[0].next).find(each.said), std::string::npos)
            << mistakes[0].text() << " / " << mistakes[0].next;
    }
}

TEST(Config, AllMistakesAreOneError) {
    const auto file = validate_config(
        "version: 1\nstreams:\n  a: {partitions: 0, format: x}\nstores: {s: {snapshots: {every: soon}}}\n",
        "t.yaml");
    ASSERT_FALSE(file);
    const Error& error = file.error();
    EXPECT_EQ(error.place.text(), "t.yaml:3:19");
    EXPECT_EQ(error.kind, ErrorKind::config);
    EXPECT_NE(error.excerpt.find("t.yaml:3:30: stream a: format"), std::string::npos) << error.excerpt;
    EXPECT_NE(error.excerpt.find("t.yaml:4:33: store s: snapshots: every"), std::string::npos)
        << error.excerpt;
    EXPECT_NE(error.next.find("correct all 3"), std::string::npos) << error.next;
}

TEST(Config, WhatOnlyComesLaterIsNotBuilt) {
    const auto file = validate_config("version: 1\nstores: {s: {kind: postgresql}}\n", "t.yaml");
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().code, Code::not_built);
    EXPECT_EQ(file.error().place.text(), "t.yaml:2:20");
}

TEST(Config, AStoreIsNotFedByBoth) {
    const auto mistakes = mistakes_in(std::string(with_projection) + "functions:\n  f: {stores: [totals]}\n");
    const auto both = std::ranges::find_if(
        mistakes, [](const Error& error) { return error.message.find("fed by both") != std::string::npos; });
    ASSERT_NE(both, mistakes.end());
    EXPECT_EQ(both->place.text(), "t.yaml:17:16");
}

TEST(Config, AliasesCannotStandForMillions) {
    std::string text =
        "version: 1\nprojections:\n  p:\n    on:\n      - &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    for (int i = 1; i < 9; ++i) {
        text += fmt::format("      - &a{} [", i);
        for (int k = 0; k < 10; ++k) text += fmt::format("{}*a{}", k == 0 ? "" : ", ", i - 1);
        text += "]\n";
    }
    const auto file = validate_config(text, "t.yaml");
    ASSERT_FALSE(file);
    EXPECT_NE(file.error().message.find("100,000"), std::string::npos) << file.error().text();
}

class Applying : public testing::Test {
protected:
    void SetUp() override {
        fs_ = os::make_real_file_system();
        directory_ =
            testing::TempDir() + "tarn-config-" + std::to_string(os::make_real_clock()->monotonic_us());
        auto engine =
            Engine::open({.directory = directory_, .command = "test", .program = "", .serving = false});
        ASSERT_TRUE(engine) << engine.error().text();
        engine_ = std::move(*engine);
    }
    void TearDown() override {
        engine_.reset();
        std::filesystem::remove_all(directory_);
    }
    std::size_t streams() { return engine_->catalog().streams()->size(); }

    std::unique_ptr<os::FileSystem> fs_;
    std::string directory_;
    std::unique_ptr<Engine> engine_;
};

TEST_F(Applying, BadSqlLeavesNothingBehind) {
    std::string text = with_projection;
    text.replace(text.find("INTO t VALUES (3)"), 17, "INTO u VALUES (3)");
    const auto changes = apply_config(*engine_, text, "t.yaml", true);
    ASSERT_FALSE(changes);
    EXPECT_EQ(changes.error().place.text(), "t.yaml:15:13");
    EXPECT_EQ(streams(), 1u) << "only _tarn";
    EXPECT_TRUE(engine_->state().stores()->empty());
    EXPECT_EQ(engine_->log().durable_end(), 1u) << "nothing is in the audit trail";
}

TEST_F(Applying, PartitionsNeverChangeAndTheRestOfTheFileWaits) {
    ASSERT_TRUE(apply_config(*engine_, "version: 1\nstreams: {a: {partitions: 2}}\n", "t.yaml", true));
    const auto changes =
        apply_config(*engine_, "version: 1\nstreams:\n  b: {}\n  a: {partitions: 3}\n", "t.yaml", true);
    ASSERT_FALSE(changes);
    EXPECT_EQ(changes.error().place.text(), "t.yaml:4:19");
    EXPECT_EQ(streams(), 2u);
}

TEST_F(Applying, AProjectionMayUseTablesOfOneThatStandsBeforeIt) {
    const std::string second =
        "  q:\n    stream: bank\n    store: totals\n    on: [{pattern: {type: [z]}, sql: UPDATE t SET "
        "a=1}]\n";
    ASSERT_TRUE(apply_config(*engine_, with_projection + second, "t.yaml", true));
    // Known from before: it need not stand in the file again.
    const auto again = apply_config(*engine_, "version: 1\nprojections:\n" + second, "t.yaml", true);
    ASSERT_TRUE(again) << again.error().text();
    EXPECT_EQ(again->at(0).action, "none");
    std::string moved = "version: 1\nstores: {other: {}}\nprojections:\n" + second;
    moved.replace(moved.find("store: totals"), 13, "store: other ");
    EXPECT_FALSE(apply_config(*engine_, moved, "t.yaml", true));
    EXPECT_EQ(engine_->state().stores()->size(), 1u);
}

}  // namespace
}  // namespace tarn::server
