// Deliveries over real files, with a made-up stream and a function host whose answers the test decides.
#include "process/processes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>
#include <set>
#include <thread>

#include "codec/base64.h"
#include "process/delivery_fixture.h"

namespace tarn::process {
namespace {

using functions::Invocation;
using functions::InvocationDone;
using functions::InvocationEnd;
using functions::InvocationResult;
using state::must;

// Answers at once, as `decide` says; nullopt: never answers, as when the machine dies.
class ScriptedHost final : public BareHost {
public:
    std::function<std::optional<InvocationResult>(const std::string& payload)> decide;

    Status invoke(std::string_view, Invocation invocation, InvocationDone done) override {
        if (auto result = decide(invocation.payload)) done(std::move(*result));
        return {};
    }
};

InvocationResult fault() {
    InvocationResult result;
    result.end = InvocationEnd::failed;
    result.error_type = "ValueError";
    result.error_message = "made to fail";
    return result;
}

class ProcessesTest : public DeliveryTest {
protected:
    ProcessesTest() { spec_.retries = {.max = 2, .first_us = 1, .longest_us = 1, .max_age_us = {}}; }
    ~ProcessesTest() override { processes_.reset(); }  // before the host that it calls
    void open() { DeliveryTest::open(host_, 4); }
    // What SQLite runs in process.db beside the subscriptions: triggers that make writes fail.
    void sql(const std::string& text) {
        auto database = must(sqlite::Database::open(directory_ + "/process.db"));
        must(database.execute(text));
    }

