// The distinct fields (path and tests) of a rule set, shared between rules, and the indexes that tell from a
// leaf which of them it makes true.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "pattern/fold.h"
#include "pattern/interval_tree.h"
#include "pattern/key_table.h"
#include "pattern/leaves.h"
#include "pattern/paths.h"
#include "pattern/rule.h"

namespace tarn::pattern {

using PredicateId = std::uint32_t;  // begins with 1

// A test that is not simply a value.
struct OtherTest {
    Test test;
    // anything_but of values: their entries, sorted, instead of test.except.
    std::vector<std::uint32_t> except_values;
    friend bool operator==(const OtherTest&, const OtherTest&) = default;
};

// Where a predicate is listed so that leaves find it.
struct Registration {
    enum class Where : std::uint8_t { key, range, address, any_string, any_leaf };
    Where where = Where::key;
    std::uint32_t id = 0;        // of the key, or in the tree
    std::uint32_t position = 0;  // in the list
};

struct Predicate {
    PathId path = 0;
    std::uint32_t uses = 0;             // by conjunctions
    std::uint32_t value = 0;            // plain: asks for just this value
    std::uint64_t hash = 0;             // of all that is not plain
    bool exists = false;                // any leaf will do
    bool may_be_absent = false;         // no leaf will do
    std::vector<std::uint32_t> values;  // not plain: one of these entries
    std::vector<OtherTest> others;      // or one of these tests
    std::vector<Registration> registrations;

    bool is_plain() const { return value != 0; }
};

// Changes cost O(the predicate). Not thread-safe while they run.
class Predicates {
public:
    Predicates() : all_(1) {}

    PredicateId acquire(const Field& field);  // counts
    void release(PredicateId predicate);      // takes back one acquire; it must not be listed when it goes
    const Predicate& operator[](PredicateId predicate) const { return all_[predicate]; }
    std::size_t size() const { return all_.size(); }  // every id is below it
    const Paths& paths() const { return paths_; }
    const KeyTable& keys() const { return keys_; }

    // How many conjunctions a leaf that makes it true would wake, by guess: how often it is used, and how
    // many leaves are likely to do so. Infinite when it can be true without any leaf.
    double cost(PredicateId predicate) const;
    // From list on, for_each_candidate names it for every leaf that makes it true.
    void list(PredicateId predicate);
    void unlist(PredicateId predicate);

    // The number of a leaf's value, 0 when no rule knows it.
    std::uint32_t value_of(Leaf& leaf) const;
    // Does the leaf satisfy the predicate? Takes leaf.value to be set.
    bool holds_of(PredicateId predicate, Leaf& leaf) const;
    // Calls fn(posting) for the listed predicates that this leaf makes true, surely or maybe.
    template <typename Fn>
    void for_each_candidate(Leaf& leaf, std::string& folded, Fn&& fn) const;

private:
    // Lengths of the keys of one kind at one path, so that a text's beginnings are looked up at these only.
    struct Length {
        std::uint32_t length, count;
    };
    using AddressPoint = std::pair<bool, std::array<std::uint8_t, 16>>;
    struct Extra {
        bool has_folded() const { return folded != 0 || !lengths[2].empty() || !lengths[3].empty(); }

        std::array<std::vector<Length>, 4> lengths;  // prefix, suffix, prefix_fold, suffix_fold
        std::uint32_t folded = 0;                    // keys of that kind
        std::array<std::uint32_t, 3> pieces = {};    // keys of 8, 4, 2 bytes
        IntervalTree<double> ranges;
        IntervalTree<AddressPoint> addresses;
        Postings any_string, any_leaf;
    };
    struct PathIndex {
        std::uint32_t values = 0;  // keys for whole values
        std::unique_ptr<Extra> extra;
    };

    static constexpr std::array<std::size_t, 3> piece_sizes = {8, 4, 2};
    static std::size_t affix_index(KeyKind kind) {
        return static_cast<std::size_t>(kind) - static_cast<std::size_t>(KeyKind::prefix);
    }
    static std::size_t piece_index(KeyKind kind) {
        return static_cast<std::size_t>(kind) - static_cast<std::size_t>(KeyKind::piece8);
    }
    std::uint32_t acquire_key(KeyKind kind, PathId path, std::string_view key);
    void release_key(std::uint32_t key);
    std::uint32_t acquire_value(PathId path, const Test& test);
    Predicate compile(const Field& field);
    OtherTest compile_other(PathId path, const Test& test);
    void drop(const Predicate& predicate);
    double cost_of(const Test& test) const;
    PredicateId find_same(const Predicate& predicate) const;
    Extra& extra(PathId path);
    Postings& postings(PathId path, const Registration& registration);
    void list_key(PredicateId id, KeyKind kind, std::string_view key, bool sure);
    void list_in(PredicateId id, Registration registration, bool sure);
    void list_interval(PredicateId id, const Test& test);
    void list_text(PredicateId id, const Test& test);
    void list_any_string(PredicateId id);
    void list_wildcard(PredicateId id, const std::vector<std::string>& parts);
    void list_other(PredicateId id, const Test& test);
    void count_key(const KeyTable::Entry& entry, int by);
    template <typename Fn>
    void affixes(const Extra& extra, KeyKind kind, PathId path, std::string_view text, Fn& fn) const;
    template <std::size_t size, typename Fn>
    void pieces(KeyKind kind, PathId path, std::string_view text, Fn& fn) const;
    template <typename Fn>
    void key(KeyKind kind, PathId path, std::string_view text, Fn& fn) const;
    template <typename Fn>
    void of_string(const Extra& extra, Leaf& leaf, std::string& folded, Fn& fn) const;

