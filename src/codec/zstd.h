// zstd frames, whole and streamed, with limits against bombs: window at most 8 MiB for our own frames and 128
// MiB for archives from outside (as the zstd program), output at most what the caller says.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tarn::codec {

inline constexpr int max_window_log = 23;         // 8 MiB
inline constexpr int max_unpack_window_log = 27;  // 128 MiB

// One independent frame with content size and checksum. Not thread-safe; keep one a thread (the context is
// reused).
class ZstdCompressor {
public:
    explicit ZstdCompressor(int level = 1);
    ~ZstdCompressor();
    ZstdCompressor(const ZstdCompressor&) = delete;
    ZstdCompressor& operator=(const ZstdCompressor&) = delete;
    void append_frame(std::string& out, std::string_view bytes);

private:
    void* context_;
};

class ZstdDecompressor {
public:
    ZstdDecompressor();
    ~ZstdDecompressor();
    ZstdDecompressor(const ZstdDecompressor&) = delete;
    ZstdDecompressor& operator=(const ZstdDecompressor&) = delete;
    // One whole frame into `out` (replaced). Fails (object_corrupt) when damaged or not exactly `expected`
    // bytes long.
    Status frame(std::string_view compressed, std::size_t expected, std::string& out);

private:
    void* context_;
};

// Streams that unpack .zst and .gz while they are read; concatenated members are followed, skippable frames
// skipped.
class Unpacker {
public:
    virtual ~Unpacker() = default;
    // Unpacks `bytes`, calling sink with pieces of the output. truncated_archive when damaged.
    virtual Status feed(std::string_view bytes, const std::function<Status(std::string_view)>& sink) = 0;
    // truncated_archive when the input ended inside a member.
    virtual Status finish() = 0;
    // How many unpacked bytes belong to members that have ended, and so were checked. What comes after may be
    // wrong from any byte on, although no error has shown it yet.
    virtual std::uint64_t checked_bytes() const = 0;
};
std::unique_ptr<Unpacker> make_zstd_unpacker();
std::unique_ptr<Unpacker> make_gzip_unpacker();
std::unique_ptr<Unpacker> make_deflate_unpacker();  // bare deflate data, as members of .zip are
std::unique_ptr<Unpacker> make_plain_unpacker();
// By the first bytes of the file, whatever its name: zstd, gzip or plain.
bool is_packed(std::string_view first_bytes);
std::unique_ptr<Unpacker> make_unpacker(std::string_view first_bytes);

// The checksum of .gz and .zip; `so_far` is that of what came before.
std::uint32_t crc32_of(std::string_view bytes, std::uint32_t so_far = 0);

}  // namespace tarn::codec
