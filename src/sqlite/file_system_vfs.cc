#include "sqlite/file_system_vfs.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "os/rng.h"

namespace tarn::sqlite {
namespace {

struct OpenFile;

// What the connections to one file share: SQLite's lock of five levels, and the index of a write-ahead file
// with its locks.
struct SharedFile {
    int readers = 0;                   // have SQLITE_LOCK_SHARED or more
    const OpenFile* writer = nullptr;  // has SQLITE_LOCK_RESERVED or more
    int index_users = 0;
    std::vector<std::unique_ptr<char[]>> index;
    std::array<int, SQLITE_SHM_NLOCK> index_readers{};
    std::array<const OpenFile*, SQLITE_SHM_NLOCK> index_writers{};
};

class Files {
public:
    explicit Files(os::FileSystem& file_system) : fs(file_system) {}

    std::shared_ptr<SharedFile> shared(const std::string& path) {
        const std::scoped_lock lock(mutex);
        auto& known = shared_[path];
        auto file = known.lock();
        if (!file) known = file = std::make_shared<SharedFile>();
        return file;
    }

    os::FileSystem& fs;
    std::mutex mutex;  // guards all SharedFiles; not held while the file system works
    os::SeededRng rng{1};

private:
    std::map<std::string, std::weak_ptr<SharedFile>> shared_;
};

struct OpenFile {
    Files& files;
    std::string path;
    std::unique_ptr<os::File> file;
    std::shared_ptr<SharedFile> shared;
    bool name_is_new = false;  // to be synced with the first sync
    int level = SQLITE_LOCK_NONE;
    bool uses_index = false;
    unsigned index_read = 0, index_written = 0;  // its locks in the index, a bit each
};

// As SQLite lays it out: its own part first.
struct Handle {
    sqlite3_file base;
    OpenFile* file;
};

OpenFile& of(sqlite3_file* handle) { return *reinterpret_cast<Handle*>(handle)->file; }
Files& of(sqlite3_vfs* vfs) { return *static_cast<Files*>(vfs->pAppData); }

int code_of(const Error& error, int otherwise) {
    return error.code == Code::disk_full ? SQLITE_FULL : otherwise;
}

// ---- bytes

int read_bytes(sqlite3_file* handle, void* out, int size, sqlite3_int64 offset) {
    const auto wanted = static_cast<std::size_t>(size);
    auto* bytes = static_cast<char*>(out);
    const auto got = of(handle).file->read_at(static_cast<std::uint64_t>(offset), {bytes, wanted});
    if (!got) return SQLITE_IOERR_READ;
    if (*got == wanted) return SQLITE_OK;
    std::memset(bytes + *got, 0, wanted - *got);
    return SQLITE_IOERR_SHORT_READ;
}

int write_bytes(sqlite3_file* handle, const void* bytes, int size, sqlite3_int64 offset) {
    const std::string_view view(static_cast<const char*>(bytes), static_cast<std::size_t>(size));
    const auto written = of(handle).file->write_at(static_cast<std::uint64_t>(offset), view);
    return written ? SQLITE_OK : code_of(written.error(), SQLITE_IOERR_WRITE);
}

int cut(sqlite3_file* handle, sqlite3_int64 size) {
    const auto done = of(handle).file->truncate(static_cast<std::uint64_t>(size));
    return done ? SQLITE_OK : SQLITE_IOERR_TRUNCATE;
}

int sync_bytes(sqlite3_file* handle, int /*flags*/) {
    OpenFile& one = of(handle);
    if (!one.file->sync()) return SQLITE_IOERR_FSYNC;
    if (!one.name_is_new) return SQLITE_OK;
    one.name_is_new = false;
    return one.files.fs.sync_directory(os::parent_of(one.path)) ? SQLITE_OK : SQLITE_IOERR_DIR_FSYNC;
}

int size_of(sqlite3_file* handle, sqlite3_int64* out) {
    const auto size = of(handle).file->size();
    if (!size) return SQLITE_IOERR_FSTAT;
    *out = static_cast<sqlite3_int64>(*size);
    return SQLITE_OK;
}

// ---- the lock of five levels

int take_lock(sqlite3_file* handle, int level) {
    OpenFile& one = of(handle);
    const std::scoped_lock lock(one.files.mutex);
    SharedFile& shared = *one.shared;
    if (one.level >= level) return SQLITE_OK;
    if (level == SQLITE_LOCK_SHARED) {
        if (shared.writer != nullptr && shared.writer->level >= SQLITE_LOCK_PENDING) return SQLITE_BUSY;
        ++shared.readers;
        one.level = level;
        return SQLITE_OK;
    }
    if (shared.writer != nullptr && shared.writer != &one) return SQLITE_BUSY;
    shared.writer = &one;
    const bool must_wait = level == SQLITE_LOCK_EXCLUSIVE && shared.readers > 1;
    one.level = must_wait ? SQLITE_LOCK_PENDING : level;
    return must_wait ? SQLITE_BUSY : SQLITE_OK;
}

int give_lock_back(sqlite3_file* handle, int level) {
    OpenFile& one = of(handle);
    const std::scoped_lock lock(one.files.mutex);
    if (one.level <= level) return SQLITE_OK;
    if (one.shared->writer == &one) one.shared->writer = nullptr;
    if (level == SQLITE_LOCK_NONE) --one.shared->readers;
    one.level = level;
    return SQLITE_OK;
}

int is_reserved(sqlite3_file* handle, int* out) {
    OpenFile& one = of(handle);
    const std::scoped_lock lock(one.files.mutex);
    *out = one.shared->writer != nullptr ? 1 : 0;
    return SQLITE_OK;
}

// ---- the index of a write-ahead file

int map_index(sqlite3_file* handle, int number, int size, int extend, void volatile** out) {
    OpenFile& one = of(handle);
    const std::scoped_lock lock(one.files.mutex);
    SharedFile& shared = *one.shared;
    if (!one.uses_index) ++shared.index_users;
    one.uses_index = true;
    const auto wanted = static_cast<std::size_t>(number) + 1;
    *out = nullptr;
    if (shared.index.size() < wanted && extend == 0) return SQLITE_OK;
    while (shared.index.size() < wanted)
        shared.index.push_back(std::make_unique<char[]>(static_cast<std::size_t>(size)));
    *out = shared.index[wanted - 1].get();
    return SQLITE_OK;
}

void release_index(OpenFile& one, unsigned slots) {
    for (std::size_t slot = 0; slot < SQLITE_SHM_NLOCK; ++slot) {
        const unsigned bit = 1u << slot;
        if ((slots & bit) == 0) continue;
        if ((one.index_read & bit) != 0) --one.shared->index_readers[slot];
        if ((one.index_written & bit) != 0) one.shared->index_writers[slot] = nullptr;
    }
    one.index_read &= ~slots;
    one.index_written &= ~slots;
}

int lock_index(sqlite3_file* handle, int offset, int count, int flags) {
    OpenFile& one = of(handle);
    const std::scoped_lock lock(one.files.mutex);
    SharedFile& shared = *one.shared;
    const unsigned slots = ((1u << count) - 1) << offset;
    if ((flags & SQLITE_SHM_UNLOCK) != 0) {
        release_index(one, slots);
        return SQLITE_OK;
    }
    const bool exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
    const auto first = static_cast<std::size_t>(offset), end = first + static_cast<std::size_t>(count);
    for (std::size_t slot = first; slot < end; ++slot) {
        const int own = (one.index_read & (1u << slot)) != 0 ? 1 : 0;
        const OpenFile* writer = shared.index_writers[slot];
        if (writer != nullptr && writer != &one) return SQLITE_BUSY;
        if (exclusive && shared.index_readers[slot] > own) return SQLITE_BUSY;
    }
    for (std::size_t slot = first; slot < end; ++slot) {
        const unsigned bit = 1u << slot;
        if (exclusive) {
            shared.index_writers[slot] = &one;
            one.index_written |= bit;
        } else if ((one.index_read & bit) == 0) {
            ++shared.index_readers[slot];
            one.index_read |= bit;
        }
    }
    return SQLITE_OK;
}

// What was written before is seen by whoever comes after.
void order_index(sqlite3_file* handle) { const std::scoped_lock lock(of(handle).files.mutex); }

// The last user's index goes, as the file does that it stands for.
int unmap_index(sqlite3_file* handle, int /*remove*/) {
    OpenFile& one = of(handle);
    const std::scoped_lock lock(one.files.mutex);
    if (!one.uses_index) return SQLITE_OK;
    release_index(one, ~0u);
    one.uses_index = false;
    if (--one.shared->index_users == 0) one.shared->index.clear();
    return SQLITE_OK;
}

// ---- files

int close_file(sqlite3_file* handle) {
    unmap_index(handle, 0);
    give_lock_back(handle, SQLITE_LOCK_NONE);
    delete &of(handle);
    return SQLITE_OK;
}

int control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }

// What SQLite's own access says on Linux: a write that is cut off harms nothing beside it.
int block_size(sqlite3_file*) { return 4096; }
int characteristics(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }

constexpr sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = close_file,
    .xRead = read_bytes,
    .xWrite = write_bytes,
    .xTruncate = cut,
    .xSync = sync_bytes,
    .xFileSize = size_of,
    .xLock = take_lock,
    .xUnlock = give_lock_back,
    .xCheckReservedLock = is_reserved,
    .xFileControl = control,
    .xSectorSize = block_size,
    .xDeviceCharacteristics = characteristics,
    .xShmMap = map_index,
    .xShmLock = lock_index,
    .xShmBarrier = order_index,
    .xShmUnmap = unmap_index,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

os::OpenMode mode_of(int flags) {
    if ((flags & SQLITE_OPEN_READONLY) != 0) return os::OpenMode::read;
    if ((flags & SQLITE_OPEN_CREATE) == 0) return os::OpenMode::read_write;
    return (flags & SQLITE_OPEN_EXCLUSIVE) != 0 ? os::OpenMode::create_new : os::OpenMode::create;
}

int open_file(sqlite3_vfs* vfs, sqlite3_filename name, sqlite3_file* handle, int flags, int* out_flags) {
    handle->pMethods = nullptr;
    if (name == nullptr) return SQLITE_CANTOPEN;  // a temporary one
    Files& files = of(vfs);
    auto file = files.fs.open(name, mode_of(flags));
    if (!file) return SQLITE_CANTOPEN;
    auto one = std::make_unique<OpenFile>(OpenFile{files, name, std::move(*file), files.shared(name)});
    const bool is_journal =
        (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL)) != 0;
    one->name_is_new = is_journal && (flags & SQLITE_OPEN_CREATE) != 0;
    reinterpret_cast<Handle*>(handle)->file = one.release();
    handle->pMethods = &methods;
    if (out_flags != nullptr) *out_flags = flags;
    return SQLITE_OK;
}

