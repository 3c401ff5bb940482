#include "codec/zstd.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include <random>

#include "codec/packing_for_tests.h"

namespace tarn::codec {
namespace {

std::string sample(std::size_t size) {
    std::mt19937_64 random(size);
    std::string text;
    while (text.size() < size) text += "{\"n\":" + std::to_string(random() % 1000) + "}\n";
    text.resize(size);
    return text;
}

struct Unpacked {
    std::string bytes;
    std::optional<Error> error;
};

Unpacked unpack(std::string_view packed, std::size_t piece) {
    const auto unpacker = make_unpacker(packed.substr(0, 4));
    Unpacked result;
    const auto sink = [&](std::string_view bytes) -> Status {
        result.bytes += bytes;
        return {};
    };
    for (; !packed.empty(); packed.remove_prefix(std::min(piece, packed.size()))) {
        if (Status status = unpacker->feed(packed.substr(0, piece), sink); !status) {
            result.error = status.error();
            return result;
        }
    }
    if (Status status = unpacker->finish(); !status) result.error = status.error();
    return result;
}

constexpr std::string_view skippable("\x5E\x2A\x4D\x18\x05\x00\x00\x00hello", 13);

TEST(Zstd, FramesComeBack) {
    ZstdCompressor compressor(1);
    ZstdDecompressor decompressor;
    for (const std::size_t size : {0u, 1u, 100u, 256u << 10, 3u << 20}) {
        const std::string bytes = sample(size);
        std::string out = "x";
        compressor.append_frame(out, bytes);
        std::string back = "old";
        const Status status = decompressor.frame(std::string_view(out).substr(1), size, back);
        ASSERT_TRUE(status) << status.error().text();
        EXPECT_EQ(back, bytes);
    }
}

TEST(Zstd, DamagedFramesAreRefused) {
    const std::string good = zstd_frame(sample(5000));
    ZstdDecompressor decompressor;
    std::string out;
    const auto code = [&](std::string_view packed, std::size_t expected) {
        const Status status = decompressor.frame(packed, expected, out);
        return status ? Code::internal : status.error().code;
    };
    EXPECT_EQ(code(good, 4999), Code::object_corrupt);
    EXPECT_EQ(code(good + "x", 5000), Code::object_corrupt);
    EXPECT_EQ(code("", 0), Code::object_corrupt);
    EXPECT_EQ(code(skippable, 0), Code::object_corrupt);
    EXPECT_EQ(code(zstd_frame("") + zstd_frame(""), 0), Code::object_corrupt);
    for (std::size_t i = 0; i < good.size(); ++i) {
        std::string bad = good;
        bad[i] = static_cast<char>(bad[i] ^ 0x10);
        const Status status = decompressor.frame(bad, 5000, out);
        ASSERT_TRUE(!status || out == sample(5000)) << i;
        ASSERT_FALSE(decompressor.frame(good.substr(0, i), 5000, out)) << i;
    }
    EXPECT_TRUE(decompressor.frame(good, 5000, out));
}

TEST(Unpack, ByTheFirstBytesInPiecesOfAnySize) {
    const std::string bytes = sample(700'000);
    const std::string_view first = std::string_view(bytes).substr(0, 300'000),
                           second = std::string_view(bytes).substr(300'000);
    const std::string packed[] = {
        bytes,
        zstd_frame(bytes),
        zstd_frame(first) + std::string(skippable) + zstd_frame("") + zstd_frame(second) +
            std::string(skippable),
        std::string(skippable) + zstd_frame(bytes),
        gzip(bytes),
        gzip(first) + gzip("") + gzip(second) + std::string(512, '\0'),
    };
    for (const std::string& archive : packed) {
        for (const std::size_t piece :
             {std::size_t{1}, std::size_t{777}, std::size_t{65536}, archive.size()}) {
            const Unpacked got = unpack(archive, piece);
            ASSERT_FALSE(got.error) << got.error->text();
            ASSERT_TRUE(got.bytes == bytes) << piece;
        }
    }
    EXPECT_EQ(unpack("", 1).bytes, "");
}

TEST(Unpack, CutOffArchivesGiveWhatIsThereAndSaySo) {
    const std::string bytes = sample(100'000);
    for (const std::string& archive : {zstd_frame(bytes), gzip(bytes)}) {
        for (const std::size_t left : {std::size_t{5}, archive.size() / 2, archive.size() - 1}) {
            const Unpacked got = unpack(archive.substr(0, left), 4096);
            ASSERT_TRUE(got.error);
            EXPECT_EQ(got.error->code, Code::truncated_archive);
            EXPECT_EQ(got.error->place.byte, left);
            EXPECT_TRUE(bytes.starts_with(got.bytes));
        }
        std::string bad = archive;
        bad[bad.size() / 2] = static_cast<char>(bad[bad.size() / 2] ^ 0x55);
        for (const std::string& damaged : {bad, archive + "trailing"}) {
            const Unpacked seen = unpack(damaged, 4096);
            ASSERT_TRUE(seen.error);
            EXPECT_EQ(seen.error->code, Code::truncated_archive);
        }
    }
}

TEST(Unpack, HugeWindowsAreRefusedByName) {
    ZSTD_CCtx* const context = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, 28);
    ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
    const std::string bytes = sample(100'000);
    std::string packed(ZSTD_compressBound(bytes.size()), '\0');
    ZSTD_outBuffer out{packed.data(), packed.size(), 0};
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    // Two steps, so that the library cannot shrink the window to the size of the input.
    ZSTD_compressStream2(context, &out, &in, ZSTD_e_continue);
    while (ZSTD_compressStream2(context, &out, &in, ZSTD_e_end) != 0) {
    }
    ZSTD_freeCCtx(context);
    packed.resize(out.pos);
    const Unpacked got = unpack(packed, 4096);
    ASSERT_TRUE(got.error);
    EXPECT_NE(got.error->message.find("128 MiB"), std::string::npos) << got.error->message;
}

TEST(Unpack, TheSinksErrorComesThrough) {
    for (const std::string& archive : {zstd_frame("abc"), gzip("abc"), std::string("abc")}) {
        const auto unpacker = make_unpacker(archive);
        const Status status =
            unpacker->feed(archive, [](std::string_view) -> Status { return fail(Code::disk_full, "full"); });
        ASSERT_FALSE(status);
        EXPECT_EQ(status.error().code, Code::disk_full);
    }
}

}  // namespace
}  // namespace tarn::codec
