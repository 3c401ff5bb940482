#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "capture/capture.h"
#include "capture/fakes.h"
#include "codec/packing_for_tests.h"
#include "os/real_file_system.h"

namespace tarn::capture {
namespace {

using codec::gzip;
using codec::zstd_frame;
using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::HasSubstr;
using testing::IsEmpty;

std::string event_line(std::size_t n) {
    return "{\"n\":" + std::to_string(n) + ",\"text\":\"" + std::string(n % 50, 't') + "\"}";
}

std::vector<std::string> event_lines(std::size_t count) {
    std::vector<std::string> lines;
    for (std::size_t i = 0; i < count; ++i) lines.push_back(event_line(i));
    return lines;
}

std::string joined(const std::vector<std::string>& lines) {
    std::string out;
    for (const std::string& line : lines) out += line + "\n";
    return out;
}

class ImportFiles : public testing::Test {
protected:
    ImportFiles() : ImportFiles(false) {}
    explicit ImportFiles(bool threaded) : log_(threaded) {
        std::filesystem::remove_all(root_);
        std::filesystem::create_directories(root_);
        event::StreamSettings settings;
        settings.partitions = 3;
        catalog_.add("orders", settings, 7);
        settings.partitions = 1;
        settings.name_pattern = R"((?P<type>.+)_(?P<id>[^_]+)\.event$)";
        settings.mapping.type = {{event::Rule::From::name_group, "type", {}}};
        settings.mapping.id = {{event::Rule::From::name_group, "id", {}}};
        catalog_.add("bank", settings, 8);
    }
    ~ImportFiles() override { std::filesystem::remove_all(root_); }

    std::string path(const std::string& name) const { return root_ + "/" + name; }
    void write(const std::string& name, std::string_view bytes) {
        std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
        auto file = fs_->open(path(name), os::OpenMode::create);
        ASSERT_TRUE(file);
        ASSERT_TRUE((*file)->truncate(0));
        ASSERT_TRUE((*file)->write_at(0, bytes));
    }

    Result<ImportCounts> import(ImportRequest request) {
        last_ = {};
        auto result = capture_->import(request, stop_, [&](const ImportCounts& counts) {
            EXPECT_EQ(counts.read, counts.accepted + counts.quarantined + counts.skipped);
            last_ = counts;
        });
        return result;
    }
    Result<ImportCounts> import(const std::string& source, const std::string& stream = "orders") {
        ImportRequest request;
        request.stream = stream;
        request.sources = {source.empty() ? root_ : path(source)};
        return import(request);
    }
    void expect_counts(const Result<ImportCounts>& result, std::uint64_t accepted, std::uint64_t quarantined,
                       std::uint64_t skipped) {
        ASSERT_TRUE(result) << result.error().text();
        EXPECT_EQ(result->accepted, accepted);
        EXPECT_EQ(result->quarantined, quarantined);
        EXPECT_EQ(result->skipped, skipped);
        EXPECT_EQ(result->read, accepted + quarantined + skipped);
        EXPECT_EQ(last_.read, result->read) << "the last progress says the same";
    }

