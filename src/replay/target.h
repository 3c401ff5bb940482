// Where a run sends. Each target passes the conformance suite in replay/target_conformance.h.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "event/meta.h"
#include "replay/plan.h"

namespace tarn::replay {

enum class Delivery : std::uint8_t { acknowledged, skipped, failed, unknown };

struct Outgoing {
    event::StoredEvent event;  // views valid during send
    event::Meta meta;
    std::uint64_t index = 0;  // place in the manifest
    int attempt = 1;
    std::string idempotency_key;  // "<run uid>:<stream id>:<partition>:<offset>"
};

struct Sent {
    Delivery delivery = Delivery::acknowledged;
    std::string error;  // for failed and unknown; for skipped why
    int attempts = 1;
};

class ParallelTarget;

class Target {
public:
    virtual ~Target() = default;
    // Delivers in the given order; one answer an event. It stops behind the first event that failed or is
    // unknown and gives fewer answers then, so that the runner can hold back what must not overtake it; the
    // rest is offered again. An Error means the target as a whole cannot go on.
    virtual Result<std::vector<Sent>> send(const std::vector<Outgoing>& batch) = 0;
    // Makes what was acknowledged durable (files, transactions). Called before the ledger records it.
    virtual Status flush() = 0;
    virtual std::size_t max_batch() const = 0;
    // So many events may be acknowledged before the ledger must know of them: what a crash could make it see
    // again.
    virtual std::size_t max_unsettled() const { return 10'000; }
    // What flush() made durable, to be given back when the run is resumed (a file: its bytes).
    virtual std::uint64_t mark() const { return 0; }
    // false: Outgoing::meta and idempotency_key are not looked at and stay empty.
    virtual bool reads_meta() const { return true; }
    // What became of an event that was sent and not answered, where the target can be asked; nullopt: it
    // cannot, or does not know. Called from the run's thread, and may take as long as a sending.
    virtual std::optional<Sent> look_up(const Outgoing&) { return std::nullopt; }
    // A target that can work on several events at once: the runner then begins them one by one and keeps the
    // order itself, instead of calling send.
    virtual ParallelTarget* parallel() { return nullptr; }
};

// What came of one attempt.
struct Attempted {
    Sent sent;                             // with again_us: why it has to be begun again
    std::optional<std::int64_t> again_us;  // set: it shall be begun again after so long
    bool was_tried = true;                 // false: this was no attempt
    bool was_reached = true;               // false: nobody was there, and no other event would fare better
    // Set: the target has more to do than it can, and wants nothing at all for so long (0: it did not say).
    std::optional<std::int64_t> pushed_back_us = {};
};

// Of a key at most one event is under way; which, and what waits behind a failure, is the runner's business.
class ParallelTarget : public Target {
public:
    ParallelTarget* parallel() final { return this; }
    virtual std::size_t at_once() const = 0;
    // Whether answers that become slower, or do not come, mean that it has too much to do, so that the run
    // asks less of it.
    virtual bool latency_tells() const { return true; }
    // Hands one event over and copies of it what it needs. `done` is called once, on any thread, perhaps
    // before begin returns. `outgoing.attempt` counts from 1. An Error means the target as a whole cannot go
    // on, and the event was not delivered as far as anybody knows. What is under way when the target ends is
    // broken off, and answered before the destructor returns.
    using Done = std::function<void(Result<Attempted>)>;
    virtual void begin(const Outgoing& outgoing, Done done) = 0;
    // The run wants to end: nothing more is begun, and what is under way should be over soon.
    virtual void wind_up() {}
    // Between two attempts of send.
    virtual void rest(std::int64_t) {}

    // One after the other, as any target.
    Result<std::vector<Sent>> send(const std::vector<Outgoing>& batch) final;
    Status flush() override { return {}; }
    std::size_t max_batch() const override { return at_once(); }
};

}  // namespace tarn::replay
