// process.db on a disk that forgets: while events are delivered, die, are edited, redriven and discarded, and
// while a subscription is put back, the power is cut at any call. What is there then adds up, has lost
// nothing and goes on to the end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>

#include "process/delivery_fixture.h"
#include "state/crash_fixture.h"

namespace tarn::process {
namespace {

using functions::Invocation;
using functions::InvocationDone;
using functions::InvocationEnd;
using functions::InvocationResult;
using state::must;
using state::PowerCuts;

std::uint64_t number_of(const std::string& payload) { return std::stoull(payload); }

// Answers at once; what it was given and how it answered outlives every crash, as the world outside does.
class RecordingHost final : public BareHost {
public:
    std::function<bool(const std::string& payload)> is_fine = [](const std::string&) { return true; };

    Status invoke(std::string_view, Invocation invocation, InvocationDone done) override {
        InvocationResult result;
        const bool fine = is_fine(invocation.payload);
        {
            const std::lock_guard lock(mutex_);
            (fine ? done_ : failed_).push_back(invocation.payload);
        }
        if (!fine) {
            result.end = InvocationEnd::failed;
            result.error_type = "ValueError";
            result.error_message = "made to fail";
        }
        done(std::move(result));
        return {};
    }
    std::vector<std::string> done() const {
        const std::lock_guard lock(mutex_);
        return done_;
    }
    static std::set<Sequence> numbers(const std::vector<std::string>& payloads) {
        std::set<Sequence> numbers;
        for (const auto& payload : payloads) numbers.insert(number_of(payload));
        return numbers;
    }
    std::set<Sequence> delivered() const { return numbers(done()); }
    std::set<Sequence> failed() const {
        const std::lock_guard lock(mutex_);
        return numbers(failed_);
    }

private:
    mutable std::mutex mutex_;
    std::vector<std::string> done_, failed_;
};

std::set<Sequence> without(const std::set<Sequence>& all, const std::set<Sequence>& some) {
    std::set<Sequence> left;
    std::ranges::set_difference(all, some, std::inserter(left, left.end()));
    return left;
}

// What process.db says of the subscription "s", which takes every event from the first on.
struct Record {
    Progress progress;
    std::set<Sequence> held, settled, discarded;
    std::map<Sequence, DeadLetter> dead;
    std::set<Sequence> pending, gone;  // gone: counted as delivered

    static std::optional<Record> read(ProcessStore& store) {
        const auto progress = must(store.progress("s"));
        if (!progress) return std::nullopt;
        Record record{.progress = *progress};
        for (const auto& each : must(store.waiting("s")))
            if (!each.dead) record.held.insert(each.event.sequence);
        for (auto& letter : must(store.dead({}, 1000))) record.dead.emplace(letter.sequence, letter);
        for (const Sequence each : must(store.settled("s"))) record.settled.insert(each);
        for (const Sequence each : must(store.discarded("s"))) record.discarded.insert(each);
        for (Sequence each = 1; each < progress->scan; ++each) record.sort(each);
        return record;
    }
    void expect_adds_up() const {
        EXPECT_EQ(progress.matched, progress.scan - 1);
        EXPECT_EQ(progress.matched,
                  progress.delivered + pending.size() + held.size() + dead.size() + progress.discarded);
        EXPECT_EQ(progress.discarded, discarded.size());
        EXPECT_EQ(progress.delivered, gone.size());
        for (const auto& [sequence, letter] : dead)
            EXPECT_FALSE(held.contains(sequence) || discarded.contains(sequence))
                << sequence << " stands twice";
    }

private:
    void sort(Sequence each) {
        if (held.contains(each) || dead.contains(each) || discarded.contains(each)) return;
        (each >= progress.low && !settled.contains(each) ? pending : gone).insert(each);
    }
};

class ProcessCrash : public testing::Test {
protected:
    static constexpr std::uint64_t keys = 4;

    // The next events; each payload is its number.
    void add(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t at = world.lake->size();
            world.lake->add({.position = {StreamId{1}, 0, at},
                             .sequence = at + 1,
                             .ingested = Time{1},
                             .meta = fmt::format(R"("key":"k{}","attributes":{{}})", (at + 1) % keys),
                             .payload = std::to_string(at + 1)});
        }
    }
    struct Running {
        std::unique_ptr<os::Clock> clock = os::make_real_clock();
        std::unique_ptr<os::Rng> rng = os::make_real_rng();
        std::unique_ptr<Processes> processes;