    Paths paths_;
    KeyTable keys_;
    std::vector<Predicate> all_;
    std::vector<PredicateId> free_;
    std::unordered_multimap<std::uint64_t, PredicateId> by_hash_;  // all that are not plain
    std::vector<PathIndex> path_index_;
};

// ---- templates

template <typename Fn>
void Predicates::key(KeyKind kind, PathId path, std::string_view text, Fn& fn) const {
    const std::uint32_t found = keys_.find(kind, path, text);
    if (found == 0) return;
    for (const Posting& posting : keys_[found].postings) fn(posting);
}

template <typename Fn>
void Predicates::affixes(const Extra& extra, KeyKind kind, PathId path, std::string_view text, Fn& fn) const {
    const auto& lengths = extra.lengths[affix_index(kind)];
    if (lengths.empty()) return;
    const bool from_end = is_from_end(kind);
    AffixHash hash(kind, path, text, from_end);
    for (const Length& length : lengths) {
        if (length.length > text.size()) return;
        const std::string_view affix =
            from_end ? text.substr(text.size() - length.length) : text.substr(0, length.length);
        const std::uint64_t hashed = hash.at(length.length);
        const std::uint32_t found = keys_.maybe(hashed) ? keys_.find(hashed, kind, path, affix) : 0;
        if (found == 0) continue;
        for (const Posting& posting : keys_[found].postings) fn(posting);
    }
}

template <std::size_t size, typename Fn>
void Predicates::pieces(KeyKind kind, PathId path, std::string_view text, Fn& fn) const {
    const AffixHash hash(kind, path, text, false);
    for (std::size_t at = 0; at + size <= text.size(); ++at) {
        const std::uint64_t piece = hash.piece<size>(text.data() + at);
        if (!keys_.maybe(piece)) continue;
        const std::uint32_t found = keys_.find(piece, kind, path, text.substr(at, size));
        if (found == 0) continue;
        for (const Posting& posting : keys_[found].postings) fn(posting);
    }
}

template <typename Fn>
void Predicates::of_string(const Extra& extra, Leaf& leaf, std::string& folded, Fn& fn) const {
    for (const Posting& posting : extra.any_string) fn(posting);
    affixes(extra, KeyKind::prefix, leaf.path, leaf.text, fn);
    affixes(extra, KeyKind::suffix, leaf.path, leaf.text, fn);
    if (extra.pieces[0] != 0) pieces<8>(KeyKind::piece8, leaf.path, leaf.text, fn);
    if (extra.pieces[1] != 0) pieces<4>(KeyKind::piece4, leaf.path, leaf.text, fn);
    if (extra.pieces[2] != 0) pieces<2>(KeyKind::piece2, leaf.path, leaf.text, fn);
    if (!extra.addresses.empty())
        if (const auto address = leaf.address())
            extra.addresses.for_each_at({address->v6, address->bytes}, fn);
    if (!extra.has_folded()) return;
    folded.clear();
    append_fold_key(folded, leaf.text);
    if (extra.folded != 0) key(KeyKind::folded, leaf.path, folded, fn);
    affixes(extra, KeyKind::prefix_fold, leaf.path, folded, fn);
    affixes(extra, KeyKind::suffix_fold, leaf.path, folded, fn);
}

template <typename Fn>
void Predicates::for_each_candidate(Leaf& leaf, std::string& folded, Fn&& fn) const {
    if (leaf.value != 0 && !leaf.repeats)
        for (const Posting& posting : keys_[leaf.value].postings) fn(posting);
    const Extra* extra = path_index_[leaf.path].extra.get();
    if (extra == nullptr) return;
    for (const Posting& posting : extra->any_leaf) fn(posting);
    if (leaf.kind == Leaf::Kind::string) return of_string(*extra, leaf, folded, fn);
    if (leaf.kind != Leaf::Kind::number || extra->ranges.empty()) return;
    if (const auto number = leaf.number()) extra->ranges.for_each_at(*number, fn);
}

}  // namespace tarn::pattern
