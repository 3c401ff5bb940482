#include "pattern/rule_set.h"

#include <thread>

namespace tarn::pattern {

// Holds one side still. A reader counts itself in and then looks again: if the active side has changed in
// between, the writer may not have seen it.
class RuleSet::Reading {
public:
    explicit Reading(const RuleSet& set) {
        for (;;) {
            const unsigned active = set.active_.load();
            side_ = &set.sides_[active];
            side_->readers.fetch_add(1);
            if (set.active_.load() == active) return;
            side_->readers.fetch_sub(1);
        }
    }
    ~Reading() { side_->readers.fetch_sub(1, std::memory_order_release); }
    Reading(const Reading&) = delete;
    Reading& operator=(const Reading&) = delete;

    const RuleIndex& index() const { return side_->index; }

private:
    const Side* side_;
};

template <typename Change>
auto RuleSet::change(Change&& change) {
    const std::lock_guard lock(changing_);
    const unsigned active = active_.load();
    change(sides_[1 - active].index);
    active_.store(1 - active);
    // Readers stay for microseconds, and no new ones come.
    while (sides_[active].readers.load() != 0) std::this_thread::yield();
    return change(sides_[active].index);
}

void RuleSet::add(RuleId id, const Rule& rule) {
    change([&](RuleIndex& index) { index.add(id, rule); });
}

bool RuleSet::remove(RuleId id) {
    return change([&](RuleIndex& index) { return index.remove(id); });
}

std::size_t RuleSet::size() const { return Reading(*this).index().size(); }

void RuleSet::match(std::string_view document, Scratch& scratch, std::vector<RuleId>& out) const {
    const Reading reading(*this);
    reading.index().match(document, scratch, out);
}

}  // namespace tarn::pattern
