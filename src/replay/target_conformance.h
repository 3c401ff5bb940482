// What every target must do, whatever it sends to. A test gives a TargetFixture and runs the suite:
//
//   class NullFixture : public TargetFixture { … };
//   INSTANTIATE_TYPED_TEST_SUITE_P(Null, TargetConformance, NullFixture);
//
// The suite: answers in order and not more than asked; stops behind a failure, and of a batch only what
// failed has failed; what was flushed is there once, also after the session was cut off and the target opened
// again; being pushed back loses nothing; an outcome that is not known is said to be unknown; a target that
// takes several events at once answers each exactly once.
#pragma once

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "codec/hash.h"
#include "replay/target.h"

namespace tarn::replay {

// What the suite needs to know of a target. One outside world a fixture; open() may be called again to
// resume.
class TargetFixture {
public:
    virtual ~TargetFixture() = default;
    virtual std::unique_ptr<Target> open(std::optional<std::uint64_t> resume_mark) = 0;
    // The ids of the events that have arrived, in order; nullopt when the target cannot tell.
    virtual std::optional<std::vector<std::string>> arrived() = 0;
    // From now on this event is refused; false when the target refuses no single events.
    virtual bool refuse(const std::string& id) = 0;
    // From now on so many events or requests are refused because there is too much to do; false when the
    // target never says so.
    virtual bool push_back(int) { return false; }
    // The next event has its effect, and nobody hears of it; false when the target cannot lose an answer.
    virtual bool lose_answer() { return false; }
    // Whether an event that is sent again after a crash has its effect once only.
    virtual bool is_exactly_once() const = 0;
};

// Events with their own bytes, in the order of a manifest.
class OutgoingEvents {
public:
    explicit OutgoingEvents(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            const std::string& meta = texts_.emplace_back(fmt::format(
                "\"key\":\"k{}\",\"attributes\":{{\"id\":\"e{}\",\"source\":\"/s\",\"type\":\"t\"}}", i % 3,
                i));
            const std::string& payload = texts_.emplace_back(fmt::format("{{\"n\":{}}}", i));
            Outgoing out;
            out.event = {.position = {StreamId{1}, 0, i},
                         .sequence = i + 1,
                         .ingested = Time{1'700'000'000'000'000},
                         .meta = meta,
                         .payload = payload,
                         .form = event::PayloadForm::json,
                         .hash = codec::xxh3_128(payload)};
            out.meta = readers_.emplace_back().read(out.event, "bank");
            out.index = i;
            out.idempotency_key = fmt::format("run:1:0:{}", i);
            events.push_back(std::move(out));
        }
    }
    std::vector<Outgoing> part(std::size_t from, std::size_t until) const {
        return {events.begin() + static_cast<std::ptrdiff_t>(from),
                events.begin() + static_cast<std::ptrdiff_t>(until)};
    }
    std::vector<Outgoing> events;

private:
    std::deque<std::string> texts_;
    std::deque<event::MetaReader> readers_;
};

template <typename Fixture>
class TargetConformance : public testing::Test {
protected:
    static std::vector<std::string> ids(std::size_t from, std::size_t until) {
        std::vector<std::string> list;
        for (std::size_t i = from; i < until; ++i) list.push_back(fmt::format("e{}", i));
        return list;
    }
    // Sends as the runner does: what was not answered is offered again.
    void send_all(Target& target, std::size_t from, std::size_t until) {
        while (from < until) {
            const auto answers = target.send(events.part(from, std::min(until, from + target.max_batch())));
            ASSERT_TRUE(answers) << answers.error().text();
            ASSERT_FALSE(answers->empty());
            for (const Sent& sent : *answers) EXPECT_EQ(sent.delivery, Delivery::acknowledged) << sent.error;
            from += answers->size();
        }
    }
    Fixture fixture;
    OutgoingEvents events{25};
};

TYPED_TEST_SUITE_P(TargetConformance);

TYPED_TEST_P(TargetConformance, takes_all_events_in_order) {
    const auto target = this->fixture.open(std::nullopt);
    ASSERT_NE(target, nullptr);
    EXPECT_GT(target->max_batch(), 0u);
    EXPECT_GT(target->max_unsettled(), 0u);
    this->send_all(*target, 0, 25);
    ASSERT_TRUE(target->flush());
    ASSERT_TRUE(target->flush()) << "flushing nothing is fine";
    const auto arrived = this->fixture.arrived();
    if (arrived) {
        EXPECT_EQ(*arrived, this->ids(0, 25));
    }
}

TYPED_TEST_P(TargetConformance, stops_behind_a_refused_event) {
    if (!this->fixture.refuse("e4")) GTEST_SKIP() << "this target refuses no single events";
    const auto target = this->fixture.open(std::nullopt);
    std::size_t at = 0;
    while (at <= 4) {
        const auto answers = target->send(this->events.part(
            at, std::min<std::size_t>(at + std::min<std::size_t>(target->max_batch(), 10), 25)));
        ASSERT_TRUE(answers) << answers.error().text();
        for (const Sent& sent : *answers)
            EXPECT_EQ(sent.delivery, at++ == 4 ? Delivery::failed : Delivery::acknowledged) << sent.error;
    }
    EXPECT_EQ(at, 5u) << "nothing behind the failure was answered";
    ASSERT_TRUE(target->flush());
    if (const auto arrived = this->fixture.arrived()) {
        EXPECT_EQ(*arrived, this->ids(0, 4));
    }
    this->send_all(*target, 5, 25);
}

TYPED_TEST_P(TargetConformance, a_session_cut_off_can_be_taken_up_again) {
    std::uint64_t mark = 0;
    {
        const auto target = this->fixture.open(std::nullopt);
        this->send_all(*target, 0, 10);
        ASSERT_TRUE(target->flush());
        mark = target->mark();
        // The ledger never hears of these.
        this->send_all(*target, 10, 17);
    }
    const auto target = this->fixture.open(mark);
    ASSERT_NE(target, nullptr);
    std::size_t at = 10;
    // Batches need not be cut as they were before: these straddle what the first session got through.
    while (at < 25) {
        const auto answers =
            target->send(this->events.part(at, std::min<std::size_t>(25, at + target->max_batch())));
        ASSERT_TRUE(answers) << answers.error().text();
        ASSERT_FALSE(answers->empty());
        at += answers->size();
    }
    ASSERT_TRUE(target->flush());
    const auto arrived = this->fixture.arrived();
    if (!arrived) return;
    if (this->fixture.is_exactly_once()) {
        EXPECT_EQ(*arrived, this->ids(0, 25));
    } else {
        EXPECT_GE(arrived->size(), 25u);
    }
}

TYPED_TEST_P(TargetConformance, being_pushed_back_loses_nothing) {
    if (!this->fixture.push_back(3)) GTEST_SKIP() << "this target never pushes back";
    const auto target = this->fixture.open(std::nullopt);
    this->send_all(*target, 0, 25);
    EXPECT_EQ(this->fixture.arrived(), this->ids(0, 25));
}

TYPED_TEST_P(TargetConformance, a_lost_answer_is_neither_a_success_nor_a_failure) {
    const auto target = this->fixture.open(std::nullopt);
    this->send_all(*target, 0, 3);
    if (!this->fixture.lose_answer()) GTEST_SKIP() << "this target always answers";
    const auto answers = target->send(this->events.part(3, 4));
    ASSERT_TRUE(answers) << answers.error().text();
    ASSERT_EQ(answers->size(), 1u);
    EXPECT_EQ(answers->front().delivery, Delivery::unknown) << answers->front().error;
    EXPECT_FALSE(answers->front().error.empty());
}

// Begins all that it may at once, each again when the target asks for it, until each has its answer.
TYPED_TEST_P(TargetConformance, several_at_once_are_each_answered_once) {
    const bool refuses = this->fixture.refuse("e4");
    const auto target = this->fixture.open(std::nullopt);
    ParallelTarget* const parallel = target->parallel();
    if (parallel == nullptr) GTEST_SKIP() << "this target works on one batch after the other";
    ASSERT_GT(parallel->at_once(), 0u);
    std::mutex mutex;
    std::condition_variable came;
    std::vector<std::vector<Delivery>> answers(25);
    std::size_t under_way = 0, answered = 0;
    for (std::size_t next = 0;;) {
        std::unique_lock lock(mutex);
        if (answered == 25) break;
        if (next < 25 && under_way < parallel->at_once()) {
            ++under_way;
            lock.unlock();
            parallel->begin(this->events.events[next], [&, next](Result<Attempted> result) {
                const std::scoped_lock answer_lock(mutex);
                EXPECT_TRUE(result) << result.error().text();
                if (result) answers[next].push_back(result->sent.delivery);
                --under_way;
                ++answered;
                came.notify_one();
            });
            ++next;
            continue;
        }
        came.wait(lock, [&] { return answered == 25 || (next < 25 && under_way < parallel->at_once()); });
    }
    for (std::size_t i = 0; i < 25; ++i) {
        ASSERT_EQ(answers[i].size(), 1u) << i;
        EXPECT_EQ(answers[i][0], refuses && i == 4 ? Delivery::failed : Delivery::acknowledged) << i;
    }
    auto arrived = this->fixture.arrived();
    if (!arrived) return;
    auto expected = this->ids(0, 25);
    if (refuses) expected.erase(expected.begin() + 4);
    std::sort(arrived->begin(), arrived->end());
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(*arrived, expected);
}

REGISTER_TYPED_TEST_SUITE_P(TargetConformance, takes_all_events_in_order, stops_behind_a_refused_event,
                            a_session_cut_off_can_be_taken_up_again, being_pushed_back_loses_nothing,
                            a_lost_answer_is_neither_a_success_nor_a_failure,
                            several_at_once_are_each_answered_once);

}  // namespace tarn::replay
