// Reading one segment: the next record if it verifies, and what looks like a record further on when one does
// not. Shared by the reader, recovery and fsck, so that all three mean the same by "valid".
#pragma once

#include <optional>

#include "log/file_window.h"
#include "log/log_format.h"

namespace tarn::log {

// Which records belong to a segment: those with its number and, where it is known, its incarnation.
struct SegmentId {
    std::uint64_t number = 0;
    std::optional<std::uint32_t> incarnation;

    bool owns(const RecordHead& head) const {
        return head.segment == number && (!incarnation || *incarnation == head.incarnation);
    }
};

// What the next record must continue. Unknown parts are taken from the first record found.
struct Expected {
    std::optional<Sequence> sequence;
    std::optional<std::uint64_t> chain;
};

class SegmentScan {
public:
    enum class Found {
        record,     // verified; view and head are filled, position() is behind it
        clean_end,  // an end mark or the end of the file
        invalid,    // position() stays where the bad bytes begin; why() says what is wrong
    };

    // Not thread-safe; `file` must outlive it. Bytes from `end` on are not looked at.
    SegmentScan(const os::File& file, SegmentId id, std::uint64_t end) : window_(file, end), id_(id) {}
    void reset(const os::File& file, SegmentId id, std::uint64_t end);

    // Checks number and incarnation, sequence, chain and both CRCs. On `record`, `expected` moves on; views
    // live until the next call.
    Result<Found> next(Expected& expected, RecordHead& head, RecordView& view);

    std::uint64_t position() const { return position_; }
    void seek(std::uint64_t position) { position_ = position; }
    std::uint64_t end() const { return window_.end(); }
    const char* why() const { return why_; }

    // The first place at or after `from` that begins like a record of this segment.
    Result<std::optional<std::uint64_t>> find_start(std::uint64_t from);
    // The head there, when its CRC holds and it fits in the file.
    Result<std::optional<RecordHead>> head_at(std::uint64_t position);
    // The first record at or after `from` that verifies by itself and begins at `at_least` or later.
    struct Record {
        std::uint64_t position = 0;
        RecordHead head;
    };
    Result<std::optional<Record>> find_record(std::uint64_t from, Sequence at_least);
    // The first place after `from` where an end mark could stand, or the end.
    Result<std::uint64_t> find_end_mark(std::uint64_t from);
    // The bytes of a stretch, for writing them again.
    Result<std::string_view> bytes(std::uint64_t from, std::uint64_t n) { return window_.view(from, n); }

private:
    Result<bool> at_clean_end();
    Found invalid(const char* why);

    FileWindow window_;
    SegmentId id_;
    std::uint64_t position_ = data_begin;
    const char* why_ = "";
};

}  // namespace tarn::log
