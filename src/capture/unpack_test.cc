#include "capture/unpack.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "codec/packing_for_tests.h"

namespace tarn::capture {
namespace {

using codec::gzip;
using codec::zstd_frame;
using testing::HasSubstr;

std::string lines(std::size_t bytes) {
    std::mt19937 random(3);
    std::string out;
    while (out.size() < bytes) out += "{\"n\":" + std::to_string(random()) + "}\n";
    return out;
}

class TextBytes final : public Bytes {
public:
    std::string text;
    int reads = 0;
    Unpacked read(const OnPiece& on_piece) override {
        ++reads;
        for (std::size_t at = 0; at < text.size(); at += 100'000)
            if (Status taken = on_piece(std::string_view(text).substr(at, 100'000)); !taken)
                return {{}, taken};
        return {};
    }
};

class SourceReaderTest : public testing::Test {
protected:
    Unpacked read() {
        got_.clear();
        return reader_.read(read_, [&](std::string_view piece) -> Status {
            got_ += piece;
            return {};
        });
    }

    TextBytes bytes_;
    std::atomic<bool> stop_{false};
    SourceReader reader_{
        bytes_, "f.gz", [this]() -> Status { return stop_ ? fail(Code::interrupted, "stopped") : Status(); }};
    std::uint64_t read_ = 0;
    std::string got_;
};

TEST_F(SourceReaderTest, PlainAndPackedComeBackAsOftenAsAsked) {
    for (const std::size_t size : {0uz, 1000uz, 20'000'000uz})
        for (const auto& pack :
             {+[](std::string_view text) { return std::string(text); }, +gzip, +zstd_frame}) {
            const std::string text = lines(size);
            TextBytes bytes;
            bytes.text = pack(text);
            SourceReader reader(bytes, "f", []() -> Status { return {}; });
            for (int i = 0; i < 2; ++i) {
                std::string got;
                std::uint64_t count = 0;
                const auto done = reader.read(count, [&](std::string_view piece) -> Status {
                    got += piece;
                    return {};
                });
                EXPECT_TRUE(done.file && done.consumer);
                EXPECT_EQ(got.size(), text.size());
                EXPECT_TRUE(got == text);
                EXPECT_EQ(count, i == 0 ? bytes.text.size() : 0);
            }
        }
}

TEST_F(SourceReaderTest, NothingOfADamagedMemberIsGivenAway) {
    // Large enough not to be kept in memory, and small enough.
    for (const std::size_t size : {50'000uz, 12'000'000uz})
        for (const auto& pack : {+gzip, +zstd_frame}) {
            const std::string good = lines(1000), text = lines(size);
            const std::string first = pack(good);
            std::string second = pack(text);
            second[second.size() / 2] = static_cast<char>(second[second.size() / 2] ^ 0x10);
            TextBytes bytes;
            bytes.text = first + second;
            SourceReader reader(bytes, "f.gz", []() -> Status { return {}; });
            for (int i = 0; i < 2; ++i) {
                std::string got;
                const auto done = reader.read(read_, [&](std::string_view piece) -> Status {
                    got += piece;
                    return {};
                });
                ASSERT_FALSE(done.file);
                EXPECT_TRUE(done.consumer);
                EXPECT_EQ(done.file.error().code, Code::truncated_archive);
                EXPECT_THAT(done.file.error().message, HasSubstr("f.gz: the "));
                EXPECT_GE(done.file.error().place.byte.value_or(0), first.size());
                EXPECT_LE(done.file.error().place.byte.value_or(0), bytes.text.size());
                EXPECT_EQ(got, good);
            }
        }
}

TEST_F(SourceReaderTest, AFlippedByteIsFoundNearItsPlace) {
    // Random text packs into literals, in which a wrong byte shows at once or at the checksum; a wrong block
    // header shows there.
    bytes_.text = zstd_frame(lines(3'000'000));
    const std::size_t at = bytes_.text.size() / 2;
    for (std::size_t i = 0; i < 64; ++i) bytes_.text[at + i] = '\xFF';
    const auto done = read();
    ASSERT_FALSE(done.file);
    const std::uint64_t byte = *done.file.error().place.byte;
    EXPECT_GE(byte + (256u << 10), at);
    EXPECT_THAT(done.file.error().message, HasSubstr(std::to_string(byte)));
}

TEST_F(SourceReaderTest, WhatIsCutOffGivesAllThereIs) {
    const std::string text = lines(12'000'000);
    const std::string packed = gzip(text);
    bytes_.text = packed.substr(0, packed.size() / 2);
    const auto done = read();
    ASSERT_FALSE(done.file);
    EXPECT_THAT(done.file.error().message, HasSubstr("cut off after"));
    EXPECT_EQ(done.file.error().place.byte, bytes_.text.size());
    EXPECT_GT(got_.size(), text.size() / 3);
    EXPECT_TRUE(text.starts_with(got_));
}

TEST_F(SourceReaderTest, TheConsumersErrorAndAStopEndIt) {
    bytes_.text = gzip(lines(12'000'000));
    const auto refused =
        reader_.read(read_, [&](std::string_view) -> Status { return fail(Code::bad_mapping, "not that"); });
    EXPECT_TRUE(refused.file);
    ASSERT_FALSE(refused.consumer);
    EXPECT_EQ(refused.consumer.error().code, Code::bad_mapping);

    stop_ = true;
    EXPECT_EQ(read().consumer.error().code, Code::interrupted);
}

}  // namespace
}  // namespace tarn::capture
