// The worker's end of the pipes that os::spawn made: the request comes on standard input, the answer goes out
// on a private copy of standard output. The real standard output becomes standard error, so that a library
// that prints (DuckDB's enable_profiling does, even when locked) cannot write into the answer.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tarn::os {

// One per process, one thread.
class WorkerChannel {
public:
    static Result<WorkerChannel> claim();
    Result<std::string> read_all();  // until the other end closes
    Status write(std::string_view bytes);

private:
    explicit WorkerChannel(int out) : out_(out) {}
    int out_;
};

}  // namespace tarn::os
