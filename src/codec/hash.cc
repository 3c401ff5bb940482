#include "codec/hash.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <bit>
#include <cstring>

#include "base/check.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace tarn::codec {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the byte order of stored numbers is the machine's");

// ---- CRC32C (Castagnoli, reflected polynomial 0x82f63b78) ----

using CrcFunction = std::uint32_t (*)(const char*, std::size_t, std::uint32_t);
using CrcTables = std::array<std::array<std::uint32_t, 256>, 8>;

constexpr CrcTables make_crc_tables() {
    CrcTables tables{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t crc = i;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
        tables[0][i] = crc;
    }
    for (std::size_t t = 1; t < tables.size(); ++t)
        for (std::size_t i = 0; i < 256; ++i)
            tables[t][i] = (tables[t - 1][i] >> 8) ^ tables[0][tables[t - 1][i] & 0xFF];
    return tables;
}
constexpr CrcTables crc_tables = make_crc_tables();

std::uint64_t load64(const char* from) {
    std::uint64_t value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

// Eight table look-ups for eight bytes ("slicing by 8").
std::uint32_t crc_software(const char* data, std::size_t size, std::uint32_t crc) {
    for (; size >= 8; data += 8, size -= 8) {
        const std::uint64_t word = load64(data) ^ crc;
        crc = 0;
        for (std::size_t i = 0; i < 8; ++i) crc ^= crc_tables[7 - i][word >> (8 * i) & 0xFF];
    }
    for (; size > 0; ++data, --size)
        crc = (crc >> 8) ^ crc_tables[0][(crc ^ static_cast<std::uint8_t>(*data)) & 0xFF];
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t crc_sse42(const char* data, std::size_t size,
                                                          std::uint32_t seed) {
    std::uint64_t crc = seed;
    for (; size >= 8; data += 8, size -= 8) crc = _mm_crc32_u64(crc, load64(data));
    for (; size > 0; ++data, --size)
        crc = _mm_crc32_u8(static_cast<std::uint32_t>(crc), static_cast<std::uint8_t>(*data));
    return static_cast<std::uint32_t>(crc);
}

CrcFunction choose_crc() { return __builtin_cpu_supports("sse4.2") ? crc_sse42 : crc_software; }
#else
CrcFunction choose_crc() { return crc_software; }
#endif

}  // namespace

namespace internal {
std::uint32_t crc32c_software(std::string_view bytes, std::uint32_t seed) {
    return ~crc_software(bytes.data(), bytes.size(), ~seed);
}
}  // namespace internal

std::uint32_t crc32c(std::string_view bytes, std::uint32_t seed) {
    static const CrcFunction function = choose_crc();
    return ~function(bytes.data(), bytes.size(), ~seed);
}

std::uint64_t xxh3_64(std::string_view bytes, std::uint64_t seed) {
    return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

Hash128 xxh3_128(std::string_view bytes) {
    const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
    return {hash.high64, hash.low64};
}

std::uint32_t murmur2(std::string_view bytes) {
    constexpr std::uint32_t multiplier = 0x5bd1e995;
    constexpr int shift = 24;
    std::uint32_t hash = 0x9747b28c ^ static_cast<std::uint32_t>(bytes.size());
    while (bytes.size() >= 4) {
        std::uint32_t word;
        std::memcpy(&word, bytes.data(), sizeof word);
        word *= multiplier;
        word ^= word >> shift;
        word *= multiplier;
        hash = hash * multiplier ^ word;
        bytes.remove_prefix(4);
    }
    if (!bytes.empty()) {
        for (std::size_t i = bytes.size(); i-- > 0;)
            hash ^= std::uint32_t{static_cast<std::uint8_t>(bytes[i])} << (8 * i);
        hash *= multiplier;
    }
    hash ^= hash >> 13;
    hash *= multiplier;
    return hash ^ hash >> 15;
}

// ---- SHA-256 ----

// OpenSSL's calls fail here only without memory or without its default provider: a broken installation, not
// input.
Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
    TARN_CHECK(context_ != nullptr);
    TARN_CHECK(EVP_DigestInit_ex(static_cast<EVP_MD_CTX*>(context_), EVP_sha256(), nullptr) == 1);
}

Sha256::~Sha256() { EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(context_)); }

void Sha256::update(std::string_view bytes) {
    TARN_CHECK(EVP_DigestUpdate(static_cast<EVP_MD_CTX*>(context_), bytes.data(), bytes.size()) == 1);
}

std::string Sha256::finish_hex() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    TARN_CHECK(EVP_DigestFinal_ex(static_cast<EVP_MD_CTX*>(context_), digest.data(), &size) == 1);
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    out.reserve(2 * size);
    for (unsigned i = 0; i < size; ++i) {
        out += digits[digest[i] >> 4];
        out += digits[digest[i] & 15];
    }
    return out;
}

std::string sha256_hex(std::string_view bytes) {
    Sha256 hash;
    hash.update(bytes);
    return hash.finish_hex();
}

std::string hmac_sha256(std::string_view key, std::string_view text) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    TARN_CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                    reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(),
                    &size) != nullptr);
    return {reinterpret_cast<const char*>(digest.data()), size};
}

}  // namespace tarn::codec