    std::string root_ = testing::TempDir() + "tarn-import-" +
                        testing::UnitTest::GetInstance()->current_test_info()->name() + "-" +
                        std::to_string(::getpid());
    FakeLog log_;
    FakeCatalog catalog_;
    std::unique_ptr<os::FileSystem> fs_ = os::make_real_file_system();
    std::unique_ptr<os::Clock> clock_ = os::make_real_clock();
    std::atomic<bool> stop_{false};
    std::unique_ptr<Capture> capture_ = Capture::make({catalog_, log_, *fs_, *clock_});
    ImportCounts last_;
};

TEST_F(ImportFiles, LinesAreTakenInOrderAndASecondRunTakesNothing) {
    const auto lines = event_lines(5000);
    write("a.ndjson", joined(lines));
    expect_counts(import("a.ndjson"), 5000, 0, 0);
    EXPECT_EQ(log_.accepted(), lines);
    EXPECT_EQ(log_.batches, 1u);
    expect_counts(import("a.ndjson"), 0, 0, 5000);
    EXPECT_EQ(log_.stored.size(), 5000u);
}

TEST_F(ImportFiles, AgainTakesAllOnceMore) {
    write("a.ndjson", "1\n2\n3");
    expect_counts(import("a.ndjson"), 3, 0, 0);
    ImportRequest request;
    request.stream = "orders";
    request.sources = {path("a.ndjson")};
    request.again = true;

    expect_counts(import(request), 3, 0, 0);
    expect_counts(import("a.ndjson"), 0, 0, 3);
}

TEST_F(ImportFiles, BadRecordsGoToQuarantineWithFileLineAndColumn) {
    write("a.ndjson", "{\"a\":1}\r\n\n{\"a\":}\r\n\xff\n{\"a\":2}");
    expect_counts(import("a.ndjson"), 2, 2, 0);
    EXPECT_EQ(last_.empty_lines, 1u);
    EXPECT_THAT(log_.accepted(), ElementsAre("{\"a\":1}\r", "{\"a\":2}"));
    EXPECT_THAT(log_.quarantined(), ElementsAre("{\"a\":}\r", "\xff"));
    EXPECT_THAT(log_.stored.at(1).meta, HasSubstr(path("a.ndjson") + ":3:"));
    expect_counts(import("a.ndjson"), 0, 0, 4);
}

TEST_F(ImportFiles, AFileThatGrewGivesItsNewRecordsOnly) {
    const auto lines = event_lines(3000);
    write("a.ndjson", joined({lines.begin(), lines.begin() + 1500}));
    expect_counts(import("a.ndjson"), 1500, 0, 0);
    write("a.ndjson", joined(lines));
    expect_counts(import("a.ndjson"), 1500, 0, 1500);
    EXPECT_EQ(log_.accepted(), lines);
}

TEST_F(ImportFiles, ALastLineWithoutItsEndIsTakenOnceWhenTheFileGrows) {
    write("a.ndjson", "1\n2\n3");
    expect_counts(import("a.ndjson"), 3, 0, 0);
    expect_counts(import("a.ndjson"), 0, 0, 3);
    write("a.ndjson", "1\n2\n3\n4\n5");
    expect_counts(import("a.ndjson"), 2, 0, 3);
    write("a.ndjson", "1\n2\n3\n4\n5\n");
    expect_counts(import("a.ndjson"), 0, 0, 5);
    EXPECT_THAT(log_.accepted(), ElementsAre("1", "2", "3", "4", "5"));
}

TEST_F(ImportFiles, ALineSeenHalfWrittenIsTakenWholeLater) {
    write("a.ndjson", "1\n{\"n\":");
    expect_counts(import("a.ndjson"), 1, 1, 0);
    write("a.ndjson", "1\n{\"n\":2}\n3\n");
    expect_counts(import("a.ndjson"), 2, 0, 1);
    EXPECT_THAT(log_.accepted(), ElementsAre("1", "{\"n\":2}", "3"));
}

TEST_F(ImportFiles, AChangedFileIsAnotherSource) {
    write("a.ndjson", "1\n2\n3\n");
    expect_counts(import("a.ndjson"), 3, 0, 0);
    write("a.ndjson", "1\n9\n3\n");
    expect_counts(import("a.ndjson"), 3, 0, 0);
    expect_counts(import("a.ndjson"), 0, 0, 3);
    write("a.ndjson", "1\n2\n3\n4\n");
    expect_counts(import("a.ndjson"), 1, 0, 3);
    write("a.ndjson", "8\n");
    expect_counts(import("a.ndjson"), 1, 0, 0);
}

TEST_F(ImportFiles, AnArrayOfAnySizeIsCutIntoItsElements) {
    const auto lines = event_lines(4000);
    std::string bytes = "[\n";
    for (std::size_t i = 0; i < lines.size(); ++i) bytes += (i == 0 ? "  " : ",\n  ") + lines[i];
    write("a.json", bytes + "\n]\n");
    expect_counts(import("a.json"), 4000, 0, 0);
    EXPECT_EQ(log_.accepted(), lines);
    expect_counts(import("a.json"), 0, 0, 4000);
}

TEST_F(ImportFiles, ABadElementIsQuarantinedAlone) {
    write("a.json", "[{\"a\":1},\n {\"a\":01},\n {\"a\":2}]");
    expect_counts(import("a.json"), 2, 1, 0);
    EXPECT_THAT(log_.quarantined(), ElementsAre("{\"a\":01}"));
    EXPECT_THAT(log_.stored.at(1).meta, HasSubstr(path("a.json") + ":2:"));
}

TEST_F(ImportFiles, TheRestOfABrokenArrayIsOneRecordAndIsTakenWholeAfterRepair) {
    write("a.json", "[{\"a\":1},{\"a\":2},\n{\"a\":");
    expect_counts(import("a.json"), 2, 1, 0);
    EXPECT_THAT(log_.quarantined(), ElementsAre(",\n{\"a\":"));
    EXPECT_THAT(log_.stored.at(2).meta, HasSubstr(path("a.json") + ":2:6"));
    expect_counts(import("a.json"), 0, 0, 3);
    write("a.json", "[{\"a\":1},{\"a\":2},\n{\"a\":3}]");
    expect_counts(import("a.json"), 1, 0, 2);
    EXPECT_THAT(log_.accepted(), ElementsAre("{\"a\":1}", "{\"a\":2}", "{\"a\":3}"));
}

TEST_F(ImportFiles, RecordsInsideDocumentsAreCutOut) {
    write("t/1.json", R"({"Records":[{"eventName":"A"}, {"eventName":"B"}]})");
    write("t/2.json", R"({"Records":[]})");
    write("t/3.json", R"({"records":[1]})");
    ImportRequest request;
    request.stream = "orders";
    request.sources = {path("t")};
    request.records = "Records";

    expect_counts(import(request), 2, 1, 0);
    EXPECT_THAT(log_.accepted(), ElementsAre(R"({"eventName":"A"})", R"({"eventName":"B"})"));
    EXPECT_THAT(log_.quarantined(), ElementsAre(R"({"records":[1]})"));
}

TEST_F(ImportFiles, OneFileIsOneEventWithAttributesFromItsName) {
    write("d1/cash_deposit_01.event", "{\n \"Amount\": \"1.00\"\n}\n");
    write("d1/cash_deposit_02.event.gz", gzip("{\"Amount\":\"2.00\"}"));
    write("d2/verify_cash_deposit_01.event", "{\"Amount\": [\"a\":1]}");
    write("d2/notes.txt", "{}");
    write("d2/cash_deposit_03.event", "");
    expect_counts(import("", "bank"), 2, 3, 0);
    EXPECT_THAT(log_.accepted(), ElementsAre("{\n \"Amount\": \"1.00\"\n}\n", "{\"Amount\":\"2.00\"}"));
    EXPECT_THAT(log_.stored.at(0).meta, HasSubstr("\"cash_deposit\""));
    EXPECT_THAT(log_.stored.at(1).meta, HasSubstr("\"02\""));
    EXPECT_THAT(log_.quarantined(), ElementsAre("", "{}", "{\"Amount\": [\"a\":1]}"));
    EXPECT_THAT(log_.stored.at(2).meta, HasSubstr("empty_body"));
    EXPECT_THAT(log_.stored.at(3).meta, HasSubstr("name_mismatch"));
    expect_counts(import("", "bank"), 0, 0, 5);
    write("d1/cash_deposit_01.event", "{\"Amount\":\"1.01\"}");
    write("d3/cash_deposit_04.event", "{\"Amount\":\"4.00\"}");
    expect_counts(import("", "bank"), 2, 0, 4);
}

TEST_F(ImportFiles, LinesInAStreamWithANamePatternNeedNoFittingName) {
    write("dump.ndjson", "{\"a\":1}\n{\"a\":2}\n");
    expect_counts(import("dump.ndjson", "bank"), 2, 0, 0);
}

TEST_F(ImportFiles, ARequestBringsItsOwnNamePattern) {
    write("x-17.json", "{\"a\":1}");
    ImportRequest request;
    request.stream = "bank";
    request.sources = {path("x-17.json")};
    request.format = "file-per-event";
    request.name_pattern = R"((?P<type>.+)-(?P<id>[0-9]+)\.json$)";

    expect_counts(import(request), 1, 0, 0);
    EXPECT_THAT(log_.stored.at(0).meta, HasSubstr("\"17\""));
    request.name_pattern = "(";
    ASSERT_FALSE(import(request));
    EXPECT_EQ(import(request).error().code, Code::bad_config);
}

TEST_F(ImportFiles, DirectoriesAndGlobsAreReadInByteOrderOfTheirPaths) {
    for (const char* name :
         {"b/2.json", "b/10.json", "a.json", "b.json", "B/1.json", "b/c/d/3.json", "b/.hidden.json"})
        write(name, "\"" + std::string(name) + "\"\n");
    expect_counts(import(""), 7, 0, 0);
    EXPECT_THAT(log_.accepted(), ElementsAre("\"B/1.json\"", "\"a.json\"", "\"b.json\"", "\"b/.hidden.json\"",
                                             "\"b/10.json\"", "\"b/2.json\"", "\"b/c/d/3.json\""));
    const auto matched = [&](const std::string& glob) {
        log_.stored.clear();
        ImportRequest request;
        request.stream = "orders";
        request.sources = {path(glob), path(glob)};
        request.again = true;

        EXPECT_TRUE(import(request));
        return log_.accepted();
    };
    EXPECT_THAT(matched("b/*.json"), ElementsAre("\"b/10.json\"", "\"b/2.json\""));
    EXPECT_THAT(matched("b/?.json"), ElementsAre("\"b/2.json\""));
    EXPECT_THAT(matched("[ab].json"), ElementsAre("\"a.json\"", "\"b.json\""));
    EXPECT_THAT(matched("**/*.json"), ElementsAre("\"B/1.json\"", "\"a.json\"", "\"b.json\"", "\"b/10.json\"",
                                                  "\"b/2.json\"", "\"b/c/d/3.json\""));
    EXPECT_THAT(matched("**/c/**"), ElementsAre("\"b/c/d/3.json\""));
    EXPECT_THAT(matched("?/c"), ElementsAre("\"b/c/d/3.json\""));
}

TEST_F(ImportFiles, PackedFilesAreUnpackedByTheirContent) {
    const auto lines = event_lines(3000);
    const std::vector<std::string> head(lines.begin(), lines.begin() + 1000),
        rest(lines.begin() + 1000, lines.end());
    write("a.gz", gzip(joined(head)) + gzip(joined(rest)));
    write("b", zstd_frame(joined(head)) + zstd_frame(joined(rest)));
    expect_counts(import(""), 6000, 0, 0);
    std::vector<std::string> twice = lines;
    twice.insert(twice.end(), lines.begin(), lines.end());
    EXPECT_EQ(log_.accepted(), twice);
    expect_counts(import(""), 0, 0, 6000);
}

TEST_F(ImportFiles, ATruncatedArchiveGivesWhatItHoldsTheOthersGoOnAndItIsNamed) {
    // Text that does not pack well, so that half of the bytes hold about half of the lines.
    std::mt19937 random(7);
    std::vector<std::string> lines;
    for (int i = 0; i < 20000; ++i)
        lines.push_back("\"" + std::to_string(random()) + std::to_string(random()) + "\"");
    const std::string packed = gzip(joined(lines));
    write("a.ndjson.gz", packed.substr(0, packed.size() / 2));
    write("b.ndjson", "1\n2\n");
    ImportRequest request;
    request.stream = "orders";
    request.sources = {root_, path("gone.ndjson"), path("x*y")};

    const auto result = import(request);
    ASSERT_FALSE(result);
    EXPECT_THAT(result.error().message, HasSubstr("a.ndjson.gz"));
    EXPECT_THAT(result.error().message, HasSubstr("gone.ndjson"));
    EXPECT_THAT(result.error().message, HasSubstr("3 of 4"));
    EXPECT_GT(last_.accepted, 1000u);
    EXPECT_EQ(last_.quarantined, 0u) << "a line that the damage cut is not a record";
    const auto taken = last_.accepted;

    write("a.ndjson.gz", packed);
    expect_counts(import(""), 20000 + 2 - taken, 0, taken);
    const auto accepted = log_.accepted();
    EXPECT_EQ(std::set<std::string>(accepted.begin(), accepted.end()).size(), accepted.size());
}

TEST_F(ImportFiles, NamesThatAreNotTextAreTakenAndShownAsText) {
    write("bad\xff.ndjson", "1\n{\n");
    expect_counts(import("bad\xff.ndjson"), 1, 1, 0);
    const auto result = import("gone\xff");
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().message.find('\xff'), std::string::npos);
}

TEST_F(ImportFiles, AKeyForAllEventsDecidesThePartition) {
    write("a.ndjson", "1\n2\n");
    ImportRequest request;
    request.stream = "orders";
    request.sources = {path("a.ndjson")};
    request.key = "abc";
    expect_counts(import(request), 2, 0, 0);
    EXPECT_THAT(log_.payloads(event::partition_of("abc", 3)), ElementsAre("1", "2"));
}

TEST_F(ImportFiles, OnlyFailedSourcesSayWhatKindOfFailure) {
    const std::string packed = gzip(joined(event_lines(100)));
    write("a.gz", packed.substr(0, packed.size() - 5));
    EXPECT_EQ(import("a.gz").error().code, Code::truncated_archive);
    EXPECT_EQ(import("gone").error().code, Code::unreadable_source);
    EXPECT_EQ(import("gone*").error().code, Code::unreadable_source);
}

TEST_F(ImportFiles, ADamagedArchiveIsNamedAndTheOthersGoOn) {
    write("x/a.ndjson", "1\n");
    for (const char* name : {"x/b.tar", "x/b.tar.gz", "x/b.zip"}) {
        write(name, "?");
        const auto result = import("x");
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code, Code::truncated_archive);
        EXPECT_THAT(result.error().message, HasSubstr(name));
        EXPECT_EQ(last_.read, 1u);
        EXPECT_EQ(last_.failed, 1u);
        ASSERT_EQ(last_.named_failures.size(), 1u);
        EXPECT_EQ(last_.named_failures[0].place.source, path(name));
        std::filesystem::remove(path(name));
    }
    EXPECT_EQ(log_.batches, 1u);
}

