// Where limits by control groups can be had, and why not elsewhere. The files are as the kernel shows them,
// in a directory of the test's own; the limits themselves need a kernel that gives them.
#include "os/control_group.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace tarn::os {
namespace {

using testing::HasSubstr;

class ControlGroupTest : public testing::Test {
protected:
    ControlGroupTest() {
        mount_ = std::filesystem::temp_directory_path() / fmt::format("tarn-groups-{}", ::getpid());
        std::filesystem::create_directories(mount_ / "box");
    }
    ~ControlGroupTest() override { std::filesystem::remove_all(mount_); }

    void write(const std::string& name, const std::string& text) { std::ofstream(mount_ / name) << text; }
    std::string read(const std::filesystem::path& path) {
        std::ifstream file(path);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    GroupBase find(const std::string& own = "/box") {
        return find_group_base(
            fmt::format("proc /proc proc rw 0 0\ncgroup2 {} cgroup2 rw 0 0\n", mount_.string()),
            "4:memory:/old\n0::" + own + "\n");
    }
    // A group of version 2 with the memory controller and these processes.
    void make_box(const std::string& processes) {
        write("box/cgroup.controllers", "cpu memory pids\n");
        write("box/cgroup.subtree_control", "");
        write("box/cgroup.type", "domain\n");
        write("box/cgroup.procs", processes);
    }

    std::filesystem::path mount_;
};

TEST_F(ControlGroupTest, version_1_and_missing_controllers_are_told) {
    EXPECT_THAT(find_group_base("cgroup /sys/fs/cgroup/memory cgroup rw 0 0\n", "4:memory:/\n").why_not,
                HasSubstr("no control groups of version 2"));
    write("box/cgroup.controllers", "hugetlb\n");
    EXPECT_THAT(find().why_not, HasSubstr("has no memory controller"));
}

TEST_F(ControlGroupTest, a_group_shared_with_others_is_left_alone) {
    make_box(fmt::format("{}\n1\n", ::getpid()));
    const auto base = find();
    EXPECT_EQ(base.path, "");
    EXPECT_THAT(base.why_not, HasSubstr("process 1 is in the control group"));
    EXPECT_EQ(read(mount_ / "box/cgroup.subtree_control"), "");
    EXPECT_FALSE(std::filesystem::exists(mount_ / fmt::format("box/tarn-{}", ::getpid())));
}

TEST_F(ControlGroupTest, a_unit_that_is_not_delegated_is_left_alone) {
    std::filesystem::create_directories(mount_ / "tarn.service");
    write("tarn.service/cgroup.controllers", "memory\n");
    write("tarn.service/cgroup.subtree_control", "");
    write("tarn.service/cgroup.procs", fmt::format("{}\n", ::getpid()));
    EXPECT_THAT(find("/tarn.service").why_not, HasSubstr("Delegate=yes"));
}

TEST_F(ControlGroupTest, a_group_of_our_own_is_divided) {
    make_box(fmt::format("{}\n", ::getpid()));
    const auto base = find();
    EXPECT_EQ(base.why_not, "");
    EXPECT_EQ(base.path, (mount_ / "box").string());
    EXPECT_THAT(read(mount_ / "box/cgroup.subtree_control"), HasSubstr("+memory"));
    EXPECT_TRUE(std::filesystem::exists(mount_ / fmt::format("box/tarn-{}", ::getpid())));
}

TEST_F(ControlGroupTest, out_of_memory_is_read_from_the_kernels_count) {
    write("box/memory.events", "low 0\nhigh 0\nmax 17\noom 1\noom_kill 0\noom_group_kill 0\n");
    EXPECT_FALSE(group_was_out_of_memory((mount_ / "box").string()));
    write("box/memory.events", "low 0\nhigh 0\nmax 17\noom 1\noom_kill 3\noom_group_kill 1\n");
    EXPECT_TRUE(group_was_out_of_memory((mount_ / "box").string()));
}

}  // namespace
}  // namespace tarn::os
