#include "codec/zstd.h"

#include <fmt/core.h>
#include <zstd.h>

#include "base/check.h"

namespace tarn::codec {
namespace {

ZSTD_CCtx* compressor(void* context) { return static_cast<ZSTD_CCtx*>(context); }
ZSTD_DCtx* decompressor(void* context) { return static_cast<ZSTD_DCtx*>(context); }

}  // namespace

// Contexts and these parameters fail only without memory.
ZstdCompressor::ZstdCompressor(int level) : context_(ZSTD_createCCtx()) {
    TARN_CHECK(context_ != nullptr);
    ZSTD_CCtx_setParameter(compressor(context_), ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(compressor(context_), ZSTD_c_checksumFlag, 1);
    ZSTD_CCtx_setParameter(compressor(context_), ZSTD_c_contentSizeFlag, 1);
}

ZstdCompressor::~ZstdCompressor() { ZSTD_freeCCtx(compressor(context_)); }

void ZstdCompressor::append_frame(std::string& out, std::string_view bytes) {
    const std::size_t start = out.size();
    const std::size_t bound = ZSTD_compressBound(bytes.size());
    out.resize(start + bound);
    const std::size_t size =
        ZSTD_compress2(compressor(context_), out.data() + start, bound, bytes.data(), bytes.size());
    TARN_CHECK(ZSTD_isError(size) == 0);  // the bound suffices for any input
    out.resize(start + size);
}

ZstdDecompressor::ZstdDecompressor() : context_(ZSTD_createDCtx()) {
    TARN_CHECK(context_ != nullptr);
    ZSTD_DCtx_setParameter(decompressor(context_), ZSTD_d_windowLogMax, max_window_log);
}

ZstdDecompressor::~ZstdDecompressor() { ZSTD_freeDCtx(decompressor(context_)); }

Status ZstdDecompressor::frame(std::string_view compressed, std::size_t expected, std::string& out) {
    const auto damaged = [](std::string why) {
        return fail(Code::object_corrupt, "zstd frame: " + std::move(why));
    };
    if (!compressed.starts_with("\x28\xB5\x2F\xFD"))
        return damaged("it does not begin as one");  // not a skippable one either
    const std::size_t length = ZSTD_findFrameCompressedSize(compressed.data(), compressed.size());
    if (ZSTD_isError(length) != 0) return damaged(ZSTD_getErrorName(length));
    if (length != compressed.size())
        return damaged(fmt::format("it ends after {} of {} bytes", length, compressed.size()));
    // Before anything is allocated: a damaged number must not ask for all memory.
    const unsigned long long size = ZSTD_getFrameContentSize(compressed.data(), compressed.size());
    if (size != expected)
        return damaged(size == ZSTD_CONTENTSIZE_UNKNOWN
                           ? "it does not say how long its content is"
                           : fmt::format("it holds {} bytes: expected {}", size, expected));
    out.resize(expected);
    const std::size_t got = ZSTD_decompressDCtx(decompressor(context_), out.data(), out.size(),
                                                compressed.data(), compressed.size());
    if (ZSTD_isError(got) != 0) return damaged(ZSTD_getErrorName(got));
    if (got != expected) return damaged(fmt::format("it holds {} bytes: expected {}", got, expected));
    return {};
}

}  // namespace tarn::codec
