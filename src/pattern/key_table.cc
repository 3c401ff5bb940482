#include "pattern/key_table.h"

namespace tarn::pattern {

void KeyTable::place(std::uint32_t entry) {
    const std::uint64_t hash = entries_[entry].hash;
    std::size_t at = hash & mask();
    while (slots_[at].entry != 0) at = (at + 1) & mask();
    slots_[at] = {mark(hash), entry};
    const std::size_t bit = filter_bit(hash);
    filter_[bit / 64] |= std::uint64_t{1} << (bit % 64);
}

void KeyTable::rebuild(std::size_t slots) {
    std::vector<Slot> old(slots);
    old.swap(slots_);
    filter_.assign(filter_words(slots), 0);
    released_ = 0;
    for (const Slot& slot : old)
        if (slot.entry != 0) place(slot.entry);
}

std::uint32_t KeyTable::acquire(KeyKind kind, PathId path, std::string_view key) {
    const std::uint64_t hash = key_hash(kind, path, key);
    if (const std::uint32_t known = find(hash, kind, path, key); known != 0) {
        ++entries_[known].uses;
        return known;
    }
    std::uint32_t id = 0;
    if (free_.empty()) {
        id = static_cast<std::uint32_t>(entries_.size());
        entries_.emplace_back();
    } else {
        id = free_.back();
        free_.pop_back();
    }
    Entry& entry = entries_[id];
    entry = Entry{.hash = hash, .key = std::string(key), .path = path, .kind = kind, .uses = 1};
    if (++count_ * 2 > slots_.size()) rebuild(slots_.size() * 2);
    place(id);
    return id;
}

bool KeyTable::release(std::uint32_t id) {
    Entry& entry = entries_[id];
    if (--entry.uses != 0) return false;
    std::size_t hole = entry.hash & mask();
    while (slots_[hole].entry != id) hole = (hole + 1) & mask();
    // What follows without a gap moves up, unless it would come before its own place.
    for (std::size_t at = (hole + 1) & mask(); slots_[at].entry != 0; at = (at + 1) & mask()) {
        const std::size_t home = entries_[slots_[at].entry].hash & mask();
        if (((at - home) & mask()) < ((at - hole) & mask())) continue;
        slots_[hole] = slots_[at];
        hole = at;
    }
    slots_[hole] = Slot{};
    --count_;
    entry = Entry{};
    free_.push_back(id);
    if (++released_ * 2 > slots_.size()) rebuild(slots_.size());
    return true;
}

}  // namespace tarn::pattern
