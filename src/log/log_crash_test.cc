// The log on a disk that loses power after any call, or fails any call: nothing acknowledged is lost, nothing
// that was never submitted appears, and it always opens.
#include "log/log_fixture.h"

namespace tarn::log {
namespace {

const std::string directory = "data/wal";

LogOptions small_options() {
    return {.segment_bytes = 16 << 10,
            .headroom_bytes = 0,
            .low_water_bytes = 0,
            .max_pending_bytes = 1 << 20,
            .writer_thread = false};
}

// One seeded course of appends in groups of one to four batches, rolls with release, and repeated origins.
class Workload {
public:
    Workload(os::SimFileSystem& fs, std::uint64_t seed, std::size_t largest)
        : fs_(fs), rng_(seed), largest_(largest) {}

    Model model;

    // Ends early when the log is poisoned or does not open.
    void run(int steps) {
        auto log = Log::open(fs_, clock_, directory, model.baseline, small_options());
        if (!log) return;
        for (int step = 0; step < steps; ++step) {
            clock_.advance_us(1000);
            if (step % 10 == 9) {
                roll(**log);
            } else if (!write_group(**log)) {
                return;
            }
        }
    }

private:
    bool write_group(Log& log) {
        const std::uint64_t batches = 1 + rng_.below(4);
        std::vector<OwnedBatch> group;
        for (std::uint64_t i = 0; i < batches; ++i) {
            OwnedBatch batch = random_batch(++number_, rng_, largest_);
            if (rng_.below(3) == 0)
                batch.origin = {"p" + std::to_string(rng_.below(3)), number_, number_ * 7};
            group.push_back(std::move(batch));
        }
        model.unknown = group;
        std::vector<bool> surely_not(group.size());
        for (std::size_t i = 0; i < group.size(); ++i) {
            log.submit(group[i].view(), [this, &group, &surely_not, i](const Result<Appended>& result) {
                if (result) {
                    EXPECT_FALSE(result->repeated);
                    model.acknowledge(*result, group[i]);
                }
                surely_not[i] = !result && result.error().kind != ErrorKind::outcome_unknown;
            });
        }
        log.commit();
        if (log.poisoned()) return false;
        model.unknown.clear();
        if (!group[0].origin.producer.empty() && !surely_not[0]) check_repeated(log, group);
        return true;
    }

    // The latest batch of a producer again: the same answer, nothing written.
    void check_repeated(Log& log, const std::vector<OwnedBatch>& group) {
        for (const OwnedBatch& batch : group) {
            if (batch.origin.producer.empty()) continue;
            const auto known = log.find_origin(batch.origin.producer);
            if (!known || known->origin_sequence != batch.origin.sequence) continue;
            const auto again = log.append(batch.view());
            ASSERT_TRUE(again) << again.error().text();
            EXPECT_TRUE(again->repeated);
            EXPECT_TRUE(same(model.acknowledged.at(again->first_sequence), batch));
            EXPECT_EQ(again->origin_tag, batch.origin.tag);
        }
    }

    void roll(Log& log) {
        const Sequence before = log.durable_end();
        model.roll(before);
        (void)log.release(before);  // may fail under faults: then the segments stay
    }

