// The worker's side in this process: requests over a real lake, answers read back from the frames.
#include "query/worker.h"

#include <gtest/gtest.h>

#include "duck/library_for_tests.h"
#include "query/lake_for_tests.h"

namespace tarn::query {
namespace {

using Row = std::vector<std::string>;

struct Answer {
    std::vector<QueryColumn> columns;
    std::vector<Row> rows;
    std::optional<WorkerEnd> end;
    std::optional<Error> error;

    // The only value, or what went wrong instead.
    std::string value() const {
        if (error) return error->text();
        return rows.size() == 1 && rows[0].size() == 1 ? rows[0][0] : "not one value";
    }
};

Answer read_answer(const std::string& bytes) {
    Answer answer;
    FrameReader reader;
    reader.feed(bytes);
    while (true) {
        const auto frame = reader.next();
        if (!frame || !*frame) return answer;
        if ((*frame)->kind == FrameKind::rows) {
            std::string_view rest = (*frame)->body;
            while (!rest.empty()) {
                Row& row = answer.rows.emplace_back();
                for (std::size_t i = 0; i < answer.columns.size(); ++i) {
                    const auto value = take_value(rest);
                    row.emplace_back(value && *value ? **value : "NULL");
                }
            }
            continue;
        }
        const codec::Json json = *codec::Json::parse((*frame)->body);
        switch ((*frame)->kind) {
            case FrameKind::columns:
                answer.columns = columns_from_json(json);
                break;
            case FrameKind::end:
                answer.end = WorkerEnd::from_json(json);
                break;
            default:
                answer.error = error_from_json(json);
        }
    }
}

class WorkerTest : public testing::Test {
protected:
    static std::string deposit(int number) {
        return "{\"Amount\":\"" + std::to_string(number) + ".25\",\"TargetAccount\":\"ACC-" +
               std::to_string(number % 3) + "\"}";
    }

    Answer ask(const std::string& sql, std::vector<std::string> streams = {"bank"}) {
        WorkerRequest request{.sql = sql,
                              .memory_bytes = 512 << 20,
                              .timeout_us = 60'000'000,
                              .store_root = lake.directory + "/lake"};
        for (const auto& stream : streams) request.views.push_back(TestLake::take(lake.lake->view(stream)));
        request.other_streams = {"shop"};
        // As it crosses the pipe.
        request = TestLake::take(WorkerRequest::from_json(*codec::Json::parse(request.to_json().dump())));
        const auto engine = TestLake::take(duck::Engine::open(duck::library_for_tests(), {}));
        std::string bytes;
        TestLake::must(serve_query(request, *engine, *lake.fs, [&](std::string_view part) {
            bytes += part;
            return Status();
        }));
        return read_answer(bytes);
    }