int remove_file(sqlite3_vfs* vfs, const char* name, int sync_directory) {
    os::FileSystem& fs = of(vfs).fs;
    const auto removed = fs.remove(name);
    if (!removed)
        return removed.error().kind == ErrorKind::not_found ? SQLITE_IOERR_DELETE_NOENT : SQLITE_IOERR_DELETE;
    if (sync_directory == 0) return SQLITE_OK;
    return fs.sync_directory(os::parent_of(name)) ? SQLITE_OK : SQLITE_IOERR_DIR_FSYNC;
}

// An empty file is as good as none, as SQLite's own access has it.
int look_for(sqlite3_vfs* vfs, const char* name, int flags, int* out) {
    const auto found = of(vfs).fs.stat(name);
    if (!found) return SQLITE_IOERR_ACCESS;
    *out = *found && (flags != SQLITE_ACCESS_EXISTS || (*found)->is_directory || (*found)->size > 0) ? 1 : 0;
    return SQLITE_OK;
}

int full_name(sqlite3_vfs*, const char* name, int size, char* out) {
    if (std::strlen(name) >= static_cast<std::size_t>(size)) return SQLITE_CANTOPEN;
    std::strcpy(out, name);
    return SQLITE_OK;
}

int random_bytes(sqlite3_vfs* vfs, int size, char* out) {
    Files& files = of(vfs);
    const std::scoped_lock lock(files.mutex);
    for (int i = 0; i < size; ++i) out[i] = static_cast<char>(files.rng.next());
    return size;
}

