#include "os/confine.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>

#include "os/real_file_system.h"

namespace tarn::os {
namespace {

// Each body runs in a process of its own, because nothing of this can be taken back; it ends with 0 when all
// held.
#define EXPECT_IN_CHILD(condition_body) \
    EXPECT_EXIT(::_exit([] condition_body() ? 0 : 1), testing::ExitedWithCode(0), "")

rlim_t limit_of(__rlimit_resource resource) {
    rlimit now{};
    ::getrlimit(resource, &now);
    return now.rlim_cur;
}

TEST(ConfineDeathTest, FilesCannotBeWrittenAnyMore) {
    EXPECT_IN_CHILD({
        const std::string path = testing::TempDir() + "tarn-confine-" + std::to_string(::getpid());
        const auto fs = make_real_file_system();
        auto file = fs->open(path, OpenMode::create);
        if (!file || !(*file)->write_at(0, "before") || !confine({})) return false;
        const bool refused = !(*file)->write_at(0, "after");
        const bool kept = read_file(*fs, path).value_or("") == "before";
        (void)fs->remove(path);
        return refused && kept;
    });
}

TEST(ConfineDeathTest, LimitsAreLoweredAndNeverRaised) {
    EXPECT_IN_CHILD({
        if (!confine({.address_space_bytes = 1ull << 40, .cpu_seconds = 100, .open_files = 64})) return false;
        if (limit_of(RLIMIT_NOFILE) != 64 || limit_of(RLIMIT_CPU) != 100 || limit_of(RLIMIT_CORE) != 0)
            return false;
        if (!confine({.cpu_seconds = 1000, .open_files = 1000})) return false;
        return limit_of(RLIMIT_NOFILE) == 64 && limit_of(RLIMIT_CPU) == 100;
    });
}

TEST(ConfineDeathTest, PrivilegesAreGone) {
    EXPECT_IN_CHILD({
        return give_up_privileges().has_value() && ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 &&
               ::prctl(PR_GET_DUMPABLE) == 0;
    });
}

TEST(ConfineDeathTest, ABrokenPipeIsAnError) {
    EXPECT_IN_CHILD({
        ignore_broken_pipes();
        int ends[2];
        if (::pipe(ends) != 0) return false;
        ::close(ends[0]);
        return ::write(ends[1], "x", 1) == -1 && errno == EPIPE;
    });
}

}  // namespace
}  // namespace tarn::os