    TestLake lake{"worker"};
};

TEST_F(WorkerTest, SeesObjectsAndTailAsOne) {
    lake.create("bank");
    lake.put("bank", {deposit(1), deposit(2)});
    lake.roll("bank");
    lake.put("bank", {deposit(3)});
    const Answer answer =
        ask("SELECT tarn_partition, tarn_offset, tarn_seq, data.Amount::DECIMAL(18,2) AS amount FROM "
            "bank.events ORDER BY tarn_offset");
    ASSERT_FALSE(answer.error) << answer.error->text();
    ASSERT_EQ(answer.rows.size(), 3u);
    EXPECT_EQ(answer.rows[0][3], "1.25");
    EXPECT_EQ(answer.rows[2][1], "2");
    EXPECT_EQ(answer.rows[2][3], "3.25");
    ASSERT_TRUE(answer.end);
    EXPECT_EQ(answer.end->rows, 3u);
    EXPECT_EQ(answer.end->events_read, 3u);
    EXPECT_EQ(answer.end->positions.dump(), R"({"bank":{"0":2}})");
    EXPECT_TRUE(answer.end->why.empty());
    EXPECT_EQ(answer.columns[3].type, "DECIMAL(18,2)");
}

TEST_F(WorkerTest, EnvelopeColumnsAreThoseOfTheContract) {
    lake.create("bank");
    const std::string payload =
        R"({"specversion":"1.0","id":"a1","source":"/bank","type":"deposit","subject":"ACC-7","time":"2024-03-01T10:02:11Z","data":{"n":1}})";
    lake.put("bank", {payload, deposit(2)});
    const Answer answer = ask("SELECT * FROM bank.events ORDER BY tarn_seq");
    ASSERT_FALSE(answer.error) << answer.error->text();
    std::vector<std::string> names;
    for (const auto& column : answer.columns) names.push_back(column.name);
    EXPECT_EQ(names, (std::vector<std::string>{"id", "source", "type", "subject", "time", "data",
                                               "tarn_partition", "tarn_offset", "tarn_seq", "tarn_ingested",
                                               "tarn_key", "tarn_hash", "tarn_rescued"}));
    ASSERT_EQ(answer.rows.size(), 2u);
    const Row& event = answer.rows[0];
    EXPECT_EQ(Row(event.begin(), event.begin() + 8),
              (Row{"a1", "/bank", "deposit", "ACC-7", "2024-03-01T10:02:11Z", R"({"n":1})", "0", "0"}));
    EXPECT_EQ(event[11], codec::xxh3_128(payload).hex());
    EXPECT_EQ(event[12], "NULL");
    EXPECT_EQ(answer.rows[1][2], "bank");  // the type of a payload without a mapping
    EXPECT_EQ(answer.rows[1][3], "NULL");
}

TEST_F(WorkerTest, QuarantineShowsBytesReasonAndPlace) {
    lake.create("bank");
    lake.put("bank", {deposit(1), "{\"Amount\":,}", std::string("\xff\x00!", 3)});
    const Answer answer =
        ask("SELECT id, reason, bytes, encoding, code, \"column\" IS NOT NULL, \"at\" = tarn_ingested FROM "
            "bank.quarantine ORDER BY tarn_offset",
            {"bank"});
    if (answer.error) FAIL() << answer.error->text();
    ASSERT_EQ(answer.rows.size(), 2u);
    EXPECT_EQ(answer.rows[0][0], "qr-2");
    EXPECT_EQ(answer.rows[0][1], "not JSON");
    EXPECT_EQ(answer.rows[0][2], "{\"Amount\":,}");
    EXPECT_EQ(answer.rows[0][3], "text");
    EXPECT_EQ(answer.rows[0][4], "TARN-1203");
    EXPECT_EQ(answer.rows[0][5], "true");
    EXPECT_EQ(answer.rows[0][6], "true");
    EXPECT_EQ(answer.rows[1][2], "/wAh");
    EXPECT_EQ(answer.rows[1][3], "base64");
    EXPECT_EQ(ask("SELECT count(*) FROM bank.events").value(), "1");
    lake.roll("bank");
    EXPECT_EQ(ask("SELECT string_agg(id, ' ' ORDER BY tarn_seq) FROM bank.quarantine").value(), "qr-2 qr-3");
}

TEST_F(WorkerTest, SameAnswerWhereverTheEventsStand) {
    lake.create("bank", {.partitions = 4});
    std::vector<std::string> payloads;
    for (int i = 0; i < 500; ++i) payloads.push_back(deposit(i));
    for (Partition partition = 0; partition < 4; ++partition) lake.put("bank", payloads, partition);
    const std::string sql =
        "SELECT md5(string_agg(tarn_partition || ':' || tarn_offset || tarn_hash || id || (data ->> "
        "'TargetAccount'), ',' ORDER BY tarn_seq)) FROM bank.events";
    const std::string before = ask(sql).value();
    EXPECT_EQ(before.size(), 32u) << before;
    lake.roll("bank");
    EXPECT_EQ(ask(sql).value(), before);
    EXPECT_EQ(ask("SELECT count(*) FROM bank.events a JOIN bank.events b USING (tarn_seq)").value(), "2000");
    // Branches of a union may run side by side.
    const Answer both =
        ask("SELECT count(*) FROM (SELECT id FROM bank.events UNION ALL SELECT id FROM bank.events UNION ALL "
            "SELECT id FROM bank.quarantine)");
    EXPECT_EQ(both.value(), "4000");
    ASSERT_TRUE(both.end);
    EXPECT_EQ(both.end->events_read, 4000u);
    EXPECT_EQ(both.end->positions.dump(), R"({"bank":{"0":499,"1":499,"2":499,"3":499}})");
}

TEST_F(WorkerTest, DamageIsSkippedAndSaid) {
    const StreamId bank = lake.create("bank");
    std::vector<std::string> payloads;
    for (int i = 0; i < 200; ++i) payloads.push_back(deposit(i));
    lake.put("bank", payloads);
    lake.roll("bank");
    lake.put("bank", {deposit(1000)});
    const auto objects = TestLake::take(lake.catalog->objects(bank));
    ASSERT_EQ(objects.size(), 1u);
    const auto file =
        TestLake::take(lake.fs->open(lake.store->local_path(objects[0].name), os::OpenMode::read_write));
    TestLake::must(file->write_at(40, "damage"));
    const Answer answer = ask("SELECT count(*) FROM bank.events");
    ASSERT_FALSE(answer.error) << answer.error->text();
    EXPECT_EQ(answer.value(), "1");
    ASSERT_TRUE(answer.end);
    ASSERT_FALSE(answer.end->why.empty());
    EXPECT_NE(answer.end->why[0].find(objects[0].name), std::string::npos) << answer.end->why[0];
}

// What strict JSON allows must not make a stream unreadable.
TEST_F(WorkerTest, OddButValidJsonDoesNotStopAQuery) {
    lake.create("bank");
    lake.put("bank",
             {R"({"a":"\ud800"})", R"({"a":1e999})", R"({"a":"x\u0000y"})", R"([1])", "7", "\r\n{\"a\":\n5}",
              R"({"a":123456789012345678901234567890})", std::string(100, '[') + std::string(100, ']')});
    EXPECT_EQ(ask("SELECT count(*) FROM bank.events WHERE tarn_offset >= 0").value(), "8");
    EXPECT_EQ(ask("SELECT string_agg(data ->> 'a', '|' ORDER BY tarn_seq) FROM bank.events").value(),
              std::string("\xef\xbf\xbd|1e999|x") + '\0' + "y|5|123456789012345678901234567890");
    const Answer whole = ask("SELECT data FROM bank.events");
    EXPECT_EQ(whole.rows.size(), 8u);
    for (const Row& row : whole.rows) EXPECT_EQ(row[0].find_first_of("\r\n"), std::string::npos);
}

TEST_F(WorkerTest, TheSystemStreamIsATableToo) {
    lake.put("_tarn", {R"({"what":"created"})"});
    EXPECT_EQ(ask("SELECT data ->> 'what' FROM _tarn.events", {"_tarn"}).value(), "created");
}

TEST_F(WorkerTest, UnknownTablesGetAHint) {
    lake.create("bank");
    const Answer answer = ask("SELECT * FROM bnk.events");
    ASSERT_TRUE(answer.error);
    EXPECT_EQ(answer.error->code, Code::sql_invalid);
    EXPECT_EQ(answer.error->next, "tables there are: bank.events, bank.quarantine, shop.events");
    EXPECT_FALSE(answer.end);
}

TEST_F(WorkerTest, NothingElseThanASelectRuns) {
    lake.create("bank");
    for (const char* sql : {"COPY bank.events TO '/tmp/tarn-never.csv'", "SELECT 1; SELECT 2",
                            "SET threads = 1", "DELETE FROM bank.events"})
        EXPECT_EQ(ask(sql).error.value().code, Code::sql_not_select) << sql;
    EXPECT_EQ(ask("SELECT * FROM read_csv('/etc/passwd')").error.value().code, Code::sql_invalid);
}

}  // namespace
}  // namespace tarn::query
