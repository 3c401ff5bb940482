// The segment files beyond the one being written: prepared ahead, recycled, and the headroom file.
// Thread-safe; `prepare` holds its lock while it writes zeros, so that who needs the segment waits for who is
// making it.
#pragma once

#include <atomic>
#include <map>
#include <mutex>

#include "log/recovery.h"

namespace tarn::log {

class SegmentFiles {
public:
    // `fs` must outlive it. `taken`: the highest number in use; `prepared`: those after it that exist,
    // without gaps.
    SegmentFiles(os::FileSystem& fs, std::string directory, const LogOptions& options)
        : fs_(fs), directory_(std::move(directory)), options_(options) {}
    void found(std::uint64_t taken, const std::set<std::uint64_t>& prepared);

    // Afterwards the segment's file has at least `capacity` bytes on disk, under a durable name. out_of_space
    // when less than `spare` bytes would stay free: then nothing has changed.
    Status prepare(std::uint64_t number, std::uint64_t capacity, std::uint64_t spare);
    // The prepared segment is in use from now on.
    Result<std::unique_ptr<os::File>> take(std::uint64_t number);
    bool has_prepared() const;
    // The segment's events are not needed any more: its file waits for reuse or goes. Oldest first.
    Status recycle(const Segment& segment);

    // Creates the headroom file when there is ample space; gives it up.
    void reserve_headroom();
    void give_up_headroom();

    // Makes a prepare that is running on another thread end early.
    void stop() { stop_ = true; }

private:
    Status require_space(std::uint64_t bytes);
    Status write_zeros(const std::string& path, std::uint64_t from, std::uint64_t to);
    Status make_file(const std::string& name, std::uint64_t bytes);
    std::string path(std::string_view name) const { return os::join(directory_, name); }

    os::FileSystem& fs_;
    std::string directory_;
    LogOptions options_;
    std::atomic<bool> stop_ = false;
    mutable std::mutex mutex_;
    std::uint64_t taken_ = 0;
    std::map<std::uint64_t, std::uint64_t> prepared_;  // number → size; from taken_ + 1 on without gaps
};

}  // namespace tarn::log
