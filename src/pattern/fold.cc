#include "pattern/fold.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace tarn::pattern {
namespace {

// Every `step`th code point of [first, last], and how far its lower case, upper case and key are from it.
struct FoldRange {
    char32_t first, last;
    std::uint32_t step;
    std::int32_t lower, upper, key;
};

// A code point of which one of the three is more than one code point, all in UTF-8.
struct FoldSpecial {
    char32_t code_point;
    std::string_view lower, upper, key;
};

#include "pattern/fold_table.inc"

// Ranges are sorted by their first code point; those of upper and lower case letters in turn overlap.
constexpr int kOverlapping = 4;

const FoldRange* find_range(char32_t code_point) {
    const auto* after = std::ranges::upper_bound(kFoldRanges, code_point, {}, &FoldRange::first);
    for (int back = 0; back < kOverlapping && after != std::begin(kFoldRanges); ++back) {
        --after;
        if (code_point <= after->last && (code_point - after->first) % after->step == 0) return after;
    }
    return nullptr;
}

const FoldSpecial* find_special(char32_t code_point) {
    const auto* found = std::ranges::lower_bound(kFoldSpecials, code_point, {}, &FoldSpecial::code_point);
    return found != std::end(kFoldSpecials) && found->code_point == code_point ? found : nullptr;
}

bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

// The bytes of the first code point, or of the last one.
std::string_view first_of(std::string_view text) {
    std::size_t size = 1;
    while (size < text.size() && size < 4 && is_continuation(text[size])) ++size;
    return text.substr(0, size);
}

std::string_view last_of(std::string_view text) {
    std::size_t size = 1;
    while (size < text.size() && size < 4 && is_continuation(text[text.size() - size])) ++size;
    return text.substr(text.size() - size);
}

// What a whole, valid UTF-8 sequence stands for; 0 otherwise.
char32_t decoded(std::string_view bytes) {
    const auto lead = static_cast<unsigned char>(bytes.front());
    const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || bytes.size() != size) return 0;
    char32_t code_point = lead & (0x7Fu >> size);
    for (const char byte : bytes.substr(1))
        code_point = code_point << 6 | (static_cast<unsigned char>(byte) & 0x3Fu);
    return code_point;
}

// One code point in UTF-8.
class Encoded {
public:
    explicit Encoded(char32_t code_point) {
        if (code_point < 0x80) {
            push(code_point);
        } else if (code_point < 0x800) {
            push(0xC0 | code_point >> 6);
        } else if (code_point < 0x10000) {
            push(0xE0 | code_point >> 12);
            push(0x80 | (code_point >> 6 & 0x3F));
        } else {
            push(0xF0 | code_point >> 18);
            push(0x80 | (code_point >> 12 & 0x3F));
            push(0x80 | (code_point >> 6 & 0x3F));
        }
        if (code_point >= 0x80) push(0x80 | (code_point & 0x3F));
    }
    std::string_view text() const { return {bytes_.data(), size_}; }

private:
    void push(char32_t byte) { bytes_[size_++] = static_cast<char>(byte); }
    std::array<char, 4> bytes_{};
    std::size_t size_ = 0;
};

char32_t moved(char32_t code_point, std::int32_t by) {
    return static_cast<char32_t>(static_cast<std::int32_t>(code_point) + by);
}

char ascii_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

bool is_ascii(char c) { return static_cast<signed char>(c) >= 0; }

// How many bytes of `value`, at its beginning or end, are a spelling of `piece`, a code point of a pattern
// that is not ASCII; 0 for none.
std::size_t spelling_size(std::string_view piece, std::string_view value, bool at_end) {
    const auto fits = [&](std::string_view spelling) {
        const bool found = at_end ? value.ends_with(spelling) : value.starts_with(spelling);
        return found ? spelling.size() : 0;
    };
    const char32_t code_point = decoded(piece);
    if (const FoldRange* range = find_range(code_point)) {
        const std::size_t size = fits(Encoded(moved(code_point, range->lower)).text());
        return size > 0 ? size : fits(Encoded(moved(code_point, range->upper)).text());
    }
    if (const FoldSpecial* special = find_special(code_point)) {
        const std::size_t size = fits(special->lower);
        return size > 0 ? size : fits(special->upper);
    }
    return fits(piece);
}

// Takes the spelling of all of `pattern` off the beginning of `value`; false when that is not there.
bool take_front(std::string_view pattern, std::string_view& value) {
    while (!pattern.empty()) {
        if (value.empty()) return false;
        if (is_ascii(pattern.front())) {
            if (ascii_lower(pattern.front()) != ascii_lower(value.front())) return false;
            pattern.remove_prefix(1);
            value.remove_prefix(1);
            continue;
        }
        const std::string_view piece = first_of(pattern);
        const std::size_t size = spelling_size(piece, value, false);
        if (size == 0) return false;
        pattern.remove_prefix(piece.size());
        value.remove_prefix(size);
    }
    return true;
}

}  // namespace

void append_fold_key(std::string& out, std::string_view text) {
    while (!text.empty()) {
        if (is_ascii(text.front())) {
            out += ascii_lower(text.front());
            text.remove_prefix(1);
            continue;
        }
        const std::string_view piece = first_of(text);
        const char32_t code_point = decoded(piece);
        if (const FoldRange* range = find_range(code_point)) {
            out += Encoded(moved(code_point, range->key)).text();
        } else if (const FoldSpecial* special = find_special(code_point)) {
            out += special->key;
        } else {
            out += piece;
        }
        text.remove_prefix(piece.size());
    }
}

std::string fold_key(std::string_view text) {
    std::string key;
    key.reserve(text.size());
    append_fold_key(key, text);
    return key;
}

bool fold_equal(std::string_view pattern, std::string_view value) {
    return take_front(pattern, value) && value.empty();
}

bool fold_prefix(std::string_view pattern, std::string_view value) { return take_front(pattern, value); }

bool fold_suffix(std::string_view pattern, std::string_view value) {
    while (!pattern.empty()) {
        if (value.empty()) return false;
        if (is_ascii(pattern.back())) {
            if (ascii_lower(pattern.back()) != ascii_lower(value.back())) return false;
            pattern.remove_suffix(1);
            value.remove_suffix(1);
            continue;
        }
        const std::string_view piece = last_of(pattern);
        const std::size_t size = spelling_size(piece, value, true);
        if (size == 0) return false;
        pattern.remove_suffix(piece.size());
        value.remove_suffix(size);
    }
    return true;
}

}  // namespace tarn::pattern
