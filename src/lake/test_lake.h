// A lake on a file system of the test's choice, with a naive model of what must be in it. The catalog is a
// real SQLite file.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "lake/baseline.h"
#include "lake/lake.h"
#include "lake/test_events.h"
#include "os/clock.h"

namespace tarn::lake {

// A folder for catalogs, gone with the object.
class TestFolder {
public:
    TestFolder() {
        static int made = 0;
        path_ = fmt::format("{}lake-{}-{}", ::testing::TempDir(), ::getpid(), ++made);
        std::filesystem::create_directories(path_);
    }
    ~TestFolder() { std::filesystem::remove_all(path_); }
    TestFolder(const TestFolder&) = delete;
    TestFolder& operator=(const TestFolder&) = delete;
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }

private:
    std::string path_;
};

// Catalog, log, store and lake of one data directory. The log is driven by hand unless `threads`.
struct TestLake {
    os::FileSystem& fs;
    os::Clock& clock;
    std::string wal = "wal";
    std::unique_ptr<catalog::Catalog> catalog;
    std::unique_ptr<log::Log> log;
    std::unique_ptr<objects::ObjectStore> store;
    std::unique_ptr<Lake> lake;

    TestLake(os::FileSystem& fs, os::Clock& clock) : fs(fs), clock(clock) {}
    ~TestLake() { close(); }

    // Power cuts happen on the simulated disk only, so that the catalog need not wait for the real one.
    Status open(const std::string& catalog_path, const std::string& root = "", bool threads = false) {
        wal = os::join(root, "wal");
        TARN_ASSIGN(catalog, catalog::Catalog::open(catalog_path, {.sync = false}));
        TARN_ASSIGN(log::Baseline baseline, baseline_of(*catalog));
        log::LogOptions options;
        options.segment_bytes = 64 << 10;
        options.headroom_bytes = 0;
        options.low_water_bytes = 0;
        options.writer_thread = threads;
        TARN_ASSIGN(log, log::Log::open(fs, clock, wal, std::move(baseline), options));
        store = objects::make_local_object_store(fs, os::join(root, "lake"));
        TARN_ASSIGN(lake, Lake::open(*catalog, *log, *store, fs, clock));
        return {};
    }
    void close() {
        lake.reset();
        store.reset();
        log.reset();
        catalog.reset();
    }

    Result<log::Appended> append(const log::Batch& batch) {
        std::optional<Result<log::Appended>> answer;
        log->submit(batch, [&](Result<log::Appended> given) { answer = std::move(given); });
        log->commit();
        if (!answer) return fail(Code::internal, "no answer after commit");
        return std::move(*answer);
    }

    Result<std::vector<TestEvent>> read(Result<StreamView> view, ScanOptions options = {}) {
        if (!view) return fail(view.error());
        TARN_ASSIGN(const auto scan, lake->scan(std::move(*view), std::move(options)));
        std::vector<TestEvent> events;
        for (;;) {
            TARN_ASSIGN(const event::StoredEvent* found, scan->next());
            if (found == nullptr) break;
            EXPECT_EQ(found->hash, codec::xxh3_128(found->payload));
            events.push_back(copy_of(*found));
        }
        EXPECT_EQ(scan->counts().events, events.size());
        return events;
    }
    Result<std::vector<TestEvent>> read(std::string_view stream, ScanOptions options = {}) {
        return read(lake->view(stream), std::move(options));
    }
};

// What was acknowledged, in the order of sequences.
class Model {
public:
    void add(const log::Batch& batch, const log::Appended& answer) {
        std::map<Partition, Offset> next;
        for (const log::Range& range : answer.ranges) next[range.partition] = range.first;
        Sequence sequence = answer.first_sequence;
        for (const log::Entry& entry : batch.entries) {
            TestEvent event{entry.partition,         next[entry.partition]++,    sequence++, answer.ingested,
                            std::string(entry.meta), std::string(entry.payload), entry.form};
            events_[batch.stream].push_back(std::move(event));
        }
    }
    template <typename Predicate>
    std::vector<TestEvent> events(StreamId stream, Predicate&& predicate) const {
        std::vector<TestEvent> taken;
        const auto found = events_.find(stream);
        if (found != events_.end()) std::ranges::copy_if(found->second, std::back_inserter(taken), predicate);
        return taken;
    }
    std::vector<TestEvent> events(StreamId stream) const {
        return events(stream, [](const TestEvent& event) { return event.partition != quarantine_partition; });
    }
    std::vector<TestEvent> quarantine(StreamId stream) const {
        return events(stream, [](const TestEvent& event) { return event.partition == quarantine_partition; });
    }

private:
    std::map<StreamId, std::vector<TestEvent>> events_;
};

// A batch and the events its views point into.
struct OwnedBatch {
    std::vector<TestEvent> events;
    log::Batch batch;
};

inline OwnedBatch random_batch(os::Rng& rng, StreamId stream, std::uint32_t partitions,
                               std::size_t most_events, std::size_t most_bytes) {
    OwnedBatch made;
    made.batch.stream = stream;
    const std::size_t count = 1 + rng.below(most_events);
    for (std::size_t i = 0; i < count; ++i) {
        TestEvent event = random_event(rng, most_bytes);
        event.partition =
            rng.below(12) == 0 ? quarantine_partition : static_cast<Partition>(rng.below(partitions));
        made.events.push_back(std::move(event));
    }
    for (const TestEvent& event : made.events)
        made.batch.entries.push_back(
            {event.partition, event.meta, event.payload, event.form, codec::xxh3_128(event.payload)});
    return made;
}

}  // namespace tarn::lake
