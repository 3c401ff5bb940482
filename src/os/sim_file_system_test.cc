#include "os/sim_file_system.h"

#include <gtest/gtest.h>

#include <set>

namespace tarn::os {
namespace {

using Keep = CrashPlan::Keep;

void write(FileSystem& fs, const std::string& path, std::uint64_t offset, std::string_view bytes, bool sync) {
    const auto file = fs.open(path, OpenMode::create);
    ASSERT_TRUE(file) << file.error().text();
    ASSERT_TRUE((*file)->write_at(offset, bytes));
    if (!sync) return;
    ASSERT_TRUE((*file)->sync());
}

std::string content(FileSystem& fs, const std::string& path) {
    return read_file(fs, path).value_or("<absent>");
}

// All contents of `path` that power cuts leave.
std::set<std::string> survivors(const SimFileSystem& fs, const std::string& path, int states = 400) {
    std::set<std::string> found;
    for (int seed = 0; seed < states; ++seed) {
        const auto disk = fs.crash({.seed = static_cast<std::uint64_t>(seed)});
        found.insert(content(*disk, path));
    }
    return found;
}

TEST(SimFileSystem, ReadsBackWhatWasWritten) {
    SimFileSystem fs;
    ASSERT_TRUE(fs.make_directories("a/b"));
    write(fs, "a/b/x", 3, "hello", false);
    EXPECT_EQ(content(fs, "./a//b/x"), std::string("\0\0\0hello", 8));
    ASSERT_TRUE(fs.rename("a/b/x", "a/y"));
    EXPECT_EQ((*fs.stat("a/y"))->size, 8u);
    EXPECT_FALSE(*fs.stat("a/b/x"));
    ASSERT_TRUE(fs.link("a/y", "a/z"));
    EXPECT_EQ(fs.link("a/y", "a/z").error().code, Code::object_exists);
    const auto names = fs.list("a");
    ASSERT_EQ(names->size(), 3u);
    EXPECT_EQ((*names)[0].name, "b");
    EXPECT_TRUE((*names)[0].is_directory);
    EXPECT_EQ((*names)[2].name, "z");
    EXPECT_EQ(fs.open("a/none", OpenMode::read).error().kind, ErrorKind::not_found);
    EXPECT_FALSE(fs.open("a/y", OpenMode::create_new));
    EXPECT_EQ(fs.remove("a/none").error().kind, ErrorKind::not_found);
    EXPECT_EQ(fs.list("none").error().kind, ErrorKind::not_found);
}

TEST(SimFileSystem, AFileOpenedForReadingIsNotWritten) {
    SimFileSystem fs;
    write(fs, "x", 0, "a", true);
    const auto file = fs.open("x", OpenMode::read);
    EXPECT_FALSE((*file)->write_at(0, "b"));
    EXPECT_EQ(content(fs, "x"), "a");
}

TEST(SimFileSystem, DirectWritesAreOfWholeBlocks) {
    SimFileSystem fs;
    EXPECT_EQ(fs.open("x", OpenMode::direct).error().kind, ErrorKind::not_found);
    write(fs, "x", 0, std::string(3 * direct_block_bytes, '.'), true);
    ASSERT_TRUE(fs.sync_directory("."));
    alignas(direct_block_bytes) static char memory[3 * direct_block_bytes];
    const auto file = fs.open("x", OpenMode::direct);
    const auto write_at = [&](std::uint64_t offset, std::size_t from, std::size_t size) {
        return (*file)->write_at(offset, {memory + from, size});
    };
    const std::uint64_t calls = fs.calls();
    EXPECT_FALSE(write_at(512, 0, direct_block_bytes));
    EXPECT_FALSE(write_at(0, 0, direct_block_bytes - 512));
    EXPECT_FALSE(write_at(0, 512, direct_block_bytes));
    EXPECT_EQ(fs.calls(), calls) << "refused, nothing done";
    EXPECT_FALSE((*file)->read_at(0, {memory, 1}));

    ASSERT_TRUE(write_at(direct_block_bytes, direct_block_bytes, direct_block_bytes));
    EXPECT_EQ(content(fs, "x")[direct_block_bytes], '\0');
    EXPECT_GT(survivors(fs, "x").size(), 2u) << "until the sync a power cut may take it, or tear it";
    ASSERT_TRUE((*file)->sync());
    EXPECT_EQ(survivors(fs, "x").size(), 1u);
}

TEST(SimFileSystem, APowerCutForgetsWhatIsNotSynced) {
    SimFileSystem fs;
    write(fs, "x", 0, "old", true);
    ASSERT_TRUE(fs.sync_directory("."));
    write(fs, "x", 0, "new", false);
    EXPECT_EQ(survivors(fs, "x"), (std::set<std::string>{"old", "new"}));
    EXPECT_EQ(content(*fs.crash({.keep = Keep::nothing}), "x"), "old");
    EXPECT_EQ(content(*fs.crash({.keep = Keep::everything}), "x"), "new");
    EXPECT_EQ(content(fs, "x"), "new");
}

TEST(SimFileSystem, NamesAreDurableOnlyAfterTheDirectorysSync) {
    SimFileSystem fs;
    write(fs, "x", 0, "1", true);  // the bytes are durable, the name is not
    EXPECT_EQ(survivors(fs, "x"), (std::set<std::string>{"<absent>", "1"}));
    ASSERT_TRUE(fs.sync_directory("."));
    EXPECT_EQ(survivors(fs, "x"), (std::set<std::string>{"1"}));

    ASSERT_TRUE(fs.rename("x", "y"));
    for (int seed = 0; seed < 50; ++seed) {  // a rename is one change: never both names, never none
        const auto disk = fs.crash({.seed = static_cast<std::uint64_t>(seed)});
        EXPECT_NE(content(*disk, "x") == "1", content(*disk, "y") == "1");
    }
    ASSERT_TRUE(fs.sync_directory("."));
    ASSERT_TRUE(fs.remove("y"));
    EXPECT_EQ(survivors(fs, "y"), (std::set<std::string>{"<absent>", "1"}));
}

TEST(SimFileSystem, UnsyncedNamesSurviveAsAnySubset) {
    SimFileSystem fs;
    write(fs, "a", 0, "a", true);
    write(fs, "b", 0, "b", true);
    std::set<std::string> seen;
    for (int seed = 0; seed < 200; ++seed) {
        const auto disk = fs.crash({.seed = static_cast<std::uint64_t>(seed)});
        seen.insert(content(*disk, "a") + content(*disk, "b"));
    }
    EXPECT_EQ(seen, (std::set<std::string>{"<absent><absent>", "a<absent>", "<absent>b", "ab"}));
}

TEST(SimFileSystem, TearsWritesAtSectorsAndReordersThem) {
    SimFileSystem fs;
    write(fs, "x", 0, std::string(2048, '.'), true);
    ASSERT_TRUE(fs.sync_directory("."));
    write(fs, "x", 0, std::string(1024, 'a'), false);
    write(fs, "x", 1024, std::string(1024, 'b'), false);
    std::set<std::string> seen;  // the first byte of each sector
    for (const std::string& bytes : survivors(fs, "x", 2000)) {
        ASSERT_EQ(bytes.size(), 2048u);
        std::string sectors;
        for (std::size_t at = 0; at < bytes.size(); at += 512) {
            EXPECT_EQ(bytes.substr(at, 512), std::string(512, bytes[at])) << "torn within a sector";
            sectors += bytes[at];
        }
        seen.insert(sectors);
    }
    EXPECT_TRUE(seen.contains("..bb"));  // reordered: the second write without the first
    EXPECT_TRUE(seen.contains("a..b"));  // torn
    EXPECT_EQ(seen.size(), 16u);
}

TEST(SimFileSystem, KeepsOrderWithinASector) {
    SimFileSystem fs;
    write(fs, "x", 0, "....", true);
    ASSERT_TRUE(fs.sync_directory("."));
    write(fs, "x", 0, "aa", false);
    write(fs, "x", 2, "bb", false);
    EXPECT_EQ(survivors(fs, "x"), (std::set<std::string>{"....", "aa..", "aabb"}));
}

TEST(SimFileSystem, AFailedSyncIsNotMadeGoodByALaterOne) {
    SimFileSystem fs;
    write(fs, "x", 0, "old", true);
    ASSERT_TRUE(fs.sync_directory("."));
    const auto file = fs.open("x", OpenMode::read_write);
    ASSERT_TRUE((*file)->write_at(0, "new"));
    fs.fail_call(fs.calls(), Fault::eio);
    EXPECT_FALSE((*file)->sync());
    ASSERT_TRUE((*file)->sync());
    EXPECT_EQ(content(fs, "x"), "new");
    EXPECT_EQ(survivors(fs, "x"), (std::set<std::string>{"old", "new"}));
    ASSERT_TRUE((*file)->write_at(0, "new"));
    ASSERT_TRUE((*file)->sync());
    EXPECT_EQ(survivors(fs, "x"), (std::set<std::string>{"new"}));
}

TEST(SimFileSystem, FailsTheCallItIsTold) {
    SimFileSystem fs;
    const auto file = fs.open("x", OpenMode::create);  // call 0
    fs.fail_call(2, Fault::enospc);
    EXPECT_TRUE((*file)->write_at(0, "1234"));
    const Status failed = (*file)->write_at(0, "5678");
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().kind, ErrorKind::out_of_space);
    EXPECT_TRUE((*file)->sync());
    EXPECT_EQ(content(fs, "x"), "1234");

