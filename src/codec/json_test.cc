#include "codec/json.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <random>

#include "../../tests/shared_data.h"
#include "codec/json_scanner.h"

namespace tarn::codec {
namespace {

struct Refusal {
    Code code;
    std::uint64_t line, column, byte;
    std::string message;
};

Refusal refusal(std::string_view text, JsonLimits limits = {}) {
    const auto facts = validate_json(text, limits);
    if (facts) return {Code::internal, 0, 0, 0, "accepted"};
    const Error& error = facts.error();
    return {error.code, error.place.line, error.place.column, error.place.byte.value_or(0), error.message};
}

// ---- validation ----

TEST(ValidateJson, NamesPlaceAndExpectation) {
    const struct {
        const char* text;
        std::uint64_t line, column;
        const char* message;
    } cases[] = {
        {R"({"TargetAccount":"ACC-1","Amount":,"Reference":"x"})", 1, 35,
         R"(not JSON: expected a value after "Amount":)"},
        {"{\n \"Currency\": [\n  \"100-euro-bills\": 1\n ]}", 3, 19,
         R"(not JSON: expected ',' or ']' after "100-euro-bills")"},
        {R"({"a":1)", 1, 7, "not JSON: unexpected end of text: expected ',' or '}'"},
        {R"({"a")", 1, 5, "not JSON: unexpected end of text: expected ':'"},
        {R"({"a" 1})", 1, 6, R"(not JSON: expected ':' after "a")"},
        {R"({"a":1,})", 1, 8, "not JSON: expected a key in quotes after ','"},
        {R"({a:1})", 1, 2, "not JSON: expected a key in quotes or '}' after '{'"},
        {"[1,]", 1, 4, "not JSON: expected a value after ','"},
        {"[1 2]", 1, 4, "not JSON: expected ',' or ']' after 1"},
        {"[,]", 1, 2, "not JSON: expected a value or ']' after '['"},
        {"[01]", 1, 3, "not JSON: a number must not begin with 0"},
        {"[1.]", 1, 4, "not JSON: expected a digit after 1."},
        {"[-]", 1, 3, "not JSON: expected a digit after -"},
        {"nul", 1, 1, "not JSON: expected a value"},
        {"{} x", 1, 4, "not JSON: expected nothing more after '}'"},
        {"[\"\\x\"]", 1, 3,
         R"(not JSON: '\x' is not an escape: expected one of \" \\ \/ \b \f \n \r \t \uXXXX)"},
        {"[\"a\tb\"]", 1, 4, R"(not JSON: a control character (0x09) stands in a string: expected \u0009)"},
        {"[\"abc", 1, 6, "not JSON: unexpected end of text: expected a closing '\"' for \"abc"},
        {"\xEF\xBB\xBF{}", 1, 1, "not JSON: expected a value: a byte order mark stands before it"},
    };
    for (const auto& c : cases) {
        const Refusal got = refusal(c.text);
        EXPECT_EQ(got.message, c.message) << c.text;
        EXPECT_EQ(got.line, c.line) << c.text;
        EXPECT_EQ(got.column, c.column) << c.text;
        EXPECT_EQ(got.code, Code::json_syntax) << c.text;
    }
    EXPECT_EQ(refusal("{\n \"Currency\": [\n  \"100-euro-bills\": 1\n ]}").byte, 35u);
}

TEST(ValidateJson, ExcerptPointsAtTheColumn) {
    const auto facts = validate_json(R"({"TargetAccount":"ACC-1","Amount":,"Reference":"x"})");
    ASSERT_FALSE(facts);
    EXPECT_EQ(facts.error().excerpt,
              "{\"TargetAccount\":\"ACC-1\",\"Amount\":,\"Reference\":\"x\"}\n" + std::string(34, ' ') + "^");
    const auto wide =
        validate_json("[\"" + std::string(500, 'x') + "é\" 1, \"" + std::string(500, 'y') + "\"]");
    ASSERT_FALSE(wide);
    EXPECT_LT(wide.error().excerpt.size(), 250u);
}

TEST(ValidateJson, KindsOfRefusal) {
    EXPECT_EQ(refusal("").code, Code::empty_body);
    EXPECT_EQ(refusal(" \r\n\t").code, Code::empty_body);
    EXPECT_EQ(refusal("[\"\xff\"]").code, Code::not_utf8);
    EXPECT_EQ(refusal("[\"\xed\xa0\x80\"]").code, Code::not_utf8);
    EXPECT_EQ(refusal("[\"\xc0\x80\"]").code, Code::not_utf8);
    EXPECT_EQ(refusal("[1234567890]", {.max_bytes = 11}).code, Code::too_large);
    EXPECT_TRUE(validate_json("[1234567890]", {.max_bytes = 12}));
    EXPECT_EQ(refusal(std::string_view("\0", 1)).code, Code::json_syntax);
    EXPECT_EQ(refusal(std::string_view("{}\0", 3)).code, Code::json_syntax);
}

TEST(ValidateJson, DepthIsLimited) {
    const auto nested = [](int depth) { return std::string(depth, '[') + std::string(depth, ']'); };
    EXPECT_TRUE(validate_json(nested(128)));
    EXPECT_EQ(refusal(nested(129)).code, Code::json_depth);
    EXPECT_EQ(refusal(nested(129)).byte, 128u);
    EXPECT_EQ(refusal(std::string(1'000'000, '['), {.max_bytes = 2'000'000}).code, Code::json_depth);
    EXPECT_TRUE(validate_json(nested(3), {.max_depth = 3}));
    EXPECT_FALSE(validate_json(nested(4), {.max_depth = 3}));
    std::string objects;
    for (int i = 0; i < 128; ++i) objects += R"({"a":)";
    EXPECT_TRUE(validate_json(objects + "1" + std::string(128, '}')));
}

// RFC 8259 sets no limits to numbers and allows any \u escape.
TEST(ValidateJson, AcceptsWhatOtherParsersCannotRepresent) {
    for (const char* text :
         {"1e400", "-1e-400", "123456789012345678901234567890", "[\"\\ud800\"]", "[\"\\udc00x\"]",
          "18446744073709551616", "{\"\\ud800\":1}", "-0", "[\"\\u0000\"]"})
        EXPECT_TRUE(validate_json(text)) << text;
}

TEST(ValidateJson, Facts) {
    EXPECT_EQ(validate_json("{}")->type, JsonType::object);
    EXPECT_EQ(validate_json(" [1]")->type, JsonType::array);
    EXPECT_EQ(validate_json("\"a\"")->type, JsonType::string);
    EXPECT_EQ(validate_json("-1")->type, JsonType::number);
    EXPECT_EQ(validate_json("true")->type, JsonType::boolean);
    EXPECT_EQ(validate_json("null")->type, JsonType::null);
    EXPECT_FALSE(validate_json("{}")->has_newline);
    EXPECT_TRUE(validate_json("{\n}")->has_newline);
    EXPECT_TRUE(validate_json("{}\r")->has_newline);
    EXPECT_FALSE(validate_json(R"(["\n"])")->has_newline);
}

bool repeats(std::string_view text) {
    const auto quick = validate_json(text);
    const auto strict = scan_json(text, {});
    EXPECT_TRUE(quick && strict) << text;
    EXPECT_EQ(quick->duplicate_keys, strict->duplicate_keys) << text;
    return quick->duplicate_keys;
}

TEST(ValidateJson, SeesRepeatedKeys) {
    EXPECT_TRUE(repeats(R"({"a":1,"a":2})"));
    EXPECT_TRUE(repeats(R"([{"x":{"a":1,"b":2,"a":[1]}}])"));
    EXPECT_TRUE(repeats(R"({"a":1,"\u0061":2})"));
    EXPECT_TRUE(repeats(R"({"a":{"b":1},"c":[{"b":1}],"a":0})"));
    EXPECT_FALSE(repeats(R"({"a":{"a":1},"b":{"a":1}})"));
    EXPECT_FALSE(repeats(R"({"a":1,"A":2,"":3})"));
    EXPECT_FALSE(repeats(R"({"EventTimeStamp-a-01":1,"EventTimeStamp-b-01":2,"EventTimeStamp-c-01":2})"));
    std::string many = "{";
    for (int i = 0; i < 1000; ++i) many += "\"key" + std::to_string(i) + "\":{\"v\":1.5,\"w\":[2]},";
    EXPECT_FALSE(repeats(many + "\"last\":1}"));
    EXPECT_TRUE(repeats(many + "\"key517\":1}"));
}

// JSONTestSuite: y_ must be accepted, n_ refused, i_ may go either way; simdjson's word and the scanner's
// must agree.
TEST(ValidateJson, JsonTestSuite) {
    const auto dir = test::shared_data("json-bad-input");
    if (!dir) GTEST_SKIP() << test::missing_shared_data("json-bad-input");
    namespace fs = std::filesystem;
    const fs::path to = fs::path(testing::TempDir()) / ("json_suite_" + std::to_string(::getpid()));
    fs::create_directories(to);
    const std::string unpack =
        "zstd -dcq '" + (*dir / "nst-jsontestsuite.tar.zst").string() + "' | tar -x -C '" + to.string() + "'";
    ASSERT_EQ(std::system(unpack.c_str()), 0) << unpack;
    int files = 0;
    for (const auto& entry : fs::recursive_directory_iterator(to)) {
        if (!entry.is_regular_file() || entry.path().extension() != ".json") continue;
        const std::string name = entry.path().filename();
        std::ifstream in(entry.path(), std::ios::binary);
        const std::string text{std::istreambuf_iterator<char>(in), {}};
        const auto facts = validate_json(text, {.max_depth = 2000});
        const auto strict = scan_json(text, {.max_depth = 2000});
        ++files;
        if (name.starts_with("y_")) {
            EXPECT_TRUE(facts && strict) << name;
        }
        if (name.starts_with("n_")) {
            EXPECT_TRUE(!facts && !strict) << name;
        }
        if (!trim_json(text).empty()) {
            EXPECT_EQ(facts.has_value(), strict.has_value()) << name;
        }
    }
    fs::remove_all(to);
    EXPECT_GT(files, 250);
}

// Small damage to good text: the quick way and the scanner never disagree about validity or facts.
TEST(ValidateJson, QuickAndStrictAgreeOnDamagedText) {
    const std::string good =
        R"({"id":"a\u00e9é","n":[1,-2.5e+3,0,true,false,null,{"k":{}, "k":[]}],"s":"x\\\"y"} )";
    std::mt19937_64 random(42);
    constexpr std::string_view bytes = "{}[],:\"\\ \n0123456789eE+-.truefalsn\x00\x01\x7f\xc3\xa9\xff\xed";
    int accepted = 0;
    for (int round = 0; round < 40'000; ++round) {
        std::string text = good;
        for (auto changes = 1 + random() % 3; changes > 0; --changes) {
            const std::size_t at = random() % text.size();
            switch (random() % 3) {
                case 0:
                    text[at] = bytes[random() % bytes.size()];
                    break;
                case 1:
                    text.erase(at, 1 + random() % 3);
                    break;
                default:
                    text.insert(at, 1, bytes[random() % bytes.size()]);
            }
        }
        const auto quick = validate_json(text);
        const auto strict = scan_json(text, {});
        ASSERT_EQ(quick.has_value(), strict.has_value()) << text;
        if (!quick) continue;
        ++accepted;
        ASSERT_EQ(quick->duplicate_keys, strict->duplicate_keys) << text;
        ASSERT_EQ(quick->type, strict->type) << text;
        ASSERT_EQ(quick->has_newline, strict->has_newline) << text;
    }
    EXPECT_GT(accepted, 1000);
}

