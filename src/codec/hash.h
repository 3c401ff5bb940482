// Checksums and hashes. CRC32C guards records and frames, XXH3 identifies content, SHA-256 seals plans and
// snapshots.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/hash128.h"

namespace tarn::codec {

std::uint32_t crc32c(std::string_view bytes, std::uint32_t seed = 0);  // SSE4.2 where the CPU has it
std::uint64_t xxh3_64(std::string_view bytes, std::uint64_t seed = 0);
Hash128 xxh3_128(std::string_view bytes);
// Kafka's default partitioner (murmur2, seed 0x9747b28c), before "& 0x7fffffff % partitions".
std::uint32_t murmur2(std::string_view bytes);

class Sha256 {
public:
    Sha256();
    ~Sha256();
    Sha256(const Sha256&) = delete;
    Sha256& operator=(const Sha256&) = delete;
    void update(std::string_view bytes);
    std::string finish_hex();  // 64 digits; the object is used up
private:
    void* context_;
};
std::string sha256_hex(std::string_view bytes);
// RFC 2104; 32 raw bytes.
std::string hmac_sha256(std::string_view key, std::string_view text);

}  // namespace tarn::codec
