// Cuts the unpacked bytes of a source into records, byte-exact, while they stream by. Memory is bounded by
// one record.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "capture/place.h"

namespace tarn::capture {

struct Record {
    std::string_view bytes;  // valid during the call
    Start start;             // in the unpacked source
    std::uint64_t full_size =
        0;  // more than bytes.size() when the record was longer than what is kept of one
    // False when the source's end stands in for the record's own: it may go on when the source grows.
    bool complete = true;
    bool whole = false;  // the source is this one record
};

// What follows in the source from `from` on cannot be cut into records.
struct Broken {
    Start from;
    Error error;
};

// Single-threaded. An error of `on_record` ends everything and comes out of feed or finish.
class Cutter {
public:
    using OnRecord = std::function<Status(const Record&)>;
    virtual ~Cutter() = default;
    virtual Status feed(std::string_view bytes) = 0;
    virtual Status finish() = 0;  // the source has ended
    // Set when the rest is not what the format says; what is fed after that is ignored.
    virtual const std::optional<Broken>& broken() const = 0;
    virtual std::uint64_t empty_lines() const { return 0; }
};

struct CutterOptions {
    std::string format = "auto";    // auto | ndjson | json-array | file-per-event
    std::string records;            // path of the array inside the document
    bool has_name_pattern = false;  // auto: then a source is one event, unless it is plainly NDJSON
    std::size_t max_kept_bytes = 64u << 20;
};

std::unique_ptr<Cutter> make_cutter(const CutterOptions& options, Cutter::OnRecord on_record);

}  // namespace tarn::capture
