// Processes as they are built: the thread that takes turns, and what it knows of each subscription. Internal
// to process/.
//
// Where things are done: the calls from outside in processes.cc, quiescing and placing in pump_placement.cc;
// a turn in pump_turn.cc, its scans in pump_scan.cc; how memory is kept true to the disk, also after a failed
// turn, in pump_entries.cc.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "event/meta.h"
#include "process/processes.h"
#include "process/shared_matching.h"
#include "process/subscription.h"

namespace tarn::process {

// Whoever waits for it gets it before whoever comes back for it: turn after turn must not keep calls out.
class FairMutex {
public:
    void lock() {
        const std::lock_guard gate(gate_);
        mutex_.lock();
    }
    void unlock() { mutex_.unlock(); }

private:
    std::mutex gate_, mutex_;
};

class Pump final : public Processes {
public:
    Pump(Parts parts, std::unique_ptr<ProcessStore> store)
        : parts_(std::move(parts)),
          store_(std::move(store)),
          bell_(parts_.bell ? parts_.bell : std::make_shared<Bell>()) {}
    ~Pump() override { stop(0); }

    Status declare(const SubscriptionSpec& spec, Sequence from) override;
    Status remove(const std::string& name) override;
    Status set_paused(const std::string& name, bool paused) override;
    Result<std::vector<SubscriptionStatus>> list() override;
    Result<SubscriptionStatus> find(const std::string& name) override;
    void start() override;
    void stop(std::int64_t grace_us) override;
    Result<Idleness> idleness() override;
    Result<std::shared_ptr<void>> quiesce(const std::string& function, std::int64_t longest_us) override;
    Result<state::FeederPosition> position(const std::string& subscription) override;
    Result<Placement> plan_placement(const std::string& subscription,
                                     const state::FeederPosition& position) override;
    Status place(const std::vector<Placement>& placements) override;
    Result<std::vector<DeadGroup>> groups(const DeadSelection& selection) override;
    Result<std::vector<DeadLetter>> dead(const DeadSelection& selection, std::size_t limit) override;
    Result<std::string> document(const DeadLetter& letter) override;
    Result<std::string> pattern_document(const DeadLetter& letter) override;
    Status edit(const DeadLetter& letter, const std::string& payload) override;
    Result<std::uint64_t> redrive(const std::vector<DeadLetter>& letters, std::int64_t first_us,
                                  std::int64_t every_us) override;
    Result<std::uint64_t> discard(const std::vector<DeadLetter>& letters) override;

private:
    static constexpr std::int64_t trouble_pause_us = 200'000;

    struct Answer {
        std::string subscription;
        std::uint64_t generation = 0;  // of the subscription when it was asked
        std::vector<Item> items;
        functions::InvocationResult result;
        std::optional<std::vector<Verdict>> verdicts;  // when it went into a stream, or outside
    };

    struct Entry {
        std::unique_ptr<Subscription> subscription;
        std::uint64_t generation = 0;
        std::size_t batches = 0;  // under way
        // Under way from before it was opened anew. Their events are looked at again and must not overtake
        // them: nothing is sent until they have come home.
        std::size_t stale = 0;
        std::int64_t not_before_us = 0;  // after trouble
        // Of a target that cannot be reached, or has too much to do: how often in a row, and when to look
        // again. One event asks, the others wait.
        std::uint32_t outages = 0;
        std::int64_t send_not_before_us = 0;
        bool asked_to_rest = false;  // by the target itself: an answer to what had begun before ends no pause
        bool quiet = false;          // this turn: its function is quiesced
        bool touched = false;        // this turn changed what is in memory
        bool reading = false;        // in the scan that is being made
        // What is in memory ran ahead of what is on disk, which could not be written: to be opened anew.
        // `why` says what went wrong; also of one whose stream is gone.
        bool adrift = false, homeless = false;
        std::string why;

        std::size_t in_flight() const { return batches + stale; }
    };