TEST_F(ImportFiles, LinesBeyondTheLimitAreQuarantinedWhole) {
    const std::string larger = "\"" + std::string((1 << 20) - 1, 'x') + "\"";
    const std::string largest = "\"" + std::string((1 << 20) - 2, 'x') + "\"";
    write("a.ndjson", "1\n" + larger + "\n" + largest + "\n2\n");
    expect_counts(import("a.ndjson"), 3, 1, 0);
    EXPECT_THAT(log_.quarantined(), ElementsAre(larger));
}

TEST_F(ImportFiles, KilledAnywhereAndRunAgainEachRecordIsTakenOnce) {
    const auto lines = event_lines(39100);
    write("a/1.ndjson", joined({lines.begin(), lines.begin() + 14200}));
    write("a/2.ndjson", joined({lines.begin() + 14200, lines.begin() + 14201}));
    std::string array = "[";
    for (std::size_t i = 14201; i < 39000; ++i) array += (i == 14201 ? "" : ",") + lines[i];
    write("a/3.json", array + "]");
    for (std::size_t i = 39000; i < 39100; ++i) write("a/4/" + std::to_string(i), lines[i]);
    // A batch more each time, like a process that is killed a little later each time.
    std::uint64_t taken = 0;
    for (int kills = 0; kills < 600; ++kills) {
        log_.batches_until_failure = log_.batches + 1;
        const auto result = import("a");
        taken += last_.accepted;
        if (result) break;
        ASSERT_EQ(result.error().code, Code::log_poisoned);
        EXPECT_THAT(result.error().next, HasSubstr("nothing is taken twice"));
    }
    EXPECT_EQ(taken, 39100u);
    EXPECT_EQ(log_.accepted(), lines);
}

