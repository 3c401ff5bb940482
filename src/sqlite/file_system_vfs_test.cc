// SQLite on the simulated disk: several connections see one another, and after a power cut at any call of the
// disk what was committed is there, whole.
#include "sqlite/file_system_vfs.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "os/sim_file_system.h"
#include "sqlite/sqlite.h"

namespace tarn::sqlite {
namespace {

struct OnSimulatedDisk : ::testing::Test {
    os::SimFileSystem fs;
    FileSystemVfs vfs{fs};

    static Database open(const FileSystemVfs& vfs, OpenOptions options = {}) {
        options.vfs = vfs.name();
        auto opened = Database::open("a.db", options);
        if (!opened) throw std::runtime_error(opened.error().text());
        return std::move(*opened);
    }
    static std::int64_t number(Database& database, std::string_view sql) {
        auto statement = database.prepare(sql);
        if (!statement) throw std::runtime_error(statement.error().text());
        const auto row = statement->step();
        if (!row) throw std::runtime_error(row.error().text());
        return *row ? statement->integer(0) : -1;
    }
};

TEST_F(OnSimulatedDisk, ConnectionsToOneFileSeeEachOther) {
    Database writer = open(vfs), reader = open(vfs, {.wal = false}), late = open(vfs);
    ASSERT_TRUE(writer.execute("CREATE TABLE t(a); INSERT INTO t VALUES (1)"));
    EXPECT_EQ(number(reader, "SELECT count(*) FROM t"), 1);
    ASSERT_TRUE(reader.execute("BEGIN"));
    EXPECT_EQ(number(reader, "SELECT count(*) FROM t"), 1);
    ASSERT_TRUE(writer.execute("INSERT INTO t VALUES (2)"));
    EXPECT_EQ(number(reader, "SELECT count(*) FROM t"), 1) << "its transaction began before";
    EXPECT_EQ(number(late, "SELECT count(*) FROM t"), 2);
    ASSERT_TRUE(reader.execute("COMMIT"));
    EXPECT_EQ(number(reader, "SELECT count(*) FROM t"), 2);
}

TEST_F(OnSimulatedDisk, OneWritesAtATime) {
    for (const bool wal : {true, false}) {
        Database one = open(vfs, {.wal = wal});
        Database two = open(vfs, {.wal = wal, .busy_timeout_us = 0});
        ASSERT_TRUE(
            one.execute("CREATE TABLE IF NOT EXISTS t(a); BEGIN IMMEDIATE; INSERT INTO t VALUES (1)"));
        const Status refused = two.execute("INSERT INTO t VALUES (2)");
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().kind, ErrorKind::locked);
        ASSERT_TRUE(one.execute("COMMIT"));
        EXPECT_TRUE(two.execute("INSERT INTO t VALUES (2)"));
        ASSERT_TRUE(one.execute("DROP TABLE t"));
    }
}

TEST_F(OnSimulatedDisk, TheLastConnectionLeavesOneFile) {
    {
        Database one = open(vfs), two = open(vfs);
        ASSERT_TRUE(one.execute("CREATE TABLE t(a)"));
        EXPECT_EQ(number(two, "SELECT count(*) FROM t"), 0);
    }
    const auto files = *fs.list(".");
    ASSERT_EQ(files.size(), 1u);
    EXPECT_EQ(files[0].name, "a.db");
    Database again = open(vfs);
    EXPECT_EQ(number(again, "SELECT count(*) FROM t"), 0);
}

TEST_F(OnSimulatedDisk, AFullDiskIsSaidAndCanGoOnLater) {
    Database database = open(vfs);
    ASSERT_TRUE(database.execute("CREATE TABLE t(a); INSERT INTO t VALUES (1)"));
    fs.limit_space(fs.used_bytes() + 5000);
    const Status full = database.execute("INSERT INTO t VALUES (zeroblob(50000))");
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().code, Code::disk_full);
    fs.limit_space(std::nullopt);
    EXPECT_TRUE(database.execute("INSERT INTO t VALUES (zeroblob(50000))"));
    EXPECT_EQ(number(database, "SELECT count(*) FROM t"), 2);
}

// Two rows change in each transaction, so that half of one shows; a checkpoint comes every few pages.
struct PowerCut : OnSimulatedDisk, ::testing::WithParamInterface<bool> {
    int committed = 0, cuts = 0;

    void check(const os::CrashPlan& plan) {
        const auto disk = fs.crash(plan);
        const FileSystemVfs after(*disk);
        const std::string where =
            fmt::format("call {} ({}), seed {}", fs.calls(), fs.trace().back(), plan.seed);
        Database database = open(after, {.wal = GetParam()});
        ASSERT_THAT(*integrity_problems(database), testing::IsEmpty()) << where;
        const auto there = number(database, "SELECT count(*) FROM line");
        // With FULL, SQLite does not sync the removal of a rollback journal: it may come back, and is played.
        ASSERT_GE(there, GetParam() ? committed : committed - 1) << where;
        ASSERT_LE(there, committed + 1) << where;
        ASSERT_EQ(number(database, "SELECT n FROM total"), there) << where;
        ASSERT_TRUE(database.execute("INSERT INTO line VALUES (NULL, 'later')")) << where;
        ++cuts;
    }
};

TEST_P(PowerCut, AtAnyCallLeavesWhatWasCommitted) {
    Database database = open(vfs, {.wal = GetParam()});
    ASSERT_TRUE(
        database.execute("CREATE TABLE line(id INTEGER PRIMARY KEY, text TEXT); CREATE TABLE total(n);"
                         "INSERT INTO total VALUES (0); PRAGMA wal_autocheckpoint=7"));
    ASSERT_TRUE(fs.sync_directory("."));
    fs.after_call([&] {
        if (HasFatalFailure()) return;
        check({.seed = fs.calls(), .keep = os::CrashPlan::Keep::nothing});
        for (std::uint64_t i = 0; i < 3 && !HasFatalFailure(); ++i) check({.seed = 3 * fs.calls() + i});
    });
    for (int i = 1; i <= 20 && !HasFatalFailure(); ++i) {
        ASSERT_TRUE(database.transaction([&]() -> Status {
            TARN_TRY(database.execute(fmt::format("INSERT INTO line VALUES (NULL, '{}')",
                                                  std::string(100 * static_cast<std::size_t>(i), 'x'))));
            return database.execute("UPDATE total SET n = n + 1");
        }));
        committed = i;
    }
    fs.after_call({});
    RecordProperty("cuts", cuts);
    EXPECT_GT(cuts, 500);
}

INSTANTIATE_TEST_SUITE_P(Journals, PowerCut, ::testing::Values(true, false),
                         [](const auto& info) { return info.param ? "WriteAhead" : "Rollback"; });

}  // namespace
}  // namespace tarn::sqlite
