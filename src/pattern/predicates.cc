#include "pattern/predicates.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "codec/hash.h"
#include "pattern/holds.h"

namespace tarn::pattern {
namespace {

using Kind = Test::Kind;

bool is_value(const Test& test) {
    return test.kind == Kind::text || test.kind == Kind::number || test.kind == Kind::literal ||
           (test.kind == Kind::wildcard && test.parts.size() == 1);
}

std::string number_key(double value) {
    const auto bits = std::bit_cast<std::uint64_t>(value);
    std::string key(sizeof bits, '\0');
    std::memcpy(key.data(), &bits, sizeof bits);
    return key;
}

// ---- what makes two predicates the same, as bytes

void append(std::string& out, std::uint64_t number) {
    out.append(reinterpret_cast<const char*>(&number), sizeof number);
}

void append(std::string& out, std::string_view text) {
    append(out, text.size());
    out += text;
}

void append(std::string& out, const Test& test) {
    append(out, static_cast<std::uint64_t>(test.kind));
    append(out, test.text);
    append(out, test.spelled);
    append(out, number_key(test.low));
    append(out, number_key(test.high));
    for (const Address& address : {test.from, test.to})
        append(out, std::string_view(reinterpret_cast<const char*>(address.bytes.data()), 16));
    for (const std::string& part : test.parts) append(out, part);
    for (const Test& inner : test.except) append(out, inner);
}

std::uint64_t hash_of(const Predicate& predicate) {
    std::string bytes;
    append(bytes, predicate.path);
    append(bytes, (predicate.exists ? 1u : 0u) + (predicate.may_be_absent ? 2u : 0u));
    for (const std::uint32_t value : predicate.values) append(bytes, value);
    for (const OtherTest& other : predicate.others) {
        append(bytes, other.test);
        for (const std::uint32_t value : other.except_values) append(bytes, value);
    }
    return codec::xxh3_64(bytes);
}

bool is_same(const Predicate& a, const Predicate& b) {
    return a.path == b.path && a.exists == b.exists && a.may_be_absent == b.may_be_absent &&
           a.values == b.values && a.others == b.others;
}

std::uint32_t next_registration(const Predicate& predicate) {
    return static_cast<std::uint32_t>(predicate.registrations.size()) & 0x7FFF'FFFF;
}

}  // namespace

// ---- keys

void Predicates::count_key(const KeyTable::Entry& entry, int by) {
    const auto add = [by](std::uint32_t& count) {
        count = static_cast<std::uint32_t>(static_cast<int>(count) + by);
    };
    switch (entry.kind) {
        case KeyKind::string:
        case KeyKind::number:
        case KeyKind::spelling:
        case KeyKind::literal:
            return add(path_index_[entry.path].values);
        case KeyKind::folded:
            return add(extra(entry.path).folded);
        case KeyKind::piece8:
        case KeyKind::piece4:
        case KeyKind::piece2:
            return add(extra(entry.path).pieces[piece_index(entry.kind)]);
        default:
            break;
    }
    auto& lengths = extra(entry.path).lengths[affix_index(entry.kind)];
    const auto size = static_cast<std::uint32_t>(entry.key.size());
    auto at = std::ranges::lower_bound(lengths, size, {}, &Length::length);
    if (at == lengths.end() || at->length != size) at = lengths.insert(at, {size, 0});
    add(at->count);
    if (at->count == 0) lengths.erase(at);
}

std::uint32_t Predicates::acquire_key(KeyKind kind, PathId path, std::string_view key) {
    const std::uint32_t id = keys_.acquire(kind, path, key);
    if (keys_[id].uses == 1) count_key(keys_[id], 1);
    return id;
}

void Predicates::release_key(std::uint32_t key) {
    if (keys_[key].uses == 1) count_key(keys_[key], -1);
    keys_.release(key);
}

std::uint32_t Predicates::acquire_value(PathId path, const Test& test) {
    switch (test.kind) {
        case Kind::literal:
            return acquire_key(KeyKind::literal, path, test.text);
        case Kind::number:
            if (test.comparable) return acquire_key(KeyKind::number, path, number_key(test.low));
            return acquire_key(KeyKind::spelling, path, test.text);
        case Kind::wildcard:
            return acquire_key(KeyKind::string, path, test.parts.front());
        default:
            return acquire_key(KeyKind::string, path, test.text);
    }
}

// ---- predicates

Predicates::Extra& Predicates::extra(PathId path) {
    auto& extra = path_index_[path].extra;
    if (!extra) extra = std::make_unique<Extra>();
    return *extra;
}

OtherTest Predicates::compile_other(PathId path, const Test& test) {
    OtherTest other{test, {}};
    if (test.kind != Kind::anything_but || !std::ranges::all_of(test.except, is_value)) return other;
    other.test.except.clear();
    for (const Test& inner : test.except) other.except_values.push_back(acquire_value(path, inner));
    std::ranges::sort(other.except_values);
    return other;
}

Predicate Predicates::compile(const Field& field) {
    Predicate predicate;
    predicate.path = paths_.add(field.path);
    if (path_index_.size() < paths_.size()) path_index_.resize(paths_.size());
    for (const Test& test : field.tests) {
        if (is_value(test))
            predicate.values.push_back(acquire_value(predicate.path, test));
        else if (test.kind == Kind::exists)
            predicate.exists = true;
        else if (test.kind == Kind::absent)
            predicate.may_be_absent = true;
        else
            predicate.others.push_back(compile_other(predicate.path, test));
    }
    std::ranges::sort(predicate.values);
    for (std::size_t i = 1; i < predicate.values.size();) {
        if (predicate.values[i] != predicate.values[i - 1]) {
            ++i;
            continue;
        }
        release_key(predicate.values[i]);
        predicate.values.erase(predicate.values.begin() + static_cast<std::ptrdiff_t>(i));
    }
    if (predicate.values.size() == 1 && predicate.others.empty() && !predicate.exists &&
        !predicate.may_be_absent) {
        predicate.value = predicate.values.front();
        predicate.values = {};
    }
    return predicate;
}

PredicateId Predicates::find_same(const Predicate& predicate) const {
    if (predicate.is_plain()) return keys_[predicate.value].plain;
    const auto [first, last] = by_hash_.equal_range(predicate.hash);
    for (auto at = first; at != last; ++at)
        if (is_same(all_[at->second], predicate)) return at->second;
    return 0;
}

// What compile took.
void Predicates::drop(const Predicate& predicate) {
    if (predicate.is_plain()) release_key(predicate.value);
    for (const std::uint32_t value : predicate.values) release_key(value);
    for (const OtherTest& other : predicate.others)
        for (const std::uint32_t value : other.except_values) release_key(value);
    paths_.remove(predicate.path);
    if (!paths_.is_asked(predicate.path)) path_index_[predicate.path].extra.reset();
}

PredicateId Predicates::acquire(const Field& field) {
    Predicate predicate = compile(field);
    if (!predicate.is_plain()) predicate.hash = hash_of(predicate);
    if (const PredicateId known = find_same(predicate); known != 0) {
        drop(predicate);
        ++all_[known].uses;
        return known;
    }
    PredicateId id = 0;
    if (free_.empty()) {
        id = static_cast<PredicateId>(all_.size());
        all_.emplace_back();
    } else {
        id = free_.back();
        free_.pop_back();
    }
    predicate.uses = 1;
    if (predicate.is_plain())
        keys_[predicate.value].plain = id;
    else
        by_hash_.emplace(predicate.hash, id);
    all_[id] = std::move(predicate);
    return id;
}

void Predicates::release(PredicateId id) {
    Predicate& predicate = all_[id];
    if (--predicate.uses != 0) return;
    if (predicate.is_plain()) {
        keys_[predicate.value].plain = 0;
    } else {
        const auto [first, last] = by_hash_.equal_range(predicate.hash);
        by_hash_.erase(std::find_if(first, last, [id](const auto& entry) { return entry.second == id; }));
    }
    drop(predicate);
    predicate = Predicate{};
    free_.push_back(id);
}

// ---- cost

double Predicates::cost_of(const Test& test) const {
    constexpr double any_string = 1e6, any_leaf = 1e7, short_text = 8, half_open = 50;
    const auto of_text = [](std::size_t size) {
        return size == 0 ? any_string : size < 3 ? short_text : 1.5;
    };
    switch (test.kind) {
        case Kind::exists:
        case Kind::anything_but:
            return any_leaf;
        case Kind::range:
            return std::isinf(test.low) || std::isinf(test.high) ? half_open : 2;
        case Kind::wildcard: {
            std::size_t longest = 0;
            for (const std::string& part : test.parts) longest = std::max(longest, part.size());
            return longest < 2 ? any_string : of_text(longest);
        }
        case Kind::address:
            return 2;
        default:
            return of_text(test.text.size());
    }
}

double Predicates::cost(PredicateId id) const {
    const Predicate& predicate = all_[id];
    if (predicate.may_be_absent) return std::numeric_limits<double>::infinity();
    double each = predicate.is_plain() ? 1 : static_cast<double>(predicate.values.size());
    if (predicate.exists) each += 1e7;
    for (const OtherTest& other : predicate.others) each += cost_of(other.test);
    return each * predicate.uses;
}

// ---- lists

Postings& Predicates::postings(PathId path, const Registration& registration) {
    switch (registration.where) {
        case Registration::Where::any_leaf:
            return extra(path).any_leaf;
        case Registration::Where::any_string:
            return extra(path).any_string;
        default:
            return keys_[registration.id].postings;
    }
}

void Predicates::list_in(PredicateId id, Registration registration, bool sure) {
    Predicate& predicate = all_[id];
    Postings& list = postings(predicate.path, registration);
    registration.position = static_cast<std::uint32_t>(list.size());
    list.push_back({id, next_registration(predicate), sure});
    predicate.registrations.push_back(registration);
}

void Predicates::list_key(PredicateId id, KeyKind kind, std::string_view key, bool sure) {
    list_in(id, {.where = Registration::Where::key, .id = acquire_key(kind, all_[id].path, key)}, sure);
}

void Predicates::list_any_string(PredicateId id) {
    list_in(id, {.where = Registration::Where::any_string}, false);
}

void Predicates::list_interval(PredicateId id, const Test& test) {
    Predicate& predicate = all_[id];
    const Posting posting{id, next_registration(predicate), true};
    if (test.kind == Kind::address) {
        const std::uint32_t node =
            extra(predicate.path)
                .addresses.insert({test.from.v6, test.from.bytes}, {test.from.v6, test.to.bytes}, posting);
        predicate.registrations.push_back({.where = Registration::Where::address, .id = node});
        return;
    }
    constexpr double infinity = std::numeric_limits<double>::infinity();
    const double low = test.low_closed ? test.low : std::nextafter(test.low, infinity);
    const double high = test.high_closed ? test.high : std::nextafter(test.high, -infinity);
    const std::uint32_t node = extra(predicate.path).ranges.insert(low, high, posting);
    predicate.registrations.push_back({.where = Registration::Where::range, .id = node});
}

// Beginnings and ends are compared with the value between its quotes (holds.cc), so one that has the other
// quote too can be the whole value.
void Predicates::list_text(PredicateId id, const Test& test) {
    const bool at_end = test.kind == Kind::suffix || test.kind == Kind::suffix_fold;
    const bool folded = test.kind == Kind::prefix_fold || test.kind == Kind::suffix_fold;
    const std::string_view text = test.text;
    if (text.empty()) return list_any_string(id);
    list_key(id,
             folded ? (at_end ? KeyKind::suffix_fold : KeyKind::prefix_fold)
                    : (at_end ? KeyKind::suffix : KeyKind::prefix),
             text, !folded);
    if ((at_end ? text.front() : text.back()) != '"') return;
    list_key(id, folded ? KeyKind::folded : KeyKind::string, text.substr(at_end ? 1 : 0, text.size() - 1),
             !folded);
}

// Any one of its literal pieces must stand in the value: the one that fewest others are listed under.
void Predicates::list_wildcard(PredicateId id, const std::vector<std::string>& parts) {
    const PathId path = all_[id].path;
    std::size_t best_cost = SIZE_MAX;
    KeyKind best_kind = KeyKind::piece8;
    std::string_view best;
    const auto offer = [&](KeyKind kind, std::string_view key, std::size_t extra_cost) {
        const std::uint32_t known = keys_.find(kind, path, key);
        const std::size_t cost = (known == 0 ? 0 : 4 * keys_[known].postings.size()) + extra_cost;
        if (cost >= best_cost) return;
        best_cost = cost;
        best_kind = kind;
        best = key;
    };
    if (!parts.front().empty()) offer(KeyKind::prefix, parts.front(), parts.front().size() < 4 ? 16 : 0);
    if (!parts.back().empty()) offer(KeyKind::suffix, parts.back(), parts.back().size() < 4 ? 16 : 0);
    for (const std::string& part : parts)
        for (std::size_t i = 0; i < piece_sizes.size(); ++i) {
            const std::size_t size = piece_sizes[i];
            if (part.size() < size) continue;
            const auto kind = static_cast<KeyKind>(static_cast<std::size_t>(KeyKind::piece8) + i);
            for (std::size_t at = 0; at + size <= part.size(); ++at)
                offer(kind, std::string_view(part).substr(at, size), 2 + 16 * i);
            break;
        }
    if (best_cost == SIZE_MAX) return list_any_string(id);
    list_key(id, best_kind, best, false);
}

void Predicates::list_other(PredicateId id, const Test& test) {
    switch (test.kind) {
        case Kind::range:
        case Kind::address:
            return list_interval(id, test);
        case Kind::equal_fold:
            return list_key(id, KeyKind::folded, test.text, false);
        case Kind::wildcard:
            return list_wildcard(id, test.parts);
        case Kind::anything_but:
            return list_in(id, {.where = Registration::Where::any_leaf}, false);
        default:
            return list_text(id, test);
    }
}

void Predicates::list(PredicateId id) {
    const auto list_value = [&](std::uint32_t value) {
        const KeyTable::Entry& entry = keys_[value];
        list_key(id, entry.kind, std::string(entry.key), true);
    };
    if (all_[id].is_plain()) list_value(all_[id].value);
    for (std::size_t i = 0; i < all_[id].values.size(); ++i) list_value(all_[id].values[i]);
    if (all_[id].exists) list_in(id, {.where = Registration::Where::any_leaf}, true);
    for (std::size_t i = 0; i < all_[id].others.size(); ++i) list_other(id, all_[id].others[i].test);
}

void Predicates::unlist(PredicateId id) {
    Predicate& predicate = all_[id];
    for (const Registration& registration : predicate.registrations) {
        if (registration.where == Registration::Where::range) {
            extra(predicate.path).ranges.erase(registration.id);
        } else if (registration.where == Registration::Where::address) {
            extra(predicate.path).addresses.erase(registration.id);
        } else {
            Postings& list = postings(predicate.path, registration);
            const Posting moved = list.back();
            list[registration.position] = moved;
            all_[moved.predicate].registrations[moved.registration].position = registration.position;
            list.pop_back();
            if (registration.where == Registration::Where::key) release_key(registration.id);
        }
    }
    predicate.registrations = {};
}

// ---- leaves

std::uint32_t Predicates::value_of(Leaf& leaf) const {
    if (path_index_[leaf.path].values == 0) return 0;
    switch (leaf.kind) {
        case Leaf::Kind::string:
            return keys_.find(KeyKind::string, leaf.path, leaf.text);
        case Leaf::Kind::literal:
            return keys_.find(KeyKind::literal, leaf.path, leaf.text);
        case Leaf::Kind::number:
            break;
    }
    const auto number = leaf.number();
    return number ? keys_.find(KeyKind::number, leaf.path, number_key(*number))
                  : keys_.find(KeyKind::spelling, leaf.path, leaf.text);
}

bool Predicates::holds_of(PredicateId id, Leaf& leaf) const {
    const Predicate& predicate = all_[id];
    if (predicate.exists) return true;
    if (predicate.is_plain()) return leaf.value == predicate.value;
    if (leaf.value != 0 && std::ranges::binary_search(predicate.values, leaf.value)) return true;
    return std::ranges::any_of(predicate.others, [&](const OtherTest& other) {
        if (other.except_values.empty()) return pattern::holds(other.test, leaf);
        return !std::ranges::binary_search(other.except_values, leaf.value);
    });
}

}  // namespace tarn::pattern
