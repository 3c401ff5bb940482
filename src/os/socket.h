// A byte stream to a peer. The real one is in net/; the interface stands here so that a simulated network can
// replace it.
#pragma once

#include <span>
#include <string_view>

#include "base/result.h"

namespace tarn::os {

class Socket {
public:
    virtual ~Socket() = default;
    // 0 at the end of the stream.
    virtual Result<std::size_t> read(std::span<char> out) = 0;
    // outcome_unknown when the connection broke while sending.
    virtual Status write_all(std::string_view bytes) = 0;
    virtual void close() = 0;
};

}  // namespace tarn::os
