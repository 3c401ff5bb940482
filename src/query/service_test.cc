// The whole way: this test binary is its own worker program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string_view>

#include "duck/library_for_tests.h"
#include "query/lake_for_tests.h"
#include "query/query.h"

namespace tarn::query {
namespace {

using Row = std::vector<std::string>;

class ServiceTest : public testing::TestWithParam<bool> {
protected:
    void SetUp() override {
        lake.create("bank");
        service = QueryService::make(*lake.lake, *lake.catalog, os::self_path(), GetParam());
    }

    Result<QuerySummary> run(const std::string& sql, const QueryLimits& limits = {}) {
        rows.clear();
        return service->run(sql, limits, {{}, [this](const std::vector<std::optional<std::string>>& values) {
                                              Row& row = rows.emplace_back();
                                              for (const auto& value : values)
                                                  row.push_back(value.value_or("NULL"));
                                              return Status();
                                          }});
    }
    Error refusal(const std::string& sql, const QueryLimits& limits = {}) {
        const auto summary = run(sql, limits);
        if (summary) ADD_FAILURE() << sql << " was accepted";
        return summary ? make_error(Code::internal, "accepted") : summary.error();
    }

    TestLake lake{"service"};
    std::unique_ptr<QueryService> service;
    std::vector<Row> rows;
};

TEST_P(ServiceTest, AnAcknowledgedEventIsVisibleAtOnce) {
    for (int i = 0; i < 5; ++i) {
        lake.put("bank", {"{\"n\":" + std::to_string(i) + "}"});
        const auto summary = run("SELECT max((data ->> 'n')::INT), count(*) AS n FROM bank.events");
        ASSERT_TRUE(summary) << summary.error().text();
        EXPECT_EQ(rows, (std::vector<Row>{{std::to_string(i), std::to_string(i + 1)}}));
        EXPECT_EQ(summary->rows, 1u);
        EXPECT_EQ(summary->events_read, static_cast<std::uint64_t>(i) + 1);
        EXPECT_TRUE(summary->complete);
        EXPECT_EQ(summary->columns.at(1).name, "n");
        EXPECT_EQ(summary->positions.dump(), "{\"bank\":{\"0\":" + std::to_string(i) + "}}");
    }
}

TEST_P(ServiceTest, ManyRowsArriveInOrder) {
    const auto summary = run("SELECT range, NULL, 'row ' || range FROM range(100000)");
    ASSERT_TRUE(summary) << summary.error().text();
    ASSERT_EQ(rows.size(), 100'000u);
    EXPECT_EQ(rows[77'777], (Row{"77777", "NULL", "row 77777"}));
}

TEST_P(ServiceTest, ErrorsOfTheWorkerComeBackWhole) {
    EXPECT_EQ(refusal("COPY bank.events TO '/tmp/tarn-never.csv'").code, Code::sql_not_select);
    const Error table = refusal("SELECT * FROM bankk.events");
    EXPECT_EQ(table.code, Code::sql_invalid);
    EXPECT_NE(table.next.find("bank.events"), std::string::npos) << table.next;
    EXPECT_EQ(refusal("SELECT '\xff'").code, Code::sql_invalid);
}

TEST_P(ServiceTest, TooSlowIsKilled) {
    const Error error =
        refusal("SELECT count(*) FROM range(100000000) a, range(100000000) b", {.timeout_us = 300'000});
    EXPECT_EQ(error.code, Code::query_timeout);
    EXPECT_TRUE(run("SELECT 1"));
}

TEST_P(ServiceTest, TooMuchMemoryIsRefused) {
    const Error error =
        refusal("SELECT count(DISTINCT range::VARCHAR || repeat('x', 100)) FROM range(3000000)",
                {.memory_bytes = 48 << 20});
    EXPECT_EQ(error.code, Code::query_memory);
}

TEST_P(ServiceTest, AnAnswerIsNotMixedWithWhatTheEnginePrints) {
    const auto summary = run("SELECT 5 AS five FROM (SELECT count(*) FROM enable_profiling()) WHERE 1 = 1");
    if (summary)
        EXPECT_EQ(rows, (std::vector<Row>{{"5"}}));
    else
        EXPECT_EQ(summary.error().code, Code::sql_invalid);
}

TEST_P(ServiceTest, MaxBytesIsCheckedBeforeAnythingIsRead) {
    lake.put("bank", {"{\"n\":1}"});
    EXPECT_EQ(refusal("SELECT * FROM bank.events", {.max_bytes = 1}).code, Code::query_bytes);
    lake.roll("bank");
    EXPECT_EQ(refusal("SELECT * FROM bank.events", {.max_bytes = 1}).code, Code::query_bytes);
    EXPECT_TRUE(run("SELECT 1", {.max_bytes = 1}));
    EXPECT_TRUE(run("SELECT * FROM bank.events", {.max_bytes = 1 << 20}));
}

TEST_P(ServiceTest, TheSinkCanEndAQuery) {
    const auto summary =
        service->run("SELECT * FROM range(10000000)", {},
                     {{}, [](const auto&) { return Status(fail(Code::interrupted, "gone")); }});
    ASSERT_FALSE(summary);
    EXPECT_EQ(summary.error().code, Code::interrupted);
}

TEST_P(ServiceTest, ACancelledQueryEnds) {
    int asked = 0;
    const Error error =
        refusal("SELECT count(*) FROM range(100000000000)", {.cancelled = [&asked] { return ++asked > 2; }});
    EXPECT_EQ(error.code, Code::interrupted);
    EXPECT_TRUE(run("SELECT 1"));
}

TEST_P(ServiceTest, AStoppedServiceEndsItsQueries) {
    service->stop();
    EXPECT_EQ(refusal("SELECT 1").code, Code::interrupted);
}

TEST_P(ServiceTest, AllStreamsAreThereForWhoListsThem) {
    lake.create("shop");
    ASSERT_TRUE(
        run("SELECT table_schema FROM information_schema.tables WHERE table_name = 'events' ORDER BY 1"));
    EXPECT_EQ(rows, (std::vector<Row>{{"_tarn"}, {"bank"}, {"shop"}}));
}

INSTANTIATE_TEST_SUITE_P(Workers, ServiceTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "WithSpare" : "Fresh"; });

// Programs that are not there, end at once, answer something else, or never answer.
TEST(ServiceWithBrokenWorker, IsAnErrorAndNeverAShortResult) {
    TestLake lake("broken");
    for (const bool prestart : {false, true})
        for (const char* program : {"/nowhere/tarn", "/bin/false", "/bin/true", "/bin/echo"}) {
            const auto service = QueryService::make(*lake.lake, *lake.catalog, program, prestart);
            const auto summary = service->run("SELECT 1", {}, {});
            ASSERT_FALSE(summary) << program;
            EXPECT_EQ(summary.error().code, Code::query_worker) << program << ": " << summary.error().text();
        }
}

}  // namespace
}  // namespace tarn::query

int main(int argc, char** argv) {
    if (argc == 2 && std::string_view(argv[1]) == "__query-worker") return tarn::query::query_worker_main();
    ::setenv("TARN_DUCKDB", tarn::duck::library_for_tests().c_str(), 1);
    testing::InitGoogleMock(&argc, argv);
    return RUN_ALL_TESTS();
}
