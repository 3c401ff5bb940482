// SQLite's files on an os::FileSystem: databases can stand on the simulated disk, which forgets what was not
// synced, tears writes and fails calls (os/sim_file_system.h). For tests; the program itself uses SQLite's
// own access to the real file system. What SQLite asks of a disk goes the same ways here: a new write-ahead
// file's name is synced with its first sync, as SQLite does it on Linux.
//
// Locks, and the shared index of a write-ahead file, are in memory and by path: all connections to a file
// must come from one process and one FileSystemVfs, and a path must not be given to another file while one is
// open. After a crash a new FileSystemVfs knows nothing of them, as after a restart of the machine. There are
// no temporary files and there is no clock.
#pragma once

#include <memory>

#include "os/file_system.h"

namespace tarn::sqlite {

class FileSystemVfs {
public:
    // Known to SQLite by its name while the object lives; `fs` must outlive it, and it all its connections.
    explicit FileSystemVfs(os::FileSystem& fs);
    ~FileSystemVfs();
    FileSystemVfs(const FileSystemVfs&) = delete;
    FileSystemVfs& operator=(const FileSystemVfs&) = delete;

    const char* name() const;  // for OpenOptions::vfs

private:
    struct Registration;
    std::unique_ptr<Registration> registration_;
};

}  // namespace tarn::sqlite
