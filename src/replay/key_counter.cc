#include "replay/key_counter.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace tarn::replay {
namespace {

constexpr std::size_t kept_bytes = 128;

// UTF-8 is cut between characters.
std::string beginning_of(std::string_view key) {
    if (key.size() <= kept_bytes) return std::string(key);
    std::size_t end = kept_bytes;
    while (end > 0 && (static_cast<unsigned char>(key[end]) & 0xC0) == 0x80) --end;
    return std::string(key.substr(0, end)) + "…";
}

}  // namespace

void KeyCounter::add(std::string_view key, std::uint64_t hash) {
    auto& rank = registers_[hash >> (64 - register_bits)];
    const std::uint64_t rest = (hash << register_bits) | 1;  // ends the count of zeros
    rank = std::max(rank, static_cast<std::uint8_t>(std::countl_zero(rest) + 1));
    const auto known = counted_.find(hash);
    if (known != counted_.end()) {
        ++known->second.count;
        return;
    }
    if (counted_.size() == most_counted) make_room();
    if (counted_.size() < most_counted) counted_.emplace(hash, Counted{beginning_of(key), 1});
}

// Misra and Gries: all lose one, the new key too. What is more frequent than one in most_counted stays.
void KeyCounter::make_room() {
    is_exact_ = false;
    for (auto& [hash, counted] : counted_) --counted.count;
    std::erase_if(counted_, [](const auto& each) { return each.second.count == 0; });
}

std::uint64_t KeyCounter::distinct() const {
    if (is_exact_) return counted_.size();
    const double m = static_cast<double>(registers_.size());
    double sum = 0;
    for (const std::uint8_t rank : registers_) sum += std::ldexp(1.0, -rank);
    return static_cast<std::uint64_t>(0.7213 / (1 + 1.079 / m) * m * m / sum);
}

std::vector<KeyCounter::Frequent> KeyCounter::top(std::size_t limit) const {
    std::vector<Frequent> all;
    const auto is_before = [](const Frequent& a, const Frequent& b) {
        return a.count != b.count ? a.count > b.count : a.key < b.key;
    };
    for (const auto& [hash, counted] : counted_) {
        all.push_back({counted.key, hash, counted.count});
        std::ranges::push_heap(all, is_before);
        if (all.size() <= limit) continue;
        std::ranges::pop_heap(all, is_before);
        all.pop_back();
    }
    std::ranges::sort_heap(all, is_before);
    return all;
}

}  // namespace tarn::replay
