// The referee: evaluates a Rule against a document straight from the sentences of rule.h, with nothing shared
// with the matcher but the folding of case. Slow (it tries every choice of array elements) and plain to read.
// For tests and fuzzers only; header-only, so that nothing of it is in the product.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <map>
#include <optional>
#include <ranges>
#include <string>
#include <string_view>
#include <vector>

#include "codec/json.h"
#include "pattern/fold.h"
#include "pattern/rule.h"

namespace tarn::pattern::naive {

// Array → element. A scalar that is itself an element does not count as standing in that element: only
// objects and arrays tie what is below them together.
using Membership = std::map<int, int>;

struct Leaf {
    std::string path;
    codec::JsonType type;
    std::string text;  // unescaped, or as written
    Membership membership;
};

struct Flattener {
    std::vector<Leaf> leaves;
    Membership membership;
    int arrays = 0;

    void value(const std::string& path, std::string_view raw) {
        const auto type = codec::type_of(raw);
        if (type == codec::JsonType::object) return object(path, raw, false);
        if (type == codec::JsonType::array) return array(path, raw);
        std::string text =
            type == codec::JsonType::string ? codec::unescape(raw) : std::string(codec::trim_json(raw));
        leaves.push_back({path, type, std::move(text), membership});
    }

    void object(const std::string& path, std::string_view raw, bool root) {
        codec::for_each_member(raw, [&](std::string_view key, std::string_view inner) {
            value(root ? std::string(key) : path + "." + std::string(key), inner);
            return true;
        });
    }

