// Unpackers of zstd.h: .zst and .gz while they are read.
#include <fmt/core.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>

#include "base/check.h"
#include "codec/zstd.h"

namespace tarn::codec {
namespace {

using Sink = std::function<Status(std::string_view)>;

// `byte` is the place in the packed input.
Failure damaged(std::uint64_t byte, std::string message) {
    return fail(Code::truncated_archive, std::move(message), {.place = {.source = {}, .byte = byte}});
}

class PlainUnpacker : public Unpacker {
public:
    Status feed(std::string_view bytes, const Sink& sink) override {
        return bytes.empty() ? Status() : sink(bytes);
    }
    Status finish() override { return {}; }
};

class ZstdUnpacker : public Unpacker {
public:
    ZstdUnpacker() : stream_(ZSTD_createDStream()), buffer_(ZSTD_DStreamOutSize(), '\0') {
        TARN_CHECK(stream_ != nullptr);
        ZSTD_DCtx_setParameter(stream_, ZSTD_d_windowLogMax, max_unpack_window_log);
    }
    ~ZstdUnpacker() override { ZSTD_freeDStream(stream_); }
    ZstdUnpacker(const ZstdUnpacker&) = delete;
    ZstdUnpacker& operator=(const ZstdUnpacker&) = delete;

    Status feed(std::string_view bytes, const Sink& sink) override {
        ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
        bool full = false;
        // A full output buffer may leave more behind although all input is taken.
        while (in.pos < in.size || full) {
            ZSTD_outBuffer out{buffer_.data(), buffer_.size(), 0};
            const std::size_t start = in.pos;
            const std::size_t hint = ZSTD_decompressStream(stream_, &out, &in);
            if (ZSTD_isError(hint) != 0) return failed(hint, taken_ + in.pos);
            if (in.pos > start || out.pos > 0) within_frame_ = hint != 0;
            full = out.pos == out.size && hint != 0;
            if (out.pos > 0) TARN_TRY(sink(std::string_view(buffer_.data(), out.pos)));
        }
        taken_ += bytes.size();
        return {};
    }

    Status finish() override {
        if (!within_frame_) return {};
        return damaged(taken_, fmt::format("the zstd archive is cut off after {} bytes", taken_));
    }

private:
    static Failure failed(std::size_t code, std::uint64_t byte) {
        if (ZSTD_getErrorCode(code) == ZSTD_error_frameParameter_windowTooLarge)
            return damaged(
                byte,
                "the zstd archive needs a window of more than 128 MiB: pack it again with a smaller --long");
        return damaged(
            byte, fmt::format("the zstd archive is damaged at byte {}: {}", byte, ZSTD_getErrorName(code)));
    }

    ZSTD_DStream* stream_;
    std::string buffer_;
    std::uint64_t taken_ = 0;
    bool within_frame_ = false;
};

class GzipUnpacker : public Unpacker {
public:
    GzipUnpacker() : buffer_(128 << 10, '\0') {
        // 15 bits of window, +16: gzip only.
        TARN_CHECK(inflateInit2(&stream_, 15 + 16) == Z_OK);
    }
    ~GzipUnpacker() override { inflateEnd(&stream_); }
    GzipUnpacker(const GzipUnpacker&) = delete;
    GzipUnpacker& operator=(const GzipUnpacker&) = delete;

    Status feed(std::string_view bytes, const Sink& sink) override {
        while (!bytes.empty()) {
            const std::string_view piece = bytes.substr(0, 1u << 30);  // zlib counts in 32 bits
            TARN_TRY(feed_piece(piece, sink));
            bytes.remove_prefix(piece.size());
        }
        return {};
    }

    Status finish() override {
        if (!within_) return {};
        return damaged(taken_, fmt::format("the gzip archive is cut off after {} bytes", taken_));
    }

private:
    Status feed_piece(std::string_view bytes, const Sink& sink) {
        stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
        stream_.avail_in = static_cast<uInt>(bytes.size());
        bool full = false;
        while (stream_.avail_in > 0 || full) {
            if (!within_ && !begin_member()) {
                if (stream_.avail_in == 0) break;
                continue;
            }
            TARN_TRY(inflate_some(sink, full, taken_ + bytes.size() - stream_.avail_in));
        }
        taken_ += bytes.size();
        return {};
    }

    // Zero bytes may follow the last member, as tape blocks leave them. False when a byte was skipped.
    bool begin_member() {
        if (any_ && *stream_.next_in == 0) {
            ++stream_.next_in;
            --stream_.avail_in;
            return false;
        }
        inflateReset(&stream_);
        within_ = true;
        any_ = true;
        return true;
    }

    Status inflate_some(const Sink& sink, bool& full, std::uint64_t byte) {
        stream_.next_out = reinterpret_cast<Bytef*>(buffer_.data());
        stream_.avail_out = static_cast<uInt>(buffer_.size());
        const int result = inflate(&stream_, Z_NO_FLUSH);
        const std::size_t size = buffer_.size() - stream_.avail_out;
        if (size > 0) TARN_TRY(sink(std::string_view(buffer_.data(), size)));
        full = stream_.avail_out == 0 && result == Z_OK;
        if (result == Z_STREAM_END) within_ = false;
        if (result == Z_OK || result == Z_STREAM_END || (result == Z_BUF_ERROR && size == 0)) return {};
        return damaged(byte, fmt::format("the gzip archive is damaged near byte {}: {}", byte,
                                         stream_.msg != nullptr ? stream_.msg : "bad data"));
    }

    z_stream stream_{};
    std::string buffer_;
    std::uint64_t taken_ = 0;
    bool within_ = false;  // a member has begun and not ended
    bool any_ = false;     // a member has begun
};

}  // namespace

std::unique_ptr<Unpacker> make_zstd_unpacker() { return std::make_unique<ZstdUnpacker>(); }
std::unique_ptr<Unpacker> make_gzip_unpacker() { return std::make_unique<GzipUnpacker>(); }
std::unique_ptr<Unpacker> make_plain_unpacker() { return std::make_unique<PlainUnpacker>(); }

std::unique_ptr<Unpacker> make_unpacker(std::string_view first_bytes) {
    if (first_bytes.starts_with("\x28\xB5\x2F\xFD")) return make_zstd_unpacker();
    // A skippable frame (0x184D2A50 to …5F) may come first.
    const bool skippable = first_bytes.size() >= 4 && (first_bytes[0] & 0xF0) == 0x50 &&
                           first_bytes.substr(1, 3) == "\x2A\x4D\x18";
    if (skippable) return make_zstd_unpacker();
    if (first_bytes.starts_with("\x1F\x8B")) return make_gzip_unpacker();
    return make_plain_unpacker();
}

}  // namespace tarn::codec
