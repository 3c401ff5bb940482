#include "capture/sources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "os/real_file_system.h"

namespace tarn::capture {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Sources : public testing::Test {
protected:
    Sources() {
        std::string pattern = testing::TempDir() + "tarn-XXXXXX";
        root_ = std::filesystem::canonical(::mkdtemp(pattern.data())).string();
    }
    ~Sources() override { std::filesystem::remove_all(root_); }

    void file(const std::string& name) {
        std::filesystem::create_directories(std::filesystem::path(root_ + "/" + name).parent_path());
        std::ofstream(root_ + "/" + name) << name;
    }
    void link(const std::string& target, const std::string& name) {
        std::filesystem::create_symlink(target, root_ + "/" + name);
    }
    // The listed paths below the root.
    std::vector<std::string> listed(const std::vector<std::string>& names) {
        std::vector<std::string> sources;
        for (const auto& name : names) sources.push_back(name.empty() ? root_ : root_ + "/" + name);
        auto list = list_sources(*fs_, sources);
        EXPECT_TRUE(list);
        failed_.clear();
        for (const Error& error : list->failed) {
            EXPECT_EQ(error.code, Code::unreadable_source);
            failed_.push_back(error.message.substr(root_.size() + 1));
        }
        std::vector<std::string> paths;
        files_ = list->files;
        for (const SourceFile& one : files_) paths.push_back(one.path.substr(root_.size() + 1));
        return paths;
    }

    std::string root_;
    std::unique_ptr<os::FileSystem> fs_ = os::make_real_file_system();
    std::vector<std::string> failed_;
    std::vector<SourceFile> files_;
};

TEST_F(Sources, FolderLinksThatGoInCirclesEnd) {
    file("a/b/1");
    link("..", "a/b/up");
    link(".", "a/self");
    link("../..", "a/b/root");
    EXPECT_THAT(listed({""}), ElementsAre("a/b/1"));
    EXPECT_THAT(failed_, ElementsAre());
    EXPECT_THAT(listed({"**"}), ElementsAre("a/b/1"));
    EXPECT_THAT(listed({"a/b/up/b"}), ElementsAre("a/b/up/b/1"));
    EXPECT_EQ(files_[0].identity, root_ + "/a/b/1") << "the same file by another way is the same source";
}

TEST_F(Sources, WhatIsReachedTwiceIsReadOnceUnderItsOwnName) {
    file("m/1");
    file("out/2");
    link("m", "a");         // sorted before what it leads to
    link("m/1", "b");       // a file by another name
    link("../out", "m/o");  // a folder that is not below the source
    EXPECT_THAT(listed({"m", "a", "b"}), ElementsAre("m/1", "m/o/2"));
    EXPECT_THAT(listed({""}), ElementsAre("m/1", "out/2"));
    EXPECT_THAT(listed({"b", "m"}), ElementsAre("b", "m/o/2"));
    EXPECT_EQ(files_[0].identity, root_ + "/m/1");
}

TEST_F(Sources, OnlyRegularFilesAreSources) {
    file("in/1");
    link("nowhere", "in/lost");
    ASSERT_EQ(::mkfifo((root_ + "/in/pipe").c_str(), 0600), 0);
    EXPECT_THAT(listed({"in"}), ElementsAre("in/1"));
    EXPECT_THAT(failed_, ElementsAre("in/lost: a link to nothing", HasSubstr("in/pipe: not a regular file")));
    EXPECT_THAT(listed({"in/pipe"}), ElementsAre());
    EXPECT_THAT(failed_, ElementsAre(HasSubstr("in/pipe: not a regular file")));
    EXPECT_THAT(listed({"in/l*"}), ElementsAre());
    EXPECT_THAT(failed_, ElementsAre("in/lost: a link to nothing"));
    const auto device = list_sources(*fs_, {"/dev/null"});
    ASSERT_TRUE(device);
    ASSERT_EQ(device->failed.size(), 1u);
    EXPECT_THAT(device->failed[0].message, HasSubstr("/dev/null: not a regular file"));
}

TEST_F(Sources, AGlobThatMatchesOnlyWhatIsListedAlreadyIsNoMistake) {
    file("d/1");
    EXPECT_THAT(listed({"d", "?"}), ElementsAre("d/1"));
    EXPECT_THAT(failed_, ElementsAre());
    listed({"x*"});
    EXPECT_THAT(failed_, ElementsAre("x*: no file matches"));
}

}  // namespace
}  // namespace tarn::capture
