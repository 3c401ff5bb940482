// What a pattern means after compiling: plain data between the compiler (compile.h), which knows the language
// and its refusals, and those that evaluate it (rule_set.h, explain.h). The semantics are those of Event
// Ruler's String API (docs/reference/patterns.md lists where we differ on purpose).
//
// An event is seen as its leaves: (dotted path, scalar, which element of which arrays it stands in). Array
// structure is not part of a path; `{"a.b": 1}` and `{"a": {"b": 1}}` have the same path. Empty objects and
// arrays have no leaf.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace tarn::pattern {

// An IP address as 16 bytes in network order; an IPv4 address stands in the last four.
struct Address {
    std::array<std::uint8_t, 16> bytes{};
    bool v6 = false;
    friend auto operator<=>(const Address&, const Address&) = default;
};

// One test of one leaf, or of its absence.
struct Test {
    enum class Kind : std::uint8_t {
        text,          // is the string `text`
        literal,       // is true, false or null: `text` is that word
        number,        // is spelled `text`, or equals `low` when `comparable`
        range,         // is a comparable number between `low` and `high`, closed at an end as the flags say
        address,       // is a string with an address in [from, to] of the same family
        prefix,        // is a string that begins with `text`
        suffix,        // … that ends with it
        equal_fold,    // … that equals it, case folded
        prefix_fold,   // … that begins with it, case folded
        suffix_fold,   // … that ends with it, case folded
        wildcard,      // … that `parts` match in order
        anything_but,  // is there, and none of `except` holds
        exists,        // is there, whatever it is
        absent,        // is not there
    };
    Kind kind = Kind::text;
    std::string text;  // unescaped UTF-8; for the fold kinds its fold_key (fold.h), which narrows
    // Fold kinds: as the pattern gives it. fold_equal, fold_prefix or fold_suffix of it and the value decide
    // (fold.h); equal keys are necessary, and enough when both are ASCII.
    std::string spelled;
    // range and number; infinities where a range is open
    bool comparable = false;
    double low = 0;
    double high = 0;
    bool low_closed = false;
    bool high_closed = false;
    Address from, to;  // address, both ends included
    // wildcard: literal texts between the stars, so n stars make n + 1 parts, the outer ones maybe empty.
    // "a*b" is {"a", "b"}; "*" is {"", ""}; "abc" is {"abc"}.
    std::vector<std::string> parts;
    std::vector<Test> except;  // anything_but; of one kind, never anything_but, exists or absent
    friend bool operator==(const Test&, const Test&) = default;
};

struct Field {
    std::string path;         // dotted, unescaped
    std::vector<Test> tests;  // any of them, in the order of the pattern
    friend bool operator==(const Field&, const Field&) = default;
};

// All fields hold, in one consistent choice of array elements: two leaves below the same array must stand in
// the same element of it. Fields are in the order in which Event Ruler visits them (by path), which decides
// what `absent` means below arrays: no leaf of that path agrees with the elements chosen by earlier fields.
struct Alternative {
    std::vector<Field> fields;  // paths are unique
    friend bool operator==(const Alternative&, const Alternative&) = default;
};

// Any alternative; more than one only where the pattern has $or.
struct Rule {
    std::vector<Alternative> alternatives;
    friend bool operator==(const Rule&, const Rule&) = default;
};

}  // namespace tarn::pattern
