// What has been submitted and not yet written: batches get their places, offsets and sequence here and are
// encoded at once, into a buffer that goes to disk as it stands. Not thread-safe: the log's lock guards it.
#pragma once

#include <vector>

#include "log/block_buffer.h"
#include "log/log_format.h"
#include "log/origins.h"
#include "log/recovery.h"

namespace tarn::log {

// One submitted batch waiting for its group.
struct Ticket {
    Log::Done done;
    Appended answer;
    bool stored = true;  // false: a repeated batch that waits for the first one
    // For taking it back.
    StreamId stream;
    Cursor before;
    std::uint64_t segment = 0;  // where it stands
    std::uint64_t position = 0;
    std::uint64_t bytes = 0;  // of metas and payloads
    bool has_origin = false;
    std::unique_ptr<Appended> origin_before;
};

// Bytes for one segment, whole blocks of the disk: one write and one sync.
struct Chunk {
    std::uint64_t segment = 0;
    std::uint64_t capacity = 0;
    bool opens = false;          // begins with the segment's header, at byte 0
    std::uint64_t position = 0;  // in the file
    std::size_t begin = 0;       // in the buffer
    std::size_t end = 0;
    std::size_t kept = 0;  // the first bytes are those that stand there already: the writer fills them in
    std::uint64_t records_end = 0;  // in the file: where the end mark stands
    std::size_t first_ticket = 0;
};

struct Group {
    BlockBuffer buffer;
    std::vector<Chunk> chunks;
    std::vector<Ticket> tickets;
};

// What can be computed of a batch before the lock is taken.
struct Measured {
    std::uint64_t meta_bytes = 0;
    std::uint64_t payload_bytes = 0;
    std::uint64_t length = 0;
    std::uint32_t payload_crc = 0;
};
Result<Measured> measure(const Batch& batch);

class Pending {
public:
    Pending(std::uint64_t segment_bytes, Origins origins)
        : segment_bytes_(segment_bytes), origins_(std::move(origins)) {}
    void begin_at(const Cursor& cursor, NextOffsets next_offsets);
    Origins& origins() { return origins_; }
    const Cursor& cursor() const { return cursor_; }

    bool empty() const { return group_.tickets.empty(); }
    std::uint64_t bytes() const { return group_.buffer.size(); }
    void add(const Batch& batch, const Measured& measured, Time now, Log::Done done);
    // A batch that was stored before and is not durable yet.
    void add_repeated(const Appended& answer, Log::Done done);
    // The group so far, complete with end marks; a new one begins. `spare` gives its buffers back for use.
    Group take(Group spare);
    // Undoes all that is pending and then tickets [from, …) of the group taken last, none of which was
    // written. They are moved to `undone`, in order of submission.
    void take_back(Group& group, std::size_t from, std::vector<Ticket>& undone);

    std::uint64_t capacity_after(std::uint64_t capacity) const;

private:
    void place(std::uint64_t length);
    void open_chunk(bool opens);
    void close_chunk();
    void give_offsets(const Batch& batch, char* table, std::vector<Range>& ranges);
    void undo(const Ticket& ticket);

    std::uint64_t segment_bytes_;
    Origins origins_;
    Cursor cursor_;
    NextOffsets next_offsets_;
    Group group_;
    Sequence group_first_ =
        0;  // what was pending when the group began: all before is synced when it is written
};

}  // namespace tarn::log
