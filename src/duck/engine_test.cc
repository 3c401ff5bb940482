#include <gtest/gtest.h>

#include <algorithm>

#include "duck/duck.h"
#include "duck/library_for_tests.h"

namespace tarn::duck {
namespace {

using Row = std::vector<std::string>;

// Keeps every row, NULL as "NULL".
struct Rows final : RowSink {
    std::vector<ResultColumn> result_columns;
    std::vector<Row> rows;
    std::size_t stop_after = SIZE_MAX;

    Status columns(const std::vector<ResultColumn>& columns) override {
        result_columns = columns;
        return {};
    }
    Status row(const std::vector<std::optional<std::string_view>>& values) override {
        if (rows.size() >= stop_after) return fail(Code::interrupted, "the reader has gone");
        Row& row = rows.emplace_back();
        for (const auto& value : values) row.emplace_back(value.value_or("NULL"));
        return {};
    }
};

// Deposits 0 … size-1 with all column types; remembers what was asked of it, and can fail at a row.
struct Deposits final : Table {
    std::size_t size = 0;
    std::size_t fail_at = SIZE_MAX;
    std::vector<bool> wanted;

    std::vector<Column> columns() const override {
        return {{"id", ColumnType::varchar},      {"time", ColumnType::timestamp_tz},
                {"data", ColumnType::json},       {"part", ColumnType::integer},
                {"pos", ColumnType::bigint},      {"seq", ColumnType::ubigint},
                {"checked", ColumnType::boolean}, {"bytes", ColumnType::blob},
                {"note", ColumnType::varchar}};
    }

    struct Reading final : TableScan {
        explicit Reading(Deposits& table) : deposits(table) {}
        Deposits& deposits;
        std::size_t next = 0;

        Result<std::size_t> fill(ChunkWriter& chunk) override {
            std::size_t row = 0;
            for (; row < chunk.capacity() && next < deposits.size; ++row, ++next) {
                if (next == deposits.fail_at)
                    return fail(Code::object_corrupt, "object x: byte 7 is wrong", {.next = "tarn fsck"});
                const auto number = static_cast<std::int64_t>(next);
                chunk.set_text(0, row, "d" + std::to_string(next));
                chunk.set_integer(1, row, 1'700'000'000'000'000 + number * 1'000'000);
                chunk.set_text(2, row,
                               "{\"Amount\":\"" + std::to_string(next) + ".50\",\n\"bills\":{\"100\":2}}");
                chunk.set_integer(3, row, number % 4);
                chunk.set_integer(4, row, -number);
                chunk.set_integer(5, row, -1 - number);  // bits of a huge unsigned number
                chunk.set_integer(6, row, number % 2);
                chunk.set_text(7, row, std::string_view("\xff\x00z", 3));
                if (next % 2 == 0)
                    chunk.set_null(8, row);
                else
                    chunk.set_text(8, row, "odd");
            }
            return row;
        }
    };

    Result<std::unique_ptr<TableScan>> open(const std::vector<bool>& columns) override {
        wanted = columns;
        return std::make_unique<Reading>(*this);
    }
};

class EngineTest : public testing::Test {
protected:
    void SetUp() override {
        auto opened = Engine::open(library_for_tests(), {.memory_bytes = 256 << 20});
        ASSERT_TRUE(opened) << opened.error().text();
        engine = std::move(*opened);
        deposits->size = 5;
        const Status added = engine->add_table("bank", "events", deposits);
        ASSERT_TRUE(added) << added.error().text();
    }

    std::vector<Row> ask(const std::string& sql) {
        Rows rows;
        const auto count = engine->select(sql, rows);
        if (!count) {
            ADD_FAILURE() << sql << ": " << count.error().text();
            return {};
        }
        EXPECT_EQ(*count, rows.rows.size());
        columns = rows.result_columns;
        return rows.rows;
    }
    std::string one(const std::string& sql) {
        const auto rows = ask(sql);
        return rows.size() == 1 && rows[0].size() == 1 ? rows[0][0] : "not one value";
    }
    Error refusal(const std::string& sql) {
        Rows rows;
        const auto count = engine->select(sql, rows);
        if (count) ADD_FAILURE() << sql << " was accepted";
        return count ? make_error(Code::internal, "accepted") : count.error();
    }

