#include "verify/expectations.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

namespace tarn::verify {
namespace {

using codec::Json;
using Texts = std::vector<std::string>;

Expectation parsed(std::string_view item) {
    const auto list = parse_expectations(Json::array({Json::parse(item).value()}), {});
    EXPECT_TRUE(list) << list.error().text();
    return list.value().front();
}

Rows found(std::vector<std::string> columns, std::string_view rows) {
    Rows all{std::move(columns), {}};
    const Json json = Json::parse(rows).value();
    for (const Json& row : json.elements()) {
        auto& values = all.rows.emplace_back();
        for (const Json& value : row.elements()) values.push_back(RowValue::of(value));
    }
    return all;
}

Texts compared(std::string_view item, const Rows& rows) {
    const auto comparison = compare_rows(parsed(item), rows);
    if (!comparison) return {comparison.error().message};
    Texts texts;
    for (const auto& one : comparison->differences)
        texts.push_back(fmt::format("[{}].{}: {} -> {}", one.key, one.column, one.before.value_or("NULL"),
                                    one.after.value_or("NULL")));
    return texts;
}

TEST(Expectations, rows_may_come_in_any_order) {
    const Rows rows = found({"account", "balance"}, R"([["B","2.00"],["A","1.50"]])");
    EXPECT_EQ(compared(R"({"expect":"SELECT 1","rows":[["A",1.5],{"balance":"2.00","account":"B"}]})", rows),
              Texts());
    EXPECT_EQ(compared(R"({"expect":"SELECT 1","ordered":true,"rows":[["A",1.5],["B",2]]})", rows),
              (Texts{"[row 1].account: A -> B", "[row 1].balance: 1.5 -> 2.00", "[row 2].account: B -> A",
                     "[row 2].balance: 2 -> 1.50"}));
}

TEST(Expectations, what_stands_in_quotes_is_text) {
    const Rows rows = found({"v"}, R"([["1.50"]])");
    EXPECT_EQ(compared(R"({"expect":"SELECT 1","rows":[["1.5"]]})", rows), Texts{"[1.5].v: 1.5 -> 1.50"});
    EXPECT_EQ(compared(R"({"expect":"SELECT 1","rows":[[null]]})", rows), Texts{"[].v: NULL -> 1.50"});
    EXPECT_EQ(compared(R"({"expect":"SELECT 1","rows":[[null]]})", found({"v"}, "[[null]]")), Texts());
}

TEST(Expectations, a_key_tells_which_row_differs) {
    const Rows rows = found({"k", "n", "at"}, R"([[1,10,"x"],[2,20,"y"],[4,40,"z"]])");
    EXPECT_EQ(
        compared(R"({"expect":"SELECT 1","key":"k","ignore":["at"],"rows":[[1,10,0],[2,21,0],[3,30,0]]})",
                 rows),
        (Texts{"[2].n: 21 -> 20", R"([3].: {"k":3,"n":30} -> NULL)", R"([4].: NULL -> {"k":4,"n":40})"}));
    EXPECT_EQ(
        compared(R"({"expect":"SELECT 1","ignore":["at"],"rows":[[1,10,0],[2,20,0],[4,40,0],[4,40,0]]})",
                 rows),
        Texts{R"([].: {"k":4,"n":40} -> NULL)"});
}

TEST(Expectations, numbers_may_lie_apart_as_far_as_their_tolerance) {
    const Rows rows = found({"k", "n"}, R"([["a","10.29"],["a","10.10"]])");
    EXPECT_EQ(
        compared(R"({"expect":"SELECT 1","tolerance":{"n":0.01},"rows":[["a",10.11],["a",10.30]]})", rows),
        Texts());
    EXPECT_EQ(
        compared(R"({"expect":"SELECT 1","tolerance":{"n":0.01},"rows":[["a",10.12],["a",10.30]]})", rows),
        Texts{"[a].n: 10.12 -> 10.10"});
}

TEST(Expectations, a_row_alone_is_compared_column_by_column) {
    EXPECT_EQ(compared(R"({"expect":"SELECT 1","rows":[[38]]})", found({"n"}, "[[37]]")),
              Texts{"[].n: 38 -> 37"});
    EXPECT_EQ(compared(R"({"expect":"SELECT 1","rows":[]})", found({"n"}, "[[37]]")),
              Texts{R"([].: NULL -> {"n":37})"});
}

TEST(Expectations, rows_must_fit_the_columns) {
    const Rows rows = found({"a", "b"}, "[[1,2]]");
    EXPECT_EQ(compared(R"({"expect":"SELECT 1","rows":[[1]]})", rows),
              Texts{"expectation number 1: row 1 has 1 values"});
    EXPECT_EQ(compared(R"({"expect":"SELECT 1","rows":[{"a":1}]})", rows),
              Texts{"expectation number 1: row 1 does not name column b"});
    EXPECT_EQ(compared(R"({"expect":"SELECT 1","rows":[{"a":1,"b":2,"c":3}]})", rows),
              Texts{"expectation number 1: there is no column c"});
    EXPECT_EQ(compared(R"({"expect":"SELECT 1","key":"x","rows":[]})", rows),
              Texts{"expectation number 1: there is no column x"});
}

TEST(Expectations, mistakes_name_their_place) {
    const auto refused = [](std::string_view file) {
        const auto list = parse_expectations(Json::parse(file).value(), {});
        return list ? "" : list.error().message + " | " + list.error().next;
    };
    EXPECT_EQ(refused(R"([{"expect":"SELECT 1","rows":[]},{"expect":"SELECT 1","row":[]}])"),
              "expect[1]: unknown key row | did you mean rows?");
    EXPECT_EQ(refused(R"([{"expect":"SELECT 1","rows":[1]}])"),
              "expect[0].rows[0]: expected a list or a mapping | a row of one column is [38]");
    EXPECT_EQ(refused(R"([{"expect":"SELECT 1"}])"),
              "expect[0]: rows is missing | rows: [] when the SELECT shall give none");
    EXPECT_NE(refused("[]"), "");
    EXPECT_NE(refused(R"({"rows":[]})"), "");
    EXPECT_NE(refused(R"([{"expect":"SELECT 1","rows":[],"tolerance":{"n":-1}}])"), "");
}

}  // namespace
}  // namespace tarn::verify
