#include "objects/object_store.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "objects/conformance.h"
#include "os/real_file_system.h"
#include "os/sim_file_system.h"

namespace tarn::objects {
namespace {

struct LocalStore : ::testing::Test {
    std::string root = fmt::format("{}objects-{}", ::testing::TempDir(), ::getpid());
    std::unique_ptr<os::FileSystem> fs = os::make_real_file_system();

    void SetUp() override { std::filesystem::remove_all(root); }
    void TearDown() override { std::filesystem::remove_all(root); }
};

TEST_F(LocalStore, ConformsOnTheRealFileSystem) {
    const auto store = make_local_object_store(*fs, root + "/");
    conformance::object_store_conformance(*store);
}

TEST_F(LocalStore, IsEmptyBeforeTheFirstPut) {
    const auto store = make_local_object_store(*fs, root);
    EXPECT_TRUE(store->list("")->empty());
    EXPECT_EQ(store->get("a").error().code, Code::object_missing);
}

TEST_F(LocalStore, KeepsObjectsAndLeavesNothingElse) {
    ASSERT_TRUE(make_local_object_store(*fs, root)->put_if_absent("a/b", "x"));
    const auto store = make_local_object_store(*fs, root);
    EXPECT_EQ(store->get("a/b").value(), "x");
    EXPECT_EQ(store->local_path("a/b"), root + "/a/b");
    EXPECT_EQ(store->put_if_absent("a/b", "y").error().code, Code::object_exists);
    EXPECT_TRUE(fs->list(root + "/#incoming")->empty());
}

// A put killed between link and remove leaves a second name of a good object: writing into it would destroy
// the object.
TEST_F(LocalStore, LeftoverThatIsAnObjectsSecondNameDoesNoHarm) {
    ASSERT_TRUE(make_local_object_store(*fs, root)->put_if_absent("a/b", "precious"));
    ASSERT_TRUE(fs->link(root + "/a/b", root + "/#incoming/1"));
    const auto store = make_local_object_store(*fs, root);
    ASSERT_TRUE(store->put_if_absent("a/c", "other"));
    EXPECT_EQ(store->get("a/b").value(), "precious");
    EXPECT_EQ(store->get("a/c").value(), "other");
    EXPECT_EQ(store->list("")->size(), 2u);
}

// ---- on a disk that forgets and fails
// ---------------------------------------------------------------------------------

std::string bytes_of(int i) {
    return std::string(3000 + static_cast<std::size_t>(i) * 1000, static_cast<char>('a' + i));
}
std::string name_of(int i) { return fmt::format("raw/s~1/hh=0{}/{}", i / 2, i); }
constexpr int objects_put = 4;

// Every object that was acknowledged is there, and whatever is there is whole.
void expect_whole(os::FileSystem& fs, const std::set<int>& acknowledged, const std::string& what) {
    const auto store = make_local_object_store(fs, "lake");
    for (int i = 0; i < objects_put; ++i) {
        const auto found = store->get(name_of(i));
        if (found)
            EXPECT_EQ(*found, bytes_of(i)) << what;
        else
            EXPECT_FALSE(acknowledged.contains(i)) << what << ": " << found.error().text();
    }
}

TEST(LocalStoreOnSimulatedDisk, Conforms) {
    os::SimFileSystem fs;
    const auto store = make_local_object_store(fs, "lake");
    conformance::object_store_conformance(*store);
}

TEST(LocalStoreOnSimulatedDisk, AcknowledgedObjectsSurviveAPowerCutAfterEveryCall) {
    os::SimFileSystem fs;
    std::set<int> acknowledged;
    int states = 0;
    fs.after_call([&] {
        for (std::uint64_t seed = 0; seed < 6; ++seed) {
            const auto keep = seed == 0 ? os::CrashPlan::Keep::nothing : os::CrashPlan::Keep::any;
            const auto disk = fs.crash({.seed = seed, .keep = keep});
            expect_whole(*disk, acknowledged, fmt::format("call {}, seed {}", fs.calls(), seed));
            // The next process puts everything again.
            const auto store = make_local_object_store(*disk, "lake");
            for (int i = 0; i < objects_put; ++i) {
                const Status put = store->put_if_absent(name_of(i), bytes_of(i));
                EXPECT_TRUE(put || put.error().code == Code::object_exists);
            }
            expect_whole(*disk->crash({.keep = os::CrashPlan::Keep::nothing}), {0, 1, 2, 3}, "put again");
            ++states;
        }
    });
    const auto store = make_local_object_store(fs, "lake");
    for (int i = 0; i < objects_put; ++i) {
        ASSERT_TRUE(store->put_if_absent(name_of(i), bytes_of(i)));
        acknowledged.insert(i);
    }
    EXPECT_GT(states, 100);
}

// The process dies, the kernel lives: what is visible then must still be made durable by whoever finds it.
TEST(LocalStoreOnSimulatedDisk, FindingAnObjectMakesItDurable) {
    os::SimFileSystem whole;
    const auto store = make_local_object_store(whole, "lake");
    ASSERT_TRUE(store->put_if_absent("a/b", "x"));
    const std::uint64_t calls = whole.calls();
    for (std::uint64_t failing = 0; failing < calls; ++failing) {
        os::SimFileSystem fs;
        fs.fail_call(failing, os::Fault::eio);
        (void)make_local_object_store(fs, "lake")->put_if_absent("a/b", "x");
        fs.heal();
        const Status again = make_local_object_store(fs, "lake")->put_if_absent("a/b", "x");
        EXPECT_TRUE(again || again.error().code == Code::object_exists) << again.error().text();
        const auto disk = fs.crash({.keep = os::CrashPlan::Keep::nothing});
        EXPECT_EQ(make_local_object_store(*disk, "lake")->get("a/b").value_or("lost"), "x")
            << "call " << failing;
    }
}

TEST(LocalStoreOnSimulatedDisk, AFullDiskIsSaidSo) {
    os::SimFileSystem fs;
    fs.limit_space(1000);
    const auto store = make_local_object_store(fs, "lake");
    EXPECT_EQ(store->put_if_absent("a", std::string(5000, 'x')).error().kind, ErrorKind::out_of_space);
    EXPECT_EQ(store->get("a").error().code, Code::object_missing);
    EXPECT_EQ(fs.used_bytes(), 0u);
    EXPECT_TRUE(store->put_if_absent("a", std::string(500, 'x')));
}

}  // namespace
}  // namespace tarn::objects
