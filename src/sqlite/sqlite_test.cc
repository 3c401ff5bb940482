#include "sqlite/sqlite.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

namespace tarn::sqlite {
namespace {

struct Sqlite : ::testing::Test {
    std::string directory = fmt::format("{}sqlite-{}", ::testing::TempDir(), ::getpid());
    std::string path = directory + "/a.db";

    void SetUp() override {
        std::filesystem::remove_all(directory);
        std::filesystem::create_directories(directory);
    }
    void TearDown() override { std::filesystem::remove_all(directory); }

    Database open(const OpenOptions& options = {}) { return std::move(*Database::open(path, options)); }
};

std::int64_t count_of(Database& database) {
    auto statement = *database.prepare("SELECT count(*) FROM t");
    EXPECT_TRUE(*statement.step());
    return statement.integer(0);
}

TEST_F(Sqlite, KeepsWhatWasBound) {
    Database database = open();
    ASSERT_TRUE(database.execute("CREATE TABLE t(a, b, c, d, e)"));
    const std::string bytes("\0\xFF\x01", 3);
    auto insert = *database.prepare("INSERT INTO t VALUES (?, ?, ?, ?, ?);  -- one");
    ASSERT_TRUE(insert.bind(1, INT64_MIN)
                    .bind(2, "zwölf")
                    .bind_blob(3, bytes)
                    .bind_null(4)
                    .bind(5, std::string_view())
                    .run());

    auto select = *database.prepare("SELECT * FROM t");
    ASSERT_TRUE(*select.step());
    EXPECT_EQ(select.columns(), 5);
    EXPECT_EQ(select.integer(0), INT64_MIN);
    EXPECT_EQ(select.text(1), "zwölf");
    EXPECT_EQ(select.blob(2), bytes);
    EXPECT_TRUE(select.is_null(3));
    EXPECT_FALSE(select.is_null(4));
    EXPECT_EQ(select.text(4), "");
    EXPECT_FALSE(*select.step());
}

TEST_F(Sqlite, RunClearsBindings) {
    Database database = open();
    ASSERT_TRUE(database.execute("CREATE TABLE t(a)"));
    auto insert = *database.prepare("INSERT INTO t VALUES (?)");
    ASSERT_TRUE(insert.bind(1, 7).run());
    ASSERT_TRUE(insert.run());
    auto select = *database.prepare("SELECT count(*), count(a) FROM t");
    ASSERT_TRUE(*select.step());
    EXPECT_EQ(select.integer(0), 2);
    EXPECT_EQ(select.integer(1), 1);
}

TEST_F(Sqlite, TransactionsAreAllOrNothing) {
    Database database = open();
    ASSERT_TRUE(database.execute("CREATE TABLE t(a)"));
    const Status failed = database.transaction([&]() -> Status {
        TARN_TRY(database.execute("INSERT INTO t VALUES (1)"));
        return fail(Code::internal, "stopped");
    });
    EXPECT_EQ(failed.error().message, "stopped");
    EXPECT_EQ(count_of(database), 0);
    ASSERT_TRUE(database.transaction([&] { return database.execute("INSERT INTO t VALUES (1)"); }));
    EXPECT_EQ(count_of(database), 1);
}

TEST_F(Sqlite, ErrorsNameFileStatementAndReason) {
    Database database = open({.error_code = Code::store_failed});
    const auto failed = database.execute("SELECT nonsense");
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, Code::store_failed);
    EXPECT_THAT(failed.error().text(), ::testing::AllOf(::testing::HasSubstr("a.db"),
                                                        ::testing::HasSubstr("no such column: nonsense")));

    EXPECT_EQ(database.prepare("").error().code, Code::store_failed);
    EXPECT_THAT(database.prepare("SELECT 1; SELECT 2").error().message,
                ::testing::HasSubstr("expected one statement"));
    auto statement = *database.prepare("SELECT ?");
    const auto stepped = statement.bind(2, 5).step();
    ASSERT_FALSE(stepped);  // there is no second parameter
    EXPECT_TRUE(*statement.bind(1, 5).step());
}

TEST_F(Sqlite, BusyIsLockedAndGarbageIsCorrupt) {
    Database one = open();
    ASSERT_TRUE(one.execute("CREATE TABLE t(a); BEGIN IMMEDIATE"));
    Database two = open({.busy_timeout_us = 0});
    EXPECT_EQ(two.execute("BEGIN IMMEDIATE").error().kind, ErrorKind::locked);

    const std::string other = directory + "/b.db";
    std::FILE* file = std::fopen(other.c_str(), "w");
    std::fputs(std::string(4096, 'x').c_str(), file);
    std::fclose(file);
    EXPECT_EQ(Database::open(other).error().kind, ErrorKind::corrupt);
    EXPECT_EQ(Database::open(directory + "/absent.db", {.read_only = true}).error().code,
              Code::catalog_failed);
}

TEST_F(Sqlite, ReadOnlyRefusesWrites) {
    ASSERT_TRUE(open().execute("CREATE TABLE t(a)"));
    Database database = open({.read_only = true});
    EXPECT_EQ(count_of(database), 0);
    EXPECT_FALSE(database.execute("INSERT INTO t VALUES (1)"));
}

TEST_F(Sqlite, DatabaseMayGoBeforeItsStatements) {
    Statement statement;
    {
        Database database = open();
        statement = *database.prepare("SELECT 41 + 1");
    }
    ASSERT_TRUE(*statement.step());
    EXPECT_EQ(statement.integer(0), 42);
}

}  // namespace
}  // namespace tarn::sqlite
