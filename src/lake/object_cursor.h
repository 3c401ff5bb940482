// Gives the events of some objects one after the other, holding one unpacked frame at a time.
#pragma once

#include <deque>

#include "lake/event_filter.h"
#include "lake/raw_object.h"
#include "lake/scan.h"

namespace tarn::lake {

// Everything given must outlive it.
class ObjectCursor {
public:
    ObjectCursor(objects::ObjectStore& store, const ScanOptions& options, const EventFilter& filter,
                 ScanCounts& counts)
        : store_(store), options_(options), filter_(filter), counts_(counts) {}

    void add(const catalog::ObjectInfo& info) { objects_.push_back(&info); }
    // A lower bound of the first event's sequence. Only when objects were added.
    Sequence first_sequence() const { return objects_.front()->first_sequence; }
    // nullptr at the end. The event dies with the next call.
    Result<const event::StoredEvent*> next();

private:
    Result<bool> next_frame();  // false at the end
    Result<bool> open_next();   // false when no object is left
    Status open(const catalog::ObjectInfo& info);
    Result<bool> next_line();  // true: event_ is there; false: the frame is used up
    Status check_frame_end();
    bool wants(Offset offset);    // offsets only rise within an object
    Status damaged(Error error);  // passes it on or reports it

    objects::ObjectStore& store_;
    const ScanOptions& options_;
    const EventFilter& filter_;
    ScanCounts& counts_;

    std::deque<const catalog::ObjectInfo*> objects_;  // not yet opened
    const catalog::ObjectInfo* object_ = nullptr;
    std::unique_ptr<RawObjectReader> reader_;
    std::size_t next_frame_ = 0;
    const FrameInfo* frame_ = nullptr;
    std::string_view lines_;  // rest of the frame
    Offset next_offset_ = 0;
    const std::vector<Offset>* wanted_ = nullptr;  // of the object's partition, when nothing else decides
    std::size_t next_wanted_ = 0;
    event::StoredEvent event_;
    std::string scratch_;
};

}  // namespace tarn::lake
