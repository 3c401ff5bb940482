#include "pattern/structure.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tarn::pattern {
namespace {

using Block = Structure::Block;

#define TARN_INLINE inline __attribute__((always_inline))

// What stands where in 64 bytes, strings or not.
struct Raw {
    std::uint64_t quote, backslash, open, close, comma, dot;
};

struct Carry {
    std::uint64_t escaped = 0;    // 1: the block before ends with a backslash that escapes our first byte
    std::uint64_t in_string = 0;  // all ones: the block before ends inside of a string
};

// The bytes that a backslash escapes. Backslashes are rare enough to be taken one by one.
TARN_INLINE std::uint64_t escaped_bytes(std::uint64_t backslash, std::uint64_t& carry) {
    std::uint64_t escaped = carry;
    carry = 0;
    for (std::uint64_t left = backslash & ~escaped; left != 0;) {
        const std::uint64_t escaping = left & (0 - left);
        escaped |= escaping << 1;
        carry = escaping >> 63;
        left &= ~(escaping | escaping << 1);
    }
    return escaped;
}

// `inside` covers each string from its opening quote up to the closing one.
TARN_INLINE void finish(const Raw& raw, std::uint64_t quote, std::uint64_t inside, Block& block) {
    block.quote = quote;
    block.open = raw.open & ~inside;
    block.close = raw.close & ~inside;
    block.end = block.close | (raw.comma & ~inside);
    block.odd = raw.dot | raw.backslash;
    block.opens = static_cast<std::uint32_t>(std::popcount(block.open));
    block.closes = static_cast<std::uint32_t>(std::popcount(block.close));
}

[[maybe_unused]] TARN_INLINE std::uint64_t prefix_xor_plain(std::uint64_t bits) {
    for (int shift = 1; shift < 64; shift *= 2) bits ^= bits << shift;
    return bits;
}

// '[' and '{', ']' and '}' differ only in bit 0x20.
constexpr char fold_bit = 0x20;

// One loop for each kind of machine; `raw_of` and `prefix_xor` are its instructions.
#define TARN_FILL(name, attributes, raw_of, prefix_xor)                                           \
    attributes void name(const char* p, std::size_t blocks, Carry& carry, Block* out) {           \
        for (std::size_t i = 0; i < blocks; ++i, p += 64) {                                       \
            const Raw raw = raw_of(p);                                                            \
            const std::uint64_t quote = raw.quote & ~escaped_bytes(raw.backslash, carry.escaped); \
            const std::uint64_t inside = prefix_xor(quote) ^ carry.in_string;                     \
            carry.in_string = 0 - (inside >> 63);                                                 \
            finish(raw, quote, inside, out[i]);                                                   \
        }                                                                                         \
    }

#if defined(__x86_64__)
#define TARN_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,pclmul,popcnt,bmi")))
#define TARN_AVX2 __attribute__((target("avx2,pclmul,popcnt,bmi")))

TARN_AVX512 TARN_INLINE Raw raw_avx512(const char* p) {
    const __m512i bytes = _mm512_loadu_si512(p);
    const __m512i folded = _mm512_or_si512(bytes, _mm512_set1_epi8(fold_bit));
    return {_mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('"')),
            _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('\\')),
            _mm512_cmpeq_epi8_mask(folded, _mm512_set1_epi8('{')),
            _mm512_cmpeq_epi8_mask(folded, _mm512_set1_epi8('}')),
            _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(',')),
            _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('.'))};
}

TARN_AVX512 TARN_INLINE std::uint64_t prefix_xor_avx512(std::uint64_t bits) {
    return static_cast<std::uint64_t>(_mm_cvtsi128_si64(_mm_clmulepi64_si128(
        _mm_set_epi64x(0, static_cast<long long>(bits)), _mm_set1_epi8(static_cast<char>(0xFF)), 0)));
}

TARN_AVX2 TARN_INLINE std::uint64_t equal_avx2(__m256i low, __m256i high, char c) {
    const __m256i wanted = _mm256_set1_epi8(c);
    const auto first = static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, wanted)));
    const auto second = static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, wanted)));
    return first | std::uint64_t{second} << 32;
}