TEST_F(ImportFiles, AnOverloadedLogIsAskedAgain) {
    write("a.ndjson", joined(event_lines(2500)));
    log_.overloads = 3;
    expect_counts(import("a.ndjson"), 2500, 0, 0);
    EXPECT_EQ(log_.accepted(), event_lines(2500));
}

TEST_F(ImportFiles, StopEndsAtACheckpointAndSaysHowToGoOn) {
    write("a.ndjson", joined(event_lines(5000)));
    ImportRequest request;
    request.stream = "orders";
    request.sources = {path("a.ndjson")};

    stop_ = true;
    const auto result = import(request);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Code::interrupted);
    EXPECT_EQ(result.error().next, "run the same command again: nothing is taken twice");
    stop_ = false;
    expect_counts(import(request), 5000, 0, 0);
}

TEST_F(ImportFiles, RequestsThatCannotWorkAreRefused) {
    write("a.ndjson", "1\n");
    ImportRequest request;
    request.stream = "orders";
    request.sources = {path("a.ndjson")};
    request.format = "csv";

    EXPECT_EQ(import(request).error().code, Code::bad_usage);
    request.format = "ndjson";
    request.records = "Records";
    EXPECT_EQ(import(request).error().code, Code::bad_usage);
    request.records = "";
    request.stream = "_tarn";
    EXPECT_EQ(import(request).error().code, Code::bad_stream_name);
    request.stream = "nowhere";
    EXPECT_EQ(import(request).error().code, Code::unknown_stream);
}