        void wait_until_idle() const {
            while (!must(processes->idleness()).idle) std::this_thread::yield();
        }
        std::vector<DeadLetter> dead() const { return must(processes->dead({.subscription = "s"}, 1000)); }
        std::vector<DeadLetter> dead(Sequence sequence) const {
            auto letters = dead();
            std::erase_if(letters, [&](const auto& letter) { return letter.sequence != sequence; });
            return letters;
        }
        SubscriptionStatus status() const { return must(processes->find("s")); }
    };
    Running run(functions::FunctionHost& host, const char* vfs) {
        Running made;
        made.processes = must(Processes::open({.lake = *world.lake,
                                               .durable_end = [this] { return world.lake->size() + 1; },
                                               .functions = host,
                                               .clock = *made.clock,
                                               .rng = *made.rng,
                                               .path = "process.db",
                                               .concurrency = 3,
                                               .vfs = vfs}));
        SubscriptionSpec spec{.name = "s", .stream = "bank", .function = "f", .shape = event::Shape::payload};
        spec.retries = {.max = 2, .first_us = 1, .longest_us = 1, .max_age_us = {}};
        must(made.processes->declare(spec, 1));
        made.processes->start();
        return made;
    }

    // What the disk says adds up and is true; then everything goes on, and nothing is left.
    void check(os::SimFileSystem& disk, const std::set<Sequence>& asked_to_discard) {
        const sqlite::FileSystemVfs vfs(disk);
        std::optional<Record> record;
        {
            const auto store = must(ProcessStore::open("process.db", vfs.name()));
            record = Record::read(*store);
        }
        if (!record) {
            ASSERT_EQ(floor, 1u) << "the subscription is gone";
            record.emplace();
        }
        ASSERT_NO_FATAL_FAILURE(record->expect_adds_up());
        ASSERT_GE(record->progress.scan, floor);
        ASSERT_THAT(without(record->gone, host.delivered()), testing::IsEmpty()) << "counted as delivered";
        ASSERT_THAT(without(record->discarded, asked_to_discard), testing::IsEmpty());
        for (const auto& [sequence, letter] : record->dead)
            ASSERT_TRUE(host.failed().contains(sequence)) << sequence << " never failed";
        go_on(vfs, *record);
    }
    void go_on(const sqlite::FileSystemVfs& vfs, const Record& before) {
        RecordingHost after;
        const Running running = run(after, vfs.name());
        running.wait_until_idle();
        while (!running.dead().empty()) {
            must(running.processes->redrive(running.dead(), 1, 0));
            running.wait_until_idle();
        }
        const Counts counts = running.status().counts;
        ASSERT_EQ(counts.matched, world.lake->size());
        ASSERT_EQ(counts.delivered + counts.discarded, counts.matched);
        ASSERT_EQ(counts.pending + counts.held + counts.dead, 0u);

        std::set<Sequence> expected = before.pending;
        for (Sequence each = before.progress.scan; each <= world.lake->size(); ++each) expected.insert(each);
        expected.insert(before.held.begin(), before.held.end());
        for (const auto& [sequence, letter] : before.dead) expected.insert(sequence);
        const auto payloads = after.done();
        ASSERT_EQ(after.delivered(), expected)
            << "what was not delivered and not given up, no more and no less";
        ASSERT_EQ(payloads.size(), expected.size()) << "each once";
        std::map<std::uint64_t, Sequence> last;
        for (const auto& payload : payloads) {
            auto& of_key = last[number_of(payload) % keys];
            ASSERT_LT(of_key, number_of(payload)) << "out of order";
            of_key = number_of(payload);
            const auto dead = before.dead.find(number_of(payload));
            if (dead != before.dead.end()) {
                ASSERT_EQ(payload, dead->second.edited.value_or(std::to_string(dead->first)));
            }
        }
    }
    // The last connection leaves everything on the disk.
    void close(Running& running) {
        running.wait_until_idle();
        running.processes.reset();
        const auto store = must(ProcessStore::open("process.db", on_disk.name()));
        floor = Record::read(*store)->progress.scan;
    }

