// What a process gives up for good before it runs what others wrote (SQL, later functions).
//
// This is the thin cage: limits and privileges. Which files the process may open is not narrowed yet; that
// belongs here too, called by confine(), once the hardened sandbox (Landlock, seccomp) is built.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace tarn::os {

struct Confinement {
    std::uint64_t address_space_bytes = 0;  // RLIMIT_AS; 0 = as it is
    std::uint64_t cpu_seconds = 0;          // RLIMIT_CPU; 0 = as it is
    std::uint64_t open_files = 128;         // RLIMIT_NOFILE
};

// The process is killed when the thread that started it ends (so that thread must live as long as it is
// needed), gains no privileges through exec, and cannot be inspected or dumped.
Status give_up_privileges();
// Lowers the limits and makes every regular file unwritable (RLIMIT_FSIZE 0); pipes stay writable. A limit
// that is lower already stays.
Status confine(const Confinement& limits);

// Writing to a pipe whose reader has died becomes an error instead of the end of the process. Process-wide;
// children started by os::spawn are not affected.
void ignore_broken_pipes();

}  // namespace tarn::os
