#include "base/offset_set.h"

#include <algorithm>
#include <bit>

namespace tarn {
namespace {

constexpr std::size_t chunk_words = 1024;
// A list of this many takes as much as the bitmap.
constexpr std::size_t most_listed = 4096;

std::uint64_t chunk_of(Offset offset) { return offset >> 16; }
std::uint16_t low_of(Offset offset) { return static_cast<std::uint16_t>(offset & 0xFFFF); }
std::uint64_t bit_of(std::uint16_t low) { return std::uint64_t{1} << (low % 64); }

}  // namespace

bool OffsetSet::Chunk::add(std::uint16_t low) {
    if (bits.empty()) {
        const auto at = few.empty() || few.back() < low ? few.end() : std::ranges::lower_bound(few, low);
        if (at != few.end() && *at == low) return false;
        few.insert(at, low);
        if (few.size() <= most_listed) return true;
        bits.resize(chunk_words);
        for (const std::uint16_t each : few) bits[each / 64] |= bit_of(each);
        few = {};
        return true;
    }
    std::uint64_t& word = bits[low / 64];
    const bool is_new = (word & bit_of(low)) == 0;
    word |= bit_of(low);
    return is_new;
}

bool OffsetSet::Chunk::contains(std::uint16_t low) const {
    if (bits.empty()) return std::ranges::binary_search(few, low);
    return (bits[low / 64] & bit_of(low)) != 0;
}

std::optional<std::uint16_t> OffsetSet::Chunk::first_from(std::uint16_t low) const {
    if (bits.empty()) {
        const auto at = std::ranges::lower_bound(few, low);
        return at == few.end() ? std::nullopt : std::optional(*at);
    }
    std::uint64_t word = bits[low / 64] & ~(bit_of(low) - 1);
    for (std::size_t at = low / 64;;) {
        if (word != 0)
            return static_cast<std::uint16_t>(at * 64 + static_cast<std::size_t>(std::countr_zero(word)));
        if (++at == chunk_words) return std::nullopt;
        word = bits[at];
    }
}

void OffsetSet::add(Offset offset) { size_ += chunks_[chunk_of(offset)].add(low_of(offset)) ? 1 : 0; }

bool OffsetSet::contains(Offset offset) const {
    const auto chunk = chunks_.find(chunk_of(offset));
    return chunk != chunks_.end() && chunk->second.contains(low_of(offset));
}

std::optional<Offset> OffsetSet::first_from(Offset from) const {
    for (auto chunk = chunks_.lower_bound(chunk_of(from)); chunk != chunks_.end(); ++chunk) {
        const std::uint16_t low = chunk->first == chunk_of(from) ? low_of(from) : std::uint16_t{0};
        if (const auto found = chunk->second.first_from(low)) return (chunk->first << 16) | *found;
    }
    return std::nullopt;
}

void OffsetSet::intersect(const OffsetSet& other) {
    OffsetSet both;
    for (auto at = first_from(0); at; at = *at == UINT64_MAX ? std::nullopt : first_from(*at + 1))
        if (other.contains(*at)) both.add(*at);
    *this = std::move(both);
}

}  // namespace tarn