    os::SimFileSystem elsewhere;  // where the catalog is: its power is never cut here
    state::World world{elsewhere, {}};
    os::SimFileSystem fs;
    const sqlite::FileSystemVfs on_disk{fs};
    RecordingHost host;
    Sequence floor = 1;  // the disk knows at least as much

    void SetUp() override { must(world.catalog->create_stream("bank", {}, world.clock.now())); }
};

TEST_F(ProcessCrash, DeliveriesDeadLettersRedrivesAndDiscardsAddUp) {
    std::atomic<bool> mended = false;
    host.is_fine = [&](const std::string& payload) {
        return mended || payload.ends_with("!") || number_of(payload) % 7 != 3;
    };
    const std::set<Sequence> discarded{10};
    const PowerCuts cuts(fs, 2, [&](os::SimFileSystem& disk) { check(disk, discarded); });
    add(20);  // 3, 10 and 17 die; what is behind them is held
    auto running = run(host, on_disk.name());
    running.wait_until_idle();
    ASSERT_EQ(running.dead().size(), 3u);
    close(running);

    running = run(host, on_disk.name());
    must(running.processes->edit(running.dead(3).at(0), "3!"));
    ASSERT_EQ(must(running.processes->redrive(running.dead(3), 1, 0)), 1u);
    running.wait_until_idle();
    ASSERT_EQ(must(running.processes->discard(running.dead(10))), 1u);
    running.wait_until_idle();
    ASSERT_EQ(must(running.processes->redrive(running.dead(17), 1, 0)), 1u);
    running.wait_until_idle();
    ASSERT_EQ(running.dead(17).at(0).attempts.size(), 4u) << "it died again";
    close(running);

    running = run(host, on_disk.name());
    add(10);  // 24 dies
    running.wait_until_idle();
    mended = true;
    while (!running.dead().empty()) {
        must(running.processes->redrive(running.dead(), 1, 0));
        running.wait_until_idle();
    }
    EXPECT_EQ(running.status().counts.delivered, 29u);
    close(running);
    RecordProperty("cuts", cuts.count());
    EXPECT_GT(cuts.count(), 300);
}

// Put back to where an earlier state of its store stands: all of it or nothing, and on the disk when it is
// answered.
TEST_F(ProcessCrash, ASubscriptionIsPutBackWholeOrNotAtAll) {
    host.is_fine = [&](const std::string& payload) { return number_of(payload) != 9; };
    add(20);
    auto running = run(host, on_disk.name());
    close(running);
    running = run(host, on_disk.name());
    ASSERT_EQ(running.dead().size(), 1u);
    running.processes->stop(0);
    const auto quiet = must(running.processes->quiesce("f", 60'000'000));
    const state::FeederPosition back{
        .feeder = "s", .stream = "bank", .stream_id = StreamId{1}, .sequence = 6, .next = {{0, 5}}};
    const auto placement = must(running.processes->plan_placement("s", back));
    bool placed = false;
    {
        const PowerCuts cuts(fs, 4, [&](os::SimFileSystem& disk) {
            const sqlite::FileSystemVfs vfs(disk);
            std::optional<Record> record;
            {
                const auto store = must(ProcessStore::open("process.db", vfs.name()));
                record = Record::read(*store);
            }
            ASSERT_TRUE(record);
            ASSERT_NO_FATAL_FAILURE(record->expect_adds_up());
            const bool is_back = record->progress.low == 6;
            if (placed) {
                ASSERT_TRUE(is_back);
            }
            ASSERT_EQ(record->pending.size(), is_back ? 15u : 0u);
            ASSERT_EQ(record->dead.size(), is_back ? 0u : 1u) << "it is applied again in its turn";
            go_on(vfs, *record);
        });
        must(running.processes->place({placement}));
        placed = true;
        must(fs.make_directories("afterwards"));
        RecordProperty("cuts", cuts.count());
        EXPECT_GT(cuts.count(), 60);
    }
}

}  // namespace
}  // namespace tarn::process
