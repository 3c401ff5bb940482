#include "query/named_streams.h"

#include <gtest/gtest.h>

namespace tarn::query {
namespace {

TEST(NamedStreams, AreFoundAsWholeWords) {
    const std::string sql =
        lower_case("SELECT * FROM Bank.events, \"with-dash\".events, _tarn.events WHERE x = 'shops'");
    for (const char* name : {"bank", "with-dash", "_tarn"}) EXPECT_TRUE(mentions(sql, name)) << name;
    for (const char* name : {"ban", "shop", "ank", "tarn"}) EXPECT_FALSE(mentions(sql, name)) << name;
    EXPECT_TRUE(mentions("xbank bank", "bank"));
    EXPECT_TRUE(mentions("bank", "bank"));
    EXPECT_FALSE(mentions("", "bank"));
}

TEST(NamedStreams, ListingTablesNeedsAllOfThem) {
    EXPECT_TRUE(lists_tables("select * from information_schema.tables"));
    EXPECT_TRUE(lists_tables("from duckdb_views()"));
    EXPECT_FALSE(lists_tables("select * from bank.events"));
}

}  // namespace
}  // namespace tarn::query