    os::SimFileSystem& fs_;
    os::SimClock clock_;
    os::SeededRng rng_;
    std::size_t largest_;
    std::uint64_t number_ = 0;
};

OwnedBatch extra_batch(std::uint64_t number) { return batch_of(1'000'000 + number, 300, 2, 1); }

// Opens what is on `fs`, compares with the model, appends one more batch and compares again. Takes part in
// the model.
std::string open_and_judge(os::SimFileSystem& fs, Model& model, std::uint64_t number) {
    os::SimClock clock(Time{1'800'000'000'000'000 + static_cast<std::int64_t>(number)});
    const auto log = Log::open(fs, clock, directory, model.baseline, small_options());
    if (!log) return "does not open: " + log.error().text();
    const auto found = read_log(fs, **log);
    if (!found) return "does not read: " + found.error().text();
    if (std::string wrong = model.judge(*found, (*log)->durable_end()); !wrong.empty()) return wrong;
    for (const ReadBatch& read : *found) model.acknowledged.try_emplace(read.first_sequence, read.batch);
    model.unknown.clear();

    const OwnedBatch more = extra_batch(number);
    const auto appended = (*log)->append(more.view());
    if (!appended) return "does not append: " + appended.error().text();
    model.acknowledge(*appended, more);
    const auto again = read_log(fs, **log);
    if (!again) return "does not read after appending: " + again.error().text();
    return model.judge(*again, (*log)->durable_end());
}

class CrashEnumeration {
public:
    CrashEnumeration(std::uint64_t seed, std::size_t largest, int steps, int states_a_call)
        : seed_(seed), workload_(fs_, seed, largest), steps_(steps), states_a_call_(states_a_call) {}

    int run() {
        EXPECT_TRUE(fs_.make_directories("data"));
        fs_.after_call([this] { crash_here(); });
        workload_.run(steps_);
        fs_.after_call(nullptr);
        return states_;
    }

private:
    void crash_here() {
        if (testing::Test::HasFailure()) return;  // one story is enough
        for (int i = 0; i < states_a_call_; ++i) {
            const os::CrashPlan plan{
                .seed = seed_ * 1'000'003 + fs_.calls() * 101 + static_cast<std::uint64_t>(i),
                .keep = i == 0 ? os::CrashPlan::Keep::nothing : os::CrashPlan::Keep::any};
            check(plan);
            ++states_;
        }
    }

    void check(const os::CrashPlan& plan) {
        SCOPED_TRACE("seed " + std::to_string(seed_) + " call " + std::to_string(fs_.calls()) + " plan " +
                     std::to_string(plan.seed) + " after " + fs_.trace().back());
        Model model = workload_.model;
        const auto disk = fs_.crash(plan);
        std::string wrong = open_and_judge(*disk, model, 1);
        ASSERT_EQ(wrong, "") << "after the first crash";
        if (plan.seed % 3 != 0) return;
        const auto disk2 = disk->crash({.seed = plan.seed + 1});
        wrong = open_and_judge(*disk2, model, 2);
        ASSERT_EQ(wrong, "") << "after the second crash";
        ++states_;
    }

    std::uint64_t seed_;
    os::SimFileSystem fs_;
    Workload workload_;
    int steps_;
    int states_a_call_;
    int states_ = 0;
};

// Instrumented builds run the same courses with fewer states of each.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int states_a_call = 2;
constexpr int states_at_least = 4'000;
#else
constexpr int states_a_call = 9;
constexpr int states_at_least = 20'000;
#endif

TEST(LogCrash, TwentyThousandPowerCutsLoseNothing) {
    int states = 0;
    // Small batches; batches of all sizes; records larger than a segment.
    for (std::uint64_t seed = 1; seed <= 6; ++seed)
        states += CrashEnumeration(seed, 200, 60, states_a_call).run();
    for (std::uint64_t seed = 11; seed <= 16; ++seed)
        states += CrashEnumeration(seed, 4000, 60, states_a_call).run();
    for (std::uint64_t seed = 21; seed <= 24; ++seed)
        states += CrashEnumeration(seed, 40000, 40, states_a_call).run();
    EXPECT_GE(states, states_at_least);
}

TEST(LogCrash, OpeningItselfMayBeCutAtAnyCall) {
    os::SimFileSystem fs;
    ASSERT_TRUE(fs.make_directories("data"));
    Workload workload(fs, 5, 3000);
    workload.run(25);
    int states = 0;
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
        // A torn disk, opened, and cut again at each call of the opening.
        const auto disk = fs.crash({.seed = seed});
        disk->after_call([&] {
            for (std::uint64_t again = 0; again < 4 && !testing::Test::HasFailure(); ++again) {
                Model model = workload.model;
                model.unknown.push_back(extra_batch(4));
                const auto twice = disk->crash({.seed = seed * 100 + again});
                EXPECT_EQ(open_and_judge(*twice, model, 3), "")
                    << "seed " << seed << " after " << disk->trace().back();
                ++states;
            }
        });
        Model model = workload.model;
        EXPECT_EQ(open_and_judge(*disk, model, 4), "");
        disk->after_call(nullptr);
    }
    EXPECT_GT(states, 500);
}

// One failing call: a clean error or a poisoned log; after reopening, with and without a power cut, nothing
// is lost.
void fail_every_call(os::Fault fault, std::uint64_t seed) {
    std::uint64_t calls = 1;
    for (std::uint64_t n = 0; n < calls && !testing::Test::HasFailure(); ++n) {
        os::SimFileSystem fs;
        ASSERT_TRUE(fs.make_directories("data"));
        Workload workload(fs, seed, 3000);
        if (n == 0) {
            os::SimFileSystem healthy;
            ASSERT_TRUE(healthy.make_directories("data"));
            Workload whole(healthy, seed, 3000);
            whole.run(24);
            calls = healthy.calls();
            ASSERT_GT(calls, 60u);
        }
        fs.fail_call(n + fs.calls(), fault);
        workload.run(24);
        fs.heal();
        SCOPED_TRACE("seed " + std::to_string(seed) + " call " + std::to_string(n));
        for (std::uint64_t cut = 0; cut < 4; ++cut) {
            Model model = workload.model;
            ASSERT_EQ(open_and_judge(*fs.crash({.seed = n * 10 + cut}), model, 5), "") << "power cut " << cut;
        }
        Model model = workload.model;
        ASSERT_EQ(open_and_judge(fs, model, 6), "") << "reopened";
        for (std::uint64_t cut = 0; cut < 4; ++cut) {
            Model after = model;
            ASSERT_EQ(open_and_judge(*fs.crash({.seed = n * 10 + cut}), after, 7), "")
                << "reopened, then power cut";
        }
    }
}

TEST(LogFaults, OneEioAtEveryCall) {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) fail_every_call(os::Fault::eio, seed);
}
TEST(LogFaults, OneEnospcAtEveryCall) {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) fail_every_call(os::Fault::enospc, seed);
}
TEST(LogFaults, OneShortWriteAtEveryCall) {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) fail_every_call(os::Fault::short_write, seed);
}

