// Reads the events of a manifest in its order, each verified against its frozen position and hash. Works in
// windows, so that memory stays bounded and the log is pinned only for as long as a window lasts.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lake/lake.h"
#include "replay/manifest.h"

namespace tarn::replay {

inline constexpr std::size_t feed_window_entries = 50'000;

struct FedEvent {
    ManifestEntry entry;
    std::uint64_t index = 0;
    const event::StoredEvent* event = nullptr;  // dies with the next call; nullptr when `problem` is set
    std::optional<Error> problem;               // only with tolerate_damage
};

// One thread. `lake` and `manifest` must outlive it; it moves the manifest's place.
class EventFeed {
public:
    // plan_stale names the event when one is missing or differs. With `tolerate_damage` such an event is
    // given out with its problem instead, and the feed goes on: for verification.
    EventFeed(lake::Lake& lake, ManifestReader& manifest, bool tolerate_damage = false)
        : lake_(lake), manifest_(manifest), tolerate_damage_(tolerate_damage) {}
    Result<bool> next(FedEvent& fed);  // false at the end

private:
    struct Lane {
        std::unique_ptr<lake::Scan> scan;
        const event::StoredEvent* ahead = nullptr;  // read from the scan, not yet given out
        bool primed = false;
    };
    Result<bool> load_window();
    Status open_lane(StreamId stream, std::map<Partition, std::vector<Offset>> wanted, Sequence first,
                     Sequence last);
    Result<const event::StoredEvent*> find(const ManifestEntry& entry);
    bool take_correction(FedEvent& fed);

    lake::Lake& lake_;
    ManifestReader& manifest_;
    bool tolerate_damage_;
    std::vector<ManifestEntry> window_;
    std::size_t at_ = 0;
    std::uint64_t first_index_ = 0;
    std::map<StreamId, Lane> lanes_;
    std::shared_ptr<const lake::Correction> correction_;  // keeps the bytes of corrected_
    event::StoredEvent corrected_;
};

// Before anything is sent: every object that the entries from `from` on need is there, with an index that
// verifies.
Status check_objects(lake::Lake& lake, ManifestReader& manifest, std::uint64_t from);

}  // namespace tarn::replay
