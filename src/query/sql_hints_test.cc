#include "query/sql_hints.h"

#include <gtest/gtest.h>

namespace tarn::query {
namespace {

Error hinted(std::string message, std::string_view sql) {
    return with_sql_hint(make_error(Code::sql_invalid, std::move(message)), sql, [] {
        return std::vector<StreamTypes>{{"bank", {"cash_deposit", "com.example-order"}}, {"_tarn", {}}};
    });
}

TEST(SqlHints, KeywordsThatAreColumnsWantQuotes) {
    for (const char* sql : {"SELECT at FROM s.quarantine", "SELECT id, AT, message FROM s.quarantine",
                            "SELECT q.id FROM s.quarantine q ORDER BY at"})
        EXPECT_NE(hinted("Parser Error: syntax error at or near \"FROM\"", sql).next.find("\"at\""),
                  std::string::npos)
            << sql;
    EXPECT_NE(hinted("Parser Error: x", "SELECT column FROM s.quarantine").next.find("\"column\""),
              std::string::npos);
    for (const char* sql :
         {"SELECT \"at\" FROM", "SELECT q.at FROM", "SELECT 'at' FROM", "SELECT 1 -- at\n FROM"})
        EXPECT_EQ(hinted("Parser Error: x", sql).next.find("keyword"), std::string::npos) << sql;
}

TEST(SqlHints, ArrowsWantBrackets) {
    const std::string message =
        "Conversion Error: Failed to cast value to numerical: {} when casting from source column data";
    EXPECT_NE(
        hinted(message, "SELECT 1 FROM b.events WHERE a = 1 AND data->>'x' = '1'").next.find("(data->>'x')"),
        std::string::npos);
    EXPECT_NE(hinted(message, "WHERE (data->>'y') = 'z' AND e.data -> 'a' ->> 'b' = '1'")
                  .next.find("(e.data->'a'->>'b')"),
              std::string::npos);
    EXPECT_EQ(hinted(message, "WHERE (data->>'x') = '1'").next.find("brackets"), std::string::npos);
    EXPECT_EQ(hinted("Catalog Error: Scalar Function", "WHERE a AND data->>'x'").next.find("brackets"),
              std::string::npos);
}

TEST(SqlHints, ATypedTableIsNotBuiltAndAMisspeltOneGetsTheNearest) {
    const auto missing = [](const std::string& name) {
        return "Catalog Error: Table with name " + name +
               " does not exist!\nDid you mean \"quarantine\"?\nLINE 1: …";
    };
    const Error typed = hinted(missing("cash_deposit"), "SELECT * FROM bank.cash_deposit");
    EXPECT_EQ(typed.code, Code::not_built);
    EXPECT_NE(typed.next.find("bank.events WHERE type = 'cash_deposit'"), std::string::npos) << typed.next;
    EXPECT_EQ(hinted(missing("com_example_order"), "SELECT * FROM \"bank\".com_example_order").code,
              Code::not_built);

    const Error misspelt = hinted(missing("cash_depsit"), "SELECT * FROM bank.cash_depsit");
    EXPECT_EQ(misspelt.code, Code::sql_invalid);
    EXPECT_EQ(misspelt.message, "Catalog Error: Table with name cash_depsit does not exist!\nLINE 1: …");
    EXPECT_TRUE(misspelt.next.starts_with("did you mean cash_deposit?")) << misspelt.next;
    EXPECT_EQ(hinted(missing("evnts"), "SELECT * FROM bank.evnts").next, "did you mean bank.events?");
    EXPECT_EQ(hinted(missing("\"bnk.events\""), "SELECT * FROM bnk.events").next,
              "did you mean bank.events?");
    EXPECT_NE(hinted(missing("bank"), "SELECT * FROM bank").next.find("bank.events"), std::string::npos);
}

TEST(SqlHints, EveryEngineErrorHasANextStep) {
    for (const char* message :
         {"Parser Error: syntax error", "Binder Error: Referenced column \"foo\" not found",
          "Invalid Input Error: x", "Conversion Error: y"})
        EXPECT_FALSE(hinted(message, "SELECT").next.empty()) << message;
}

}  // namespace
}  // namespace tarn::query