    void array(const std::string& path, std::string_view raw) {
        const int id = arrays++;
        int index = 0;
        codec::for_each_element(raw, [&](std::string_view element) {
            const auto type = codec::type_of(element);
            if (type == codec::JsonType::object || type == codec::JsonType::array) membership[id] = index;
            value(path, element);
            membership.erase(id);
            ++index;
            return true;
        });
    }
};

inline std::vector<Leaf> leaves_of(std::string_view document) {
    Flattener flattener;
    if (codec::type_of(document) == codec::JsonType::object) flattener.object("", document, true);
    return std::move(flattener.leaves);
}

// ---- numbers: comparable when the shortest decimal of the nearest double is the number itself

struct Decimal {
    bool negative = false;
    std::string digits;      // no zeros at either end; empty for zero
    long long exponent = 0;  // of the last digit
    friend bool operator==(const Decimal&, const Decimal&) = default;
};

inline std::optional<Decimal> decimal_of(std::string_view text) {
    Decimal decimal;
    std::size_t at = 0;
    if (at < text.size() && text[at] == '-') decimal.negative = true, ++at;
    bool fraction = false;
    for (; at < text.size() && text[at] != 'e' && text[at] != 'E'; ++at) {
        if (text[at] == '.') {
            fraction = true;
            continue;
        }
        decimal.digits += text[at];
        if (fraction) --decimal.exponent;
    }
    if (at < text.size()) {
        std::string_view power = text.substr(at + 1);
        if (power.starts_with('+')) power.remove_prefix(1);
        long long value = 0;
        const auto read = std::from_chars(power.data(), power.data() + power.size(), value);
        if (read.ec != std::errc()) return std::nullopt;
        decimal.exponent += value;
    }
    if (std::llabs(decimal.exponent) > 0x7fffffff) return std::nullopt;  // more than the authority reads
    decimal.digits.erase(0, decimal.digits.find_first_not_of('0'));
    while (decimal.digits.ends_with('0')) decimal.digits.pop_back(), ++decimal.exponent;
    if (decimal.digits.empty()) decimal = {};
    return decimal;
}

inline std::optional<double> comparable(std::string_view text) {
    const auto decimal = decimal_of(text);
    if (!decimal) return std::nullopt;
    if (decimal->digits.empty()) return 0.0;
    double value = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
    if (read.ec != std::errc() || std::isinf(value)) return std::nullopt;
    char shortest[64];
    const auto end =
        std::to_chars(shortest, shortest + sizeof shortest, value, std::chars_format::scientific);
    const auto back = decimal_of(std::string_view(shortest, static_cast<std::size_t>(end.ptr - shortest)));
    if (!back || *back != *decimal) return std::nullopt;
    return value;
}

// ---- addresses: four decimal parts of up to three digits, or eight hexadecimal ones with one "::"

inline std::vector<std::string> split(std::string_view text, char at) {
    std::vector<std::string> parts{""};
    for (const char c : text) {
        if (c == at)
            parts.emplace_back();
        else
            parts.back() += c;
    }
    return parts;
}

inline std::optional<int> part_value(const std::string& part, int base, int most) {
    if (part.empty() || part.front() == '-') return std::nullopt;
    int value = 0;
    const auto read = std::from_chars(part.data(), part.data() + part.size(), value, base);
    if (read.ec != std::errc() || read.ptr != part.data() + part.size() || value > most) return std::nullopt;
    return value;
}

inline std::optional<Address> v4_address(std::string_view text) {
    const auto parts = split(text, '.');
    if (parts.size() != 4) return std::nullopt;
    Address address;
    for (std::size_t i = 0; i < 4; ++i) {
        const auto value = part_value(parts[i], 10, 255);
        if (!value) return std::nullopt;
        address.bytes[12 + i] = static_cast<std::uint8_t>(*value);
    }
    return address;
}

inline std::optional<std::vector<int>> v6_groups(std::string_view text) {
    std::vector<int> groups;
    if (text.empty()) return groups;
    for (const std::string& part : split(text, ':')) {
        const auto value = part_value(part, 16, 0xffff);
        if (!value) return std::nullopt;
        groups.push_back(*value);
    }
    return groups;
}

inline std::optional<Address> v6_address(std::string_view text) {
    const auto gap = text.find("::");
    auto groups = v6_groups(text.substr(0, gap));
    if (!groups) return std::nullopt;
    if (gap == std::string_view::npos) {
        if (groups->size() != 8) return std::nullopt;
    } else {
        const auto rest = v6_groups(text.substr(gap + 2));
        if (!rest || groups->size() + rest->size() > 7) return std::nullopt;
        groups->resize(8 - rest->size());
        groups->insert(groups->end(), rest->begin(), rest->end());
    }
    const bool mapped =
        std::ranges::equal(std::views::take(*groups, 6), std::vector<int>{0, 0, 0, 0, 0, 0xffff});
    Address address{.v6 = !mapped};
    for (std::size_t i = mapped ? 6 : 0; i < 8; ++i) {
        address.bytes[2 * i] = static_cast<std::uint8_t>((*groups)[i] >> 8);
        address.bytes[2 * i + 1] = static_cast<std::uint8_t>((*groups)[i]);
    }
    return address;
}

// "::ffff:102:304" is 1.2.3.4.
inline std::optional<Address> address_of(std::string_view text) {
    return text.contains(':') ? v6_address(text) : v4_address(text);
}

// ---- tests

// Every place in `text` where the parts so far may end.
inline bool wildcard_holds(const std::vector<std::string>& parts, std::string_view text) {
    if (parts.size() == 1) return text == parts.front();
    if (!text.starts_with(parts.front())) return false;
    std::vector<bool> ends(text.size() + 1);
    ends[parts.front().size()] = true;
    for (std::size_t i = 1; i < parts.size(); ++i) {
        std::vector<bool> next(text.size() + 1);
        for (std::size_t from = 0, reached = 0; from + parts[i].size() <= text.size(); ++from) {
            reached = reached || ends[from];
            if (reached && text.substr(from).starts_with(parts[i])) next[from + parts[i].size()] = true;
        }
        ends = std::move(next);
    }
    return ends[text.size()];
}

inline bool in_range(const Test& test, double value) {
    const bool low = test.low_closed ? value >= test.low : value > test.low;
    const bool high = test.high_closed ? value <= test.high : value < test.high;
    return low && high;
}

// Of a leaf that is there.
inline bool holds(const Test& test, const Leaf& leaf) {
    using Kind = Test::Kind;
    const bool string = leaf.type == codec::JsonType::string;
    const bool number = leaf.type == codec::JsonType::number;
    switch (test.kind) {
        case Kind::text:
            return string && leaf.text == test.text;
        case Kind::literal:
            return !string && !number && leaf.text == test.text;
        case Kind::number: {
            if (!number) return false;
            const auto value = comparable(leaf.text);
            return leaf.text == test.text || (test.comparable && value && *value == test.low);
        }
        case Kind::range: {
            const auto value = number ? comparable(leaf.text) : std::nullopt;
            return value && in_range(test, *value);
        }
        case Kind::address: {
            const auto value = string ? address_of(leaf.text) : std::nullopt;
            return value && value->v6 == test.from.v6 && test.from <= *value && *value <= test.to;
        }
        // The authority compares strings with their quotes, so the closing one can end a prefix, and the
        // opening one begin a suffix.
        case Kind::prefix:
            return string && (leaf.text + '"').starts_with(test.text);
        case Kind::suffix:
            return string && ('"' + leaf.text).ends_with(test.text);
        case Kind::equal_fold:
            return string && fold_equal(test.spelled, leaf.text);
        case Kind::prefix_fold:
            return string && fold_prefix(test.spelled, leaf.text + '"');
        case Kind::suffix_fold:
            return string && fold_suffix(test.spelled, '"' + leaf.text);
        case Kind::wildcard:
            return string && wildcard_holds(test.parts, leaf.text);
        case Kind::anything_but:
            return std::ranges::none_of(test.except, [&](const Test& inner) { return holds(inner, leaf); });
        case Kind::exists:
            return true;
        case Kind::absent:
            return false;
    }
    return false;
}

// ---- rules

inline bool consistent(const Membership& chosen, const Membership& other) {
    return std::ranges::all_of(other, [&](const auto& entry) {
        const auto found = chosen.find(entry.first);
        return found == chosen.end() || found->second == entry.second;
    });
}

inline bool rest_matches(const Alternative& alternative, std::size_t next, const std::vector<Leaf>& leaves,
                         const Membership& chosen) {
    if (next == alternative.fields.size()) return true;
    const Field& field = alternative.fields[next];
    bool there = false;
    for (const Leaf& leaf : leaves) {
        if (leaf.path != field.path || !consistent(chosen, leaf.membership)) continue;
        there = true;
        if (std::ranges::none_of(field.tests, [&](const Test& test) { return holds(test, leaf); })) continue;
        Membership with = chosen;
        with.insert(leaf.membership.begin(), leaf.membership.end());
        if (rest_matches(alternative, next + 1, leaves, with)) return true;
    }
    const bool may_be_absent =
        std::ranges::any_of(field.tests, [](const Test& test) { return test.kind == Test::Kind::absent; });
    return !there && may_be_absent && rest_matches(alternative, next + 1, leaves, chosen);
}

inline bool matches(const Rule& rule, const std::vector<Leaf>& leaves) {
    return std::ranges::any_of(rule.alternatives, [&](const Alternative& alternative) {
        return rest_matches(alternative, 0, leaves, {});
    });
}

inline bool matches(const Rule& rule, std::string_view document) {
    return matches(rule, leaves_of(document));
}

}  // namespace tarn::pattern::naive
