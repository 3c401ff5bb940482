#include "pattern/agreement.h"

#include <algorithm>

namespace tarn::pattern {

void Agreement::begin(const Leaves& leaves, const Paths& tree, std::span<const PathId> paths,
                      bool by_branches) {
    leaves_ = &leaves;
    fast_ = by_branches && !leaves.has_twin_arrays();
    field_ = 0;
    fields_ = static_cast<std::uint32_t>(paths.size());
    for (const PathId path : touched_) last_touch_[path] = 0;
    touched_.clear();
    if (last_touch_.size() < tree.size()) last_touch_.resize(tree.size());
    for (std::uint32_t i = 0; i < paths.size(); ++i)
        for (PathId at = paths[i]; at != no_path && last_touch_[at] != i + 1; at = tree.parent(at)) {
            if (last_touch_[at] == 0) touched_.push_back(at);
            last_touch_[at] = i + 1;
        }
    const std::size_t elements = leaves.element_count();
    for (auto* marks : {&is_chosen_, &is_next_, &is_leaf_, &has_below_})
        if (marks->size() < elements) marks->resize(elements);
    chosen_.assign(1, whole_event);
    choices_.assign(1, Choice{whole_event});
    steps_left_ = 500'000;
}

bool Agreement::take(std::span<const ElementId> satisfying, bool may_be_absent,
                     std::span<const ElementId> all) {
    ++field_;
    if (fast_) {
        take_fast(satisfying, may_be_absent, all);
        return !chosen_.empty();
    }
    take_slow(satisfying, may_be_absent, all);
    return !choices_.empty();
}

// Elements of arrays that no later field can reach do not matter any more.
ElementId Agreement::needed_later(ElementId element) const {
    while (element != whole_event && last_touch_[leaves_->array_path(element)] <= field_)
        element = leaves_->parent(element);
    return element;
}

// ---- one innermost element says all of a choice: without twins, fields that stand next to each other reach
// arrays that lie within each other

void Agreement::keep(ElementId element) {
    element = needed_later(element);
    if (is_next_[element] == serial_) return;
    is_next_[element] = serial_;
    next_.push_back(element);
}

// A leaf agrees with the elements above its own and below it.
void Agreement::take_fast(std::span<const ElementId> satisfying, bool may_be_absent,
                          std::span<const ElementId> all) {
    ++serial_;
    next_.clear();
    for (const ElementId element : chosen_) is_chosen_[element] = serial_;
    for (const ElementId leaf : satisfying) {
        is_leaf_[leaf] = serial_;
        for (ElementId at = leaf;; at = leaves_->parent(at)) {
            if (is_chosen_[at] == serial_) {
                keep(leaf);
                break;
            }
            if (at == whole_event) break;
        }
    }
    for (const ElementId element : chosen_)
        for (ElementId at = element;; at = leaves_->parent(at)) {
            if (is_leaf_[at] == serial_) {
                keep(element);
                break;
            }
            if (at == whole_event) break;
        }
    if (may_be_absent) take_absent(all);
    chosen_.swap(next_);
}

void Agreement::take_absent(std::span<const ElementId> all) {
    // The satisfying leaves are among `all`, so their marks may stay.
    for (const ElementId leaf : all) {
        is_leaf_[leaf] = serial_;
        for (ElementId at = leaf; has_below_[at] != serial_; at = leaves_->parent(at)) {
            has_below_[at] = serial_;
            if (at == whole_event) break;
        }
    }
    for (const ElementId element : chosen_) {
        bool agrees = has_below_[element] == serial_;
        for (ElementId at = element; !agrees; at = leaves_->parent(at)) {
            agrees = is_leaf_[at] == serial_;
            if (at == whole_event) break;
        }
        if (!agrees) keep(element);
    }
}

// ---- any choice

void Agreement::mark_chain(ElementId leaf) {
    ++serial_;
    if (chain_.size() < leaves_->array_count()) chain_.resize(leaves_->array_count());
    for (ElementId at = leaf; at != whole_event; at = leaves_->parent(at))
        chain_[leaves_->array(at)] = {serial_, at};
}

bool Agreement::agrees(const Choice& choice) const {
    for (const ElementId element : choice)
        for (ElementId at = element; at != whole_event; at = leaves_->parent(at)) {
            const auto& [serial, chosen] = chain_[leaves_->array(at)];
            if (serial == serial_ && chosen != at) return false;
        }
    return true;
}

Agreement::Choice Agreement::with(const Choice& choice, ElementId leaf) const {
    Choice both;
    for (const ElementId element : choice) both.push_back(needed_later(element));
    both.push_back(needed_later(leaf));
    const Choice before = both;
    const auto is_above = [&](ElementId element) {
        return std::ranges::any_of(before, [&](ElementId other) {
            while (other != whole_event) {
                other = leaves_->parent(other);
                if (other == element) return true;
            }
            return false;
        });
    };
    std::erase_if(both, is_above);
    std::ranges::sort(both);
    both.erase(std::ranges::unique(both).begin(), both.end());
    return both;
}

void Agreement::take_slow(std::span<const ElementId> satisfying, bool may_be_absent,
                          std::span<const ElementId> all) {
    std::vector<Choice> next;
    const auto spend = [this](std::size_t steps) {
        steps_left_ -= std::min<std::uint64_t>(steps_left_, steps);
        return steps_left_ != 0;
    };
    for (const ElementId leaf : satisfying) {
        mark_chain(leaf);
        for (const Choice& choice : choices_)
            if (spend(choice.size()) && agrees(choice)) next.push_back(with(choice, leaf));
        if (field_ == fields_ && !next.empty()) break;  // one is enough
    }
    if (may_be_absent) {
        std::vector<bool> blocked(choices_.size());
        for (const ElementId leaf : all) {
            mark_chain(leaf);
            for (std::size_t i = 0; i < choices_.size(); ++i)
                if (!blocked[i] && (!spend(choices_[i].size()) || agrees(choices_[i]))) blocked[i] = true;
        }
        for (std::size_t i = 0; i < choices_.size(); ++i)
            if (!blocked[i]) next.push_back(with(choices_[i], whole_event));
    }
    std::ranges::sort(next);
    next.erase(std::ranges::unique(next).begin(), next.end());
    choices_ = std::move(next);
}

}  // namespace tarn::pattern