    fs.fail_call(fs.calls(), Fault::short_write, true);
    EXPECT_EQ((*file)->write_at(0, "5678").error().kind, ErrorKind::io);
    EXPECT_EQ(content(fs, "x"), "5634");
    EXPECT_FALSE(fs.rename("x", "y"));
    EXPECT_FALSE(fs.open("z", OpenMode::create));
    fs.heal();
    EXPECT_TRUE(fs.rename("x", "y"));
}

TEST(SimFileSystem, HasOnlySoMuchSpace) {
    SimFileSystem fs;
    fs.limit_space(10);
    write(fs, "x", 0, "12345678", true);
    EXPECT_EQ(fs.space(".")->free_bytes, 2u);
    const auto file = fs.open("y", OpenMode::create);
    EXPECT_EQ((*file)->write_at(0, "abcd").error().kind, ErrorKind::out_of_space);
    EXPECT_EQ(content(fs, "y"), "ab");
    write(fs, "x", 0, "overwrit", true);  // in place needs nothing
    ASSERT_TRUE(fs.remove("x"));
    EXPECT_TRUE((*file)->write_at(0, "abcd"));
}

TEST(SimFileSystem, LocksOnce) {
    SimFileSystem fs;
    auto held = fs.lock("l");
    ASSERT_TRUE(held);
    EXPECT_EQ(fs.lock("l").error().code, Code::directory_locked);
    held->reset();
    EXPECT_TRUE(fs.lock("l"));
}

TEST(SimFileSystem, PinsTheOrderOfADurableWrite) {
    SimFileSystem fs;
    ASSERT_TRUE(fs.make_directories("d"));
    std::vector<std::uint64_t> hooked;
    fs.after_call([&] { hooked.push_back(fs.calls()); });
    ASSERT_TRUE(write_file_durably(fs, "d/x", "hello"));
    EXPECT_EQ(fs.trace(), (std::vector<std::string>{"make_directories d", "create d/x.new",
                                                    "truncate d/x.new 0", "write d/x.new 0+5", "sync d/x.new",
                                                    "rename d/x.new d/x", "sync_directory d"}));
    EXPECT_EQ(hooked, (std::vector<std::uint64_t>{2, 3, 4, 5, 6, 7}));
}

TEST(SimFileSystem, ADurableWriteIsAllOrNothingAtEveryCrash) {
    SimFileSystem fs;
    ASSERT_TRUE(write_file_durably(fs, "x", "old"));
    int states = 0;
    fs.after_call([&] {
        for (const std::string& bytes : survivors(fs, "x", 50)) {
            EXPECT_TRUE(bytes == "old" || bytes == std::string(3000, 'n')) << bytes.substr(0, 20);
            ++states;
        }
    });
    ASSERT_TRUE(write_file_durably(fs, "x", std::string(3000, 'n')));
    fs.after_call(nullptr);
    EXPECT_GT(states, 6);
    EXPECT_EQ(survivors(fs, "x"), std::set<std::string>{std::string(3000, 'n')});
}

TEST(SimFileSystem, TheSameSeedGivesTheSameDisk) {
    SimFileSystem fs;
    for (int i = 0; i < 20; ++i)
        write(fs, "f" + std::to_string(i % 5), 100u * static_cast<unsigned>(i), "bytes", i % 3 == 0);
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        const auto one = fs.crash({.seed = seed});
        const auto two = fs.crash({.seed = seed});
        for (int i = 0; i < 5; ++i) {
            const std::string name = "f" + std::to_string(i);
            EXPECT_EQ(content(*one, name), content(*two, name));
        }
    }
}

}  // namespace
}  // namespace tarn::os
