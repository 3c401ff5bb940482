// A moving view of a file: large sequential reads into one buffer that is used again. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "os/file_system.h"

namespace tarn::log {

class FileWindow {
public:
    // `file` must outlive it. Bytes at or after `end` are not looked at.
    FileWindow(const os::File& file, std::uint64_t end) : file_(&file), end_(end) {}

    // The bytes [offset, offset + n), fewer at the end. Valid until the next call.
    Result<std::string_view> view(std::uint64_t offset, std::uint64_t n);
    std::uint64_t end() const { return end_; }
    // Looks at another file from now on, keeping the buffer.
    void reset(const os::File& file, std::uint64_t end);

private:
    const os::File* file_;
    std::uint64_t end_;
    std::unique_ptr<char[]> buffer_;
    std::uint64_t capacity_ = 0;
    std::uint64_t begin_ = 0;  // the buffer holds file bytes [begin_, begin_ + held_)
    std::uint64_t held_ = 0;
};

}  // namespace tarn::log
