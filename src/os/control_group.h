// Control groups (Linux, version 2): the kernel's own limit on the memory of a tree of processes. Only where
// this process has been given a group of its own to divide; everywhere else keepers watch (keeper.h).
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace tarn::os {

// The group below which groups may be made: /sys/fs/cgroup/… , or "" and why not.
struct GroupBase {
    std::string path;
    std::string why_not;
};

// Looks once a process. Where it works, this process and its children move into a leaf of the group that they
// are in ("tarn-PID"), because a group with limited children has no processes of its own.
const GroupBase& group_base();

// A new group below the base with these limits; swap counts as none.
Result<std::string> make_group(const GroupBase& base, std::uint64_t memory_bytes, std::uint64_t processes);
// Async-signal-safe: the calling process joins it.
bool join_group(const char* procs_file);
// True when the kernel has killed in it because its memory was used up.
bool group_was_out_of_memory(const std::string& group);
// Kills what is in it and removes it; nothing happens when it is gone.
void remove_group(const std::string& group);

// The steps of group_base(), for tests: with the files as they would be found there.
GroupBase find_group_base(const std::string& mounts, const std::string& own_groups);

}  // namespace tarn::os
