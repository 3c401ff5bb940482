#include "state/diff.h"

#include <set>

#include "state/state_fixture.h"
#include "state/store_file.h"

namespace tarn::state {
namespace {

class Diff : public Bank {
protected:
    std::string text(const Difference& d) {
        return fmt::format("{}[{}].{}: {} -> {}", d.table, d.key, d.column, d.before.value_or("NULL"),
                           d.after.value_or("NULL"));
    }
    std::vector<std::string> texts(const DiffResult& result) {
        std::vector<std::string> all;
        for (const auto& difference : result.differences) all.push_back(text(difference));
        return all;
    }
    // Two databases made by SQL.
    DiffResult between(const std::string& before, const std::string& after, const DiffOptions& options = {}) {
        auto left = must(open_store_file(":memory:"));
        auto right = must(open_store_file(":memory:"));
        must(left.execute(before));
        must(right.execute(after));
        return must(diff_databases(left, right, options, matches_in(*lake)));
    }
};

TEST_F(Diff, EqualIsEqual) {
    const auto result =
        between("CREATE TABLE t(a PRIMARY KEY, b); INSERT INTO t VALUES (1, 'x'), ('b', NULL)",
                "CREATE TABLE t(a PRIMARY KEY, b); INSERT INTO t VALUES ('b', NULL), (1, 'x')");
    EXPECT_EQ(result.total, 0u);
    EXPECT_EQ(result.rows_compared, 2u);
}

TEST_F(Diff, NamesTableKeyColumnBeforeAndAfter) {
    const auto result = between(
        "CREATE TABLE t(a TEXT PRIMARY KEY, b, c); INSERT INTO t VALUES ('k', '1.50', 1), ('gone', 'x', 2), "
        "('n', NULL, 3)",
        "CREATE TABLE t(a TEXT PRIMARY KEY, b, c); INSERT INTO t VALUES ('k', '1.5', 1), ('new', 'y', 2), "
        "('n', '', 3)");
    EXPECT_EQ(texts(result), (std::vector<std::string>{R"(t[gone].: {"a":"gone","b":"x","c":2} -> NULL)",
                                                       "t[k].b: 1.50 -> 1.5", "t[n].b: NULL -> ",
                                                       R"(t[new].: NULL -> {"a":"new","b":"y","c":2})"}));
    EXPECT_EQ(result.total, 4u);
}

TEST_F(Diff, KeysOfSeveralColumnsAndKinds) {
    const auto rows = [](const std::string& values) {
        return "CREATE TABLE t(a, b, c, PRIMARY KEY(b, a)) WITHOUT ROWID; INSERT INTO t VALUES " + values;
    };
    const auto result =
        between(rows("(1, 2, 0), ('1', 2, 0), (1.5, 2, 0), (x'31', 2, 0), ('a', 'B', 0), ('a', 'b', 0)"),
                rows("(1, 2, 0), ('1', 2, 1), (1.5, 2, 0), (x'31', 2, 2), ('a', 'B', 0), ('a', 'b', 3)"));
    EXPECT_EQ(texts(result),
              (std::vector<std::string>{"t[2, 1].c: 0 -> 1", "t[2, x'31'].c: 0 -> 2", "t[b, a].c: 0 -> 3"}));
}

TEST_F(Diff, WithoutAKeyRowsAreCompared) {
    const auto result = between("CREATE TABLE t(a, b); INSERT INTO t VALUES (1, 2), (1, 2), (3, 4)",
                                "CREATE TABLE t(a, b); INSERT INTO t VALUES (1, 2), (3, 5)");
    EXPECT_EQ(texts(result), (std::vector<std::string>{R"(t[{"a":1,"b":2}].: {"a":1,"b":2} -> NULL)",
                                                       R"(t[{"a":3,"b":4}].: {"a":3,"b":4} -> NULL)",
                                                       R"(t[{"a":3,"b":5}].: NULL -> {"a":3,"b":5})"}));
}

TEST_F(Diff, NumbersByValueTextExactly) {
    const std::string schema = "CREATE TABLE t(k INTEGER PRIMARY KEY, v); INSERT INTO t VALUES ";
    EXPECT_EQ(between(schema + "(1, 1.0)", schema + "(1, 1)").total, 0u);
    EXPECT_EQ(between(schema + "(1, 0.1)", schema + "(1, 0.1000000000000001)").total, 1u);
    EXPECT_EQ(between(schema + "(1, 9007199254740993)", schema + "(1, 9007199254740992)").total, 1u);
    EXPECT_EQ(between(schema + "(1, '1')", schema + "(1, 1)").total, 1u);
    EXPECT_EQ(between(schema + "(1, 'a')", schema + "(1, 'A')").total, 1u);
}

TEST_F(Diff, IgnoresColumnsAndLimitsTheList) {
    std::string left = "CREATE TABLE t(k INTEGER PRIMARY KEY, v, at)", right = left;
    for (int i = 0; i < 50; i++) {
        left += fmt::format("; INSERT INTO t VALUES ({}, 0, 1)", i);
        right += fmt::format("; INSERT INTO t VALUES ({}, {}, 2)", i, i % 2);
    }
    const auto result = between(left, right, {.ignore_columns = {"at"}, .limit = 10});
    EXPECT_EQ(result.total, 25u);
    EXPECT_EQ(result.differences.size(), 10u);
    EXPECT_EQ(result.rows_compared, 50u);
}

TEST_F(Diff, NumbersOfAColumnMayLieApartAsFarAsItsTolerance) {
    const std::string schema = "CREATE TABLE t(k PRIMARY KEY, balance, n); INSERT INTO t VALUES ";
    const std::string left = schema + "(1, '10.29', 1), (2, '10.29', 1), (3, NULL, 1)",
                      right = schema + "(1, '10.30', 1), (2, '10.31', 2), (3, 0, 1)";
    const auto tolerances = Tolerances::parse({"balance=0.01"});
    EXPECT_EQ(texts(between(left, right, {.ignore_columns = {}, .tolerances = *tolerances})),
              (std::vector<std::string>{"t[2].balance: 10.29 -> 10.31", "t[2].n: 1 -> 2",
                                        "t[3].balance: NULL -> 0"}));
}

TEST_F(Diff, TablesAndColumnsOnOneSide) {
    const auto result =
        between("CREATE TABLE a(x); INSERT INTO a VALUES (1); CREATE TABLE c(k PRIMARY KEY, old)",
                "CREATE TABLE b(x); INSERT INTO b VALUES (2); CREATE TABLE c(k PRIMARY KEY, fresh)");
    EXPECT_EQ(texts(result),
              (std::vector<std::string>{R"(a[{"x":1}].: {"x":1} -> NULL)", R"(b[{"x":2}].: NULL -> {"x":2})",
                                        "c[].old: (the column is there) -> NULL",
                                        "c[].fresh: NULL -> (the column is there)"}));
}

// Differences planted at random are found, all of them and nothing else.
TEST_F(Diff, FindsExactlyWhatWasPlanted) {
    os::SeededRng rng(31);
    for (int round = 0; round < 20; round++) {
        std::string left = "CREATE TABLE t(k INTEGER PRIMARY KEY, v TEXT)", right = left;
        std::set<std::string> planted;
        for (int k = 0; k < 60; k++) {
            const auto row = fmt::format("; INSERT INTO t VALUES ({}, 'v{}')", k, k);
            switch (rng.below(8)) {
                case 0:
                    left += row;
                    planted.insert(fmt::format("{}-", k));
                    break;
                case 1:
                    right += row;
                    planted.insert(fmt::format("{}+", k));
                    break;
                case 2:
                    left += row;
                    right += fmt::format("; INSERT INTO t VALUES ({}, 'w')", k);
                    planted.insert(fmt::format("{}~", k));
                    break;
                default:
                    left += row;
                    right += row;
            }
        }
        std::set<std::string> found;
        const auto result = between(left, right);
        for (const auto& d : result.differences)
            found.insert(d.key + (d.column == "v" ? "~" : d.before ? "-" : "+"));
        ASSERT_EQ(found, planted) << "round " << round;
        ASSERT_EQ(result.total, planted.size());
    }
}

TEST_F(Diff, NamesTheEventsThatMadeTheRowOfACopy) {
    declare();
    auto wrong = balances();
    wrong.on.pop_back();
    must(state->declare_projection(wrong));
    add("deposit", "A1", "10.00");
    add("deposit", "A2", "1.00");
    add("withdrawal", "A1", "3.00");
    must(state->catch_up());
    must(state->declare_projection(balances()));
    must(state->make_copy("accounts", "fix", "empty"));
    {
        const auto applier = must(state->applier("accounts@fix", "balances"));
        for (const auto& event : lake->events) must(applier->apply(event.stored()));
        must(applier->commit());
    }
    const auto result = must(state->diff("accounts", "accounts@fix", {}));
    ASSERT_EQ(texts(result),
              (std::vector<std::string>{"balance[A1].n: 1 -> 2", "balance[A1].amount: 10.00 -> 7.00"}));
    const auto at = lake->events[0].position.partition;
    EXPECT_EQ(result.differences[0].events,
              (std::vector<std::string>{fmt::format("bank {}:{} withdrawal 2024-03-04T10:02:03Z", at,
                                                    lake->events[2].position.offset)}));
    EXPECT_EQ(result.events_note, "exact");
}

TEST_F(Diff, ComparesSnapshotsStoresAndCopies) {
    declare();
    add("deposit", "A1", "1.00");
    must(state->catch_up());
    must(state->create_snapshot("accounts"));
    add("deposit", "A1", "2.00");
    must(state->catch_up());
    must(state->make_copy("accounts", "fix", "live"));
    EXPECT_EQ(must(state->diff("accounts", "accounts@fix", {})).total, 0u);
    EXPECT_EQ(must(state->diff("snapshot:sn-1", "store:accounts", {})).total, 2u);
    EXPECT_EQ(must(state->diff("snapshot:sn-1", "snapshot:sn-1", {})).total, 0u);
    EXPECT_EQ(state->diff("accounts", "snapshot:sn-9", {}).error().code, Code::unknown_snapshot);
    EXPECT_EQ(state->diff("none", "accounts", {}).error().code, Code::unknown_store);
}

}  // namespace
}  // namespace tarn::state
