#include "verify/json_comparison.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

namespace tarn::verify {
namespace {

std::vector<std::string> differences(std::string_view before, std::string_view after,
                                     const std::vector<std::string>& ignored = {},
                                     const std::vector<std::string>& tolerances = {}) {
    const Leniency leniency{ignored, state::Tolerances::parse(tolerances).value()};
    std::vector<std::string> list;
    const bool is_equal = compare_texts(before, after, leniency, [&list](const PathDifference& difference) {
        list.push_back(fmt::format("{}: {} {}", difference.path, difference.before.value_or("-"),
                                   difference.after.value_or("-")));
        return true;
    });
    EXPECT_EQ(is_equal, list.empty());
    return list;
}

using Texts = std::vector<std::string>;

TEST(JsonComparison, order_of_members_and_writing_of_numbers_do_not_matter) {
    EXPECT_EQ(differences(R"({"a":1,"b":[1.0,"x",null]})", R"({ "b":[1,"x",null],"a":1e0 })"), Texts());
    EXPECT_EQ(differences(R"({"n":9007199254740993})", R"({"n":9007199254740992})"),
              Texts{"n: 9007199254740993 9007199254740992"});
}

TEST(JsonComparison, each_difference_has_its_path) {
    EXPECT_EQ(
        differences(R"({"a":{"b":[1,{"c":2}]},"only":true})", R"({"a":{"b":[1,{"c":"2"},3]},"new":[]})"),
        (Texts{"a.b[1].c: 2 \"2\"", "a.b[2]: - 3", "only: true -", "new: - []"}));
    EXPECT_EQ(differences("{}", "[]"), Texts{": {} []"});
    EXPECT_EQ(differences("null", "false"), Texts{": null false"});
}

TEST(JsonComparison, names_and_paths_can_be_left_out) {
    const char* before = R"({"at":1,"items":[{"at":1,"price":10.00}]})";
    const char* after = R"({"at":2,"items":[{"at":2,"price":10.01}],"id":7})";
    EXPECT_EQ(differences(before, after, {"at", "id"}), Texts{"items[0].price: 10.00 10.01"});
    EXPECT_EQ(differences(before, after, {"items.at", "id"}, {"price=0.01"}), Texts{"at: 1 2"});
    EXPECT_EQ(differences(before, after, {"at", "id"}, {"items.price=0.001"}),
              Texts{"items[0].price: 10.00 10.01"});
}

TEST(JsonComparison, what_is_not_json_is_compared_as_bytes) {
    EXPECT_EQ(differences("ok", "ok"), Texts());
    EXPECT_EQ(differences("ok", "\"ok\""), Texts{": ok \"ok\""});
}

TEST(JsonComparison, ends_when_asked_to) {
    int seen = 0;
    EXPECT_FALSE(
        compare_texts("[1,2,3]", "[4,5,6]", {}, [&seen](const PathDifference&) { return ++seen < 2; }));
    EXPECT_EQ(seen, 2);
}

}  // namespace
}  // namespace tarn::verify
