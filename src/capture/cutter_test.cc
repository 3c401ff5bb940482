#include "capture/cutter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace tarn::capture {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Cut {
    std::vector<std::string> records;
    std::vector<Start> starts;
    std::vector<bool> complete;
    bool whole = false;
    std::optional<Broken> broken;
    std::uint64_t empty_lines = 0;
};

// Feeds `bytes` in pieces of at most `piece` bytes, in buffers that die at once, so that a kept view is found
// by ASan.
Cut cut(const CutterOptions& options, std::string_view bytes, std::size_t piece) {
    Cut result;
    const auto cutter = make_cutter(options, [&](const Record& record) -> Status {
        result.records.emplace_back(record.bytes);
        result.starts.push_back(record.start);
        result.complete.push_back(record.complete);
        result.whole = record.whole;
        return {};
    });
    while (!bytes.empty()) {
        const std::string part(bytes.substr(0, piece));
        EXPECT_TRUE(cutter->feed(part));
        bytes.remove_prefix(part.size());
    }
    EXPECT_TRUE(cutter->finish());
    result.broken = cutter->broken();
    result.empty_lines = cutter->empty_lines();
    return result;
}

CutterOptions format(std::string name, std::string records = {}) {
    CutterOptions options;
    options.format = std::move(name);
    options.records = std::move(records);
    return options;
}

TEST(Cutter, LinesKeepEverythingButTheLineFeed) {
    const std::string bytes = "a\r\n\nbb \n\r\nlast";
    for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
        const Cut result = cut(format("ndjson"), bytes, piece);
        EXPECT_THAT(result.records, ElementsAre("a\r", "bb ", "\r", "last")) << piece;
        EXPECT_THAT(result.complete, ElementsAre(true, true, true, false));
        EXPECT_EQ(result.empty_lines, 1u);
        for (std::size_t i = 0; i < result.records.size(); ++i) {
            EXPECT_EQ(bytes.substr(result.starts[i].byte, result.records[i].size()), result.records[i]);
            EXPECT_EQ(result.starts[i].line, (std::vector<std::uint64_t>{1, 3, 4, 5})[i]);
        }
    }
}

TEST(Cutter, ALineLongerThanTheLimitIsCutAndSaysHowLongItWas) {
    CutterOptions options = format("ndjson");
    options.max_kept_bytes = 4;
    for (const std::size_t piece : {1, 3, 100}) {
        std::vector<std::uint64_t> sizes;
        std::vector<std::string> kept;
        const auto cutter = make_cutter(options, [&](const Record& record) -> Status {
            kept.emplace_back(record.bytes);
            sizes.push_back(record.full_size);
            return {};
        });
        std::string_view bytes = "12\n123456789\n1234\n12345";
        for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size())))
            ASSERT_TRUE(cutter->feed(bytes.substr(0, piece)));
        ASSERT_TRUE(cutter->finish());
        EXPECT_THAT(kept, ElementsAre("12", "1234", "1234", "1234"));
        EXPECT_THAT(sizes, ElementsAre(2, 9, 4, 5));
    }
}

TEST(Cutter, ElementsOfAnArrayKeepTheirBytesAndPlaces) {
    const std::string bytes = "[ {\"a\": [1,2]},\n  \"x,]\\\"\" ,\n3\n, {\n\"b\":{}\n} ]\n";
    for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
        const Cut result = cut(format("json-array"), bytes, piece);
        ASSERT_THAT(result.records, ElementsAre("{\"a\": [1,2]}", "\"x,]\\\"\"", "3", "{\n\"b\":{}\n}"))
            << piece;
        EXPECT_FALSE(result.broken);
        for (std::size_t i = 0; i < result.records.size(); ++i)
            EXPECT_EQ(bytes.substr(result.starts[i].byte, result.records[i].size()), result.records[i]);
        EXPECT_EQ(result.starts[1].line, 2u);
        EXPECT_EQ(result.starts[1].column, 3u);
        EXPECT_EQ(result.starts[3].line, 4u);
        EXPECT_EQ(result.starts[3].column, 3u);
    }
}

TEST(Cutter, RecordsAreFoundInsideEachDocument) {
    const std::string bytes = R"({"v":{"Records":[9]},"Records": [{"a":1}, {"a":2}], "z": [7]})";
    for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
        const Cut result = cut(format("auto", "Records"), bytes, piece);
        EXPECT_THAT(result.records, ElementsAre("{\"a\":1}", "{\"a\":2}")) << piece;
        EXPECT_FALSE(result.broken);
    }
    EXPECT_THAT(cut(format("auto", "v.Records"), bytes, 5).records, ElementsAre("9"));
}

