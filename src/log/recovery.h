// Opening: what stands in the log's directory, verified, with an invalid tail cut off. docs/formats/log.md,
// "Opening".
#pragma once

#include <set>
#include <unordered_map>

#include "log/log_format.h"
#include "log/origins.h"

namespace tarn::log {

// A segment with durable records, and where in it some of them begin.
struct Segment {
    std::uint64_t number = 0;
    std::string path;
    Sequence first_sequence = 0;
    std::uint64_t end = data_begin;  // of its durable records
    struct Mark {
        Sequence sequence = 0;
        std::uint64_t position = 0;
    };
    std::vector<Mark> marks;  // about one every 256 KiB, ascending

    void note(Sequence sequence, std::uint64_t position);
    // Where a reader that wants events from `sequence` on may begin.
    std::uint64_t begin_for(Sequence sequence) const;
};

// Where the next record goes and what it continues.
struct Cursor {
    std::uint64_t segment = 1;
    std::uint64_t position = data_begin;
    std::uint64_t capacity = 0;
    bool header_written = false;
    std::uint32_t incarnation = 0;  // of the segment, once its header is written
    Sequence sequence = 1;
    std::uint64_t chain = 0;
};

struct PartitionKey {
    StreamId stream;
    Partition partition = 0;
    bool operator==(const PartitionKey&) const = default;
};
struct PartitionKeyHash {
    std::size_t operator()(const PartitionKey& key) const {
        return std::hash<std::uint64_t>()((std::uint64_t{key.stream.value} << 32) ^ key.partition);
    }
};
using NextOffsets = std::unordered_map<PartitionKey, Offset, PartitionKeyHash>;

struct Recovered {
    Recovery report;
    Cursor cursor;                     // capacity 0: there is no segment yet
    std::vector<Segment> segments;     // those with a header, ascending
    std::set<std::uint64_t> prepared;  // numbers after the cursor's segment, without gaps
    NextOffsets next_offsets;
};

// Reads first and changes nothing until all is found good; then repairs the tail and syncs it. Fills
// `origins`.
Result<Recovered> recover(os::FileSystem& fs, const std::string& directory, const Baseline& baseline,
                          Origins& origins);

// data_missing when a directory that must hold a log has no segment with a single byte.
Status require_log(os::FileSystem& fs, const std::string& directory);

inline constexpr const char* prepare_name = "prepare.tmp";

}  // namespace tarn::log
