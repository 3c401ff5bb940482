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
        bytes_ += bytes.size();
        return bytes.empty() ? Status() : sink(bytes);
    }
    Status finish() override { return {}; }
    std::uint64_t checked_bytes() const override { return bytes_; }

private:
    std::uint64_t bytes_ = 0;
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
        bool full = false;
        // A full output buffer may leave more behind although all input is taken.
        while (!bytes.empty() || full) {
            // A block at a time, as the library asks: an error then tells the block and not the whole input.
            ZSTD_inBuffer in{bytes.data(), std::min(bytes.size(), wanted_), 0};
            ZSTD_outBuffer out{buffer_.data(), buffer_.size(), 0};
            const std::size_t hint = ZSTD_decompressStream(stream_, &out, &in);
            if (ZSTD_isError(hint) != 0) return failed(hint, taken_ + in.pos);
            bytes.remove_prefix(in.pos);
            taken_ += in.pos;
            made_ += out.pos;
            if (in.pos > 0 || out.pos > 0) within_frame_ = hint != 0;
            if (!within_frame_) checked_ = made_;
            wanted_ = hint == 0 ? first_wanted : hint;
            full = out.pos == out.size && hint != 0;
            if (out.pos > 0) TARN_TRY(sink(std::string_view(buffer_.data(), out.pos)));
        }
        return {};
    }

    std::uint64_t checked_bytes() const override { return checked_; }

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

    static constexpr std::size_t first_wanted = 18;  // the largest frame header

    ZSTD_DStream* stream_;
    std::string buffer_;
    std::size_t wanted_ = first_wanted;
    std::uint64_t taken_ = 0, made_ = 0, checked_ = 0;
    bool within_frame_ = false;
};

class GzipUnpacker : public Unpacker {
public:
    // 15 bits of window, +16: gzip only, negative: nothing around the data.
    enum class Wrapping : int { gzip = 15 + 16, none = -15 };
    explicit GzipUnpacker(Wrapping wrapping)
        : name_(wrapping == Wrapping::gzip ? "gzip archive" : "deflate data"), buffer_(128 << 10, '\0') {
        TARN_CHECK(inflateInit2(&stream_, static_cast<int>(wrapping)) == Z_OK);
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
        return damaged(taken_, fmt::format("the {} is cut off after {} bytes", name_, taken_));
    }

    std::uint64_t checked_bytes() const override { return checked_; }

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
        made_ += size;
        full = stream_.avail_out == 0 && result == Z_OK;
        if (result == Z_STREAM_END) {
            within_ = false;
            checked_ = made_;
        }
        if (result == Z_OK || result == Z_STREAM_END || (result == Z_BUF_ERROR && size == 0)) return {};
        return damaged(byte, fmt::format("the {} is damaged near byte {}: {}", name_, byte,
                                         stream_.msg != nullptr ? stream_.msg : "bad data"));
    }

    const std::string_view name_;
    z_stream stream_{};
    std::string buffer_;
    std::uint64_t taken_ = 0, made_ = 0, checked_ = 0;
    bool within_ = false;  // a member has begun and not ended
    bool any_ = false;     // a member has begun
};

}  // namespace

std::unique_ptr<Unpacker> make_zstd_unpacker() { return std::make_unique<ZstdUnpacker>(); }
std::unique_ptr<Unpacker> make_gzip_unpacker() {
    return std::make_unique<GzipUnpacker>(GzipUnpacker::Wrapping::gzip);
}
std::unique_ptr<Unpacker> make_deflate_unpacker() {
    return std::make_unique<GzipUnpacker>(GzipUnpacker::Wrapping::none);
}
std::unique_ptr<Unpacker> make_plain_unpacker() { return std::make_unique<PlainUnpacker>(); }

namespace {

bool is_zstd(std::string_view first_bytes) {
    if (first_bytes.starts_with("\x28\xB5\x2F\xFD")) return true;
    // A skippable frame (0x184D2A50 to …5F) may come first.
    return first_bytes.size() >= 4 && (first_bytes[0] & 0xF0) == 0x50 &&
           first_bytes.substr(1, 3) == "\x2A\x4D\x18";
}

bool is_gzip(std::string_view first_bytes) { return first_bytes.starts_with("\x1F\x8B"); }

}  // namespace

bool is_packed(std::string_view first_bytes) { return is_zstd(first_bytes) || is_gzip(first_bytes); }

std::unique_ptr<Unpacker> make_unpacker(std::string_view first_bytes) {
    if (is_zstd(first_bytes)) return make_zstd_unpacker();
    if (is_gzip(first_bytes)) return make_gzip_unpacker();
    return make_plain_unpacker();
}

std::uint32_t crc32_of(std::string_view bytes, std::uint32_t so_far) {
    return static_cast<std::uint32_t>(
        ::crc32_z(so_far, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

}  // namespace tarn::codec
