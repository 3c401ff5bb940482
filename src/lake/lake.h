// The lake of one data directory: rolls the log into raw objects, gives consistent views, reads single
// events. The roll decision (when, what) is in roller.cc; docs/formats/raw-object.md says what a roll leaves
// behind.
#pragma once

#include <memory>
#include <mutex>

#include "lake/corrections.h"
#include "lake/raw_object.h"
#include "lake/scan.h"

namespace tarn::lake {

struct RollResult {
    std::uint64_t events = 0;
    std::uint64_t objects = 0;
    std::uint64_t bytes = 0;  // stored
    std::uint64_t raw_bytes = 0;
};

// A single event with its own bytes, which go with it when it is copied or moved.
struct OwnedEvent {
    OwnedEvent() = default;
    explicit OwnedEvent(const event::StoredEvent& stored)
        : event(stored), meta(stored.meta), payload(stored.payload) {
        point();
    }
    OwnedEvent(const OwnedEvent& other) : event(other.event), meta(other.meta), payload(other.payload) {
        point();
    }
    OwnedEvent(OwnedEvent&& other) noexcept
        : event(other.event), meta(std::move(other.meta)), payload(std::move(other.payload)) {
        point();
    }
    OwnedEvent& operator=(OwnedEvent other) noexcept {
        event = other.event;
        meta = std::move(other.meta);
        payload = std::move(other.payload);
        point();
        return *this;
    }

    event::StoredEvent event;  // views into the strings below
    std::string meta, payload;

private:
    void point() {
        event.meta = meta;
        event.payload = payload;
    }
};

// Damage and inconsistencies, for `tarn fsck`. Objects that the catalog does not know are found too; they
// harm nothing.
struct Finding {
    std::string place;  // file or object, with byte
    std::string what;
    std::string next;
};

class Lake {
public:
    // All arguments must outlive it. Finishes a roll that a crash interrupted; if that fails (a full disk),
    // the next roll_due tries again and says why.
    static Result<std::unique_ptr<Lake>> open(catalog::Catalog& catalog, log::Log& log,
                                              objects::ObjectStore& store, os::FileSystem& fs,
                                              os::Clock& clock);
    virtual ~Lake() = default;

    // Everything acknowledged now, nothing later. Safe from any thread, also while a roll runs.
    virtual Result<StreamView> view(std::string_view stream) = 0;
    virtual Result<StreamView> view(StreamId stream) = 0;
    virtual Result<std::unique_ptr<Scan>> scan(StreamView view, ScanOptions options) = 0;
    // One event by position; unknown_position when there is none.
    virtual Result<OwnedEvent> get(Position position) = 0;
    // Quarantine entries are at quarantine_partition; same function.

    // Moves what the log holds of the stream to objects, now. One roll at a time; safe from any thread.
    virtual Result<RollResult> roll(StreamId stream) = 0;
    // Rolls the streams whose age or size says so; returns when the next could be due (monotonic µs from
    // now).
    virtual Result<std::int64_t> roll_due() = 0;
    // Reads everything that is stored of all streams and compares with catalog and checksums.
    virtual Result<std::vector<Finding>> check() = 0;

    virtual objects::ObjectStore& store() = 0;
    virtual os::FileSystem& file_system() = 0;

    // What stands in the place of events that were corrected. scan and get give the originals.
    Corrections& corrections() { return corrections_; }

private:
    Corrections corrections_;
};

}  // namespace tarn::lake
