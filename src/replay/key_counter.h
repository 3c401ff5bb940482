// How many keys there are and which are the most frequent, in bounded memory. Exact up to `most_counted`
// keys; beyond, their number is estimated to about 1 % and the frequent ones are candidates, to be counted
// again.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace tarn::replay {

class KeyCounter {
public:
    static constexpr std::size_t most_counted = 65'536;

    struct Frequent {
        std::string key;  // its beginning, when it is very long
        std::uint64_t hash = 0, count = 0;
    };

    void add(std::string_view key, std::uint64_t hash);
    bool is_exact() const { return is_exact_; }
    std::uint64_t distinct() const;
    // The most frequent first. Beyond exactness the counts are lower bounds.
    std::vector<Frequent> top(std::size_t limit) const;

private:
    struct Counted {
        std::string key;
        std::uint64_t count = 0;
    };
    void make_room();

    std::unordered_map<std::uint64_t, Counted> counted_;  // by hash
    bool is_exact_ = true;
    static constexpr int register_bits = 14;
    std::array<std::uint8_t, 1 << register_bits> registers_{};  // HyperLogLog
};

}  // namespace tarn::replay
