// Deliveries to targets outside, with a receiver whose answers the test decides.
#include "process/receiver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>
#include <set>
#include <thread>

#include "process/delivery_fixture.h"

namespace tarn::process {
namespace {

using End = Receipt::End;
using testing::ElementsAre;

class NoHost final : public BareHost {
public:
    Status invoke(std::string_view, functions::Invocation, functions::InvocationDone) override {
        return fail(Code::internal, "no function is called here");
    }
};

class ReceiverTest : public DeliveryTest {
protected:
    ReceiverTest() {
        spec_.function.clear();
        spec_.target = "http://receiver/";
        spec_.shape = event::Shape::cloudevents;
        spec_.retries = {.max = 3, .first_us = 1, .longest_us = 1, .max_age_us = {}};
        deliver_ = [this](const SubscriptionSpec&, const Parcel& parcel,
                          const std::function<void(Receipt)>& done) {
            Receipt receipt;
            {
                const std::lock_guard lock(mutex_);
                receipt = decide(parcel);
                calls_.push_back(parcel.payload);
                if (receipt.end == End::delivered) taken_.push_back(parcel.payload);
            }
            done(receipt);
        };
    }
    ~ReceiverTest() override { processes_.reset(); }
    void open(std::size_t concurrency = 4) { DeliveryTest::open(host_, concurrency); }
    std::size_t calls_of(const std::string& payload) {
        const std::lock_guard lock(mutex_);
        return static_cast<std::size_t>(std::ranges::count(calls_, payload));
    }
    static Receipt end(End end, std::string error) {
        return {.end = end, .error = std::move(error), .again_us = {}};
    }
    static Receipt pushed_back(std::int64_t again_us) {
        return {.end = End::pushed_back, .error = "HTTP 429 slowly", .again_us = again_us};
    }

