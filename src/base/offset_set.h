// A set of offsets (or other 64-bit numbers) that stays small when there are millions: chunks of 65,536
// neighbours, each a sorted list while it holds few and a bitmap afterwards. 10^7 neighbours take 1.3 MB,
// 10^7 spread evenly over 10^9 about 25 MB, in whatever order they come.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/ids.h"

namespace tarn {

class OffsetSet {
public:
    void add(Offset offset);
    bool contains(Offset offset) const;
    // The lowest element at or above `from`.
    std::optional<Offset> first_from(Offset from) const;
    std::uint64_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    // Keeps only what `other` holds too.
    void intersect(const OffsetSet& other);

private:
    struct Chunk {
        std::vector<std::uint16_t> few;   // sorted; empty once there is a bitmap
        std::vector<std::uint64_t> bits;  // 1024 words, or none
        bool add(std::uint16_t low);
        bool contains(std::uint16_t low) const;
        std::optional<std::uint16_t> first_from(std::uint16_t low) const;
    };
    std::map<std::uint64_t, Chunk> chunks_;  // by offset / 65,536
    std::uint64_t size_ = 0;
};

}  // namespace tarn