int wait(sqlite3_vfs*, int us) {
    std::this_thread::sleep_for(std::chrono::microseconds(us));
    return us;
}

int no_clock(sqlite3_vfs*, double*) { return SQLITE_ERROR; }

}  // namespace

struct FileSystemVfs::Registration {
    explicit Registration(os::FileSystem& fs) : files(fs) {}
    Files files;
    std::string name;
    sqlite3_vfs vfs{};
};

FileSystemVfs::FileSystemVfs(os::FileSystem& fs) : registration_(std::make_unique<Registration>(fs)) {
    static std::atomic<int> made{0};
    Registration& mine = *registration_;
    mine.name = fmt::format("tarn-file-system-{}", ++made);
    mine.vfs = {.iVersion = 1,
                .szOsFile = sizeof(Handle),
                .mxPathname = 1024,
                .zName = mine.name.c_str(),
                .pAppData = &mine.files,
                .xOpen = open_file,
                .xDelete = remove_file,
                .xAccess = look_for,
                .xFullPathname = full_name,
                .xRandomness = random_bytes,
                .xSleep = wait,
                .xCurrentTime = no_clock};
    sqlite3_vfs_register(&mine.vfs, 0);
}

FileSystemVfs::~FileSystemVfs() { sqlite3_vfs_unregister(&registration_->vfs); }

const char* FileSystemVfs::name() const { return registration_->vfs.zName; }

}  // namespace tarn::sqlite
