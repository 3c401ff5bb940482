#include "log/file_window.h"

#include <algorithm>
#include <cstring>

namespace tarn::log {
namespace {
constexpr std::uint64_t step_bytes = 512 << 10;  // stays in the second-level cache
}

void FileWindow::reset(const os::File& file, std::uint64_t end) {
    file_ = &file;
    end_ = end;
    begin_ = held_ = 0;
}

Result<std::string_view> FileWindow::view(std::uint64_t offset, std::uint64_t n) {
    if (offset >= end_) return std::string_view();
    n = std::min(n, end_ - offset);
    if (offset >= begin_ && offset + n <= begin_ + held_)
        return std::string_view(buffer_.get() + (offset - begin_), n);

    const std::uint64_t wanted = std::min(std::max(n, step_bytes), end_ - offset);
    std::uint64_t kept = 0;
    if (offset >= begin_ && offset < begin_ + held_) kept = begin_ + held_ - offset;
    const char* kept_from = kept > 0 ? buffer_.get() + (offset - begin_) : nullptr;
    if (wanted > capacity_) {
        auto larger = std::make_unique_for_overwrite<char[]>(wanted);
        if (kept > 0) std::memcpy(larger.get(), kept_from, kept);
        buffer_ = std::move(larger);
        capacity_ = wanted;
    } else if (kept > 0) {
        std::memmove(buffer_.get(), kept_from, kept);
    }
    begin_ = offset;
    held_ = kept;
    TARN_ASSIGN(const std::size_t read, file_->read_at(offset + kept, {buffer_.get() + kept, wanted - kept}));
    held_ += read;
    return std::string_view(buffer_.get(), std::min(n, held_));
}

}  // namespace tarn::log
