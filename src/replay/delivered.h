// What earlier runs have already delivered to the same target, from their ledgers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "replay/manifest.h"
#include "replay/replay.h"
#include "replay/targets.h"

namespace tarn::replay {

// Where a job's files are.
std::string job_file(const Replay::Parts& parts, std::string_view job, std::string_view file);

// What the ledger says of an event that is not sent because the target has had it.
constexpr std::string_view delivered_before_text = "delivered by an earlier run";

// Sorted positions that runs other than `except_run` have had acknowledged by an equal target. Empty for
// targets that begin anew with each run: null:, file:, and copies.
Result<std::vector<Position>> delivered_before(Replay::Parts& parts, const TargetAddress& target,
                                               std::string_view copy, std::string_view target_stream_id,
                                               std::string_view except_run);

// The same as a bit for each entry of a manifest, for runs of any size: by their index.
class DeliveredEntries {
public:
    explicit DeliveredEntries(std::uint64_t entries = 0) : bits_((entries + 63) / 64) {}
    void add(std::uint64_t index) { bits_[index / 64] |= std::uint64_t{1} << (index % 64); }
    bool contains(std::uint64_t index) const {
        return index / 64 < bits_.size() && (bits_[index / 64] >> (index % 64) & 1) != 0;
    }

private:
    std::vector<std::uint64_t> bits_;
};
// Reads both manifests side by side; moves the place of `manifest`.
Result<DeliveredEntries> delivered_entries(Replay::Parts& parts, const TargetAddress& target,
                                           std::string_view copy, std::string_view target_stream_id,
                                           std::string_view except_run, ManifestReader& manifest);

}  // namespace tarn::replay
