#include "pattern/holds.h"

#include <cstring>

#include "codec/json.h"
#include "pattern/fold.h"

namespace tarn::pattern {
namespace {

// Event Ruler compares a prefix with the value as it stands between quotes, so that "ab\"" is a prefix of the
// string ab. Likewise for suffixes.
bool begins_with(std::string_view text, std::string_view prefix) {
    if (text.starts_with(prefix)) return true;
    return prefix.ends_with('"') && text == prefix.substr(0, prefix.size() - 1);
}

bool ends_with(std::string_view text, std::string_view suffix) {
    if (text.ends_with(suffix)) return true;
    return suffix.starts_with('"') && text == suffix.substr(1);
}

bool begins_with_fold(std::string_view text, std::string_view prefix) {
    if (fold_prefix(prefix, text)) return true;
    return prefix.ends_with('"') && fold_equal(prefix.substr(0, prefix.size() - 1), text);
}

bool ends_with_fold(std::string_view text, std::string_view suffix) {
    if (fold_suffix(suffix, text)) return true;
    return suffix.starts_with('"') && fold_equal(suffix.substr(1), text);
}

bool in_range(const Test& test, double value) {
    return (test.low_closed ? value >= test.low : value > test.low) &&
           (test.high_closed ? value <= test.high : value < test.high);
}

bool equals_number(const Test& test, Leaf& leaf) {
    if (leaf.text == test.text) return true;
    if (!test.comparable) return false;
    const auto value = leaf.number();
    return value && *value == test.low;
}

bool in_network(const Test& test, Leaf& leaf) {
    const auto address = leaf.address();
    return address && address->v6 == test.from.v6 && address->bytes >= test.from.bytes &&
           address->bytes <= test.to.bytes;
}

bool holds_of_string(const Test& test, Leaf& leaf) {
    switch (test.kind) {
        case Test::Kind::text:
            return leaf.text == test.text;
        case Test::Kind::address:
            return in_network(test, leaf);
        case Test::Kind::prefix:
            return begins_with(leaf.text, test.text);
        case Test::Kind::suffix:
            return ends_with(leaf.text, test.text);
        case Test::Kind::equal_fold:
            return fold_equal(test.spelled, leaf.text);
        case Test::Kind::prefix_fold:
            return begins_with_fold(leaf.text, test.spelled);
        case Test::Kind::suffix_fold:
            return ends_with_fold(leaf.text, test.spelled);
        case Test::Kind::wildcard:
            return wildcard_matches(test.parts, leaf.text);
        default:
            return false;
    }
}

bool holds_of_number(const Test& test, Leaf& leaf) {
    if (test.kind == Test::Kind::number) return equals_number(test, leaf);
    if (test.kind != Test::Kind::range) return false;
    const auto value = leaf.number();
    return value && in_range(test, *value);
}

bool none_holds(const std::vector<Test>& tests, Leaf& leaf) {
    for (const Test& test : tests)
        if (holds(test, leaf)) return false;
    return true;
}

}  // namespace

bool wildcard_matches(const std::vector<std::string>& parts, std::string_view text) {
    if (parts.size() == 1) return text == parts.front();
    const std::string &first = parts.front(), &last = parts.back();
    if (text.size() < first.size() + last.size() || !text.starts_with(first) || !text.ends_with(last))
        return false;
    const char* at = text.data() + first.size();
    const char* const end = text.data() + text.size() - last.size();
    // Each part at its first place: a later one leaves less room for the rest.
    for (std::size_t i = 1; i + 1 < parts.size(); ++i) {
        const void* found =
            ::memmem(at, static_cast<std::size_t>(end - at), parts[i].data(), parts[i].size());
        if (found == nullptr) return false;
        at = static_cast<const char*>(found) + parts[i].size();
    }
    return true;
}

bool holds(const Test& test, Leaf& leaf) {
    if (test.kind == Test::Kind::exists) return true;
    if (test.kind == Test::Kind::anything_but) return none_holds(test.except, leaf);
    switch (leaf.kind) {
        case Leaf::Kind::string:
            return holds_of_string(test, leaf);
        case Leaf::Kind::number:
            return holds_of_number(test, leaf);
        case Leaf::Kind::literal:
            break;
    }
    return test.kind == Test::Kind::literal && leaf.text == test.text;
}

bool holds(const Test& test, std::string_view raw_scalar) {
    Leaf leaf;
    const std::string_view raw = codec::trim_json(raw_scalar);
    const codec::JsonType type = codec::type_of(raw);
    if (type == codec::JsonType::object || type == codec::JsonType::array || raw.empty()) return false;
    std::string text;
    if (type == codec::JsonType::string) {
        text = codec::unescape(raw);
        leaf.text = text;
    } else {
        leaf.kind = type == codec::JsonType::number ? Leaf::Kind::number : Leaf::Kind::literal;
        leaf.text = raw;
    }
    return holds(test, leaf);
}

}  // namespace tarn::pattern
