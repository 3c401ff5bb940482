// The differences of a verification as they are shown: the first thousand, and the number of all.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "state/state.h"

namespace tarn::verify {

class Differences {
public:
    static constexpr std::size_t shown = 1000;

    void add(state::Difference difference) {
        if (!is_full()) list_.push_back(std::move(difference));
        ++total_;
    }
    // Of one place; `total` counts those that are not in the list, too.
    void add_all(std::vector<state::Difference> list, std::uint64_t total) {
        total_ += total - list.size();
        for (state::Difference& difference : list) add(std::move(difference));
    }
    bool is_full() const { return list_.size() >= shown; }
    std::uint64_t total() const { return total_; }
    std::vector<state::Difference>& list() { return list_; }
    const std::vector<state::Difference>& list() const { return list_; }

private:
    std::vector<state::Difference> list_;
    std::uint64_t total_ = 0;
};

}  // namespace tarn::verify
