// Many rules at once, for many threads: matched without a lock while rules come and go.
#pragma once

#include <array>
#include <atomic>
#include <mutex>

#include "pattern/rule_index.h"

namespace tarn::pattern {

// Two equal indexes (left-right): readers use one, a change goes to the other, readers are sent there, and
// the change is repeated on the first once its last reader has left. So a change costs twice O(the rule) and
// a moment of waiting, a reader never waits, and what it sees is the whole set before or after a change.
// Everything is safe from any thread; each thread matches with its own Scratch.
class RuleSet {
public:
    void add(RuleId id, const Rule& rule);  // replaces a rule of that id
    bool remove(RuleId id);                 // false: there is none
    std::size_t size() const;
    // As RuleIndex::match.
    void match(std::string_view document, Scratch& scratch, std::vector<RuleId>& out) const;

private:
    class Reading;
    template <typename Change>
    auto change(Change&& change);

    struct alignas(64) Side {
        RuleIndex index;
        mutable std::atomic<std::uint32_t> readers{0};
    };
    std::array<Side, 2> sides_;
    std::atomic<unsigned> active_{0};
    std::mutex changing_;
};

}  // namespace tarn::pattern