TEST_F(ImportFiles, ProgressEndsWithEverythingCounted) {
    write("a.ndjson", "1\n\n2\n");
    write("b.ndjson", "x\n");
    ASSERT_TRUE(import(""));
    EXPECT_EQ(last_.files, 2u);
    EXPECT_EQ(last_.files_total, 2u);
    EXPECT_EQ(last_.bytes, 7u);
    EXPECT_EQ(last_.empty_lines, 1u);
}

class ImportBesideAWriter : public ImportFiles {
protected:
    ImportBesideAWriter() : ImportFiles(true) {}
};

TEST_F(ImportBesideAWriter, OrderIsKeptAndNothingIsLostWithManyBatchesUnderWay) {
    const auto lines = event_lines(60000);
    write("a.ndjson", joined(lines));
    expect_counts(import("a.ndjson"), 60000, 0, 0);
    EXPECT_EQ(log_.accepted(), lines);
    EXPECT_FALSE(log_.overlapped) << "a file's next batch must wait until the one before is durable";
}

TEST_F(ImportBesideAWriter, ABatchThatFailsWhileLaterOnesSucceedIsNotLost) {
    const auto lines = event_lines(30000);
    write("1.ndjson", joined({lines.begin(), lines.begin() + 20000}));
    for (std::size_t i = 20000; i < 20100; ++i) write("f/" + std::to_string(i), lines[i]);
    for (const std::size_t batches_before : {2, 9}) {
        log_.full_at = log_.submits + batches_before;
        const auto result = import("");
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code, Code::disk_full);
    }
    log_.full_at = SIZE_MAX;
    ASSERT_TRUE(import(""));
    auto accepted = log_.accepted();
    std::ranges::sort(accepted);
    std::vector<std::string> expected(lines.begin(), lines.begin() + 20100);
    std::ranges::sort(expected);
    EXPECT_EQ(accepted, expected);
}