TEST(LogFaults, AFaultWhileOpeningIsAnErrorAndTheNextOpeningWorks) {
    os::SimFileSystem fs;
    ASSERT_TRUE(fs.make_directories("data"));
    Workload workload(fs, 9, 3000);
    workload.run(25);
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
        for (std::uint64_t n = 0; n < 12; ++n) {
            const auto disk = fs.crash({.seed = seed});
            os::SimClock clock;
            disk->fail_call(n, os::Fault::eio);
            (void)Log::open(*disk, clock, directory, workload.model.baseline, small_options());
            disk->heal();
            Model model = workload.model;
            ASSERT_EQ(open_and_judge(*disk, model, 8), "") << "seed " << seed << " call " << n;
            ASSERT_EQ(open_and_judge(*disk->crash({.seed = n}), model, 9), "")
                << "seed " << seed << " call " << n;
        }
    }
}

TEST(LogCrash, TheSameSeedMakesTheSameCalls) {
    std::vector<std::string> traces[2];
    for (auto& trace : traces) {
        os::SimFileSystem fs;
        ASSERT_TRUE(fs.make_directories("data"));
        Workload workload(fs, 77, 3000);
        workload.run(60);
        trace = fs.trace();
    }
    EXPECT_GT(traces[0].size(), 100u);
    EXPECT_EQ(traces[0], traces[1]);
}

}  // namespace
}  // namespace tarn::log
