// Scans against a naive model: whatever is rolled when, in whatever batches and partitions, the same events
// come out.
#include "lake/scan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "lake/test_lake.h"
#include "os/sim_file_system.h"

namespace tarn::lake {
namespace {

struct Setting {
    std::uint64_t seed = 0;
    std::uint32_t partitions = 1;
    std::size_t most_events = 20;  // a batch
    std::size_t most_bytes = 400;  // a payload
    std::uint64_t roll_one_in = 5;
    std::uint64_t reopen_one_in = 15;
};

class ScanTest : public ::testing::Test {
protected:
    TestFolder folder;
    os::SimFileSystem fs;
    os::SimClock clock;
    std::unique_ptr<TestLake> at;
    Model model;
    StreamId bank, other;

    void open() {
        at = std::make_unique<TestLake>(fs, clock);
        const Status opened = at->open(folder / "catalog.db");
        ASSERT_TRUE(opened) << opened.error().text();
    }
    void create(std::uint32_t partitions) {
        event::StreamSettings settings;
        settings.partitions = partitions;
        bank = at->catalog->create_stream("bank", settings, clock.now())->id;
        other = at->catalog->create_stream("other", settings, clock.now())->id;
    }
    void append(const OwnedBatch& made) {
        const auto answer = at->append(made.batch);
        ASSERT_TRUE(answer) << answer.error().text();
        model.add(made.batch, *answer);
    }
    void roll(StreamId stream) {
        const auto rolled = at->lake->roll(stream);
        ASSERT_TRUE(rolled) << rolled.error().text();
    }
    void run(const Setting& setting, int steps);
    void expect_model(const std::string& where);
    void expect_options(os::Rng& rng, std::uint32_t partitions);
};

void ScanTest::expect_model(const std::string& where) {
    for (const auto& [name, id] : {std::pair("bank", bank), std::pair("other", other)}) {
        const auto events = at->read(name);
        ASSERT_TRUE(events) << where << ": " << events.error().text();
        EXPECT_EQ(*events, model.events(id)) << where;
        const auto quarantined = at->read(name, {.quarantine = true});
        ASSERT_TRUE(quarantined) << where;
        EXPECT_EQ(*quarantined, model.quarantine(id)) << where;
    }
}

// Every exact option against the same filter on the model.
void ScanTest::expect_options(os::Rng& rng, std::uint32_t partitions) {
    const auto all = model.events(bank);
    if (all.empty()) return;
    const Sequence low = all[rng.below(all.size())].sequence;
    const Sequence high = low + rng.below(500);
    const Partition one = static_cast<Partition>(rng.below(partitions));
    const Offset from = rng.below(all.size());
    const auto is_ordinary = [](const TestEvent& event) { return event.partition != quarantine_partition; };

    EXPECT_EQ(*at->read("bank", {.from_sequence = low, .until_sequence = high}),
              model.events(bank, [&](const TestEvent& event) {
                  return is_ordinary(event) && event.sequence >= low && event.sequence < high;
              }));
    EXPECT_EQ(*at->read("bank", {.partition = one, .from = {{one, from}}}),
              model.events(bank, [&](const TestEvent& event) {
                  return event.partition == one && event.offset >= from;
              }));

    std::map<Partition, std::vector<Offset>> wanted;
    for (const TestEvent& event : all)
        if (rng.below(10) == 0) wanted[event.partition].push_back(event.offset);
    EXPECT_EQ(*at->read("bank", {.wanted = wanted}), model.events(bank, [&](const TestEvent& event) {
        return is_ordinary(event) && wanted.contains(event.partition) &&
               std::ranges::binary_search(wanted[event.partition], event.offset);
    }));

    auto unordered = *at->read("bank", {.in_sequence = false});
    std::ranges::sort(unordered, {}, &TestEvent::sequence);
    EXPECT_EQ(unordered, all);

    // What is pruned by statistics may come or not, but nothing that fits may be missing.
    const Time day{1'699'228'800'000'000 + static_cast<std::int64_t>(rng.below(20)) * 86'400'000'000};
    std::set<Sequence> found;
    const auto in_time = at->read("bank", {.min_time = day, .max_time = day, .types = {"type1"}});
    for (const TestEvent& event : *in_time) found.insert(event.sequence);
    const std::string day_text = "\"time\":\"" + format_rfc3339(day);
    for (const TestEvent& event : all)
        if (event.meta.find(day_text) != std::string::npos &&
            event.meta.find("\"type1\"") != std::string::npos) {
            EXPECT_TRUE(found.contains(event.sequence));
        }
}

void ScanTest::run(const Setting& setting, int steps) {
    open();
    create(setting.partitions);
    os::SeededRng rng(setting.seed);
    for (int step = 0; step < steps; ++step) {
        clock.advance_us(static_cast<std::int64_t>(rng.below(600'000'000)));
        const StreamId stream = rng.below(3) == 0 ? other : bank;
        append(random_batch(rng, stream, setting.partitions, setting.most_events, setting.most_bytes));
        if (rng.below(setting.roll_one_in) == 0) roll(rng.below(3) == 0 ? other : bank);
        if (rng.below(setting.reopen_one_in) == 0) {
            at.reset();
            open();
        }
        if (HasFatalFailure()) return;
        if (step % 9 == 0) expect_model(fmt::format("seed {}, step {}", setting.seed, step));
    }
    expect_model("before the last roll");
    expect_options(rng, setting.partitions);
    roll(bank);
    roll(other);
    at.reset();
    open();
    expect_model("after the last roll");
    expect_options(rng, setting.partitions);
    const auto findings = at->lake->check();
    ASSERT_TRUE(findings);
    for (const Finding& finding : *findings) ADD_FAILURE() << finding.place << ": " << finding.what;
}

TEST_F(ScanTest, OnePartition) { run({.seed = 1}, 60); }
TEST_F(ScanTest, ManyPartitions) { run({.seed = 2, .partitions = 7}, 60); }
TEST_F(ScanTest, SingleEvents) { run({.seed = 3, .partitions = 3, .most_events = 1, .roll_one_in = 3}, 80); }
TEST_F(ScanTest, LargePayloads) {
    run({.seed = 4, .partitions = 2, .most_events = 30, .most_bytes = 20'000}, 40);
}
TEST_F(ScanTest, NeverRolledUntilTheEnd) { run({.seed = 5, .partitions = 4, .roll_one_in = 1'000'000}, 50); }
TEST_F(ScanTest, RolledAllTheTime) {
    run({.seed = 6, .partitions = 4, .roll_one_in = 1, .reopen_one_in = 3}, 40);
}

// A plain scan of many settings gives what the model has; the settings differ, the promise does not.
TEST_F(ScanTest, AnySchedule) {
    os::SeededRng rng(77);
    for (int round = 0; round < 12; ++round) {
        TestFolder fresh;
        os::SimFileSystem disk;
        TestLake lake(disk, clock);
        ASSERT_TRUE(lake.open(fresh / "catalog.db"));
        event::StreamSettings settings;
        settings.partitions = static_cast<std::uint32_t>(1 + rng.below(6));
        const StreamId stream = lake.catalog->create_stream("s", settings, clock.now())->id;
        Model expected;
        for (int step = 0; step < 15; ++step) {
            const auto made =
                random_batch(rng, stream, settings.partitions, 1 + rng.below(60), 1 + rng.below(3000));
            expected.add(made.batch, *lake.append(made.batch));
            clock.advance_us(static_cast<std::int64_t>(rng.below(2'000'000'000)));
            if (rng.below(4) == 0) {
                ASSERT_TRUE(lake.lake->roll(stream));
            }
        }
        EXPECT_EQ(*lake.read("s"), expected.events(stream)) << "round " << round;
        EXPECT_EQ(*lake.read("s", {.quarantine = true}), expected.quarantine(stream));
    }
}

TEST_F(ScanTest, AViewStaysAsItWas) {
    open();
    create(2);
    os::SeededRng rng(9);
    append(random_batch(rng, bank, 2, 30, 300));
    roll(bank);
    append(random_batch(rng, bank, 2, 30, 300));
    const auto expected = model.events(bank);
    const StreamView view = *at->lake->view("bank");

    append(random_batch(rng, bank, 2, 30, 300));
    roll(bank);
    for (int i = 0; i < 40; ++i)
        append(random_batch(rng, bank, 2, 30, 3000));  // would recycle the pinned segments
    roll(bank);
    EXPECT_EQ(*at->read(view), expected);

    // A worker in another process reads the same from the document.
    const StreamView sent = *StreamView::from_json(*codec::Json::parse(view.to_json().dump()));
    EXPECT_EQ(sent.to_json(), view.to_json());
    EXPECT_EQ(*at->read(sent), expected);
    EXPECT_EQ(sent.partitions, 2u);
    EXPECT_FALSE(StreamView::from_json(codec::Json::array()));
}

// A log that lets something happen just before or after a tail is taken.
class LogWithHook final : public log::Log {
public:
    explicit LogWithHook(log::Log& log) : log_(log) {}
    std::function<void()> before_tail, after_tail;

    log::Tail tail(Sequence from) override {
        run(before_tail);
        log::Tail taken = log_.tail(from);
        run(after_tail);
        return taken;
    }
    void submit(const log::Batch& batch, Done done) override { log_.submit(batch, std::move(done)); }
    std::optional<log::Appended> find_origin(std::string_view producer) override {
        return log_.find_origin(producer);
    }
    Sequence durable_end() const override { return log_.durable_end(); }
    Status release(Sequence before) override { return log_.release(before); }
    std::uint64_t bytes_since(Sequence from) const override { return log_.bytes_since(from); }
    const log::Recovery& recovery() const override { return log_.recovery(); }
    std::optional<Error> poisoned() const override { return log_.poisoned(); }
    void commit() override { log_.commit(); }
    void on_durable(std::function<void(Sequence)> observer) override { log_.on_durable(std::move(observer)); }

private:
    static void run(std::function<void()>& hook) {
        if (hook) std::exchange(hook, {})();
    }
    log::Log& log_;
};

// The narrow moment between looking at the log and looking at the catalog, made wide: a whole roll and more
// events in it.
TEST_F(ScanTest, ARollInTheMiddleOfAViewLosesAndDoublesNothing) {
    open();
    create(2);
    os::SeededRng rng(11);
    LogWithHook log(*at->log);
    const auto lake = *Lake::open(*at->catalog, log, *at->store, fs, clock);
    const auto append_many = [&] {
        for (int i = 0; i < 30; ++i) append(random_batch(rng, bank, 2, 20, 2000));
    };
    const auto roll_and_go_on = [&] {
        ASSERT_TRUE(lake->roll(bank));
        append_many();  // recycles what the roll has released
    };
    for (int round = 0; round < 6; ++round) {
        append_many();
        const auto before = model.events(bank);
        (round % 2 == 0 ? log.before_tail : log.after_tail) = roll_and_go_on;
        const auto seen = at->read(lake->view("bank"));
        ASSERT_TRUE(seen) << seen.error().text();
        const auto after = model.events(bank);
        ASSERT_GE(seen->size(), before.size());
        EXPECT_TRUE(std::ranges::equal(*seen, std::span(after).first(seen->size()))) << "round " << round;

        const TestEvent& last = before.back();
        append_many();
        (round % 2 == 0 ? log.before_tail : log.after_tail) = roll_and_go_on;
        const auto one = lake->get({bank, last.partition, last.offset});
        ASSERT_TRUE(one) << one.error().text();
        EXPECT_EQ(copy_of(one->event), last);
    }
}

TEST_F(ScanTest, OfTheTailOnlyWhatIsWantedIsRead) {
    open();
    create(2);
    os::SeededRng rng(5);
    const auto append_many = [&] {
        for (int i = 0; i < 40; ++i) append(random_batch(rng, bank, 2, 20, 2000));
    };
    append_many();
    roll(bank);
    for (int i = 0; i < 6; ++i) append_many();
    const StreamView view = *at->lake->view("bank");
    append_many();  // after the view: not in it
    const auto read_from = [&](Sequence from) {
        const auto scan = *at->lake->scan(view, {.from_sequence = from});
        std::vector<Sequence> found;
        while (const event::StoredEvent* event = *scan->next()) found.push_back(event->sequence);
        return std::pair(std::move(found), scan->counts().bytes_read);
    };
    const auto [all, all_bytes] = read_from(0);
    ASSERT_GT(all.size(), 1000u);
    for (int i = 0; i < 50; ++i) {
        const Sequence from = rng.below(view.tail.end_sequence + 20);
        const auto [some, bytes] = read_from(from);
        const auto begin = std::ranges::lower_bound(all, from);
        EXPECT_TRUE(std::ranges::equal(some, std::ranges::subrange(begin, all.end()))) << from;
        EXPECT_LE(bytes, all_bytes);
    }
    EXPECT_LT(read_from(view.tail.end_sequence - 1).second, all_bytes / 2);
}

TEST_F(ScanTest, PrunesObjectsByStatistics) {
    open();
    create(1);
    for (int hour = 0; hour < 10; ++hour) {
        TestEvent event;
        event.meta =
            fmt::format(R"("attributes":{{"type":"t{}","time":"2024-01-01T{:02}:00:00Z"}})", hour % 2, hour);
        event.payload = "{}";
        OwnedBatch made{{event}, {.stream = bank}};
        made.batch.entries.push_back(
            {0, made.events[0].meta, "{}", event::PayloadForm::json, codec::xxh3_128("{}")});
        append(made);
        roll(bank);
        clock.advance_us(3'600'000'000);
    }
    const auto objects_read = [&](ScanOptions options) {
        const auto scan = *at->lake->scan(*at->lake->view("bank"), std::move(options));
        for (;;) {
            const auto found = scan->next();
            EXPECT_TRUE(found);
            if (!found || *found == nullptr) break;
        }
        EXPECT_EQ(scan->counts().objects_total, 10u);
        return scan->counts().objects_read;
    };
    const Time six = *parse_rfc3339("2024-01-01T06:00:00Z");
    EXPECT_EQ(objects_read({}), 10u);
    EXPECT_EQ(objects_read({.min_time = six}), 4u);
    EXPECT_EQ(objects_read({.max_time = six}), 7u);
    EXPECT_EQ(objects_read({.types = {"t1"}}), 5u);
    EXPECT_EQ(objects_read({.types = {"absent"}}), 0u);
    EXPECT_EQ(objects_read({.from = {{0, 8}}}), 2u);
    EXPECT_EQ(objects_read({.from_sequence = 4, .until_sequence = 6}), 2u);
    EXPECT_EQ(objects_read({.max_ingested = Time{1'700'000'000'000'000 + 2 * 3'600'000'000ll}}), 3u);
    EXPECT_EQ(objects_read({.wanted = {{{0, {3}}}}}), 1u);
    EXPECT_EQ(objects_read({.wanted = std::map<Partition, std::vector<Offset>>()}), 0u);
}

TEST_F(ScanTest, DamageStopsOrIsSkippedAsAsked) {
    open();
    create(1);
    os::SeededRng rng(10);
    for (int i = 0; i < 3; ++i) {
        append(random_batch(rng, bank, 1, 40, 500));
        roll(bank);
    }
    append(random_batch(rng, bank, 1, 40, 500));  // and a tail
    const auto objects = *at->catalog->objects(bank);
    std::vector<catalog::ObjectInfo> ordinary;
    for (const auto& info : objects)
        if (info.partition == 0) ordinary.push_back(info);
    ASSERT_EQ(ordinary.size(), 3u);
    fs.damage(at->store->local_path(ordinary[0].name), 20, 1);
    ASSERT_TRUE(at->store->remove(ordinary[1].name));

    const Error error = at->read("bank").error();
    EXPECT_EQ(error.code, Code::object_corrupt);
    EXPECT_EQ(error.place.source, ordinary[0].name);
    EXPECT_EQ(error.place.byte, 0u);

    std::vector<Code> damage;
    ScanOptions options;
    options.skip_damage = true;
    options.on_damage = [&](const Error& found) { damage.push_back(found.code); };
    const auto rest = at->read("bank", options);
    ASSERT_TRUE(rest) << rest.error().text();
    EXPECT_THAT(damage, ::testing::ElementsAre(Code::object_corrupt, Code::object_missing));
    EXPECT_EQ(*rest, model.events(bank, [&](const TestEvent& event) {
        return event.partition == 0 && event.offset >= ordinary[2].first;
    }));

    const auto findings = *at->lake->check();
    std::string all;
    for (const Finding& finding : findings) all += finding.place + ": " + finding.what + "\n";
    EXPECT_THAT(all, ::testing::HasSubstr(ordinary[0].name));
    EXPECT_THAT(all, ::testing::HasSubstr("SHA-256"));
    EXPECT_THAT(all, ::testing::HasSubstr("is missing"));
    EXPECT_THAT(all, ::testing::Not(::testing::HasSubstr(ordinary[2].name)));
}

}  // namespace
}  // namespace tarn::lake
