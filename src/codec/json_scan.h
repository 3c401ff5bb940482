// The byte loops under json.h: find the end of a string, a value, white space. For files of codec and for
// event's readers of machine-written text. They never read outside [p, end), whatever the bytes; on text that
// is not JSON the result is some place in that range.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace tarn::codec::scan {

inline bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

inline const char* skip_space(const char* p, const char* end) {
    while (p != end && is_space(*p)) ++p;
    return p;
}

// The first byte that cannot stand plainly in a string: quote, backslash, control character, or not ASCII.
inline const char* plain_end(const char* p, const char* end) {
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), space = _mm_set1_epi8(0x20);
    for (; end - p >= 16; p += 16) {
        const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
        // Signed comparison: bytes from 0x80 count as negative, so below space as well.
        const __m128i found =
            _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(block, quote), _mm_cmpeq_epi8(block, backslash)),
                         _mm_cmplt_epi8(block, space));
        if (const int mask = _mm_movemask_epi8(found); mask != 0)
            return p + std::countr_zero(static_cast<unsigned>(mask));
    }
#endif
    while (p != end && static_cast<signed char>(*p) >= 0x20 && *p != '"' && *p != '\\') ++p;
    return p;
}

// The first quote or backslash.
inline const char* quote_or_backslash(const char* p, const char* end) {
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    for (; end - p >= 16; p += 16) {
        const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
        const __m128i found = _mm_or_si128(_mm_cmpeq_epi8(block, quote), _mm_cmpeq_epi8(block, backslash));
        if (const int mask = _mm_movemask_epi8(found); mask != 0)
            return p + std::countr_zero(static_cast<unsigned>(mask));
    }
#endif
    while (p != end && *p != '"' && *p != '\\') ++p;
    return p;
}

// `p` stands after the opening quote; gives the closing one, or end.
inline const char* string_end(const char* p, const char* end) {
    for (;;) {
        p = quote_or_backslash(p, end);
        if (p == end || *p == '"') return p;
        if (end - p < 2) return end;
        p += 2;
    }
}

// The first quote, bracket or brace.
inline const char* next_structure(const char* p, const char* end) {
#if defined(__SSE2__)
    // '[' and '{', ']' and '}' differ only in bit 0x20.
    const __m128i quote = _mm_set1_epi8('"'), bit = _mm_set1_epi8(0x20);
    const __m128i open = _mm_set1_epi8('{'), close = _mm_set1_epi8('}');
    for (; end - p >= 16; p += 16) {
        const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
        const __m128i folded = _mm_or_si128(block, bit);
        const __m128i found =
            _mm_or_si128(_mm_cmpeq_epi8(block, quote),
                         _mm_or_si128(_mm_cmpeq_epi8(folded, open), _mm_cmpeq_epi8(folded, close)));
        if (const int mask = _mm_movemask_epi8(found); mask != 0)
            return p + std::countr_zero(static_cast<unsigned>(mask));
    }
#endif
    while (p != end && *p != '"' && *p != '[' && *p != ']' && *p != '{' && *p != '}') ++p;
    return p;
}

#if defined(__SSE2__)
// Where quotes, backslashes and brackets stand in 64 bytes, a bit each.
struct Block {
    std::uint64_t quote = 0, backslash = 0, open = 0, close = 0;

    explicit Block(const char* p) {
        const __m128i quotes = _mm_set1_epi8('"'), backslashes = _mm_set1_epi8('\\'),
                      bit = _mm_set1_epi8(0x20);
        const __m128i opens = _mm_set1_epi8('{'), closes = _mm_set1_epi8('}');
        for (int i = 0; i < 4; ++i) {
            const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 16 * i));
            const __m128i folded = _mm_or_si128(bytes, bit);
            const auto mask = [i](__m128i found) {
                return static_cast<std::uint64_t>(static_cast<unsigned>(_mm_movemask_epi8(found)))
                       << (16 * i);
            };
            quote |= mask(_mm_cmpeq_epi8(bytes, quotes));
            backslash |= mask(_mm_cmpeq_epi8(bytes, backslashes));
            open |= mask(_mm_cmpeq_epi8(folded, opens));
            close |= mask(_mm_cmpeq_epi8(folded, closes));
        }
    }

    // From each opening quote up to its closing one, when no quote is escaped.
    std::uint64_t in_string(bool from_before) const {
        std::uint64_t mask = quote;
        for (int shift = 1; shift < 64; shift *= 2) mask ^= mask << shift;
        return from_before ? ~mask : mask;
    }
};
#endif

