// A file, pipe or terminal read once from its beginning to its end, for commands that must not wait for ever:
// a read says after a while that nothing came, and a signal ends the wait.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"

namespace tarn::os {

// From one thread at a time.
class ByteSource {
public:
    struct Piece {
        std::size_t bytes = 0;  // 0 and not ended: nothing came within the wait, or a signal did
        bool ended = false;
    };
    virtual ~ByteSource() = default;
    // What is there now, at most out.size() bytes; waits up to `wait_us` for the first of them.
    virtual Result<Piece> read(std::span<char> out, std::int64_t wait_us) = 0;
};

// "-" is standard input. Opening a named pipe waits for its writer; a signal ends that with `interrupted`.
Result<std::unique_ptr<ByteSource>> open_byte_source(const std::string& path);

}  // namespace tarn::os
