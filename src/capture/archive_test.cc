#include "capture/archive.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "capture/tar_scanner.h"
#include "os/sim_file_system.h"

namespace tarn::capture {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string tar_header(std::string_view name, std::size_t size, char type, std::string_view prefix = "") {
    std::string header(512, '\0');
    header.replace(0, name.size(), name);
    header.replace(124, 11, fmt::format("{:011o}", size));
    header.replace(148, 8, "        ");
    header[156] = type;
    header.replace(257, 8, std::string_view("ustar\00000", 8));
    header.replace(345, prefix.size(), prefix);
    unsigned sum = 0;
    for (const char c : header) sum += static_cast<unsigned char>(c);
    header.replace(148, 7, fmt::format("{:06o}", sum) + std::string(1, '\0'));
    return header;
}

std::string tar_member(std::string_view name, std::string_view bytes, char type = '0',
                       std::string_view prefix = "") {
    return tar_header(name, bytes.size(), type, prefix) + std::string(bytes) +
           std::string((512 - bytes.size() % 512) % 512, '\0');
}

std::string pax_record(std::string_view key, std::string_view value) {
    const std::string rest = fmt::format(" {}={}\n", key, value);
    std::size_t length = rest.size() + 1;
    while (fmt::format("{}", length).size() + rest.size() != length) ++length;
    return fmt::format("{}{}", length, rest);
}

const std::string tar_end(1024, '\0');

class Archives : public testing::Test {
protected:
    Archives() { EXPECT_TRUE(fs_.make_directories("d")); }
    void write(const std::string& path, std::string_view bytes) {
        auto file = fs_.open(path, os::OpenMode::create);
        ASSERT_TRUE(file);
        ASSERT_TRUE((*file)->truncate(0));
        ASSERT_TRUE((*file)->write_at(0, bytes));
    }
    std::unique_ptr<Archive> open(const std::string& path) {
        std::uint64_t read = 0;
        auto archive = (archive_kind(path) == ArchiveKind::zip ? open_zip : open_tar)(
            fs_, path, []() -> Status { return {}; }, read);
        EXPECT_TRUE(archive);
        return std::move(*archive);
    }
    static std::vector<std::string> contents(Archive& archive) {
        std::vector<std::string> all;
        for (std::size_t i = 0; i < archive.size(); ++i) {
            std::string text;
            const Unpacked read = archive.open(i).read([&](std::string_view piece) -> Status {
                text += piece;
                return {};
            });
            all.push_back(archive.name(i) + "=" + (read.file ? text : read.file.error().message));
        }
        return all;
    }

