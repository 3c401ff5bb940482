// A small real lake in a temporary directory: events go through derivation and the log, rolls make objects.
#pragma once

#include <gtest/gtest.h>

#include <stdexcept>

#include "codec/hash.h"
#include "event/derive.h"
#include "lake/lake.h"
#include "os/real_file_system.h"

namespace tarn::query {

struct TestLake {
    explicit TestLake(const std::string& name)
        : directory(testing::TempDir() + "tarn-query-" + name + "-" + unique()) {
        fs = os::make_real_file_system();
        must(fs->make_directories(directory));
        catalog = take(catalog::Catalog::open(directory + "/catalog.db"));
        log =
            take(log::Log::open(*fs, *clock, directory + "/wal", {},
                                {.segment_bytes = 1 << 20, .headroom_bytes = 1 << 16, .low_water_bytes = 0}));
        store = objects::make_local_object_store(*fs, directory + "/lake");
        lake = take(lake::Lake::open(*catalog, *log, *store, *fs, *clock));
    }
    ~TestLake() { remove_tree(directory); }
    TestLake(const TestLake&) = delete;
    TestLake& operator=(const TestLake&) = delete;

    StreamId create(const std::string& name, event::StreamSettings settings = {}) {
        return take(catalog->create_stream(name, settings, clock->now())).id;
    }

    // Captures payloads into partition 0; what does not derive goes to quarantine, as capture does it.
    void put(const std::string& stream, const std::vector<std::string>& payloads, Partition partition = 0) {
        const auto info = take(catalog->stream(stream));
        const auto deriver = take(event::Deriver::make(info.name, info.settings));
        std::vector<std::string> metas;
        metas.reserve(payloads.size());
        log::Batch batch{.stream = info.id};
        for (const auto& payload : payloads) {
            auto derived = deriver->derive({.payload = payload});
            const bool good = derived.has_value();
            metas.push_back(good ? derived->meta
                                 : event::quarantine_meta(derived.error(), "deposits.ndjson", clock->now()));
            batch.entries.push_back({.partition = good ? partition : quarantine_partition,
                                     .meta = metas.back(),
                                     .payload = payload,
                                     .form = good ? derived->form : event::form_of_bytes(payload),
                                     .hash = codec::xxh3_128(payload)});
        }
        must(log->append(batch));
    }

    void roll(const std::string& stream) { must(lake->roll(take(catalog->stream(stream)).id)); }

    template <typename T>
    static T take(Result<T> result) {
        if (!result) throw std::runtime_error(result.error().text());
        return std::move(*result);
    }
    template <typename T>
    static void must(const T& result) {
        if (!result) throw std::runtime_error(result.error().text());
    }

    std::string directory;
    std::unique_ptr<os::Clock> clock = os::make_real_clock();
    std::unique_ptr<os::FileSystem> fs;
    std::unique_ptr<catalog::Catalog> catalog;
    std::unique_ptr<log::Log> log;
    std::unique_ptr<objects::ObjectStore> store;
    std::unique_ptr<lake::Lake> lake;

private:
    static std::string unique() { return std::to_string(os::make_real_clock()->monotonic_us()); }
    void remove_tree(const std::string& path) {
        const auto entries = fs->list(path);
        if (entries)
            for (const auto& entry : *entries) {
                if (entry.is_directory)
                    remove_tree(os::join(path, entry.name));
                else
                    (void)fs->remove(os::join(path, entry.name));
            }
        (void)fs->remove(path);
    }
};

}  // namespace tarn::query