TEST_F(ImportBesideAWriter, ManySmallFilesAreTakenInOrder) {
    std::vector<std::string> lines;
    for (int i = 1000; i < 2500; ++i) {
        lines.push_back("{\"n\":" + std::to_string(i) + "}");
        write("f/cash_deposit_" + std::to_string(i) + ".event", lines.back());
    }
    expect_counts(import("f", "bank"), 1500, 0, 0);
    EXPECT_EQ(log_.accepted(), lines);
    expect_counts(import("f", "bank"), 0, 0, 1500);
}

TEST(ImportRequest, IsReadStrictlyAndWrittenBack) {
    const auto json = codec::Json::parse(
        R"({"stream":"bank","sources":["a","b/*"],"format":"ndjson","name_pattern":"x","again":true})");
    const auto request = ImportRequest::from_json(*json);
    ASSERT_TRUE(request);
    EXPECT_THAT(request->sources, ElementsAre("a", "b/*"));
    EXPECT_TRUE(request->again);
    EXPECT_EQ(request->to_json(), *json);
    for (const char* bad : {"[]", "{}", R"({"stream":"a"})", R"({"stream":"a","sources":[]})",
                            R"({"stream":"a","sources":[1]})", R"({"stream":"a","sources":["x"],"nope":1})",
                            R"({"stream":"a","sources":["x"],"again":1})"})
        EXPECT_FALSE(ImportRequest::from_json(*codec::Json::parse(bad))) << bad;
}

}  // namespace
}  // namespace tarn::capture
