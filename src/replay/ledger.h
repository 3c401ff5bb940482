// What was done to each event of a run. Append-only; one frame a checkpoint, synced before the next is
// written, so that a crash can tear only the last one. Format: docs/formats/ledger.md.
//
// One writer: who opens it to write makes the file anew, with the next epoch in its header. Whoever had it
// open before holds a file without a name from then on, and learns it from check_is_ours().
//
// Events are settled strictly in the order of the manifest: record i+1 begins where record i ended.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "os/file_system.h"

namespace tarn::replay {

enum class LedgerKind : std::uint8_t {
    acknowledged = 1,
    skipped = 2,
    failed = 3,
    held = 4,
    unknown = 5,
    opening = 16,  // the target was seen to be free for this run and is about to be opened
    mark = 17,     // the target is durable up to `first` (a file: its bytes)
    ahead =
        32,  // plus one of the first five: settled so ahead of its turn; the same kind follows in its turn
};
std::string_view ledger_kind_name(LedgerKind kind);
inline bool settles(LedgerKind kind) { return kind <= LedgerKind::unknown; }
inline bool is_failure(LedgerKind kind) { return kind == LedgerKind::failed || kind == LedgerKind::unknown; }
inline bool is_ahead(LedgerKind kind) {
    return kind > LedgerKind::ahead &&
           settles(static_cast<LedgerKind>(static_cast<int>(kind) - static_cast<int>(LedgerKind::ahead)));
}
// From a kind that settles to the one that says so ahead of its turn, and back; back leaves others as they
// are.
inline LedgerKind ahead_of_turn(LedgerKind kind) {
    return static_cast<LedgerKind>(static_cast<int>(kind) + static_cast<int>(LedgerKind::ahead));
}
inline LedgerKind in_its_turn(LedgerKind kind) {
    return is_ahead(kind)
               ? static_cast<LedgerKind>(static_cast<int>(kind) - static_cast<int>(LedgerKind::ahead))
               : kind;
}

struct LedgerRecord {
    LedgerKind kind = LedgerKind::acknowledged;
    std::uint8_t attempts = 1;
    std::uint32_t count = 1;
    std::uint64_t first = 0;  // manifest index; for a mark: what the target had made durable
    Time at;
    std::string text;  // why it failed, was skipped, is unknown
};

// What all records together say.
struct LedgerState {
    std::uint64_t settled = 0;  // every index below is settled in its turn, none at or above
    std::map<std::uint64_t, LedgerRecord> ahead;  // by index, those settled ahead of it; counted below, too
    std::uint64_t acknowledged = 0, skipped = 0, failed = 0, held = 0, unknown = 0;
    bool opening = false, opened = false;
    std::uint64_t mark = 0;
    std::uint64_t accounted() const { return acknowledged + skipped + failed + held + unknown; }
};

inline constexpr std::size_t ledger_header_bytes = 64;
inline constexpr std::size_t ledger_frame_header_bytes = 16;
inline constexpr std::size_t ledger_record_bytes = 24;

// Owned by the runner's thread. After an error it is unusable: open it again.
class Ledger {
public:
    // Creates the ledger, or reads it and takes it over: what verifies, without a torn tail, stands under its
    // name with the next epoch. ledger_damaged when it belongs to another manifest or is damaged before its
    // end; nothing is changed then. `on_record` sees what is there already. Memory: a frame.
    static Result<std::unique_ptr<Ledger>> open(
        os::FileSystem& fs, const std::string& path, std::uint64_t entries,
        const std::string& manifest_sha256, const std::function<Status(const LedgerRecord&)>& on_record = {});
    // Collects; joins what can be told in one record. Nothing is durable before commit().
    void add(LedgerRecord record);
    // One frame with everything added, written and synced.
    Status commit();
    // run_state when another has taken the run over. Reads 64 bytes.
    Status check_is_ours() const;
    std::uint32_t epoch() const { return epoch_; }
    bool has_pending() const { return !pending_.empty(); }
    const LedgerState& state() const { return state_; }  // pending ones included
    std::uint64_t torn_bytes() const { return torn_bytes_; }

private:
    Ledger(os::FileSystem& fs, std::string path) : fs_(fs), path_(std::move(path)) {}
    Status take_over(const std::string& header, std::uint64_t size,
                     const std::function<Status(const LedgerRecord&)>& on_record);
    Status write_anew(const std::string& header);

    os::FileSystem& fs_;
    std::string path_;
    std::uint32_t epoch_ = 1;
    std::unique_ptr<os::File> file_;
    std::uint64_t end_ = 0;
    std::uint64_t next_frame_ = 1;
    std::uint64_t torn_bytes_ = 0;
    std::vector<LedgerRecord> pending_;
    LedgerState state_;
};

// Reads without changing anything, also while a run appends. An absent file is an empty ledger.
Result<LedgerState> read_ledger(os::FileSystem& fs, const std::string& path,
                                const std::function<Status(const LedgerRecord&)>& on_record = {});

}  // namespace tarn::replay
