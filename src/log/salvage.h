// Reading a damaged log: every stretch of records that verifies, and what is missing between them. Changes
// nothing. docs/formats/log.md, "A damaged log".
#pragma once

#include "log/recovery.h"

namespace tarn::log {

// Valid records of one file, [first, until) by sequence.
struct Stretch {
    Extent extent;
    Sequence first = 0, until = 0;
};

struct Salvaged {
    std::vector<Stretch> stretches;  // ascending
    std::vector<Gap> gaps;           // ascending; `extent` is the stretch that follows
    Sequence end = 1;                // one past the last event known, readable or not
    Recovery report;
};

// Of the positions below `baseline.next_offsets` nothing is lost: objects hold them.
Result<Salvaged> salvage(os::FileSystem& fs, const std::string& directory, const Baseline& baseline);

}  // namespace tarn::log
