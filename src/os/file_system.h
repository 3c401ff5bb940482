// The file system as Tarn sees it: files by position, directories, durability made explicit. Everything that
// must survive a crash goes through here, so that a simulated one can forget, tear and fail
// (sim_file_system.h).
//
// Durability: bytes are durable after File::sync, a name (created, renamed, removed) after sync_directory of
// its parent. Paths are plain strings; relative ones are relative to the process. Thread safety: a FileSystem
// is safe from any thread; a File only from one thread at a time, except read_at, which may run beside
// anything.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tarn::os {

class File {
public:
    virtual ~File() = default;
    // Reads up to out.size() bytes; fewer only at the end of the file. Not through a file opened as direct.
    virtual Result<std::size_t> read_at(std::uint64_t offset, std::span<char> out) const = 0;
    // All of it will be read soon, from front to back: a hint that lets the disk begin at once.
    virtual void expect_reading() const {}
    // Writes all of it or fails; after a failure what stands in the range is undefined.
    virtual Status write_at(std::uint64_t offset, std::string_view bytes) = 0;
    // fdatasync: bytes and, if it grew, the size. After a failure the state of unsynced bytes is unknown:
    // never retry.
    virtual Status sync() = 0;
    virtual Result<std::uint64_t> size() const = 0;
    virtual Status truncate(std::uint64_t size) = 0;
};

enum class OpenMode {
    read,        // must exist
    read_write,  // must exist
    create,      // made if absent, kept if present
    create_new,  // must not exist
    // Must exist; only for writing, past the page cache where the file system can do that (a sync is needed
    // as ever). Place, length and memory of each write are multiples of direct_block_bytes.
    direct,
};
inline constexpr std::size_t direct_block_bytes = 4096;

struct FileInfo {
    std::string name;  // without its directory
    bool is_directory = false;
    std::uint64_t size = 0;
    // Neither this nor a directory: a pipe, a device, a socket, or a link to nothing (of which list tells).
    bool is_regular = true;
    bool is_link = false;  // the rest is said of what it leads to; only list knows it
};

// Held by whoever owns a path exclusively (flock); released by the destructor and by the end of the process.
class FileLock {
public:
    virtual ~FileLock() = default;
};

struct Space {
    std::uint64_t free_bytes = 0;  // for this process
    std::uint64_t total_bytes = 0;
};

class FileSystem {
public:
    virtual ~FileSystem() = default;
    virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
    virtual Status make_directories(
        const std::string& path) = 0;  // all missing ones, each durable in its parent
    virtual Status rename(const std::string& from, const std::string& to) = 0;  // replaces `to`
    // Gives the file a second name; fails with Code::object_exists when `to` exists: this is put-if-absent.
    virtual Status link(const std::string& from, const std::string& to) = 0;
    virtual Status remove(const std::string& path) = 0;  // not_found when absent
    virtual Status sync_directory(const std::string& path) = 0;
    // Sorted by name; not_found when the directory is absent.
    virtual Result<std::vector<FileInfo>> list(const std::string& path) = 0;
    virtual Result<std::optional<FileInfo>> stat(const std::string& path) = 0;  // nullopt when absent
    virtual Result<Space> space(const std::string& path) = 0;
    // Fails with Code::directory_locked when another process (or another lock in this one) holds it.
    virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
};

// The directory part of a path, "." when there is none.
std::string parent_of(std::string_view path);
std::string join(std::string_view directory, std::string_view name);

Result<std::string> read_file(FileSystem& fs, const std::string& path);
// The whole file becomes durable under its name or the old one stays: temporary file, sync, rename, sync
// directory.
Status write_file_durably(FileSystem& fs, const std::string& path, std::string_view bytes);

}  // namespace tarn::os
