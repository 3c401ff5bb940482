// Delivers events to functions, streams and targets outside: subscriptions at work under one roof. One thread
// takes turns: results are taken in, streams are scanned for those who have room (one scan for all that stand
// at the same place), batches go out, and what changed is written in one transaction. Nothing here can block
// capture: it only reads what is durable already. A subscriber that is slow or dead fills its own bounded
// memory and then lags in the log.
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
#include "process/bell.h"
#include "process/placement.h"
#include "process/process_store.h"
#include "process/receiver.h"
#include "process/transform.h"

namespace tarn::process {

struct SubscriptionStatus {
    SubscriptionSpec spec;
    Counts counts;
    bool paused = false;
    std::uint64_t under_way = 0;
    bool redriving = false;      // dead letters are on their way again, or wait for their time
    Sequence next = 1, end = 1;  // the next sequence to look at, and the end of what is durable
    std::int64_t lag_us = 0;     // how old the oldest event is that was not looked at, or not settled
    std::string trouble;         // why nothing moves, "" when all is well

    std::uint64_t lag() const { return end > next ? end - next : 0; }
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
        std::size_t concurrency = 64;  // batches under way a subscription, at most
        // To be rung when events become durable: in between it sleeps. May be left out where nothing comes.
        std::shared_ptr<Bell> bell;
        // Where events for other streams, and for targets outside, go. May be left out where no subscription
        // has any.
        Derive derive;
        Deliver deliver;
        // Where process.db is, as SQLite knows it (sqlite/file_system_vfs.h); nullptr: on the real file
        // system.
        const char* vfs = nullptr;
    };
    static Result<std::unique_ptr<Processes>> open(Parts parts);
    virtual ~Processes() = default;

    // Declares or changes. A new one begins at sequence `from`; one that exists goes on where it is. Attempts
    // that are under way end as they would have. One whose stream is gone keeps what it has, and says so.
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
    // While it lives, nothing is sent to this function, and nothing is under way in it. store_busy when what
    // is under way has not ended after `longest_us`.
    virtual Result<std::shared_ptr<void>> quiesce(const std::string& function, std::int64_t longest_us) = 0;

    // Where a subscription stands; exact while its function is quiesced.
    virtual Result<state::FeederPosition> position(const std::string& subscription) = 0;
    // What puts it to where another state stands, to be carried out by place(). Its function must stay
    // quiesced in between.
    virtual Result<Placement> plan_placement(const std::string& subscription,
                                             const state::FeederPosition& position) = 0;
    // All of them or none. On the disk when it returns; the same ones twice do no harm.
    virtual Status place(const std::vector<Placement>& placements) = 0;

    // Dead letters.
    virtual Result<std::vector<DeadGroup>> groups(const DeadSelection& selection) = 0;
    virtual Result<std::vector<DeadLetter>> dead(const DeadSelection& selection, std::size_t limit) = 0;
    // What the function would get.
    virtual Result<std::string> document(const DeadLetter& letter) = 0;
    // What a pattern sees of it.
    virtual Result<std::string> pattern_document(const DeadLetter& letter) = 0;
    virtual Status edit(const DeadLetter& letter, const std::string& payload) = 0;
    // Both pass over what is no dead letter any more, or is on its way, and say how many were left. Redriven
    // ones are sent at `first_us` of the wall clock and then one every `every_us`; what remains of them
    // survives a restart.
    virtual Result<std::uint64_t> redrive(const std::vector<DeadLetter>& letters, std::int64_t first_us,
                                          std::int64_t every_us) = 0;
    virtual Result<std::uint64_t> discard(const std::vector<DeadLetter>& letters) = 0;
};

}  // namespace tarn::process