// ---- raw slices ----

TEST(JsonSlices, FindMemberGivesTheExactBytes) {
    constexpr std::string_view text = R"( { "a" : 1.50 , "b" : [ 1 , {"c":"]}\""} ] , "\u0061" : "x" } )";
    EXPECT_EQ(find_member(text, "a"), R"("x")");  // the last one counts
    EXPECT_EQ(find_member(text, "b"), R"([ 1 , {"c":"]}\""} ])");
    EXPECT_EQ(find_member(text, "c"), std::nullopt);
    EXPECT_EQ(find_member("[1]", "a"), std::nullopt);
    EXPECT_EQ(find_member("{}", ""), std::nullopt);
}

TEST(JsonSlices, FindPath) {
    constexpr std::string_view text = R"({"a":{"b":[10,{"c":null}]},"d.e":1})";
    EXPECT_EQ(find_path(text, "a.b.0"), "10");
    EXPECT_EQ(find_path(text, "a.b.1.c"), "null");
    EXPECT_EQ(find_path(text, "a.b.2"), std::nullopt);
    EXPECT_EQ(find_path(text, "a.b.x"), std::nullopt);
    EXPECT_EQ(find_path(text, "a.b.0.c"), std::nullopt);
    EXPECT_EQ(find_path(text, ""), std::nullopt);
}

