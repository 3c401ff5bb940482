// Against the authority: the cases that were checked with AWS, the probes of odd questions, and recorded
// answers for generated pairs. (tests/real-patterns asks it anew, with many more.)
#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "../../tests/pattern_verdict.h"
#include "../../tests/shared_data.h"
#include "codec/zstd.h"

namespace tarn::pattern {
namespace {

namespace fs = std::filesystem;

std::string read_all(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

// ---- cases of AWS, in JSON5

// Copies a JSON string that begins at `at`, and steps behind it.
std::string take_string(std::string_view text, std::size_t& at) {
    const std::size_t from = at++;
    while (text[at] != '"') at += text[at] == '\\' ? 2 : 1;
    return std::string(text.substr(from, ++at - from));
}

// Without comments and trailing commas; nothing else of JSON5 is in use.
std::string plain_json(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        if (text[at] == '"') {
            out += take_string(text, at);
        } else if (text.substr(at).starts_with("//")) {
            at = std::min(text.find('\n', at), text.size());
        } else if (text.substr(at).starts_with("/*")) {
            at = text.find("*/", at) + 2;
        } else {
            if (text[at] == '}' || text[at] == ']') {
                const auto last = out.find_last_not_of(" \t\r\n");
                if (last != std::string::npos && out[last] == ',') out.erase(last, 1);
            }
            out += text[at++];
        }
    }
    return out;
}

// The words of the refusals; the cases themselves say only that there is one.
const std::map<std::string, std::string> refusals = {
    {"arrays_empty_EXC", "Empty arrays are not allowed"},
    {"content_anything_but_ignorecase_list_EXC",
     "Inside anything-but/ignore-case list, number|start|null|boolean is not supported."},
    {"content_anything_but_string_list_null_type_EXC",
     "Inside anything but list, start|null|boolean is not supported."},
    {"content_anything_but_string_null_type_EXC",
     "Value of anything-but must be an array or single string/number value."},
    {"content_anything_prefix_empty_EXC", "Null prefix/suffix not allowed"},
    {"content_anything_prefix_ignorecase_EXC", "prefix/suffix match pattern must be a string"},
    {"content_anything_suffix_empty_EXC", "Null prefix/suffix not allowed"},
    {"content_anything_suffix_ignorecase_EXC", "prefix/suffix match pattern must be a string"},
    {"content_anything_suffix_int_EXC", "prefix/suffix match pattern must be a string"},
    {"content_anything_suffix_list_null_type_EXC", "prefix/suffix match pattern must be a string"},
    {"content_anything_suffix_list_type_EXC", "prefix/suffix match pattern must be a string"},
    {"content_anything_wildcard_type_EXC", "Unsupported anything-but pattern: wildcard"},
    {"content_ignorecase_EXC", "equals-ignore-case match pattern must be a string"},
    {"content_ip_address_EXC", "Malformed CIDR, one '/' required"},
    {"content_ip_address_bad_mask_EXC", "Malformed CIDR, mask bits must be an integer"},
    {"content_ip_address_type_EXC", "prefix match pattern must be a string"},
    {"content_ip_address_v6_bad_ip_EXC", "Nonstandard IP address: xxxx:db8:1234:1a00::"},
    {"content_numeric_EXC", "Bad numeric range operator: >"},
    {"content_numeric_number_EXC", "Value of numeric must be an array."},
    {"content_numeric_operatorcasing_EXC", "Unrecognized match type NUMERIC"},
    {"content_prefix_int_EXC", "prefix match pattern must be a string"},
    {"content_prefix_list_EXC", "prefix match pattern must be a string"},
    {"content_suffix_int_EXC", "suffix match pattern must be a string"},
    {"content_suffix_list_EXC", "suffix match pattern must be a string"},
    {"content_wildcard_complex_EXC",
     "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after "
     "a wildcard character"},
    {"content_wildcard_int_EXC", "wildcard match pattern must be a string"},
    {"content_wildcard_list_EXC", "wildcard match pattern must be a string"},
    {"content_wildcard_repeating_star_EXC", "Consecutive wildcard characters at pos 26"},
    {"int_nolist_EXC", "\"int\" must be an object or an array"},
    {"operator_case_sensitive_EXC", "Unrecognized match type EXISTS"},
};

std::string expected(const std::string& name) {
    if (name.ends_with("_NEG")) return "false";
    if (!name.ends_with("_EXC")) return "true";
    const auto words = refusals.find(name);
    return words == refusals.end() ? "error" : "error:" + words->second;
}

void expect_case(const std::string& name, const test::Pair& pair) {
    const std::string wanted = expected(name), ours = test::our_verdict(pair);
    EXPECT_EQ(wanted == "error" ? ours.substr(0, 5) : ours, wanted) << name;
}

TEST(PatternAuthority, CasesOfAws) {
    const auto dir = test::shared_data("eventbridge-patterns");
    if (!dir) GTEST_SKIP() << test::missing_shared_data("eventbridge-patterns");
    const fs::path to = fs::path(testing::TempDir()) / ("pattern_cases_" + std::to_string(::getpid()));
    fs::create_directories(to);
    const std::string unpack =
        "zstd -dcq '" + (*dir / "cases.tar.zst").string() + "' | tar -x -C '" + to.string() + "'";
    ASSERT_EQ(std::system(unpack.c_str()), 0) << unpack;
    int cases = 0;
    for (const auto& entry : fs::directory_iterator(to)) {
        const std::string name = entry.path().stem();
        if (entry.path().extension() == ".json5") {
            const std::string text = plain_json(read_all(entry.path()));
            ASSERT_TRUE(codec::validate_json(text)) << name;
            const auto pattern = codec::find_member(text, "EventPattern");
            const auto event = codec::find_member(text, "Event");
            ASSERT_TRUE(pattern && event) << name;
            expect_case(name, {std::string(*pattern), std::string(*event)});
            ++cases;
        } else if (name.ends_with("_event_pattern")) {  // two plain files: duplicate keys
            const std::string base = name.substr(0, name.size() - std::string("_pattern").size());
            expect_case(name, {read_all(entry.path()), read_all(to / (base + ".json"))});
            ++cases;
        }
    }
    fs::remove_all(to);
    EXPECT_GE(cases, 104);
}

// ---- answers that were recorded

std::string answer_of(std::string_view line, std::string_view name) {
    return codec::unescape(*codec::find_member(line, name));
}

TEST(PatternAuthority, Probes) {
    const auto lines = lines_of(read_all(test::source_dir() / "tests/data/pattern-probes.ndjson"));
    ASSERT_EQ(lines.size(), 29u);
    for (const std::string& line : lines) {
        const test::Pair pair{std::string(*codec::find_member(line, "pattern")),
                              std::string(*codec::find_member(line, "event"))};
        const std::string theirs = answer_of(line, "ruler"), name = answer_of(line, "name");
        if (theirs.starts_with("error:event:")) {  // a document that is no object matches nothing
            EXPECT_EQ(test::our_verdict(pair), "false") << name;
        } else if (name == "ignore-case emoji itself") {
            EXPECT_EQ(test::our_verdict(pair), "true") << name;
            EXPECT_EQ(test::deliberate_difference(pair, theirs), "case beyond U+FFFF");
        } else {
            EXPECT_EQ(test::our_verdict(pair), theirs) << name;
        }
        if (theirs == "true" || theirs == "false") {
            EXPECT_EQ(test::our_verdict(pair), test::naive_verdict(pair)) << name;
        }
    }
}

std::string unpacked(const std::string& bytes) {
    std::string text;
    auto unpacker = codec::make_unpacker(std::string_view(bytes).substr(0, 16));
    EXPECT_TRUE(unpacker->feed(bytes, [&](std::string_view piece) {
        text += piece;
        return Status();
    }));
    EXPECT_TRUE(unpacker->finish());
    return text;
}

// tests/data/pattern-pairs.md says how they were made.
TEST(PatternAuthority, RecordedPairs) {
    const auto lines =
        lines_of(unpacked(read_all(test::source_dir() / "tests/data/pattern-pairs.ndjson.zst")));
    ASSERT_EQ(lines.size(), 20'000u);
    std::size_t on_purpose = 0;
    for (const std::string& line : lines) {
        const test::Pair pair{answer_of(line, "pattern"), answer_of(line, "event")};
        const std::string theirs = answer_of(line, "answer"), ours = test::our_verdict(pair);
        ASSERT_EQ(ours, test::naive_verdict(pair)) << line;
        if (test::same_verdict(theirs, ours)) continue;
        ASSERT_NE(test::deliberate_difference(pair, theirs), "") << line << "\nwe say " << ours;
        ++on_purpose;
    }
    EXPECT_LT(on_purpose, lines.size() / 50);
}

}  // namespace
}  // namespace tarn::pattern