    os::SimFileSystem fs_;
};

TEST_F(Archives, ATarsFilesComeInTheOrderOfTheirNames) {
    const std::string long_name(150, 'n');
    write("d/a.tar", tar_member("./b", "two") + tar_member("dir/", "", '5') + tar_member("link", "", '2') +
                         tar_member("a", "one") + tar_member("x", std::string(1000, 'y'), '0', "pre") +
                         tar_member("././@LongLink", long_name + std::string(1, '\0'), 'L') +
                         tar_member("cut", "long") +
                         tar_member("pax", pax_record("mtime", "1") + pax_record("path", "c/p"), 'x') +
                         tar_member("cut", "pax") + tar_member("empty", "") + tar_end + "rubbish");
    const auto archive = open("d/a.tar");
    EXPECT_TRUE(archive->damage());
    EXPECT_THAT(contents(*archive), ElementsAre("a=one", "b=two", "c/p=pax", "empty=", long_name + "=long",
                                                "pre/x=" + std::string(1000, 'y')));
}

TEST_F(Archives, ADamagedTarGivesTheMembersBeforeTheDamage) {
    const std::string whole = tar_member("b", "two") + tar_member("a", "one") + tar_end;
    for (std::size_t size = 1; size < 2048; size += 37) {
        write("d/a.tar", std::string_view(whole).substr(0, size));
        const auto archive = open("d/a.tar");
        EXPECT_EQ(archive->size(), size / 1024) << size;
        EXPECT_EQ(archive->damage().has_value(), size % 1024 == 0) << size;
    }
    std::string wrong = whole;
    wrong[1024 + 3] = 'X';  // in the second member's header
    write("d/a.tar", wrong);
    const auto archive = open("d/a.tar");
    EXPECT_THAT(contents(*archive), ElementsAre("b=two"));
    ASSERT_FALSE(archive->damage());
    EXPECT_EQ(archive->damage().error().place.byte, 1024u);
    EXPECT_THAT(archive->damage().error().message, HasSubstr("d/a.tar: the tar is damaged at byte 1024"));
}

TEST_F(Archives, ImpossibleNumbersInATarAreDamage) {
    std::string huge = tar_header("a", 1, '0');
    TarScanner scanner([](const TarMember&) {});
    huge[124] = '\xFF';
    EXPECT_FALSE(scanner.feed(huge));
    TarScanner pax([](const TarMember&) {});
    EXPECT_FALSE(pax.feed(tar_member("p", "99 path=x\n", 'x')));
    TarScanner name([](const TarMember&) {});
    EXPECT_FALSE(name.feed(tar_header("l", 2u << 20, 'L')));
}

// "b" as it is, "dir/", "a" deflated.
std::string small_zip() {
    constexpr std::string_view hex =
        "504b030414000000000000002158668aca110300000003000000010000006274776f504b030414000000000000002158"
        "000000000000000000000000040000006469722f504b030414000000080000002158cce1d298080000001f0000000100"
        "000061cbcf4b55c8c78d01504b0102140314000000000000002158668aca110300000003000000010000000000000000"
        "00000080010000000062504b010214031400000000000000215800000000000000000000000004000000000000000000"
        "00008001220000006469722f504b0102140314000000080000002158cce1d298080000001f0000000100000000000000"
        "0000000080014400000061504b05060000000003000300900000006b0000000000";
    std::string bytes;
    for (std::size_t i = 0; i < hex.size(); i += 2)
        bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
    return bytes;
}

TEST_F(Archives, AZipsFilesComeInTheOrderOfTheirNames) {
    write("d/a.zip", small_zip());
    const auto archive = open("d/a.zip");
    EXPECT_TRUE(archive->damage());
    EXPECT_THAT(contents(*archive), ElementsAre("a=one one one one one one one one", "b=two"));
    EXPECT_THAT(contents(*archive), ElementsAre("a=one one one one one one one one", "b=two"));
}

// Whatever byte is wrong: each member comes whole or with an error, never with other bytes.
TEST_F(Archives, ADamagedZipNeverGivesWrongBytes) {
    const std::string whole = small_zip();
    for (std::size_t at = 0; at < whole.size(); ++at)
        for (const char flip : {'\x01', '\x80'}) {
            std::string wrong = whole;
            wrong[at] = static_cast<char>(wrong[at] ^ flip);
            write("d/a.zip", wrong);
            const auto archive = open("d/a.zip");
            for (std::size_t i = 0; i < archive->size(); ++i) {
                std::string text;
                const Unpacked read = archive->open(i).read([&](std::string_view piece) -> Status {
                    text += piece;
                    return {};
                });
                if (read.file)
                    EXPECT_TRUE(text == "two" || text.starts_with("one one") || text.empty()) << at;
                else
                    EXPECT_EQ(text, "") << at;
            }
        }
    for (std::size_t size = 0; size < whole.size(); ++size) {
        write("d/a.zip", std::string_view(whole).substr(0, size));
        EXPECT_FALSE(open("d/a.zip")->damage()) << size;
    }
}

TEST_F(Archives, WhatIsNoZipSaysSo) {
    for (const std::string& text : {std::string(), std::string("PK\x03\x04"), std::string(70000, 'P')}) {
        write("d/a.zip", text);
        const auto archive = open("d/a.zip");
        EXPECT_EQ(archive->size(), 0u);
        ASSERT_FALSE(archive->damage());
        EXPECT_EQ(archive->damage().error().code, Code::truncated_archive);
    }
}

}  // namespace
}  // namespace tarn::capture