TEST(JsonSlices, UnescapeAndScalars) {
    EXPECT_EQ(unescape(R"("a\n\t\b\f\r\/\\\"\u00e9\u20ac\ud83d\ude00")"), "a\n\t\b\f\r/\\\"é€😀");
    EXPECT_EQ(unescape(R"("\ud800x\udc00\ud800\u0041")"),
              "\xEF\xBF\xBDx\xEF\xBF\xBD\xEF\xBF\xBD"
              "A");
    EXPECT_EQ(scalar_text(R"("a\u0062")"), "ab");
    EXPECT_EQ(scalar_text(" 1.50 "), "1.50");
    EXPECT_EQ(scalar_text("true"), "true");
    EXPECT_EQ(scalar_text("null"), std::nullopt);
    EXPECT_EQ(scalar_text("[1]"), std::nullopt);
}

TEST(JsonSlices, MembersAndElementsStopWhenTold) {
    std::string keys;
    for_each_member(R"({"a":1,"b\u0062":2,"c":3})", [&](std::string_view key, std::string_view) {
        keys += std::string(key) + ".";
        return key != "bb";
    });
    EXPECT_EQ(keys, "a.bb.");
    std::vector<std::string> elements;
    for_each_element(R"([1 , "a,b" ,{"x":[]},[[]], null])", [&](std::string_view value) {
        elements.emplace_back(value);
        return true;
    });
    EXPECT_EQ(elements, (std::vector<std::string>{"1", "\"a,b\"", R"({"x":[]})", "[[]]", "null"}));
}

