#include "codec/hash.h"

#include <gtest/gtest.h>

#include <random>

namespace tarn::codec {
namespace internal {
std::uint32_t crc32c_software(std::string_view bytes, std::uint32_t seed);
}
namespace {

std::string random_bytes(std::mt19937_64& random, std::size_t size) {
    std::string bytes(size, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    return bytes;
}

// RFC 3720, B.4 and the check value of the polynomial.
TEST(Crc32c, KnownValues) {
    EXPECT_EQ(crc32c("123456789"), 0xE306'9283u);
    EXPECT_EQ(crc32c(""), 0u);
    EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A91'36AAu);
    EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8'AB43u);
}

TEST(Crc32c, SoftwareAndHardwareAgree) {
    std::mt19937_64 random(7);
    for (std::size_t size = 0; size < 300; ++size) {
        const std::string bytes = random_bytes(random, size);
        const auto seed = static_cast<std::uint32_t>(random());
        ASSERT_EQ(crc32c(bytes, seed), internal::crc32c_software(bytes, seed)) << size;
    }
}

TEST(Crc32c, SeedContinues) { EXPECT_EQ(crc32c("6789", crc32c("12345")), crc32c("123456789")); }

// As `xxhsum -H2` and `xxhsum -H3` print.
TEST(Xxh3, KnownValues) {
    EXPECT_EQ(xxh3_128("").hex(), "99aa06d3014798d86001c324468d497f");
    EXPECT_EQ(xxh3_64(""), 0x2D06'8005'38D3'94C2u);
    EXPECT_NE(xxh3_64("a", 1), xxh3_64("a", 2));
}

// The values of Kafka's own test of its partitioner.
TEST(Murmur2, AgreesWithKafka) {
    EXPECT_EQ(static_cast<std::int32_t>(murmur2("21")), -973932308);
    EXPECT_EQ(static_cast<std::int32_t>(murmur2("foobar")), -790332482);
    EXPECT_EQ(static_cast<std::int32_t>(murmur2("a-little-bit-long-string")), -985981536);
    EXPECT_EQ(static_cast<std::int32_t>(murmur2("a-little-bit-longer-string")), -1486304829);
    EXPECT_EQ(static_cast<std::int32_t>(murmur2("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8")),
              -58897971);
    EXPECT_EQ(static_cast<std::int32_t>(murmur2("abc")), 479470107);
}

TEST(Sha256, KnownValues) {
    EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    Sha256 pieces;
    pieces.update("a");
    pieces.update("");
    pieces.update("bc");
    EXPECT_EQ(pieces.finish_hex(), sha256_hex("abc"));
}

}  // namespace
}  // namespace tarn::codec
