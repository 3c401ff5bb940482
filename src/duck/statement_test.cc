#include "duck/statement.h"

#include <gtest/gtest.h>

namespace tarn::duck {
namespace {

bool taken(std::string_view sql) { return read_statement(sql).has_value(); }

TEST(Statement, TakesWhatBeginsASelect) {
    for (const char* sql :
         {"select 1", "  SELECT 1", "-- why\nselect 1", "/* a */ /* b */select 1", "((select 1))",
          "with a as (select 1) from a", "FROM bank.events", "values (1)", "table bank.events"})
        EXPECT_TRUE(taken(sql)) << sql;
}

TEST(Statement, SeparatesExplain) {
    const auto statement = read_statement("/* x */ Explain\n select 1");
    ASSERT_TRUE(statement);
    EXPECT_TRUE(statement->explain);
    EXPECT_EQ(statement->select, "select 1");
    EXPECT_FALSE(read_statement("select 1")->explain);
}

TEST(Statement, RefusesTheRestByName) {
    for (const char* sql :
         {"", "  ", "-- select", "/* select", "copy t to 'x'", "explain", "explain analyze select 1",
          "EXPLAIN ANALYZE COPY t TO 'x'", "explain explain select 1", "show tables", "describe t",
          "summarize t", "pragma x", "call f()", "selecting", "set x = 1", "'select'", "12", "(copy)"})
        EXPECT_FALSE(taken(sql)) << sql;
    EXPECT_FALSE(taken(std::string_view("select 1\0; copy", 15)));
    const auto refused = read_statement("DROP TABLE x");
    EXPECT_EQ(refused.error().code, Code::sql_not_select);
    EXPECT_NE(refused.error().message.find("drop"), std::string::npos);
}

}  // namespace
}  // namespace tarn::duck