TARN_AVX2 TARN_INLINE Raw raw_avx2(const char* p) {
    const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32));
    const __m256i bit = _mm256_set1_epi8(fold_bit);
    const __m256i low_folded = _mm256_or_si256(low, bit), high_folded = _mm256_or_si256(high, bit);
    return {equal_avx2(low, high, '"'),
            equal_avx2(low, high, '\\'),
            equal_avx2(low_folded, high_folded, '{'),
            equal_avx2(low_folded, high_folded, '}'),
            equal_avx2(low, high, ','),
            equal_avx2(low, high, '.')};
}

TARN_AVX2 TARN_INLINE std::uint64_t prefix_xor_avx2(std::uint64_t bits) {
    return static_cast<std::uint64_t>(_mm_cvtsi128_si64(_mm_clmulepi64_si128(
        _mm_set_epi64x(0, static_cast<long long>(bits)), _mm_set1_epi8(static_cast<char>(0xFF)), 0)));
}

TARN_INLINE Raw raw_plain(const char* p) {
    Raw raw{};
    for (int i = 0; i < 4; ++i) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 16 * i));
        const __m128i folded = _mm_or_si128(bytes, _mm_set1_epi8(fold_bit));
        const auto mask = [i](__m128i where, char c) {
            const int found = _mm_movemask_epi8(_mm_cmpeq_epi8(where, _mm_set1_epi8(c)));
            return static_cast<std::uint64_t>(static_cast<unsigned>(found)) << (16 * i);
        };
        raw.quote |= mask(bytes, '"');
        raw.backslash |= mask(bytes, '\\');
        raw.open |= mask(folded, '{');
        raw.close |= mask(folded, '}');
        raw.comma |= mask(bytes, ',');
        raw.dot |= mask(bytes, '.');
    }
    return raw;
}

TARN_FILL(fill_avx512, TARN_AVX512, raw_avx512, prefix_xor_avx512)
TARN_FILL(fill_avx2, TARN_AVX2, raw_avx2, prefix_xor_avx2)
#else
TARN_INLINE Raw raw_plain(const char* p) {
    Raw raw{};
    for (int i = 0; i < 64; ++i) {
        const char folded = static_cast<char>(p[i] | fold_bit);
        raw.quote |= std::uint64_t{p[i] == '"'} << i;
        raw.backslash |= std::uint64_t{p[i] == '\\'} << i;
        raw.open |= std::uint64_t{folded == '{'} << i;
        raw.close |= std::uint64_t{folded == '}'} << i;
        raw.comma |= std::uint64_t{p[i] == ','} << i;
        raw.dot |= std::uint64_t{p[i] == '.'} << i;
    }
    return raw;
}
#endif

TARN_FILL(fill_plain, , raw_plain, prefix_xor_plain)

using Fill = void (*)(const char*, std::size_t, Carry&, Block*);

Fill best_fill() {
#if defined(__x86_64__)
    const bool clmul = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("popcnt");
    if (clmul && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) return fill_avx512;
    if (clmul && __builtin_cpu_supports("avx2")) return fill_avx2;
#endif
    return fill_plain;
}

}  // namespace

void Structure::read(std::string_view text) {
    static const Fill fill = best_fill();
    size_ = text.size();
    used_ = (size_ + 63) / 64;
    if (blocks_.size() < used_) blocks_.resize(used_);
    Carry carry;
    const std::size_t whole = size_ / 64;
    fill(text.data(), whole, carry, blocks_.data());
    if (whole == used_) return;
    std::array<char, 64> rest;
    rest.fill(' ');
    std::memcpy(rest.data(), text.data() + whole * 64, size_ % 64);
    fill(rest.data(), 1, carry, blocks_.data() + whole);
}

std::size_t Structure::container_end(std::size_t at) const {
    std::size_t depth = 0;
    std::size_t block = at / 64;
    std::uint64_t from = ~std::uint64_t{0} << (at % 64);
    for (; block < used_; ++block, from = ~std::uint64_t{0}) {
        const Block& here = blocks_[block];
        // Only the block in which the depth may come back to zero is looked at bit by bit.
        if (here.closes < depth) {
            depth = depth + here.opens - here.closes;
            continue;
        }
        for (std::uint64_t both = (here.open | here.close) & from; both != 0; both &= both - 1) {
            if ((here.open & both & (0 - both)) != 0) {
                ++depth;
            } else if (depth <= 1) {
                return block * 64 + static_cast<std::size_t>(std::countr_zero(both)) + 1;
            } else {
                --depth;
            }
        }
    }
    return size_;
}

}  // namespace tarn::pattern
