// The process between Tarn and a program of a user's; see child.h. Runs as `tarn __keep MEMORY GROUP --
// PROGRAM…` with the control socket as standard input.
//
// It is the reaper of all descendants of the program (PR_SET_CHILD_SUBREAPER), so that a process which forks
// twice and leaves its group still belongs to it. It ends with all of them when the program ends, when the
// control socket closes (Tarn has died or asks for it), or when they use more memory than allowed or are more
// than 1,000. Its last act is one line on the socket: "exit 3", "signal 11", "memory 271581184",
// "processes 1001" or "exec 2" (errno).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tarn::os {

inline constexpr std::uint64_t max_processes = 1000;  // of one program

// `group`: the control group that limits it, or "-": then the keeper looks at its memory itself. Returns the
// exit code of the keeper.
int run_keeper(std::uint64_t memory_limit_bytes, const std::string& group,
               const std::vector<std::string>& arguments);

}  // namespace tarn::os
