// What subscriptions must remember: one SQLite database, `<data>/process.db` (docs/formats/process.md). What
// one turn of delivery changes is written in one transaction, so that after any crash
// matched = delivered + pending + held + dead + discarded still holds. One thread at a time.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "process/lanes.h"
#include "sqlite/sqlite.h"

namespace tarn::process {

// How far a subscription is.
struct Progress {
    StreamId stream;
    Sequence low = 1;   // every matched event below is settled, held or dead
    Sequence scan = 1;  // every event below has been looked at
    std::uint64_t matched = 0, delivered = 0, discarded = 0;
    bool paused = false;
};

struct Counts {
    std::uint64_t matched = 0, delivered = 0, pending = 0, held = 0, dead = 0, discarded = 0;
};

struct DeadLetter {
    std::string subscription;
    Sequence sequence = 0;
    Position position;
    std::uint64_t key_hash = 0;
    bool keyed = false;
    std::string group;  // of its cause; see cause.h
    std::string error_type, error_message;
    std::vector<Attempt> attempts;  // of all rounds, oldest first
    std::int64_t first_us = 0, last_us = 0;
    std::optional<std::string> edited;  // a correction of the payload, to be sent instead
    // Asked to be sent again at this time of the wall clock; 0: not asked for; `redrive_under_way`.
    std::int64_t redrive_us = 0;
};
inline constexpr std::int64_t redrive_under_way = -1;

struct HeldEvent {
    Sequence sequence = 0;
    Position position;
    std::uint64_t key_hash = 0;
    bool keyed = false;
};

// A group of dead letters with the same cause.
struct DeadGroup {
    std::string group, subscription, error_type, error_message;
    std::uint64_t count = 0, held = 0;
    std::int64_t first_us = 0, last_us = 0;
    Position sample;
};

// The place of a dead letter in every list of them.
struct DeadPlace {
    Sequence sequence = 0;
    std::string subscription;
};

// Which dead letters; what is unset does not matter.
struct DeadSelection {
    std::optional<std::string> subscription, group;
    std::optional<Position> position;
    std::optional<std::string> cause;                // a part of "ErrorType: message"
    std::optional<std::int64_t> since_us, until_us;  // its last attempt was in [since, until)
    std::optional<DeadPlace> after;                  // those behind it: the next page
};

class ProcessStore {
public:
    static Result<std::unique_ptr<ProcessStore>> open(const std::string& path, const char* vfs = nullptr);

    template <typename Body>
    Status transaction(Body&& body) {
        return database_.transaction(std::forward<Body>(body));
    }

    Result<std::optional<Progress>> progress(const std::string& subscription);
    Status set_progress(const std::string& subscription, const Progress& progress);
    Status remove(const std::string& subscription);  // with all that is held and dead in it

    // Delivered or discarded at or above `low`; what is below is dropped with forget_settled.
    // What became of those that are not simply delivered, without their attempts, by sequence.
    struct Waiting {
        HeldEvent event;
        bool dead = false;
    };
    Result<std::vector<Waiting>> waiting(const std::string& subscription);
    Result<std::vector<Sequence>> settled(const std::string& subscription);
    // Those that were given up, for ever: a state that is put back to before must not get them again.
    Status add_discarded(const std::string& subscription, Sequence sequence);
    Result<std::vector<Sequence>> discarded(const std::string& subscription);

    // Everything in the transactions since is on the disk, also after a power cut.
    Status sync();

    Status add_settled(const std::string& subscription, Sequence sequence);
    Status forget_settled(const std::string& subscription, Sequence low);
    // Whether a scan that begins anew at `low` must pass it by: settled, held or dead.
    Result<std::vector<Sequence>> known_from(const std::string& subscription, Sequence low);

    Status add_held(const std::string& subscription, const HeldEvent& held, bool released = false);
    Status remove_held(const std::string& subscription, Sequence sequence);
    // All of a key: `released` ones only wait for their turn and count as pending.
    Status set_released(const std::string& subscription, std::uint64_t key_hash, bool released);
    // The oldest of a key after `after`.
    Result<std::vector<HeldEvent>> held(const std::string& subscription, std::uint64_t key_hash,
                                        Sequence after, std::size_t limit);
    Result<std::vector<std::uint64_t>> released_keys(const std::string& subscription);
    struct HeldCounts {
        std::uint64_t held = 0, released = 0;
    };
    Result<HeldCounts> held_counts(const std::string& subscription);

    // Adds, or replaces and appends the attempts.
    Status add_dead(const DeadLetter& letter);
    Status remove_dead(const std::string& subscription, Sequence sequence);
    Status set_edited(const std::string& subscription, Sequence sequence, const std::string& payload);
    // By sequence, then subscription.
    Result<std::vector<DeadLetter>> dead(const DeadSelection& selection, std::size_t limit);
    Status set_redrive(const std::string& subscription, Sequence sequence, std::int64_t at_us);
    // After a restart: what was under way is asked for again.
    Status reset_redrives(const std::string& subscription);
    Result<std::vector<DeadLetter>> due(const std::string& subscription, std::int64_t now_us,
                                        std::size_t limit);
    Result<std::optional<std::int64_t>> next_redrive_us(const std::string& subscription);
    Result<std::uint64_t> dead_count(const std::string& subscription);
    Result<std::vector<std::uint64_t>> dead_keys(const std::string& subscription);  // one entry a letter
    // Newest first. The selection's place does not matter.
    Result<std::vector<DeadGroup>> groups(const DeadSelection& selection = {});

private:
    explicit ProcessStore(sqlite::Database database) : database_(std::move(database)) {}
    Result<sqlite::Statement*> statement(const char* sql);
    Result<std::vector<DeadLetter>> letters(sqlite::Statement& row);

    sqlite::Database database_;
    std::map<const char*, sqlite::Statement> statements_;  // by the address of their text
};

}  // namespace tarn::process
