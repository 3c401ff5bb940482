#include "os/byte_source.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>

namespace tarn::os {
namespace {

class ByteSourceTest : public testing::Test {
protected:
    ByteSourceTest() {
        std::string pattern = (std::filesystem::temp_directory_path() / "tarn-XXXXXX").string();
        directory_ = ::mkdtemp(pattern.data());
    }
    ~ByteSourceTest() override { std::filesystem::remove_all(directory_); }

    std::string directory_;
    std::array<char, 8> buffer_{};
};

TEST_F(ByteSourceTest, AFileEndsAfterItsBytes) {
    std::ofstream(directory_ + "/f") << "0123456789";
    const auto source = open_byte_source(directory_ + "/f");
    ASSERT_TRUE(source);
    EXPECT_EQ((*source)->read(buffer_, 0)->bytes, 8u);
    EXPECT_EQ((*source)->read(buffer_, 0)->bytes, 2u);
    EXPECT_TRUE((*source)->read(buffer_, 0)->ended);
}

TEST_F(ByteSourceTest, AQuietPipeIsNotAtItsEnd) {
    const std::string path = directory_ + "/pipe";
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    std::fstream writer(path);  // both ends, so that neither open waits
    const auto source = open_byte_source(path);
    ASSERT_TRUE(source);
    const auto nothing = (*source)->read(buffer_, 1'000);
    ASSERT_TRUE(nothing);
    EXPECT_EQ(nothing->bytes, 0u);
    EXPECT_FALSE(nothing->ended);
    writer << "ab" << std::flush;
    EXPECT_EQ((*source)->read(buffer_, 1'000)->bytes, 2u);
    writer.close();
    EXPECT_TRUE((*source)->read(buffer_, 1'000)->ended);
}

TEST_F(ByteSourceTest, WhatIsNotThereAndWhatIsNoFile) {
    EXPECT_EQ(open_byte_source(directory_ + "/none").error().kind, ErrorKind::not_found);
    const auto folder = open_byte_source(directory_);
    ASSERT_TRUE(folder);
    EXPECT_EQ((*folder)->read(buffer_, 0).error().code, Code::io_failed);
}

}  // namespace
}  // namespace tarn::os
