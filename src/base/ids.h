// Distinct types for the integers that must not be swapped.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace tarn {

// A stream's number, given at creation and never used again after deletion. 0 is the system stream `_tarn`.
struct StreamId {
    std::uint32_t value = 0;
    auto operator<=>(const StreamId&) const = default;
};

// The total order of the log: dense over all streams, from 1. 0 means "before everything".
using Sequence = std::uint64_t;
using Offset = std::uint64_t;
using Partition = std::uint32_t;

// What could not be accepted stands in the stream's own log under this partition number, with dense offsets
// of its own.
inline constexpr Partition quarantine_partition = 0xFFFF'FFFF;

// Where an event is. Offsets are dense within (stream, partition) from 0.
struct Position {
    StreamId stream;
    Partition partition = 0;
    Offset offset = 0;
    auto operator<=>(const Position&) const = default;
};

}  // namespace tarn

template <>
struct std::hash<tarn::StreamId> {
    std::size_t operator()(tarn::StreamId id) const { return std::hash<std::uint32_t>()(id.value); }
};