// `p` stands at the opening bracket; gives the place after its closing one, or end.
inline const char* container_end(const char* p, const char* end) {
    if (p == end) return end;
    std::size_t depth = 1;
    ++p;
#if defined(__SSE2__)
    // Blocks that cannot hold the end are skipped by counting. A block with a backslash is left to the loop
    // below.
    bool in_string = false;
    while (end - p >= 64) {
        const Block block(p);
        if (block.backslash != 0) break;
        const std::uint64_t strings = block.in_string(in_string);
        std::uint64_t open = block.open & ~strings, close = block.close & ~strings;
        const auto closing = static_cast<std::size_t>(std::popcount(close));
        if (closing < depth) {
            depth += static_cast<std::size_t>(std::popcount(open)) - closing;
        } else {
            for (std::uint64_t both = open | close; both != 0; both &= both - 1) {
                const int at = std::countr_zero(both);
                if ((open >> at & 1) != 0) {
                    ++depth;
                } else if (--depth == 0) {
                    return p + at + 1;
                }
            }
        }
        in_string = strings >> 63 != 0;
        p += 64;
    }
    if (in_string) {
        p = string_end(p, end);
        if (p == end) return end;
        ++p;
    }
#endif
    while ((p = next_structure(p, end)) != end) {
        if (*p == '"') {
            p = string_end(p + 1, end);
            if (p == end) return end;
        } else if (*p == '[' || *p == '{') {
            ++depth;
        } else if (--depth == 0) {
            return p + 1;
        }
        ++p;
    }
    return end;
}

inline const char* literal_end(const char* p, const char* end) {
    while (p != end && !is_space(*p) && *p != ',' && *p != ']' && *p != '}') ++p;
    return p;
}

// `p` stands at the first byte of a value; gives the place after its last one.
inline const char* value_end(const char* p, const char* end) {
    if (p == end) return end;
    if (*p == '{' || *p == '[') return container_end(p, end);
    if (*p != '"') return literal_end(p, end);
    const char* quote = string_end(p + 1, end);
    return quote == end ? end : quote + 1;
}

inline std::string_view slice(const char* from, const char* to) {
    return {from, static_cast<std::size_t>(to - from)};
}

// Walks over the members of an object: next() gives key (raw, without quotes) and value (raw) until it
// returns false.
class Members {
public:
    explicit Members(std::string_view object) : p_(object.data()), end_(p_ + object.size()) {
        p_ = skip_space(p_, end_);
        if (p_ != end_ && *p_ == '{') ++p_;
    }

    bool next(std::string_view& raw_key, std::string_view& value) {
        while (p_ != end_ && (is_space(*p_) || *p_ == ',')) ++p_;
        if (p_ == end_ || *p_ != '"') return false;
        const char* key = p_ + 1;
        const char* quote = string_end(key, end_);
        if (quote == end_) return false;
        p_ = quote + 1;
        while (p_ != end_ && (is_space(*p_) || *p_ == ':')) ++p_;
        const char* from = p_;
        p_ = value_end(p_, end_);
        if (p_ == from) return false;
        raw_key = slice(key, quote);
        value = slice(from, p_);
        return true;
    }

private:
    const char* p_;
    const char* end_;
};

// The same for the elements of an array.
class Elements {
public:
    explicit Elements(std::string_view array) : p_(array.data()), end_(p_ + array.size()) {
        p_ = skip_space(p_, end_);
        if (p_ != end_ && *p_ == '[') ++p_;
    }

    bool next(std::string_view& value) {
        while (p_ != end_ && (is_space(*p_) || *p_ == ',')) ++p_;
        if (p_ == end_ || *p_ == ']') return false;
        const char* from = p_;
        p_ = value_end(p_, end_);
        if (p_ == from) return false;
        value = slice(from, p_);
        return true;
    }

private:
    const char* p_;
    const char* end_;
};

}  // namespace tarn::codec::scan
