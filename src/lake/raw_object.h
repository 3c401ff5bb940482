// Raw objects: events as NDJSON lines in independent zstd frames of about 256 KiB, with a frame index and a
// seek table in skippable frames at the end, so that `zstd -dc x.ndjson.zst | jq .event` works without Tarn.
// Format: docs/formats/raw-object.md.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "codec/zstd.h"
#include "event/event.h"
#include "objects/object_store.h"

namespace tarn::lake {

inline constexpr std::size_t frame_target_bytes = 256 * 1024;

// One zstd frame of an object.
struct FrameInfo {
    std::uint64_t at = 0;          // byte offset of the frame in the object
    std::uint32_t compressed = 0;  // bytes
    std::uint32_t uncompressed = 0;
    std::uint32_t events = 0;
    std::uint32_t crc = 0;  // CRC32C of the compressed bytes
    Offset first = 0, last = 0;
    Sequence first_sequence = 0, last_sequence = 0;
    Time min_time, max_time;  // event time
};

// Builds one object in memory. Events of one partition, offset by offset without gaps. The same events give
// the same bytes.
class RawObjectBuilder {
public:
    RawObjectBuilder();
    ~RawObjectBuilder();
    RawObjectBuilder(RawObjectBuilder&&) noexcept;
    RawObjectBuilder& operator=(RawObjectBuilder&&) noexcept;
    void add(const event::StoredEvent& event, Time event_time);
    std::uint64_t raw_bytes() const;
    std::string finish();  // the object's bytes; the builder is empty afterwards

private:
    struct State;
    std::unique_ptr<State> state_;
};

// Reads objects of a store. Caches nothing; one a thread.
class RawObjectReader {
public:
    // Reads and verifies the index. object_missing, object_corrupt (with the byte).
    static Result<std::unique_ptr<RawObjectReader>> open(objects::ObjectStore& store, const std::string& name,
                                                         StreamId stream);
    virtual ~RawObjectReader() = default;
    virtual const std::vector<FrameInfo>& frames() const = 0;  // at least one, dense in offsets
    virtual Partition partition() const = 0;
    // Unpacks and verifies one frame; its lines stay valid until the next call.
    virtual Result<std::string_view> frame(std::size_t index) = 0;
};

}  // namespace tarn::lake