TEST(Cutter, ABrokenArrayGivesWhatCameBeforeAndSaysWhereTheRestBegins) {
    for (const std::string rest : {" {\"b\":2}}", ",\n {\"b\": [1,2}, 3]", ", {\"b\":", "", " x]", ",]"}) {
        const std::string bytes = "[{\"a\":1}" + rest;
        for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
            const Cut result = cut(format("json-array"), bytes, piece);
            ASSERT_TRUE(result.broken) << bytes;
            EXPECT_GE(result.records.size(), 1u);
            EXPECT_EQ(result.records[0], "{\"a\":1}");
            EXPECT_GE(result.broken->from.byte, 8u);
            EXPECT_LE(result.broken->from.byte, bytes.size());
        }
    }
    EXPECT_TRUE(cut(format("auto", "Records"), "{\"records\":[]}", 100).broken);
}

struct AutoCase {
    const char* what;
    std::string bytes;
    std::vector<std::string> records;
    bool whole;
};

std::vector<AutoCase> auto_cases() {
    const std::string pretty = "{\n  \"a\": 1,\n  \"b\": [\n]}\n";
    return {
        {"lines", "{\"a\":1}\n{\"a\":2}\n", {"{\"a\":1}", "{\"a\":2}"}, false},
        {"lines after blank ones", "\n \n{\"a\":1}\n{\"a\":2}", {" ", "{\"a\":1}", "{\"a\":2}"}, false},
        {"one line", "{\"a\":1}\n", {"{\"a\":1}"}, false},
        {"one line without its end", "{\"a\":1}", {"{\"a\":1}"}, false},
        {"an array", " [1,\n{\"a\":2}]\n", {"1", "{\"a\":2}"}, false},
        {"an array in one line", "[1,2]", {"1", "2"}, false},
        {"lines that are arrays", "[1]\n[2]\n", {"[1]", "[2]"}, false},
        {"a document over several lines", pretty, {pretty}, true},
        {"a document that opens with more than a brace", "{\"a\":\n1}", {"{\"a\":\n1}"}, true},
        {"a document cut off", "{\n  \"a\": 1,\n", {"{\n  \"a\": 1,\n"}, true},
        {"lines of which the first is bad", "{\"a\":\n{\"a\":2}\n", {"{\"a\":", "{\"a\":2}"}, false},
        {"text", "hello\nworld\n", {"hello", "world"}, false},
        {"nothing", "", {}, false},
    };
}

TEST(Cutter, AutoSeesWhatASourceIs) {
    for (const AutoCase& one : auto_cases())
        for (const std::size_t piece : {1, 2, 3, 7, 1000}) {
            const Cut result = cut(format("auto"), one.bytes, piece);
            EXPECT_EQ(result.records, one.records) << one.what << " in pieces of " << piece;
            EXPECT_EQ(result.whole, one.whole) << one.what;
        }
}

TEST(Cutter, AutoWithANamePatternTakesAFileAsOneEventUnlessItIsPlainlyLines) {
    CutterOptions options = format("auto");
    options.has_name_pattern = true;
    for (const std::string bytes : {"{\"a\":1}\n", "[1,2]", "{\n\"a\":1}", "{\"a\"", ""}) {
        const Cut result = cut(options, bytes, 3);
        EXPECT_THAT(result.records, ElementsAre(bytes));
        EXPECT_TRUE(result.whole);
    }
    EXPECT_THAT(cut(options, "{\"a\":1}\n{\"a\":2}\n", 3).records, ElementsAre("{\"a\":1}", "{\"a\":2}"));
}

TEST(Cutter, RandomLinesInRandomPiecesComeOutTheSame) {
    std::mt19937 random(20261121);
    for (int round = 0; round < 200; ++round) {
        std::string bytes = "{}\n";
        const int lines = static_cast<int>(random() % 30);
        for (int i = 0; i < lines; ++i) bytes += std::string(random() % 40, 'x') + "\n";
        const Cut expected = cut(format("auto"), bytes, bytes.size());
        const Cut result = cut(format("auto"), bytes, 1 + random() % 20);
        EXPECT_EQ(result.records, expected.records);
        EXPECT_EQ(result.empty_lines, expected.empty_lines);
    }
}

}  // namespace
}  // namespace tarn::capture
