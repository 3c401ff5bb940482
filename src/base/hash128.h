// A 128-bit content hash (XXH3-128, computed in codec/hash.h). It detects accidents, not adversaries.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

namespace tarn {

struct Hash128 {
    std::uint64_t high = 0;
    std::uint64_t low = 0;

    auto operator<=>(const Hash128&) const = default;
    // 32 lower-case hex digits, as `xxhsum -H2` prints.
    std::string hex() const;
};

}  // namespace tarn
