// What every target must do, whatever it sends to. A test gives a TargetFixture and runs the suite:
//
//   class NullFixture : public TargetFixture { … };
//   INSTANTIATE_TYPED_TEST_SUITE_P(Null, TargetConformance, NullFixture);
//
// The suite: answers in order and not more than asked; stops behind a failure; what was flushed is there
// once, also after the session was cut off and the target opened again; payload bytes arrive as they are.
#pragma once

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <deque>
#include <memory>
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

REGISTER_TYPED_TEST_SUITE_P(TargetConformance, takes_all_events_in_order, stops_behind_a_refused_event,
                            a_session_cut_off_can_be_taken_up_again);

}  // namespace tarn::replay