    std::shared_ptr<Deposits> deposits = std::make_shared<Deposits>();
    std::unique_ptr<Engine> engine;
    std::vector<ResultColumn> columns;
};

TEST_F(EngineTest, ReadsATableWithAllColumnTypes) {
    const auto rows = ask("SELECT * FROM bank.events");
    ASSERT_EQ(rows.size(), 5u);
    EXPECT_EQ(rows[3], (Row{"d3", "2023-11-14T22:13:23Z", R"({"Amount":"3.50", "bills":{"100":2}})", "3",
                            "-3", "18446744073709551612", "true", "/wB6", "odd"}));
    EXPECT_EQ(rows[2].back(), "NULL");
    EXPECT_EQ(columns[1].type, "TIMESTAMP WITH TIME ZONE");
    EXPECT_EQ(columns[2].type, "JSON");
    EXPECT_TRUE(columns[2].is_nested);
    EXPECT_TRUE(columns[5].is_number);
    EXPECT_TRUE(columns[6].is_boolean);
}

TEST_F(EngineTest, OnlyProjectedColumnsAreWanted) {
    EXPECT_EQ(one("SELECT sum(part) FROM bank.events WHERE note = 'odd'"), "4");
    EXPECT_EQ(deposits->wanted,
              (std::vector<bool>{false, false, false, true, false, false, false, false, true}));
    EXPECT_EQ(one("SELECT count(*) FROM bank.events"), "5");
    EXPECT_LE(std::ranges::count(deposits->wanted, true), 1);
}

TEST_F(EngineTest, DataIsJsonWithDotsAndArrows) {
    EXPECT_EQ(one("SELECT sum(data.Amount::DECIMAL(18,2)) FROM bank.events"), "12.50");
    EXPECT_EQ(one("SELECT data ->> 'Amount' FROM bank.events WHERE data ->> 'Amount' = '4.50'"), "4.50");
    EXPECT_EQ(one("SELECT e.data.bills.\"100\"::INT FROM bank.events e LIMIT 1"), "2");
}

TEST_F(EngineTest, ManyChunksComeInTheOrderOfTheTable) {
    deposits->size = 10'000;
    const auto rows = ask("SELECT id FROM bank.events");
    ASSERT_EQ(rows.size(), 10'000u);
    EXPECT_EQ(rows[9'999][0], "d9999");
    EXPECT_EQ(rows[2'048][0], "d2048");
    EXPECT_EQ(one("SELECT count(*) FROM bank.events a JOIN bank.events b USING (id)"), "10000");
}

TEST_F(EngineTest, ValuesAreExact) {
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"true", "true"},
        {"(-128)::TINYINT", "-128"},
        {"18446744073709551615::UBIGINT", "18446744073709551615"},
        {"170141183460469231731687303715884105727::HUGEINT", "170141183460469231731687303715884105727"},
        {"(-5)::HUGEINT", "-5"},
        {"340282366920938463463374607431768211455::UHUGEINT", "340282366920938463463374607431768211455"},
        {"12.50::DECIMAL(4,2)", "12.50"},
        {"12.50::DECIMAL(9,2)", "12.50"},
        {"-0.05::DECIMAL(18,2)", "-0.05"},
        {"12345678901234567890.12::DECIMAL(38,2)", "12345678901234567890.12"},
        {"0.1::FLOAT", "0.1"},
        {"0.1::DOUBLE + 0.2::DOUBLE", "0.30000000000000004"},
        {"DATE '2024-02-29'", "2024-02-29"},
        {"TIME '10:02:11.5'", "10:02:11.5"},
        {"TIMETZ '10:02:11+02:00'", "10:02:11+02:00"},
        {"TIMESTAMP '2024-03-01 10:02:11.123456'", "2024-03-01T10:02:11.123456Z"},
        {"TIMESTAMP_S '2024-03-01 10:02:11'", "2024-03-01T10:02:11Z"},
        {"TIMESTAMP_MS '2024-03-01 10:02:11.123'", "2024-03-01T10:02:11.123Z"},
        {"TIMESTAMP_NS '2024-03-01 10:02:11.123456789'", "2024-03-01T10:02:11.123456789Z"},
        {"TIMESTAMPTZ '2024-03-01 10:02:11+02'", "2024-03-01T08:02:11Z"},
        {"date_trunc('day', TIMESTAMPTZ '2024-03-01 00:30:00+02')", "2024-02-29T00:00:00Z"},
        {"INTERVAL '1 month 2 days 3 seconds'", "P1M2DT3S"},
        {"UUID '01234567-89ab-cdef-fedc-ba9876543210'", "01234567-89ab-cdef-fedc-ba9876543210"},
        {"UUID 'fedcba98-7654-3210-0123-456789abcdef'", "fedcba98-7654-3210-0123-456789abcdef"},
        {"'\\xFF\\x00'::BLOB", "/wA="},
        {"'b'::ENUM('a', 'b')", "b"},
        {"'zwölf Kühe, und noch eine mehr'", "zwölf Kühe, und noch eine mehr"},
        {"''", ""},
        {"NULL", "NULL"},
        {"[1, NULL, 3]", "[1,null,3]"},
        {"[['a\"b'], []]", R"([["a\"b"],[]])"},
        {"[1, 2, 3]::INT[3]", "[1,2,3]"},
        {"{'a': 1, 'b': [true], 'c': DATE '2024-01-01', 'd': 1.50}",
         R"({"a":1,"b":[true],"c":"2024-01-01","d":1.50})"},
        {"row(1, 'x')", R"([1,"x"])"},
        {"MAP {'k': 1, 'l': NULL}", R"({"k":1,"l":null})"},
        {"MAP {5: 'x'}", R"({"5":"x"})"},
        {"union_value(n := 5)", "5"},
        {"'x'::UNION(n INT, s VARCHAR)", "\"x\""},
        {"['nan'::DOUBLE]", "[\"NaN\"]"},
        {"'{\"a\": 1}'::JSON", "{\"a\": 1}"},
        {"['{\"a\": 1}'::JSON]", "[{\"a\": 1}]"},
        {"list_slice(['a', 'b', 'c', 'd'], 2, 3)", R"(["b","c"])"},
    };
    for (const auto& [sql, expected] : cases) EXPECT_EQ(one("SELECT " + sql), expected) << sql;
}

// Vectors below a list may be dictionaries after slicing; the reader must not see them so.
TEST_F(EngineTest, SlicedAndFilteredListsAreRead) {
    deposits->size = 100;
    const auto rows =
        ask("SELECT list_filter(l, x -> x % 10 = 3), list_slice(l, 99, 100) FROM (SELECT list(part + 10 * "
            "(-pos)) AS l FROM bank.events)");
    ASSERT_EQ(rows.size(), 1u);
    EXPECT_EQ(rows[0][1], "[982,993]");
    EXPECT_EQ(rows[0][0].substr(0, 10), "[33,73,113");
    EXPECT_EQ(
        one("SELECT string_agg(s.a, ',') FROM (SELECT unnest(list_reverse([{'a': 'x'}, {'a': 'y'}])) AS s)"),
        "y,x");
    EXPECT_EQ(one("SELECT list_reverse([{'a': 'x', 'b': [1]}, {'a': NULL, 'b': [2, 3]}])"),
              R"([{"a":null,"b":[2,3]},{"a":"x","b":[1]}])");
}

TEST_F(EngineTest, TypeNamesAreThoseOfSql) {
    ask("SELECT 1.5::DECIMAL(18,2), [1], {'a': 'x'}, MAP {'k': 1::BIGINT}, [1,2]::INT[2], 'x'::UNION(n INT, "
        "s VARCHAR)");
    std::vector<std::string> types;
    for (const auto& column : columns) types.push_back(column.type);
    EXPECT_EQ(types, (std::vector<std::string>{"DECIMAL(18,2)", "INTEGER[]", "STRUCT(a VARCHAR)",
                                               "MAP(VARCHAR, BIGINT)", "INTEGER[2]",
                                               "UNION(n INTEGER, s VARCHAR)"}));
}

TEST_F(EngineTest, WhatCannotBeShownIsNamed) {
    const Error error = refusal("SELECT '101'::BIT AS flags");
    EXPECT_EQ(error.code, Code::sql_invalid);
    EXPECT_NE(error.message.find("flags"), std::string::npos);
    EXPECT_EQ(one("SELECT '101'::BIT::VARCHAR"), "101");
}

TEST_F(EngineTest, OnlyOneSelectIsAllowed) {
    ASSERT_TRUE(engine->lock());
    const std::vector<std::string> refused = {
        "COPY bank.events TO '/tmp/tarn-never.csv'",
        "COPY (SELECT 1) TO '/tmp/tarn-never.csv'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '/tmp/tarn-never.csv' (USE_TMP_FILE false)",
        "EXPLAIN ANALYZE SELECT 1",
        "EXPLAIN (ANALYZE) SELECT 1",
        "ATTACH '/tmp/tarn-never.db' AS x",
        "INSTALL httpfs",
        "LOAD httpfs",
        "PRAGMA version",
        "SET threads = 8",
        "RESET threads",
        "EXPORT DATABASE '/tmp/tarn-never'",
        "SELECT 1; SELECT 2",
        "SELECT 1; COPY (SELECT 1) TO '/tmp/tarn-never.csv'",
        "CREATE TABLE t(a INT)",
        "INSERT INTO bank.events VALUES (1)",
        "DELETE FROM bank.events",
        "DROP SCHEMA bank CASCADE",
        "CALL pragma_version()",
        "SHOW TABLES",
        "DESCRIBE bank.events",
        "PIVOT bank.events ON part USING count(*)",
        "",
        ";",
    };
    for (const auto& sql : refused) {
        const Error error = refusal(sql);
        EXPECT_TRUE(error.code == Code::sql_not_select || error.code == Code::sql_invalid)
            << sql << ": " << error.text();
    }
    EXPECT_EQ(refusal("SELECT 1; SELECT 2").code, Code::sql_not_select);
    const auto fs = os::make_real_file_system();
    for (const char* path : {"/tmp/tarn-never.csv", "/tmp/tarn-never.db", "/tmp/tarn-never"})
        EXPECT_FALSE(fs->stat(path)->has_value()) << path;
    EXPECT_EQ(one("SELECT 1;"), "1");
}

TEST_F(EngineTest, FilesAreOutOfReach) {
    ASSERT_TRUE(engine->lock());
    for (const char* from :
         {"read_csv('/etc/passwd')", "read_text('/etc/passwd')", "read_blob('/proc/self/environ')",
          "glob('/etc/*')", "'/etc/passwd'", "read_json('/etc/passwd')", "read_parquet('/x.parquet')",
          "sniff_csv('/etc/passwd')", "'https://example.org/x.csv'"}) {
        const Error error = refusal(std::string("SELECT * FROM ") + from);
        EXPECT_EQ(error.code, Code::sql_invalid) << from << ": " << error.text();
        EXPECT_EQ(error.message.find("root:"), std::string::npos);
    }
    EXPECT_EQ(refusal("SELECT * FROM query('COPY (SELECT 1) TO ''/tmp/tarn-never.csv''')").code,
              Code::sql_invalid);
}

TEST_F(EngineTest, ExplainShowsThePlan) {
    const auto rows = ask("EXPLAIN SELECT id FROM bank.events");
    ASSERT_EQ(rows.size(), 1u);
    EXPECT_NE(rows[0][1].find("TARN_SCAN_0"), std::string::npos);
}

TEST_F(EngineTest, ErrorsKeepTheEnginesWordsAndPlace) {
    const Error syntax = refusal("SELECT id FORM bank.events WHERE");
    EXPECT_EQ(syntax.code, Code::sql_invalid);
    EXPECT_NE(syntax.message.find("LINE 1:"), std::string::npos);
    const Error table = refusal("SELECT * FROM bank.evnts");
    EXPECT_EQ(table.next, "tables there are: bank.events");
    EXPECT_EQ(refusal("SELECT * FROM bnk.events").next, "tables there are: bank.events");
    EXPECT_EQ(refusal("SELECT $1").code, Code::sql_invalid);
    EXPECT_EQ(refusal("SELECT error('stop')").code, Code::sql_invalid);
    EXPECT_EQ(one("SELECT 1"), "1");
}

TEST_F(EngineTest, AnErrorOfTheTableComesBackAsItWasGiven) {
    deposits->size = 5'000;
    for (const std::size_t at : {std::size_t{0}, std::size_t{4'000}}) {
        deposits->fail_at = at;
        const Error error = refusal("SELECT id FROM bank.events");
        EXPECT_EQ(error.code, Code::object_corrupt);
        EXPECT_EQ(error.message, "object x: byte 7 is wrong");
        EXPECT_EQ(error.next, "tarn fsck");
    }
    deposits->fail_at = SIZE_MAX;
    EXPECT_EQ(one("SELECT count(*) FROM bank.events"), "5000");
}

TEST_F(EngineTest, AnErrorOfTheSinkEndsTheQuery) {
    deposits->size = 50'000;
    Rows rows;
    rows.stop_after = 10;
    const auto count = engine->select("SELECT id FROM bank.events", rows);
    ASSERT_FALSE(count);
    EXPECT_EQ(count.error().code, Code::interrupted);
    EXPECT_EQ(one("SELECT 1"), "1");
}

TEST_F(EngineTest, MemoryIsLimited) {
    ASSERT_TRUE(engine->limit_memory(32 << 20));
    ASSERT_TRUE(engine->lock());
    EXPECT_EQ(refusal("SELECT count(DISTINCT range::VARCHAR || repeat('x', 100)) FROM range(3000000)").code,
              Code::query_memory);
    EXPECT_FALSE(engine->limit_memory(1 << 30));
}

TEST_F(EngineTest, StreamsMayBeCalledLikeCatalogsOfTheEngine) {
    for (const char* name : {"temp", "system", "memory", "main", "with-dash", "_tarn", "select"}) {
        auto table = std::make_shared<Deposits>();
        table->size = 2;
        const Status added = engine->add_table(name, "events", table);
        ASSERT_TRUE(added) << name << ": " << added.error().text();
        EXPECT_EQ(one(std::string("SELECT count(*) FROM memory.\"") + name + "\".events"), "2") << name;
    }
    EXPECT_EQ(one("SELECT count(*) FROM _tarn.events"), "2");
    EXPECT_EQ(one("SELECT count(*) FROM \"with-dash\".events"), "2");
}

TEST(EngineOpening, NamesALibraryThatIsNotThere) {
    const auto opened = Engine::open("/nowhere/libduckdb.so", {});
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Code::query_engine);
    EXPECT_NE(opened.error().message.find("/nowhere/libduckdb.so"), std::string::npos);
}

TEST(EngineOpening, RefusesALibraryThatIsNoDuckDb) {
    const auto opened = Engine::open("libm.so.6", {});
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Code::query_engine);
}

}  // namespace
}  // namespace tarn::duck
