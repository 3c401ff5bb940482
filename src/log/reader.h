// Reads records back from segment files, verifying every checksum. Used for the tail by scans, by rolls, and
// by recovery.
#pragma once

#include "log/log.h"

namespace tarn::log {

struct RecordView {
    StreamId stream;
    Origin origin;
    Time ingested;
    Sequence first_sequence = 0;
    std::vector<event::StoredEvent> events;  // views into the reader's buffer; positions filled in
};

// Not thread-safe. `fs` must outlive it.
class Reader {
public:
    Reader(os::FileSystem& fs, std::vector<Extent> extents);
    ~Reader();
    // false at the end. log_corrupt with path and byte when a record does not verify.
    Result<bool> next(RecordView& record);

private:
    struct State;
    std::unique_ptr<State> state_;
};

// Damage found by reading every segment in the directory, without changing anything: for `tarn fsck`.
struct Damage {
    std::string path;
    std::uint64_t begin = 0;  // byte range that does not verify
    std::uint64_t end = 0;
    std::string what;
    bool is_tail = false;  // recovery would cut it off
};
Result<std::vector<Damage>> check_directory(os::FileSystem& fs, const std::string& directory);

}  // namespace tarn::log