    ScriptedHost host_;
};

std::uint64_t sum(const Counts& counts) {
    return counts.delivered + counts.pending + counts.held + counts.dead + counts.discarded;
}

TEST_F(ProcessesTest, everything_is_delivered_once_when_nothing_fails) {
    std::vector<std::string> seen;
    host_.decide = [&](const std::string& payload) {
        seen.push_back(payload);
        return InvocationResult{};
    };
    for (int i = 0; i < 500; ++i) add(fmt::format("k{}", i % 7));
    open();
    wait_until_idle();
    EXPECT_EQ(std::set(seen.begin(), seen.end()).size(), 500u);
    EXPECT_EQ(seen.size(), 500u);
    EXPECT_EQ(status().counts.delivered, 500u);
    open();
    wait_until_idle();
    EXPECT_EQ(seen.size(), 500u) << "a restart sends nothing again";
}

TEST_F(ProcessesTest, a_dead_letter_holds_its_key_and_discarding_lets_it_go_on) {
    host_.decide = [&](const std::string& payload) { return payload == "1" ? fault() : InvocationResult{}; };
    for (int i = 0; i < 10; ++i) add("same");
    add("other");
    open();
    wait_until_idle();
    const Counts counts = status().counts;
    EXPECT_EQ(counts.dead, 1u);
    EXPECT_EQ(counts.held, 9u);
    EXPECT_EQ(counts.delivered, 1u);
    const auto groups = must(processes_->groups({}));
    ASSERT_EQ(groups.size(), 1u);
    EXPECT_EQ(groups[0].held, 9u);
    open();  // the same after a restart
    wait_until_idle();
    EXPECT_EQ(status().counts.held, 9u);
    const auto letters = must(processes_->dead({.subscription = "s"}, 10));
    ASSERT_EQ(letters.size(), 1u);
    EXPECT_EQ(letters[0].attempts.size(), 2u);
    EXPECT_EQ(must(processes_->discard(letters)), 1u);
    wait_until_idle();
    EXPECT_EQ(status().counts.delivered, 10u);
    EXPECT_EQ(status().counts.discarded, 1u);
    EXPECT_EQ(sum(status().counts), 11u);
}

// Opening a scan costs as much as reading hundreds of events: not one for each batch that went.
TEST_F(ProcessesTest, a_scan_brings_many_events) {
    host_.decide = [](const std::string&) { return InvocationResult{}; };
    for (int i = 0; i < 5'000; ++i) add(fmt::format("k{}", i));
    open();
    while (status().counts.delivered < 5'000) std::this_thread::yield();
    EXPECT_LE(lake_->scans, 10u);
}

// More than half of what memory takes waits for the next attempt of its key.
TEST_F(ProcessesTest, keys_that_fail_do_not_keep_others_from_being_read) {
    spec_.retries = {.max = 5, .first_us = 3'600'000'000, .longest_us = 3'600'000'000, .max_age_us = {}};
    constexpr int failing = 24, of_each = 60, others = 2'000;
    host_.decide = [](const std::string& payload) {
        return std::stoi(payload) <= failing * of_each ? fault() : InvocationResult{};
    };
    for (int i = 0; i < failing * of_each; ++i) add(fmt::format("bad{}", i % failing));
    for (int i = 0; i < others; ++i) add(fmt::format("good{}", i));
    open();
    while (status().counts.delivered < others) std::this_thread::yield();
    EXPECT_EQ(status().counts.pending, static_cast<std::uint64_t>(failing * of_each));
}

TEST_F(ProcessesTest, a_paused_subscription_sends_nothing_and_loses_nothing) {
    std::atomic<int> calls = 0;
    host_.decide = [&](const std::string&) {
        ++calls;
        return InvocationResult{};
    };
    open();
    must(processes_->set_paused("s", true));
    for (int i = 0; i < 5; ++i) add("k");
    open();
    EXPECT_TRUE(status().paused) << "a restart keeps it paused";
    EXPECT_EQ(calls, 0);
    must(processes_->set_paused("s", false));
    wait_until_idle();
    EXPECT_EQ(calls, 5);
}

TEST_F(ProcessesTest, a_function_that_cannot_run_blames_no_event) {
    std::atomic<bool> broken = true;
    host_.decide = [&](const std::string&) {
        InvocationResult result;
        if (broken) result.end = InvocationEnd::init_failed;
        return result;
    };
    add("k");
    open();
    while (must(processes_->idleness()).stuck.empty()) std::this_thread::yield();
    EXPECT_EQ(status().counts.pending, 1u);
    EXPECT_NE(status().trouble, "");
    broken = false;
    while (status().counts.pending > 0) std::this_thread::yield();
    EXPECT_EQ(status().counts.delivered, 1u);
}

// Random failures, answers that never come, restarts, redrives: in the end each event is delivered, of each
// key in the order of capture by first success, and the numbers add up whenever one looks.
TEST_F(ProcessesTest, order_and_numbers_hold_through_failures_and_restarts) {
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        lake_->events.clear();
        std::filesystem::remove(directory_ + "/process.db");
        std::filesystem::remove(directory_ + "/process.db-wal");
        std::filesystem::remove(directory_ + "/process.db-shm");
        os::SeededRng rng(seed);
        std::mutex mutex;
        std::map<std::string, std::vector<std::uint64_t>> firsts;  // per key
        std::set<std::uint64_t> done;
        bool calm = false;
        spec_.batch_size = 1;
        constexpr std::size_t events = 400;
        const auto key_of = [](std::uint64_t number) { return fmt::format("k{}", number % 13); };
        for (std::size_t i = 1; i <= events; ++i) add(key_of(i));
        host_.decide = [&](const std::string& payload) -> std::optional<InvocationResult> {
            const std::lock_guard lock(mutex);
            const std::uint64_t number = std::stoull(payload);
            if (!calm && rng.below(5) == 0) return fault();
            if (done.insert(number).second) firsts[key_of(number)].push_back(number);
            if (!calm && rng.below(40) == 0) return std::nullopt;  // done, and the answer is lost
            return InvocationResult{};
        };
        for (int session = 0; session < 6; ++session) {
            open();
            for (int look = 0; look < 200; ++look) {
                const auto now = status();
                ASSERT_EQ(now.counts.matched, sum(now.counts)) << "seed " << seed;
                std::this_thread::yield();
            }
            const auto letters = must(processes_->dead({.subscription = "s"}, 1000));
            if (session % 2 == 1) must(processes_->redrive(letters, 1, 0));
        }
        {
            const std::lock_guard lock(mutex);
            calm = true;
        }
        open();
        while (status().counts.delivered < events) {
            must(processes_->redrive(must(processes_->dead({.subscription = "s"}, 1000)), 1, 0));
            wait_until_idle();
        }
        processes_->stop(0);
        EXPECT_EQ(done.size(), events);
        for (const auto& [key, order] : firsts)
            EXPECT_TRUE(std::ranges::is_sorted(order)) << key << " seed " << seed;
        EXPECT_EQ(status().counts.matched, events);
        EXPECT_EQ(status().counts.dead + status().counts.held + status().counts.pending, 0u);
    }
}

// A full disk: the turn is not written, so nothing of it may be counted, and everything goes again.
TEST_F(ProcessesTest, what_cannot_be_written_is_not_counted) {
    std::atomic<int> calls = 0;
    host_.decide = [&](const std::string&) {
        ++calls;
        return InvocationResult{};
    };
    open();
    wait_until_idle();
    sql("CREATE TRIGGER full BEFORE INSERT ON subscription BEGIN SELECT RAISE(ABORT, 'disk full'); END");
    for (int i = 0; i < 20; ++i) add("k");
    bell_->ring();
    while (must(processes_->idleness()).stuck.empty()) std::this_thread::yield();
    EXPECT_THAT(status().trouble, testing::HasSubstr("disk full"));
    EXPECT_EQ(status().counts.matched, 0u) << "no turn was written";
    EXPECT_EQ(calls, 0);
    sql("DROP TRIGGER full");
    wait_until_idle();
    while (status().counts.delivered < 20) std::this_thread::yield();
    EXPECT_EQ(status().counts.matched, 20u);
    EXPECT_EQ(sum(status().counts), 20u);
    EXPECT_EQ(status().trouble, "");
}

// Writes that fail now and then, before and after what they write, while events fail, are redriven, edited
// and given up, and the subscription is paused: the numbers add up at every look, and no key is out of order.
TEST_F(ProcessesTest, numbers_and_order_hold_while_the_disk_fails) {
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
        processes_.reset();
        lake_->events.clear();
        for (const char* file : {"", "-wal", "-shm"})
            std::filesystem::remove(directory_ + "/process.db" + file);
        os::SeededRng rng(seed);
        std::mutex mutex;
        std::map<std::string, std::uint64_t> newest;  // per key
        std::set<std::uint64_t> done;
        std::vector<std::string> overtaken;
        bool calm = false;
        constexpr std::size_t events = 200;
        const auto key_of = [](std::uint64_t number) { return fmt::format("k{}", number % 7); };
        for (std::size_t i = 1; i <= events; ++i) add(key_of(i));
        host_.decide = [&](const std::string& payload) -> std::optional<InvocationResult> {
            const std::lock_guard lock(mutex);
            const std::uint64_t number = std::stoull(payload);
            if (!calm && rng.below(4) == 0) return fault();
            if (done.insert(number).second) {
                if (number < newest[key_of(number)]) overtaken.push_back(payload);
                newest[key_of(number)] = number;
            }
            return InvocationResult{};
        };
        open();
        sql("CREATE TRIGGER f1 BEFORE INSERT ON subscription WHEN abs(random()) % 40 = 0 BEGIN SELECT "
            "RAISE(ABORT, 'f'); END; CREATE TRIGGER f2 AFTER DELETE ON held WHEN abs(random()) % 20 = 0 "
            "BEGIN "
            "SELECT RAISE(ABORT, 'f'); END; CREATE TRIGGER f3 AFTER INSERT ON dead WHEN abs(random()) % 20 = "
            "0 "
            "BEGIN SELECT RAISE(ABORT, 'f'); END; CREATE TRIGGER f4 BEFORE INSERT ON held WHEN abs(random()) "
            "% 20 = "
            "0 BEGIN SELECT RAISE(ABORT, 'f'); END");
        std::set<std::uint64_t> given_up;
        for (int look = 0; look < 400; ++look) {
            const auto now = status();
            ASSERT_EQ(now.counts.matched, sum(now.counts)) << "seed " << seed;
            const auto letters = must(processes_->dead({.subscription = "s"}, 1));
            const auto choice = os::SeededRng(seed * 1000 + static_cast<std::uint64_t>(look)).below(8);
            if (choice == 0) (void)processes_->set_paused("s", look % 3 == 0);
            if (letters.empty()) continue;
            const std::uint64_t number = letters[0].sequence;
            if (choice == 1) (void)processes_->redrive(letters, 1, 0);
            if (choice == 2) (void)processes_->edit(letters[0], std::to_string(number));
            if (choice == 3) {
                const auto discarded = processes_->discard(letters);
                if (discarded && *discarded == 1) given_up.insert(number);
            }
        }
        sql("DROP TRIGGER f1; DROP TRIGGER f2; DROP TRIGGER f3; DROP TRIGGER f4");
        {
            const std::lock_guard lock(mutex);
            calm = true;
        }
        while (!processes_->set_paused("s", false)) std::this_thread::yield();
        while (status().counts.delivered + given_up.size() < events) {
            (void)processes_->redrive(must(processes_->dead({.subscription = "s"}, 1000)), 1, 0);
            std::this_thread::yield();
        }
        const Counts counts = status().counts;
        EXPECT_EQ(counts.matched, events);
        EXPECT_EQ(counts.discarded, given_up.size());
        EXPECT_EQ(counts.pending + counts.held + counts.dead, 0u) << "seed " << seed;
        EXPECT_THAT(overtaken, testing::IsEmpty()) << "seed " << seed;
        for (std::uint64_t number = 1; number <= events; ++number)
            EXPECT_TRUE(done.contains(number) || given_up.contains(number)) << number << " seed " << seed;
    }
}

TEST_F(ProcessesTest, a_redrive_goes_on_after_a_restart_and_keeps_its_pace) {
    std::atomic<bool> good = false;
    host_.decide = [&](const std::string&) { return good ? InvocationResult{} : fault(); };
    for (int i = 0; i < 3; ++i) add(fmt::format("k{}", i));
    open();
    while (status().counts.dead < 3) std::this_thread::yield();
    const auto letters = must(processes_->dead({.subscription = "s"}, 10));
    const std::int64_t far = clock_->now().us + 3'600'000'000;
    EXPECT_EQ(must(processes_->redrive({letters[0]}, 1, 0)), 1u);
    EXPECT_EQ(must(processes_->redrive({letters[1], letters[2]}, far, 1'000'000)), 2u);
    while (must(processes_->dead({.subscription = "s"}, 1))[0].attempts.size() < 4) std::this_thread::yield();
    processes_->stop(0);
    good = true;
    open();
    const auto waiting = must(processes_->dead({.subscription = "s"}, 10));
    ASSERT_EQ(waiting.size(), 3u) << "one died again, two wait for their time";
    EXPECT_EQ(waiting[1].redrive_us, far);
    EXPECT_EQ(waiting[2].redrive_us, far + 1'000'000);
    EXPECT_FALSE(must(processes_->idleness()).idle);
    EXPECT_EQ(must(processes_->redrive(waiting, 1, 0)), 3u) << "asked for anew: now";
    while (status().counts.delivered < 3) std::this_thread::yield();
}

TEST_F(ProcessesTest, letters_are_found_by_cause_and_time_and_come_in_pages) {
    host_.decide = [&](const std::string&) { return fault(); };
    for (int i = 0; i < 5; ++i) add(fmt::format("k{}", i));
    open();
    while (status().counts.dead < 5) std::this_thread::yield();
    EXPECT_EQ(must(processes_->dead({.cause = "made to"}, 10)).size(), 5u);
    EXPECT_EQ(must(processes_->dead({.cause = "ValueError: made"}, 10)).size(), 5u);
    EXPECT_TRUE(must(processes_->dead({.cause = "nothing"}, 10)).empty());
    EXPECT_TRUE(must(processes_->dead({.until_us = 5}, 10)).empty());
    EXPECT_EQ(must(processes_->groups({.since_us = 5})).at(0).count, 5u);
    const auto first = must(processes_->dead({}, 2));
    const auto rest =
        must(processes_->dead({.after = DeadPlace{first[1].sequence, first[1].subscription}}, 10));
    ASSERT_EQ(rest.size(), 3u);
    EXPECT_GT(rest[0].sequence, first[1].sequence);
}

// The correction of what is sent is written before: it must be the same.
TEST_F(ProcessesTest, what_was_edited_since_is_not_sent_and_what_is_asked_for_is_not_edited) {
    host_.decide = [&](const std::string&) { return fault(); };
    add("k");
    open();
    while (status().counts.dead < 1) std::this_thread::yield();
    const auto before = must(processes_->dead({}, 1));
    must(processes_->edit(before[0], "7"));
    EXPECT_EQ(must(processes_->redrive(before, 1, 0)), 0u);
    const auto edited = must(processes_->dead({}, 1));
    const std::int64_t far = clock_->now().us + 3'600'000'000;
    EXPECT_EQ(must(processes_->redrive(edited, far, 0)), 1u);
    const auto refused = processes_->edit(edited[0], "8");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::run_state);
    EXPECT_EQ(must(processes_->dead({}, 1))[0].edited, "7");
}

TEST_F(ProcessesTest, what_is_given_up_twice_counts_once) {
    host_.decide = [&](const std::string&) { return fault(); };
    add("k");
    open();
    while (status().counts.dead < 1) std::this_thread::yield();
    const auto letters = must(processes_->dead({}, 2));
    EXPECT_EQ(must(processes_->discard(letters)), 1u);
    EXPECT_EQ(must(processes_->discard(letters)), 0u);
    EXPECT_EQ(must(processes_->redrive(letters, 1, 0)), 0u);
    EXPECT_EQ(sum(status().counts), 1u);
    EXPECT_EQ(status().counts.discarded, 1u);
}

TEST_F(ProcessesTest, a_subscription_whose_stream_is_gone_says_so_and_takes_up_the_new_one) {
    host_.decide = [&](const std::string&) { return InvocationResult{}; };
    add("k");
    open();
    wait_until_idle();
    processes_.reset();
    must(catalog_->delete_stream(stream_));
    open();
    EXPECT_THAT(status().trouble, testing::HasSubstr("bank"));
    EXPECT_EQ(sum(status().counts), status().counts.matched);
    EXPECT_TRUE(must(processes_->idleness()).stuck.empty()) << "nothing is left to deliver";
    stream_ = must(catalog_->create_stream("bank", {}, clock_->now())).id;
    add("k");
    bell_->ring();
    while (status().counts.delivered < 2) std::this_thread::yield();
    EXPECT_EQ(status().trouble, "");
}

}  // namespace
}  // namespace tarn::process
