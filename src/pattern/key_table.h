// The texts that the tests of a rule set look for, in one hash table: whole values, beginnings, ends, and
// pieces of wildcards, each at a path. An entry lists the predicates that it may make true.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "pattern/paths.h"

namespace tarn::pattern {

// One place in which a predicate is listed, and the way back from the list to the predicate, so that it is
// taken off in one step.
struct Posting {
    std::uint32_t predicate;
    std::uint32_t registration : 31;  // which of the predicate's
    std::uint32_t sure : 1;           // found means true; otherwise it has yet to be tested
};
using Postings = std::vector<Posting>;

enum class KeyKind : std::uint8_t {
    string,       // a whole string
    number,       // the eight bytes of a comparable number as a double
    spelling,     // a number that is not comparable, as it is written
    literal,      // true, false, null
    folded,       // the fold key of a whole string
    prefix,       // its beginning
    suffix,       // its end
    prefix_fold,  // of the fold key
    suffix_fold,
    piece8,  // 8, 4, 2 bytes from anywhere in a string
    piece4,
    piece2,
};

// Hashes of all beginnings (or ends) of a text, each from the one before: one step per 16 bytes.
class AffixHash {
public:
    AffixHash(KeyKind kind, PathId path, std::string_view text, bool from_end)
        : state_(mix(path ^ 0x9E37'79B9'7F4A'7C15, static_cast<std::uint64_t>(kind) + 0xD6E8'FEB8'6659'FD93)),
          text_(text),
          from_end_(from_end) {}

    // Of a piece of 8, 4 or 2 bytes, as at(size) gives it for the piece alone.
    template <std::size_t size>
    std::uint64_t piece(const char* p) const {
        return tail(p, size, size);
    }
    // Of the first (last) `length` bytes; lengths must not fall.
    std::uint64_t at(std::size_t length) {
        for (; done_ + 16 <= length; done_ += 16) {
            const char* p = from_end_ ? text_.data() + text_.size() - done_ - 16 : text_.data() + done_;
            state_ = mix(load8(p) ^ state_ ^ 0xA076'1D64'78BD'642F, load8(p + 8) ^ 0xE703'7ED1'A0B4'28DB);
        }
        const char* rest = from_end_ ? text_.data() + text_.size() - length : text_.data() + done_;
        return tail(rest, length - done_, length);
    }

private:
    static std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
        const auto product = static_cast<unsigned __int128>(a) * b;
        return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
    }
    static std::uint64_t load8(const char* p) {
        std::uint64_t value = 0;
        std::memcpy(&value, p, 8);
        return value;
    }
    static std::uint64_t load4(const char* p) {
        std::uint32_t value = 0;
        std::memcpy(&value, p, 4);
        return value;
    }
    std::uint64_t tail(const char* p, std::size_t size, std::size_t length) const {
        std::uint64_t low = 0, high = 0;
        if (size >= 8) {
            low = load8(p);
            high = load8(p + size - 8);
        } else if (size >= 4) {
            low = load4(p);
            high = load4(p + size - 4);
        } else if (size > 0) {
            const auto byte = [p](std::size_t i) { return std::uint64_t{static_cast<unsigned char>(p[i])}; };
            low = byte(0) << 16 | byte(size / 2) << 8 | byte(size - 1);
        }
        return mix(low ^ state_ ^ 0x8EBC'6AF0'9C88'C6E3, high ^ length ^ 0x5899'65CC'7537'4CC3);
    }

    std::uint64_t state_;
    std::string_view text_;
    std::size_t done_ = 0;
    bool from_end_;
};

constexpr bool is_from_end(KeyKind kind) { return kind == KeyKind::suffix || kind == KeyKind::suffix_fold; }

inline std::uint64_t key_hash(KeyKind kind, PathId path, std::string_view key) {
    return AffixHash(kind, path, key, is_from_end(kind)).at(key.size());
}

// acquire and release cost O(the key). Ids begin with 1. Not thread-safe while they run.
class KeyTable {
public:
    struct Entry {
        std::uint64_t hash = 0;
        std::string key;
        PathId path = 0;
        KeyKind kind = KeyKind::string;
        std::uint32_t uses = 0;
        std::uint32_t plain = 0;  // the predicate that asks for just this value; 0: none
        Postings postings;
    };

    KeyTable() : entries_(1), slots_(16), filter_(filter_words(slots_.size())) {}
    std::uint32_t find(std::uint64_t hash, KeyKind kind, PathId path, std::string_view key) const {
        for (std::size_t at = hash & mask();; at = (at + 1) & mask()) {
            const Slot& slot = slots_[at];
            if (slot.entry == 0) return 0;
            if (slot.mark != mark(hash)) continue;
            const Entry& entry = entries_[slot.entry];
            if (entry.key == key && entry.kind == kind && entry.path == path) return slot.entry;
        }
    }
    std::uint32_t find(KeyKind kind, PathId path, std::string_view key) const {
        return find(key_hash(kind, path, key), kind, path, key);
    }
    // False for most hashes of keys that are not there, without a look at the table. For those who ask often
    // and rarely find.
    bool maybe(std::uint64_t hash) const {
        const std::size_t bit = filter_bit(hash);
        return (filter_[bit / 64] >> (bit % 64) & 1) != 0;
    }
    std::uint32_t acquire(KeyKind kind, PathId path, std::string_view key);  // counts
    bool release(std::uint32_t entry);  // takes back one acquire; true: it is gone
    Entry& operator[](std::uint32_t entry) { return entries_[entry]; }
    const Entry& operator[](std::uint32_t entry) const { return entries_[entry]; }
    std::size_t size() const { return entries_.size(); }  // every id is below it

private:
    struct Slot {
        std::uint32_t mark = 0;
        std::uint32_t entry = 0;  // 0: empty
    };
    static std::uint32_t mark(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32); }
    std::size_t mask() const { return slots_.size() - 1; }
    // Eight bits a slot, so 16 to 32 a key.
    static std::size_t filter_words(std::size_t slots) { return slots / 8; }
    std::size_t filter_bit(std::uint64_t hash) const { return hash >> 24 & (slots_.size() * 8 - 1); }
    void place(std::uint32_t entry);
    void rebuild(std::size_t slots);

    std::vector<Entry> entries_;
    std::vector<std::uint32_t> free_;
    std::vector<Slot> slots_;  // open addressing, at most half full
    // Released keys keep their bits until as many were released as there is room for.
    std::vector<std::uint64_t> filter_;
    std::size_t count_ = 0, released_ = 0;
};

}  // namespace tarn::pattern