TEST(JsonSlices, QuotedTextComesBack) {
    EXPECT_EQ(codec::quoted("a\"b\\c\n\x01\x7fé"), "\"a\\\"b\\\\c\\n\\u0001\x7fé\"");
    std::mt19937_64 random(3);
    for (int round = 0; round < 2000; ++round) {
        std::string text;
        for (auto n = random() % 40; n > 0; --n) {
            text += static_cast<char>(random() % 128);
            if (random() % 8 == 0) text += "é\"\\";
        }
        const std::string json = codec::quoted(text);
        ASSERT_TRUE(validate_json(json)) << json;
        ASSERT_EQ(unescape(json), text);
    }
}

// ---- documents ----

TEST(JsonDocument, NumbersAndOrderSurvive) {
    constexpr std::string_view text = R"({"z":12345678901234567890,"a":1.50,"l":[null,true,"é\n"],"o":{}})";
    const auto json = Json::parse(text);
    ASSERT_TRUE(json);
    EXPECT_EQ(json->dump(), text);
    EXPECT_EQ((*json)["z"].as_uint(), 12345678901234567890u);
    EXPECT_EQ((*json)["z"].as_int(-1), -1);
    EXPECT_DOUBLE_EQ((*json)["a"].as_double(), 1.5);
    EXPECT_EQ((*json)["l"].elements()[2].as_string(), "é\n");
    EXPECT_TRUE((*json)["nothing"]["at all"].is_null());
    EXPECT_EQ(*Json::parse(json->dump_pretty()), *json);
}

TEST(JsonDocument, Building) {
    Json json;
    json.set("a", 1).set("b", "x").set("a", true).set("d", 0.1).set("n", nullptr);
    json.set("l", Json().push(1).push("2"));
    EXPECT_EQ(json.dump(), R"({"a":true,"b":"x","d":0.1,"n":null,"l":[1,"2"]})");
    EXPECT_EQ(Json(1.0 / 0.0).dump(), "null");
    EXPECT_EQ(Json::array().dump(), "[]");
    EXPECT_EQ(Json::object().dump_pretty(), "{}\n");
    EXPECT_EQ(Json::array({1, Json::object({{"a", 2}})}).dump_pretty(),
              "[\n  1,\n  {\n    \"a\": 2\n  }\n]\n");
}

TEST(JsonDocument, ErrorsComeFromValidation) {
    const auto json = Json::parse("{\"a\":}");
    ASSERT_FALSE(json);
    EXPECT_EQ(json.error().place.column, 6u);
    EXPECT_FALSE(Json::parse(std::string(200, '[') + std::string(200, ']')));
}

Json random_json(std::mt19937_64& random, int depth) {
    switch (random() % (depth > 0 ? 7 : 5)) {
        case 0:
            return {};
        case 1:
            return random() % 2 == 0;
        case 2:
            return static_cast<std::int64_t>(random());
        case 3:
            return static_cast<double>(random()) / 1e9;
        case 4:
            return std::string(random() % 20, static_cast<char>(random() % 128));
        case 5: {
            Json array = Json::array();
            for (auto n = random() % 4; n > 0; --n) array.push(random_json(random, depth - 1));
            return array;
        }
        default: {
            Json object = Json::object();
            for (auto n = random() % 4; n > 0; --n)
                object.set("k" + std::to_string(random() % 9), random_json(random, depth - 1));
            return object;
        }
    }
}

TEST(JsonDocument, RandomDocumentsComeBack) {
    std::mt19937_64 random(11);
    for (int round = 0; round < 2000; ++round) {
        const Json json = random_json(random, 5);
        const auto again = Json::parse(json.dump());
        ASSERT_TRUE(again) << json.dump();
        ASSERT_EQ(*again, json);
        ASSERT_EQ(*Json::parse(json.dump_pretty()), json);
    }
}

}  // namespace
}  // namespace tarn::codec
