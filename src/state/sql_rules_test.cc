#include "state/sql_rules.h"

#include <gtest/gtest.h>

#include "state/check_projection.h"
#include "state/sql_tokens.h"
#include "state/store_file.h"

namespace tarn::state {
namespace {

TEST(SqlTokens, DropCommentsAndKeepStringsWhole) {
    const auto tokens =
        sql_tokens("SELECT 'it''s' -- now\n, \"a\"\"b\", [c d], x'00' /* random() */ FROM t WHERE a=:id");
    std::string text;
    for (const auto& token : tokens) text += "<" + token.text + ">";
    EXPECT_EQ(text, "<select><it's><,><a\"b><,><c d><,><x><00><from><t><where><a><=><:id>");
}

TEST(SqlTokens, EndInsideAStringIsNoTrap) {
    for (const char* sql : {"'", "\"", "[", "/*", "--", ":", "a'"})
        EXPECT_LE(sql_tokens(sql).size(), 2u) << sql;
}

ProjectionSpec projection(const std::string& sql,
                          const std::string& schema = "CREATE TABLE t(id TEXT PRIMARY KEY, n INTEGER)") {
    ProjectionSpec spec;
    spec.name = "p";
    spec.stream = "s";
    spec.store = "x";
    spec.schema = schema;
    spec.on = {{R"({"type":["a"]})", {sql}}};
    return spec;
}

TEST(ProjectionSql, OrdinaryStatementsPass) {
    for (const char* sql :
         {"INSERT INTO t VALUES (:id, 1) ON CONFLICT(id) DO UPDATE SET n=n+1",
          "UPDATE t SET n = json_extract(:data, '$.n') WHERE id = :key; DELETE FROM t WHERE n < 0;",
          "WITH a(x) AS (SELECT :id) INSERT INTO t SELECT x, 1 FROM a",
          "INSERT INTO t VALUES (date(:time), unixepoch(:time)) -- 'now' is when it happened",
          "INSERT OR REPLACE INTO t VALUES (:source || :subject || :type, :seq + :partition + :offset)",
          "INSERT INTO t VALUES (:payload, :run) RETURNING id"}) {
        const auto checked = check_projection(projection(sql), {});
        EXPECT_TRUE(checked) << sql << ": " << checked.error().message;
    }
}

TEST(ProjectionSql, WhatCannotBeRepeatedIsRefused) {
    for (const char* sql :
         {"INSERT INTO t VALUES (:id, random())", "INSERT INTO t VALUES (randomblob(8), 1)",
          "INSERT INTO t VALUES (date('now'), 1)", "INSERT INTO t VALUES (datetime( 'NOW' ), 1)",
          "INSERT INTO t VALUES (CURRENT_TIMESTAMP, 1)", "INSERT INTO t VALUES (current_date, 1)",
          "INSERT INTO t VALUES (date(), 1)", "INSERT INTO t VALUES (strftime('%s'), 1)",
          "INSERT INTO t VALUES (datetime(:time, 'localtime'), 1)",
          "INSERT INTO t VALUES (:id, last_insert_rowid())", "INSERT INTO t VALUES (:id, changes())",
          "UPDATE t SET n = total_changes()"}) {
        const auto checked = check_projection(projection(sql), {});
        ASSERT_FALSE(checked) << sql;
        EXPECT_EQ(checked.error().code, Code::projection_sql) << sql;
        EXPECT_NE(checked.error().excerpt.find(sql), std::string::npos) << checked.error().excerpt;
    }
}

TEST(ProjectionSql, WhatReachesOutsideIsRefused) {
    for (const char* sql : {"ATTACH 'x.db' AS x",
                            "DETACH main",
                            "PRAGMA journal_mode=OFF",
                            "VACUUM",
                            "BEGIN",
                            "COMMIT",
                            "ROLLBACK",
                            "SAVEPOINT a",
                            "RELEASE a",
                            "INSERT OR ROLLBACK INTO t VALUES (:id, 1)",
                            "INSERT OR FAIL INTO t VALUES (:id, 1)",
                            "SELECT 1",
                            "DELETE FROM tarn_feeder",
                            "UPDATE tarn_feeder SET sequence=1",
                            "INSERT INTO t SELECT feeder, 1 FROM tarn_feeder",
                            "CREATE TEMP TABLE y(a)",
                            "CREATE TABLE y(a)",
                            "DROP TABLE t",
                            "INSERT INTO t VALUES (load_extension('x'), 1)",
                            "INSERT INTO t VALUES (?, ?)",
                            "INSERT INTO t VALUES (:nothing, 1)",
                            "INSERT INTO missing VALUES (1)",
                            "INSERT INTO t SELECT file, 1 FROM pragma_database_list",
                            "INSERT INTO t SELECT name, 1 FROM sqlite_schema",
                            "INSERT INTO t VALUES (readfile('/etc/passwd'), 1)",
                            "INSERT INTO t VALUES (writefile('x', :data), 1)",
                            "INSERT INTO t VALUES (",
                            "",
                            ";"}) {
        const auto checked = check_projection(projection(sql), {});
        ASSERT_FALSE(checked) << sql;
        EXPECT_EQ(checked.error().code, Code::projection_sql) << sql << ": " << checked.error().message;
    }
}

TEST(ProjectionSql, TheRefusalNamesThePlace) {
    const auto message = [](const std::string& sql) {
        return check_projection(projection(sql)).error().message;
    };
    EXPECT_EQ(message("UPDATE t SET n=1;\n  UPDATE t SET m=1"),
              "projection p, on 1, line 2, column 16: no such column: m");
    EXPECT_EQ(message("UPDATE t SET n=\n\nrandom()").substr(0, 49),
              "projection p, on 1, line 3, column 1: random() gi");
    EXPECT_EQ(message("INSERT INTO t VALUES (:id, date('now'))").substr(0, 45),
              "projection p, on 1, line 1, column 33: 'now' ");
    EXPECT_EQ(message("DELETE FROM tarn_feeder"),
              "projection p, on 1, line 1, column 13: table tarn_feeder belongs to Tarn");
}

TEST(ProjectionSql, SchemasAreHeldToTheSameRules) {
    const std::string sql = "INSERT INTO t(id) VALUES (:id)";
    EXPECT_TRUE(check_projection(
        projection(sql,
                   "CREATE TABLE t(id TEXT); CREATE INDEX i ON t(id); INSERT INTO t VALUES ('first');"
                   "CREATE VIEW v AS SELECT id FROM t; CREATE TRIGGER g AFTER INSERT ON t BEGIN UPDATE t SET "
                   "id='a' WHERE id='b'; END"),
        {}));
    for (const char* schema :
         {"CREATE TABLE t(id TEXT DEFAULT CURRENT_TIMESTAMP)", "CREATE TABLE t(id TEXT DEFAULT (random()))",
          "CREATE TEMP TABLE t(id TEXT)", "CREATE TABLE t(id TEXT); CREATE TABLE tarn_mine(a)",
          "CREATE TABLE t(id TEXT); DROP TABLE tarn_feeder", "PRAGMA writable_schema=1",
          "CREATE TABLE t(id TEXT); CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT RAISE(ROLLBACK, 'x'); "
          "END",
          "CREATE TABLE t(id TEXT", "CREATE TABLE t(id TEXT UNIQUE ON CONFLICT ROLLBACK)",
          "CREATE VIRTUAL TABLE t USING fts5(id)"}) {
        const auto checked = check_projection(projection(sql, schema), {});
        ASSERT_FALSE(checked) << schema;
        EXPECT_EQ(checked.error().code, Code::projection_sql) << schema << ": " << checked.error().message;
    }
}

TEST(ProjectionSql, TablesOfAnotherProjectionOfTheStoreAreKnown) {
    const auto first = projection("INSERT INTO t VALUES (:id, 1)");
    auto second = projection("UPDATE t SET n=0", "");
    second.name = "q";
    EXPECT_FALSE(check_projection(second, {}));
    EXPECT_TRUE(check_projection(second, {first}));
}

TEST(SelectOnly, ReadsAndNothingElse) {
    auto database = *open_store_file(":memory:");
    ASSERT_TRUE(database.execute("CREATE TABLE t(a)"));
    for (const char* sql : {"SELECT * FROM t", "WITH x AS (SELECT 1) SELECT * FROM x;", "EXPLAIN SELECT 1",
                            "SELECT decimal_add('1','2') -- ;", "VALUES (1)"})
        EXPECT_TRUE(prepare_select(database, sql)) << sql;
    for (const char* sql : {"DELETE FROM t", "INSERT INTO t VALUES (1) RETURNING a", "PRAGMA user_version",
                            "ATTACH 'x' AS y", "SELECT 1; SELECT 2", "BEGIN", "CREATE TABLE z(a)"}) {
        const auto prepared = prepare_select(database, sql);
        ASSERT_FALSE(prepared) << sql;
        EXPECT_EQ(prepared.error().code, Code::sql_not_select) << sql;
    }
    EXPECT_EQ(prepare_select(database, "SELEC 1").error().code, Code::sql_invalid);
    EXPECT_EQ(prepare_select(database, " ;").error().code, Code::sql_invalid);
}

}  // namespace
}  // namespace tarn::state
