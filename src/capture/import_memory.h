// What makes an import restartable. Each source file is a producer of the log; with each batch the log
// commits how many of the file's records were consumed (the sequence) and a running hash over them (the tag),
// so that no state exists beside the log that could disagree with it. The rules are written down in
// docs/reference/capture.md, "Each record once".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "capture/cutter.h"
#include "capture/unpack.h"
#include "log/log.h"

namespace tarn::capture {

// A number of records and the hash over them, each record's hash being seeded with the one before.
struct Consumed {
    std::uint64_t records = 0;
    std::uint64_t chain = 0;
    void add(std::string_view record);
};

// Under which producer a file goes on, and after how many of its records.
struct Resume {
    std::string producer;
    std::uint64_t records = 0;
};

// Looks up what is known of the file. When its beginning still is what was consumed, the import goes on from
// there; when it has been changed, it is another source under a producer of its own, taken from its first
// record. Reads the file only when something is known of it. Fails only when the reading is stopped.
Result<Resume> find_resume(SourceReader& source, log::Log& log, const std::string& producer,
                           const CutterOptions& options);

// The producer of a record that the end of the file cut off: the same bytes at the same place are taken once,
// and what they grow into later is another record.
std::string unfinished_producer(const std::string& producer, const Consumed& before, std::string_view record);

}  // namespace tarn::capture