    // The patterns of all subscriptions of a stream, compiled together when one of them has changed.
    struct Sharing {
        std::uint64_t generation = 0;
        SharedMatching matching;
        std::vector<Entry*> entries;
    };

    // ---- calls from outside (processes.cc)
    Result<SubscriptionStatus> status_of(Entry& entry);
    Result<Counts> counts_on_disk(const std::string& name);
    void wait_for_batches(const std::string& name, std::int64_t longest_us);
    using Act = std::function<Result<bool>(Subscription&, const DeadLetter&)>;
    Result<std::uint64_t> with_each(const std::vector<DeadLetter>& letters, const Act& act);

    // ---- memory and disk (pump_entries.cc)
    Result<Entry*> find_entry(const std::string& name);
    Result<Entry*> sound_entry(const std::string& name);
    Status in_transaction(const std::function<Status()>& body);
    Status take_up(SubscriptionSpec spec, StreamId stream, Sequence from);
    void open_adrift(std::int64_t now);
    Status open_anew(Entry& entry);
    Status take_up_homeless(const SubscriptionSpec& spec, const Error& why);
    void look_for_homes();
    static std::string trouble_of(const Entry& entry);

    // ---- quiescing and placing (pump_placement.cc)
    std::size_t batches_of(const std::string& function) const;
    Failure still_busy(const std::string& function, std::int64_t longest_us) const;
    Result<std::pair<SubscriptionSpec, Standing>> standing(const std::string& name);

    // ---- the thread (pump_turn.cc)
    void wake() { bell_->ring(); }
    std::size_t batches_under_way() const;
    void run();
    std::int64_t turn();
    bool needs_turn(const std::vector<Answer>& answers, std::int64_t now, std::int64_t wall) const;
    Status work(std::vector<Answer>& answers, std::int64_t now, std::int64_t wall);
    bool is_home(const Answer& answer);
    Status take_in(Answer& answer, std::int64_t now);
    std::int64_t send_all(std::int64_t now, std::int64_t wall);
    void send(Entry& entry, std::int64_t now);
    void deliver(const std::shared_ptr<Answer>& answer, const SubscriptionSpec& spec);
    void note_outage(Entry& entry, const std::vector<Verdict>& verdicts, std::int64_t now);
    std::size_t free_places(const Entry& entry, std::int64_t now) const;
    void derive(const std::shared_ptr<Answer>& answer, const SubscriptionSpec& spec,
                std::vector<Transformed> results, std::int64_t wall);
    void put_in_box(const std::shared_ptr<Answer>& answer);

    // ---- scans (pump_scan.cc)
    Status scan_all(std::int64_t now);
    Status scan_group(StreamId stream, Sequence from, Sequence end, std::vector<Entry*>& group,
                      std::int64_t now);
    Status scan_stream(StreamId stream, Sequence from, Sequence end, std::vector<Entry*>& group,
                       std::int64_t now, std::optional<Error>& unreadable);
    Result<std::unique_ptr<lake::Scan>> open_scan(StreamId stream, Sequence from, Sequence end,
                                                  std::string& name);
    Result<Sharing*> sharing_of(StreamId stream);

    const Parts parts_;
    const std::unique_ptr<ProcessStore> store_;
    const std::shared_ptr<Bell> bell_;
    event::MetaReader meta_reader_;
    std::map<StreamId, std::unique_ptr<Sharing>> sharing_;
    std::string document_;

    FairMutex mutex_;  // a turn, or a call from outside
    std::condition_variable_any settled_;
    std::map<std::string, Entry> entries_;
    std::multiset<std::string> quiesced_;
    std::string held_back_;
    std::uint64_t generations_ = 0;
    bool draining_ = false, stopping_ = false, more_to_scan_ = false;

    std::mutex answers_mutex_;  // held for moments only; never while waiting for mutex_
    std::vector<Answer> answers_;
    Deriving deriving_{parts_.derive};  // ends before what it answers to
    std::thread thread_;
};

}  // namespace tarn::process
