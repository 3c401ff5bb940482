// Do the fields of a conjunction hold in one consistent choice of array elements? Takes the fields one by one
// and keeps, of all choices so far, what later fields can still depend on.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "pattern/leaves.h"

namespace tarn::pattern {

// Keeps its memory. Not thread-safe. Takes time linear in the leaves given to it, but for two rare cases,
// which stop trying after 500,000 steps and then may miss a match: events that have an array twice in
// one object (see Leaves::has_twin_arrays), and conjunctions whose order is not by branches.
class Agreement {
public:
    // `paths` of the fields in the order in which they will be taken. `by_branches`: all fields below any
    // path stand next to each other. Both references must stay valid until the last field is taken.
    void begin(const Leaves& leaves, const Paths& tree, std::span<const PathId> paths, bool by_branches);
    // The elements of the leaves that satisfy the field and, when the field may be absent instead, of all
    // leaves of its path. False when no choice is left.
    bool take(std::span<const ElementId> satisfying, bool may_be_absent, std::span<const ElementId> all);

private:
    using Choice = std::vector<ElementId>;  // innermost elements, sorted

    void take_fast(std::span<const ElementId> satisfying, bool may_be_absent, std::span<const ElementId> all);
    void take_absent(std::span<const ElementId> all);
    void keep(ElementId element);
    void take_slow(std::span<const ElementId> satisfying, bool may_be_absent, std::span<const ElementId> all);
    bool agrees(const Choice& choice) const;  // with the leaf of the last mark_chain
    Choice with(const Choice& choice, ElementId leaf) const;
    ElementId needed_later(ElementId element) const;
    void mark_chain(ElementId leaf);

    const Leaves* leaves_ = nullptr;
    bool fast_ = true;
    std::uint32_t field_ = 0, fields_ = 0;  // taken, and in all
    std::uint32_t serial_ = 0;
    std::vector<std::uint32_t> last_touch_;  // of each path: 1 + the last field at or below it; 0: none
    std::vector<PathId> touched_;
    std::vector<ElementId> chosen_, next_;  // fast: one innermost element a choice
    std::vector<std::uint32_t> is_chosen_, is_next_, is_leaf_, has_below_;  // serial numbers by element
    std::vector<Choice> choices_;
    std::vector<std::pair<std::uint32_t, ElementId>> chain_;  // by array: serial number and element
    std::uint64_t steps_left_ = 0;
};

}  // namespace tarn::pattern
