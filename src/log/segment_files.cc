#include "log/segment_files.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

#include "log/block_buffer.h"

namespace tarn::log {
namespace {
constexpr std::uint64_t zero_step = 1 << 20;  // whole blocks
constexpr std::size_t spares_max = 2;
constexpr const char* headroom_name = "headroom";
}  // namespace

void SegmentFiles::found(std::uint64_t taken, const std::set<std::uint64_t>& prepared) {
    const std::scoped_lock lock(mutex_);
    taken_ = taken;
    for (const std::uint64_t number : prepared) {
        const auto info = fs_.stat(path(segment_name(number)));
        if (info && *info) prepared_[number] = (*info)->size;
    }
}

Status SegmentFiles::require_space(std::uint64_t bytes) {
    TARN_ASSIGN(const os::Space space, fs_.space(directory_));
    if (space.free_bytes >= bytes) return {};
    return fail(Code::disk_full, fmt::format("{}: {} are free, the next log segment needs {}", directory_,
                                             format_bytes(space.free_bytes), format_bytes(bytes)));
}

// Past the page cache: the kernel would touch a fresh page for each block of zeros, which is most of what
// writing a record costs.
Status SegmentFiles::write_zeros(const std::string& path, std::uint64_t from, std::uint64_t to) {
    TARN_ASSIGN(const auto file, fs_.open(path, os::OpenMode::direct));
    BlockBuffer zeros;
    const std::uint64_t step = std::min(zero_step, to - from);
    std::memset(zeros.grow(step), 0, step);
    for (std::uint64_t at = from; at < to && !stop_; at += step)
        TARN_TRY(file->write_at(at, zeros.view(0, std::min(step, to - at))));
    if (stop_) return fail(Code::interrupted, "the log is closing");
    return file->sync();
}

// Under its final name the file is complete and durable.
Status SegmentFiles::make_file(const std::string& name, std::uint64_t bytes) {
    const std::string temporary = path(prepare_name);
    const auto make = [&]() -> Status {
        {
            TARN_ASSIGN(const auto file, fs_.open(temporary, os::OpenMode::create));
            TARN_TRY(file->truncate(0));
        }
        TARN_TRY(write_zeros(temporary, 0, block_end(bytes)));
        TARN_TRY(fs_.rename(temporary, path(name)));
        return fs_.sync_directory(directory_);
    };
    Status status = make();
    if (!status) (void)fs_.remove(temporary);  // what is left is removed at the next opening
    return status;
}

Status SegmentFiles::prepare(std::uint64_t number, std::uint64_t capacity, std::uint64_t spare) {
    const std::scoped_lock lock(mutex_);
    if (number <= taken_) return {};
    const auto there = prepared_.find(number);
    const std::uint64_t has = there == prepared_.end() ? 0 : there->second;
    if (has >= capacity) return {};
    if (spare > 0) TARN_TRY(require_space(capacity - has + spare));
    const std::uint64_t last = prepared_.empty() ? taken_ : prepared_.rbegin()->first;
    if (has == 0 && number != last + 1) {
        return fail(Code::internal, fmt::format("segment {} cannot be prepared after {}", number, last));
    }
    if (has == 0) {
        TARN_TRY(make_file(segment_name(number), capacity));
    } else {
        TARN_TRY(write_zeros(path(segment_name(number)), block_begin(has), capacity));
    }
    prepared_[number] = capacity;
    return {};
}

Result<std::unique_ptr<os::File>> SegmentFiles::take(std::uint64_t number) {
    const std::scoped_lock lock(mutex_);
    TARN_ASSIGN(auto file, fs_.open(path(segment_name(number)), os::OpenMode::direct));
    prepared_.erase(number);
    taken_ = std::max(taken_, number);
    return file;
}

bool SegmentFiles::has_prepared() const {
    const std::scoped_lock lock(mutex_);
    return !prepared_.empty();
}

// One name after the other becomes durable, oldest first, so that a crash leaves no gap in the numbers.
Status SegmentFiles::recycle(const Segment& segment) {
    const std::scoped_lock lock(mutex_);
    TARN_ASSIGN(const auto info, fs_.stat(segment.path));
    if (!info) return fs_.sync_directory(directory_);  // gone by an earlier try whose sync failed
    const bool fits = info->size == options_.segment_bytes;
    if (!fits || prepared_.size() >= spares_max) {
        TARN_TRY(fs_.remove(segment.path));
        return fs_.sync_directory(directory_);
    }
    const std::uint64_t number = (prepared_.empty() ? taken_ : prepared_.rbegin()->first) + 1;
    TARN_TRY(fs_.rename(segment.path, path(segment_name(number))));
    TARN_TRY(fs_.sync_directory(directory_));
    prepared_[number] = info->size;
    return {};
}

void SegmentFiles::reserve_headroom() {
    const std::uint64_t bytes = options_.headroom_bytes;
    if (bytes == 0) return;
    const std::scoped_lock lock(mutex_);
    const auto info = fs_.stat(path(headroom_name));
    if (!info || (*info && (*info)->size == bytes)) return;
    // Ample: afterwards capture must not come near its low-water mark because of this.
    if (!require_space(bytes + 2 * options_.low_water_bytes)) return;
    (void)make_file(headroom_name, bytes);  // tried again at the next opening
}

void SegmentFiles::give_up_headroom() {
    const std::scoped_lock lock(mutex_);
    const auto info = fs_.stat(path(headroom_name));
    if (info && *info) (void)fs_.remove(path(headroom_name));
}

}  // namespace tarn::log
