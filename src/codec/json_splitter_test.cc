#include <gtest/gtest.h>

#include <random>

#include "codec/json.h"

namespace tarn::codec {
namespace {

struct Split {
    std::vector<std::string> elements;
    std::vector<std::uint64_t> offsets;
    std::optional<Error> error;
};

// `next_size` gives the size of each piece.
template <typename NextSize>
Split split(std::string_view document, const std::string& path, NextSize next_size,
            std::size_t most = 1 << 20) {
    JsonArraySplitter splitter(path, most);
    Split result;
    const auto keep = [&](std::string_view element, std::uint64_t offset) -> Status {
        result.elements.emplace_back(element);
        result.offsets.push_back(offset);
        return {};
    };
    while (!document.empty()) {
        // A copy of its own, so that reading outside the piece is found by the sanitizer.
        const std::string piece(document.substr(0, next_size()));
        document.remove_prefix(piece.size());
        if (Status status = splitter.feed(piece, keep); !status) {
            result.error = status.error();
            return result;
        }
    }
    if (Status status = splitter.finish(); !status) result.error = status.error();
    return result;
}

Split split_whole(std::string_view document, const std::string& path = "", std::size_t most = 1 << 20) {
    return split(document, path, [&] { return document.size() + 1; }, most);
}

using Elements = std::vector<std::string>;

TEST(JsonArraySplitter, CutsElementsOutByteExact) {
    const Split got = split_whole(" [ {\"a\" : 1} ,2.50,\n\"x,]\\\"\" , [ [ ] ] ,null] \n");
    EXPECT_FALSE(got.error);
    EXPECT_EQ(got.elements, (Elements{"{\"a\" : 1}", "2.50", "\"x,]\\\"\"", "[ [ ] ]", "null"}));
    EXPECT_EQ(got.offsets, (std::vector<std::uint64_t>{3, 14, 20, 30, 39}));
    EXPECT_TRUE(split_whole("[]").elements.empty());
    EXPECT_FALSE(split_whole("[]").error);
}

TEST(JsonArraySplitter, FollowsAPath) {
    constexpr std::string_view document =
        R"({"before":{"Records":[0]},"x":"Records","a":{"list":"no","b\u0062":[{"k":1},2]},"after":[1,{"}":"]"}]})";
    const Split got = split_whole(document, "a.bb");
    EXPECT_FALSE(got.error) << got.error->text();
    EXPECT_EQ(got.elements, (Elements{R"({"k":1})", "2"}));
    EXPECT_EQ(split_whole(R"({"Records":[1],"Records":[2]})", "Records").elements, (Elements{"1"}));
}

TEST(JsonArraySplitter, SaysWhatIsWrong) {
    const auto text = [](const Split& got) { return got.error ? got.error->text() : "fine"; };
    EXPECT_EQ(text(split_whole("{}", "Records")),
              "error TARN-1213: byte 2: the document has no array Records");
    EXPECT_EQ(text(split_whole("[1]", "Records")),
              "error TARN-1213: byte 0: the document is not an object with Records");
    EXPECT_EQ(text(split_whole("{\"Records\":7}", "Records")),
              "error TARN-1213: byte 11: \"Records\" is not an array");
    EXPECT_EQ(text(split_whole("{\"a\":[]}", "a.b")), "error TARN-1213: byte 5: \"a\" is not an object");
    EXPECT_EQ(text(split_whole("{}")), "error TARN-1213: byte 0: the document is not an array");
    EXPECT_EQ(text(split_whole("  ")), "error TARN-1213: byte 2: the document is empty");
    EXPECT_EQ(
        text(split_whole("[1,")),
        "error TARN-1203: byte 3: not JSON: unexpected end of text: expected ']' at the end of the array");
    EXPECT_EQ(text(split_whole("{\"a\":[1]", "a")),
              "error TARN-1203: byte 8: not JSON: unexpected end of text: expected '}'");
    EXPECT_EQ(text(split_whole("[1,,2]")), "error TARN-1203: byte 3: not JSON: expected a value");
    EXPECT_EQ(text(split_whole("[1 2]")), "error TARN-1203: byte 3: not JSON: expected ',' or ']'");
    EXPECT_EQ(text(split_whole("[1] x")), "error TARN-1203: byte 4: not JSON: expected nothing more");
    EXPECT_EQ(text(split_whole("{\"a\" 1}", "b")), "error TARN-1203: byte 5: not JSON: expected ':'");
    EXPECT_EQ(text(split_whole("[1,\"" + std::string(20, 'x') + "\"]", "", 10)),
              "error TARN-1201: byte 3: a record has more than 10 bytes");
    EXPECT_EQ(split_whole("[1,,2]").elements, (Elements{"1"}));
}

// A bad record is cut out as well as it can be, and the next ones are whole.
TEST(JsonArraySplitter, ABadElementCostsOnlyItself) {
    EXPECT_EQ(split_whole(R"([{"a":},tru,{"b":1}])").elements, (Elements{R"({"a":})", "tru", R"({"b":1})"}));
}

TEST(JsonArraySplitter, AnyPiecesGiveTheSame) {
    const std::string documents[] = {
        R"( [ {"a":"x\\","b":[1,{"c":"\"]}"}]} , "\\\"" ,12.5e3 , true,[],"", {"é":"😀"} ] )",
        R"({"skip":{"Records":["\\"]},"n":12,"Records":[{"a":1},"b",3],"more":"\"}"})",
        R"([{"a":1},,])",
        R"({"Records":)",
    };
    std::mt19937_64 random(8);
    for (const std::string& document : documents) {
        const std::string path = document.front() == '{' ? "Records" : "";
        const Split whole = split_whole(document, path);
        for (int round = 0; round < 300; ++round) {
            const std::size_t largest = 1 + static_cast<std::size_t>(round) % 9;
            const Split pieces = split(document, path, [&] { return 1 + random() % largest; });
            ASSERT_EQ(pieces.elements, whole.elements);
            ASSERT_EQ(pieces.offsets, whole.offsets);
            ASSERT_EQ(pieces.error.has_value(), whole.error.has_value());
            if (whole.error) {
                ASSERT_EQ(pieces.error->text(), whole.error->text());
            }
        }
    }
}

TEST(JsonArraySplitter, TheSinksErrorStops) {
    JsonArraySplitter splitter("", 100);
    const Status status = splitter.feed(
        "[1,2]", [](std::string_view, std::uint64_t) -> Status { return fail(Code::disk_full, "full"); });
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, Code::disk_full);
}

}  // namespace
}  // namespace tarn::codec
