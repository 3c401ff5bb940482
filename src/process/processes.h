// Delivers events to functions: subscriptions at work under one roof. One thread takes turns: results are
// taken in, streams are scanned for those who have room (one scan for all that stand at the same place),
// batches go out, and what changed is written in one transaction. Nothing here can block capture: it only
// reads what is durable already. A subscriber that is slow or dead fills its own bounded memory and then
// lags in the log.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "functions/function_host.h"
#include "lake/lake.h"
#include "os/clock.h"
#include "os/rng.h"
#include "process/process_store.h"

namespace tarn::process {

struct SubscriptionStatus {
    SubscriptionSpec spec;
    Counts counts;
    bool paused = false;
    std::uint64_t under_way = 0;
    Sequence next = 1, end = 1;  // the next sequence to look at, and the end of what is durable
    std::string trouble;         // why nothing moves, "" when all is well
    codec::Json to_json() const;
};

// Thread-safe.
class Processes {
public:
    struct Parts {
        lake::Lake& lake;
        std::function<Sequence()> durable_end;  // one past the last event that may be delivered
        functions::FunctionHost& functions;
        os::Clock& clock;
        os::Rng& rng;
        std::string path;  // of process.db
        // Whether the run of that uid named this subscription (`--only`). May be empty.
        std::function<bool(std::string_view run_uid, const std::string& subscription)> run_names;
        // Told of every event that becomes a dead letter, outside of the turn's transaction. May be empty.
        std::function<void(const DeadLetter&)> on_dead;
        std::size_t concurrency = 64;  // batches under way a subscription, at most
    };
    static Result<std::unique_ptr<Processes>> open(Parts parts);
    virtual ~Processes() = default;

    // Declares or changes. A new one begins at sequence `from`; one that exists goes on where it is. Attempts
    // that are under way end as they would have.
    virtual Status declare(const SubscriptionSpec& spec, Sequence from) = 0;
    // Forgets it with all that is held and dead in it.
    virtual Status remove(const std::string& name) = 0;
    virtual Status set_paused(const std::string& name, bool paused) = 0;
    virtual Result<std::vector<SubscriptionStatus>> list() = 0;
    virtual Result<SubscriptionStatus> find(const std::string& name) = 0;  // unknown_subscription

    // Delivery runs between start and stop; stop waits until nothing is under way, for up to `grace_us`.
    virtual void start() = 0;
    virtual void stop(std::int64_t grace_us) = 0;
    // Nothing is pending anywhere, apart from what is paused; `stuck` names those that cannot move.
    struct Idleness {
        bool idle = false;
        std::vector<std::string> stuck;
    };
    virtual Result<Idleness> idleness() = 0;
    // While it lives, nothing is sent to this function, and nothing is under way in it.
    virtual std::shared_ptr<void> quiesce(const std::string& function) = 0;

    // Dead letters.
    virtual Result<std::vector<DeadGroup>> groups() = 0;
    virtual Result<std::vector<DeadLetter>> dead(const DeadSelection& selection, std::size_t limit) = 0;
    // What the function would get.
    virtual Result<std::string> document(const DeadLetter& letter) = 0;
    virtual Status edit(const DeadLetter& letter, const std::string& payload) = 0;
    virtual Result<std::uint64_t> redrive(const std::vector<DeadLetter>& letters) = 0;
    virtual Result<std::uint64_t> discard(const std::vector<DeadLetter>& letters) = 0;
};

}  // namespace tarn::process
