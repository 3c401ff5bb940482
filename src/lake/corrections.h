// Corrections: what stands in the place of an event whose payload was found to be wrong. Whatever rebuilds
// (projections, restores, replays, functions that begin anew) reads a stream through here and finds the
// corrected payload at the original's position, with its identity and time. The original's bytes stay:
// whoever asks the lake itself gets those. docs/decisions/0009-corrections.md
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "catalog/catalog.h"
#include "event/event.h"
#include "lake/scan.h"

namespace tarn::lake {

class Lake;

inline constexpr const char* correction_kind = "correction";  // of the catalog's documents

struct Correction {
    Position original;
    std::string payload;
    event::PayloadForm form = event::PayloadForm::json;
    Hash128 hash;
    std::string event;  // where its own event stands in the system stream, "0:12"; "" = not yet written

    // Views of `event` then point into this.
    void replace(event::StoredEvent& event) const;
    std::string id() const;  // of its document
    codec::Json to_json() const;
    static Result<Correction> from_json(const codec::Json& json);
    static Correction make(Position original, std::string payload);
};

// Thread-safe.
class Corrections {
public:
    using Place = std::pair<Partition, Offset>;
    using OfStream = std::map<Place, std::shared_ptr<const Correction>>;

    // Those that the catalog knows as written.
    Status load(catalog::Catalog& catalog);
    // nullptr when the stream has none: its events need not be looked at one by one.
    std::shared_ptr<const OfStream> of(StreamId stream) const;
    // nullptr: the event stands as it was captured.
    std::shared_ptr<const Correction> at(Position position) const;
    // Takes the place of an earlier one.
    void put(Correction correction);

private:
    mutable std::mutex mutex_;
    std::map<StreamId, std::shared_ptr<const OfStream>> streams_;
};

const Correction* find_correction(const std::shared_ptr<const Corrections::OfStream>& corrections,
                                  Position position);

// Lake::scan with corrections in place. Its hashes are of what it gives out.
Result<std::unique_ptr<Scan>> scan_corrected(Lake& lake, StreamView view, ScanOptions options);

}  // namespace tarn::lake