    NoHost host_;
    std::mutex mutex_;
    std::function<Receipt(const Parcel&)> decide = [](const Parcel&) { return Receipt{}; };
    std::vector<std::string> calls_, taken_;
};

std::uint64_t sum(const Counts& counts) {
    return counts.delivered + counts.pending + counts.held + counts.dead + counts.discarded;
}

TEST_F(ReceiverTest, gets_the_payload_as_it_came_with_what_belongs_to_the_event) {
    Parcel seen;
    decide = [&](const Parcel& parcel) {
        seen = parcel;
        return Receipt{};
    };
    add("k");
    open();
    wait_until_idle();
    EXPECT_EQ(seen.payload, "1");
    EXPECT_EQ(seen.meta, R"("key":"k","attributes":{})");
    EXPECT_EQ(seen.position.offset, 0u);
    EXPECT_EQ(seen.ingested_us, 1);
    EXPECT_FALSE(seen.corrected);
}

TEST_F(ReceiverTest, what_fails_or_gets_no_answer_goes_again_before_the_next_of_its_key) {
    int failures = 0;
    decide = [&](const Parcel& parcel) {
        if (parcel.payload != "1" || failures == 2) return Receipt{};
        return ++failures == 1 ? end(End::failed, "HTTP 500 not now") : end(End::unknown, "timed out");
    };
    for (int i = 0; i < 3; ++i) add("k");
    open();
    wait_until_idle();
    EXPECT_THAT(calls_, ElementsAre("1", "1", "1", "2", "3"));
    EXPECT_EQ(status().counts.delivered, 3u);
}

TEST_F(ReceiverTest, what_is_out_of_attempts_is_dead_with_every_one_of_them) {
    decide = [&](const Parcel&) { return end(End::failed, "HTTP 503 full"); };
    add("k");
    add("k");
    open();
    wait_until_idle();
    EXPECT_EQ(status().counts.dead, 1u);
    EXPECT_EQ(status().counts.held, 1u);
    const auto letters = must(processes_->dead({}, 1));
    ASSERT_EQ(letters.at(0).attempts.size(), 3u);
    EXPECT_EQ(letters[0].error_type, "HTTP 503");
    EXPECT_EQ(letters[0].error_message, "full");
    EXPECT_EQ(letters[0].attempts[0].end, "failed");
}

// As a poisoned event goes: refused at once, held behind, corrected, and then in order.
TEST_F(ReceiverTest, what_is_refused_is_dead_at_once_and_its_correction_goes_first) {
    bool corrected = false;
    decide = [&](const Parcel& parcel) {
        corrected = corrected || parcel.corrected;
        return parcel.payload == "2" ? end(End::refused, "HTTP 400 bad") : Receipt{};
    };
    for (int i = 0; i < 4; ++i) add("k");
    open();
    wait_until_idle();
    EXPECT_THAT(calls_, ElementsAre("1", "2"));
    EXPECT_EQ(status().counts.held, 2u);
    EXPECT_EQ(must(processes_->dead({}, 1)).at(0).attempts.size(), 1u);
    must(processes_->edit(must(processes_->dead({}, 1)).at(0), "22"));
    EXPECT_FALSE(corrected);
    EXPECT_EQ(must(processes_->redrive(must(processes_->dead({}, 1)), 1, 0)), 1u);
    wait_until_idle();
    EXPECT_THAT(taken_, ElementsAre("1", "22", "3", "4"));
    EXPECT_TRUE(corrected);
    EXPECT_EQ(status().counts.delivered, 4u);
}

// What was under way when it went away comes back; from then on one event asks for all.
TEST_F(ReceiverTest, one_that_cannot_be_reached_is_asked_by_one_event_and_blames_none) {
    std::vector<std::function<void(Receipt)>> asked;
    deliver_ = [&](const SubscriptionSpec&, const Parcel&, std::function<void(Receipt)> done) {
        const std::lock_guard lock(mutex_);
        asked.push_back(std::move(done));
    };
    const auto answer_all = [&](const Receipt& receipt) {
        while (status().under_way == 0) std::this_thread::yield();
        std::vector<std::function<void(Receipt)>> now;
        {
            const std::lock_guard lock(mutex_);
            now.swap(asked);
        }
        for (const auto& done : now) done(receipt);
        while (status().under_way > 0 && receipt.end != End::delivered) std::this_thread::yield();
        return now.size();
    };
    spec_.retries.first_us = spec_.retries.longest_us = 20'000;
    for (int i = 0; i < 50; ++i) add(fmt::format("k{}", i));
    open(16);
    EXPECT_EQ(answer_all(end(End::unreachable, "connection refused")), 16u);
    EXPECT_EQ(status().trouble, "connection refused");
    EXPECT_FALSE(must(processes_->idleness()).stuck.empty());
    for (int i = 0; i < 5; ++i) EXPECT_EQ(answer_all(end(End::unreachable, "connection refused")), 1u);
    std::size_t delivered = answer_all({});
    EXPECT_EQ(delivered, 1u) << "the first that gets through lets the others go";
    while (delivered < 50) delivered += answer_all({});
    while (status().counts.delivered < 50) std::this_thread::yield();
    EXPECT_EQ(status().counts.dead, 0u);
    EXPECT_EQ(status().trouble, "");
}

// More of them than there are attempts; said only when it does not end soon.
TEST_F(ReceiverTest, one_that_pushes_back_uses_up_no_attempt) {
    std::atomic<bool> has_time = false;
    decide = [&](const Parcel&) { return has_time ? Receipt{} : pushed_back(1); };
    add("k");
    open();
    while (status().trouble.empty()) std::this_thread::yield();
    EXPECT_EQ(status().trouble, "it has too much to do: HTTP 429 slowly");
    while (calls_of("1") < 10) std::this_thread::yield();
    has_time = true;
    while (status().counts.delivered < 1) std::this_thread::yield();
    EXPECT_EQ(status().counts.dead, 0u);
    EXPECT_EQ(status().trouble, "");
}

TEST_F(ReceiverTest, being_asked_to_wait_once_or_twice_is_no_trouble) {
    int calls = 0;
    decide = [&](const Parcel&) { return ++calls <= 2 ? pushed_back(200'000) : Receipt{}; };
    add("k");
    open();
    while (!must(processes_->idleness()).idle) {
        ASSERT_EQ(status().trouble, "");
        std::this_thread::yield();
    }
    EXPECT_EQ(status().counts.delivered, 1u);
}

// It wants nothing at all: an answer to what had begun before changes nothing about that.
TEST_F(ReceiverTest, one_that_pushes_back_gets_nothing_of_any_key_until_its_time) {
    std::vector<std::function<void(Receipt)>> asked;
    deliver_ = [&](const SubscriptionSpec&, const Parcel&, std::function<void(Receipt)> done) {
        const std::lock_guard lock(mutex_);
        asked.push_back(std::move(done));
    };
    const auto count = [&] {
        const std::lock_guard lock(mutex_);
        return asked.size();
    };
    for (int i = 0; i < 20; ++i) add(fmt::format("k{}", i));
    open(4);
    while (count() < 4) std::this_thread::yield();
    constexpr std::int64_t an_hour_us = 3'600'000'000;
    asked.at(0)(pushed_back(an_hour_us));
    while (status().under_way > 3) std::this_thread::yield();
    for (const std::size_t i : {1, 2, 3}) asked.at(i)({});
    while (status().counts.delivered < 3) std::this_thread::yield();
    bell_->ring();
    processes_->stop(0);  // after a whole turn
    EXPECT_EQ(count(), 4u);
    EXPECT_EQ(status().counts.pending, 17u);
}

// Answers at random, in threads of their own, some of them never; restarts in between.
TEST_F(ReceiverTest, order_and_numbers_hold_through_failures_and_restarts) {
    constexpr std::uint64_t events = 300;
    os::SeededRng rng(7);
    std::map<std::uint64_t, std::uint64_t> newest;  // per key
    std::set<std::uint64_t> done;
    std::vector<std::string> overtaken;
    std::atomic<bool> calm = false;
    decide = [&](const Parcel& parcel) {
        const std::uint64_t number = std::stoull(parcel.payload);
        if (!calm && rng.below(4) == 0) return end(static_cast<End>(1 + rng.below(5)), "made to fail");
        if (done.insert(number).second) {
            if (number < newest[number % 7]) overtaken.push_back(parcel.payload);
            newest[number % 7] = std::max(newest[number % 7], number);
        }
        return Receipt{};
    };
    for (std::uint64_t i = 1; i <= events; ++i) add(fmt::format("k{}", i % 7));
    for (int round = 0; round < 6; ++round) {
        open();
        for (int look = 0; look < 60; ++look) {
            const Counts counts = status().counts;
            ASSERT_EQ(counts.matched, sum(counts));
            const auto letters = must(processes_->dead({}, 3));
            if (look % 5 == 0) (void)processes_->redrive(letters, 1, 0);
        }
        processes_->stop(0);
    }
    calm = true;
    open();
    while (status().counts.delivered < events) {
        (void)processes_->redrive(must(processes_->dead({}, 1000)), 1, 0);
        std::this_thread::yield();
    }
    const std::lock_guard lock(mutex_);
    EXPECT_EQ(done.size(), events);
    EXPECT_THAT(overtaken, testing::IsEmpty());
}

TEST(SubscriptionTargets, are_read_and_written_back) {
    const auto read = [](const std::string& text) {
        return SubscriptionSpec::from_json("hook", *codec::Json::parse(text));
    };
    const auto spec = read(R"({"stream":"s","to":"https://h/p","shape":"payload"})");
    ASSERT_TRUE(spec);
    EXPECT_EQ(spec->target, "https://h/p");
    EXPECT_TRUE(spec->function.empty());
    EXPECT_EQ(spec->to_json()["to"].as_string(), "https://h/p");
    EXPECT_TRUE(SubscriptionSpec::from_json("hook", spec->to_json()));
    EXPECT_TRUE(read(R"({"stream":"s","to":"null:"})"));
    EXPECT_EQ(read(R"({"stream":"s","to":"target:t"})")->target, "target:t");
    const auto file = read(R"({"stream":"s","to":"file:x"})");
    ASSERT_FALSE(file);
    EXPECT_THAT(file.error().next, testing::HasSubstr("tarn tail s --follow"));
    const auto batch = read(R"({"stream":"s","to":"http://h","batch":{"size":2}})");
    ASSERT_FALSE(batch);
    EXPECT_THAT(batch.error().message, testing::HasSubstr("one event at a time"));
    EXPECT_FALSE(read(R"({"stream":"s","to":"http://h","via":"function:f"})"));
}

}  // namespace
}  // namespace tarn::process
