// One process owns a data directory: a lock, an owner record that says who, and a format version that is
// checked before anything is touched.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "codec/json.h"
#include "os/clock.h"
#include "os/file_system.h"
#include "os/rng.h"

namespace tarn::server {

inline constexpr int data_format_version = 1;

// Who holds the directory. `url` is empty unless it serves HTTP.
struct Owner {
    int pid = 0;
    std::string command;  // "tarn up"
    std::string since;    // RFC 3339
    std::string url;
};

// What can be known without taking the directory: the owner's record, as long as its process holds the lock.
std::optional<Owner> live_owner(os::FileSystem& fs, const std::string& directory);

class DataDirectory {
public:
    // Creates the directory if absent or empty. newer_format, not_a_data_directory, directory_locked (naming
    // the owner).
    static Result<std::unique_ptr<DataDirectory>> take(os::FileSystem& fs, os::Clock& clock, os::Rng& rng,
                                                       const std::string& directory,
                                                       const std::string& command);
    ~DataDirectory();
    DataDirectory(const DataDirectory&) = delete;
    DataDirectory& operator=(const DataDirectory&) = delete;

    // Tells other processes where this one serves.
    Status announce(const std::string& url);
    const std::string& path() const { return path_; }
    bool is_new() const { return is_new_; }
    // Of this directory and no other; stays when it is moved. Read from its marker.
    Result<std::string> id() const;
    std::string file(std::string_view name) const { return os::join(path_, name); }

private:
    DataDirectory(os::FileSystem& fs, std::string path) : fs_(fs), path_(std::move(path)) {}
    Status write_owner();

    os::FileSystem& fs_;
    std::string path_;
    bool is_new_ = false;
    Owner owner_;
    std::unique_ptr<os::FileLock> lock_;
};

}  // namespace tarn::server
