// One thread appends, one rolls, several scan: every scan sees a dense beginning of the stream, at least up
// to what was acknowledged when it began.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "lake/test_lake.h"
#include "os/real_file_system.h"

namespace tarn::lake {
namespace {

struct LakeConcurrency : ::testing::Test {
    static constexpr int batches = 250;
    static constexpr std::size_t batch_events = 20;

    TestFolder folder;
    std::unique_ptr<os::FileSystem> fs = os::make_real_file_system();
    std::unique_ptr<os::Clock> clock = os::make_real_clock();
    TestLake at{*fs, *clock};
    StreamId bank;
    std::atomic<Sequence> acknowledged = 0;
    std::atomic<bool> done = false;

    void append_all() {
        const std::string payload = "\"" + std::string(500, 'x') + "\"";
        for (int i = 0; i < batches; ++i) {
            log::Batch batch{bank, {}, {}};
            for (std::size_t e = 0; e < batch_events; ++e)
                batch.entries.push_back({static_cast<Partition>(e % 3), R"("attributes":{"type":"t"})",
                                         payload, event::PayloadForm::json, codec::xxh3_128(payload)});
            const auto answer = at.log->append(batch);
            ASSERT_TRUE(answer) << answer.error().text();
            acknowledged = answer->first_sequence + answer->events - 1;
        }
    }
    void scan_once(bool in_sequence) {
        const Sequence at_least = acknowledged;
        auto view = at.lake->view("bank");
        ASSERT_TRUE(view) << view.error().text();
        const auto scan = at.lake->scan(std::move(*view), {.in_sequence = in_sequence});
        std::map<Partition, Offset> next;
        Sequence last = 0;
        Sequence highest = 0;
        std::uint64_t events = 0;
        for (;;) {
            const auto found = (*scan)->next();
            ASSERT_TRUE(found) << found.error().text();
            if (*found == nullptr) break;
            const event::StoredEvent& event = **found;
            ASSERT_EQ(event.position.offset, next[event.position.partition]++);
            if (in_sequence) {
                ASSERT_EQ(event.sequence, last + 1);
            }
            last = event.sequence;
            highest = std::max(highest, last);
            ++events;
        }
        ASSERT_EQ(events, highest);
        ASSERT_GE(highest, at_least);
    }
    // A position that was acknowledged is found, wherever it is at this moment.
    void get_once(std::uint64_t turn) {
        const Sequence known = acknowledged;
        if (known == 0) return;
        const Offset offset = turn % (known / batch_events * (batch_events / 3));
        const auto found = at.lake->get({bank, 1, offset});
        ASSERT_TRUE(found) << found.error().text();
        ASSERT_EQ(found->event.position.offset, offset);
    }
};

TEST_F(LakeConcurrency, ScansSeeDensePrefixesWhileEventsComeAndAreRolled) {
    ASSERT_TRUE(fs->make_directories(folder / "data"));
    ASSERT_TRUE(at.open(folder / "catalog.db", folder / "data", true));
    event::StreamSettings settings;
    settings.partitions = 3;
    bank = at.catalog->create_stream("bank", settings, clock->now())->id;

    std::atomic<int> rolls = 0;
    std::atomic<int> scans = 0;
    std::thread roller([&] {
        while (!done) {
            const auto rolled = at.lake->roll(bank);
            EXPECT_TRUE(rolled) << rolled.error().text();
            if (!rolled) return;
            if (rolled->events > 0) ++rolls;
        }
    });
    std::vector<std::thread> readers;
    for (int i = 0; i < 2; ++i)
        readers.emplace_back([&, i] {
            for (std::uint64_t turn = 0; !done && !HasFatalFailure(); ++turn) {
                scan_once(i == 0);
                get_once(turn * 7919);
                ++scans;
            }
        });
    append_all();
    done = true;
    roller.join();
    for (std::thread& reader : readers) reader.join();

    ASSERT_TRUE(at.lake->roll(bank));
    scan_once(true);
    EXPECT_GT(rolls, 1);
    EXPECT_GT(scans, 1);
    EXPECT_TRUE(at.lake->check()->empty());
}

}  // namespace
}  // namespace tarn::lake
