#include "os/real_file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace tarn::os {
namespace {

Failure errno_failure(std::string_view call, const std::string& path) {
    const int code = errno;
    Error error = make_errno_error(code, fmt::format("{} {}", call, path));
    if (code == ENOENT) error.kind = ErrorKind::not_found;
    return fail(std::move(error));
}

class RealFile final : public File {
public:
    RealFile(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
    ~RealFile() override { ::close(descriptor_); }
    RealFile(const RealFile&) = delete;
    RealFile& operator=(const RealFile&) = delete;

    Result<std::size_t> read_at(std::uint64_t offset, std::span<char> out) const override {
        std::size_t done = 0;
        while (done < out.size()) {
            const ssize_t n =
                ::pread(descriptor_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) return errno_failure("read", path_);
            if (n == 0) break;
            done += static_cast<std::size_t>(n);
        }
        return done;
    }

    // In steps: the kernel takes no more than its read-ahead from one call.
    void expect_reading() const override {
        constexpr off_t step = 128 << 10;
        const auto bytes = size();
        if (!bytes) return;
        for (off_t at = 0; at < static_cast<off_t>(*bytes); at += step)
            if (::posix_fadvise(descriptor_, at, step, POSIX_FADV_WILLNEED) != 0) return;
    }

    Status write_at(std::uint64_t offset, std::string_view bytes) override {
        while (!bytes.empty()) {
            const ssize_t n = ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
            if (n < 0 && errno == EINTR) continue;
            if (n < 0 && errno == EINVAL && leave_direct()) continue;
            if (n < 0) return errno_failure("write", path_);
            offset += static_cast<std::uint64_t>(n);
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
        return {};
    }

    Status sync() override {
        if (::fdatasync(descriptor_) != 0) return errno_failure("fdatasync", path_);
        return {};
    }

    Result<std::uint64_t> size() const override {
        struct stat info{};
        if (::fstat(descriptor_, &info) != 0) return errno_failure("fstat", path_);
        return static_cast<std::uint64_t>(info.st_size);
    }

    Status truncate(std::uint64_t size) override {
        if (::ftruncate(descriptor_, static_cast<off_t>(size)) != 0) return errno_failure("ftruncate", path_);
        return {};
    }

private:
    // Some file systems open a file past the page cache and then refuse to write to it like that, or want
    // larger blocks. false: that was not it.
    bool leave_direct() const {
        const int flags = ::fcntl(descriptor_, F_GETFL);
        return flags >= 0 && (flags & O_DIRECT) != 0 && ::fcntl(descriptor_, F_SETFL, flags & ~O_DIRECT) == 0;
    }

    int descriptor_;
    std::string path_;
};

class RealLock final : public FileLock {
public:
    explicit RealLock(int descriptor) : descriptor_(descriptor) {}
    ~RealLock() override { ::close(descriptor_); }
    RealLock(const RealLock&) = delete;
    RealLock& operator=(const RealLock&) = delete;

private:
    int descriptor_;
};

int open_flags(OpenMode mode) {
    switch (mode) {
        case OpenMode::read:
            return O_RDONLY;
        case OpenMode::read_write:
            return O_RDWR;
        case OpenMode::create:
            return O_RDWR | O_CREAT;
        case OpenMode::create_new:
            return O_RDWR | O_CREAT | O_EXCL;
        case OpenMode::direct:
            return O_WRONLY | O_DIRECT;
    }
    return O_RDONLY;
}

FileInfo info_of(std::string name, const struct stat& info, bool is_link) {
    return {.name = std::move(name),
            .is_directory = S_ISDIR(info.st_mode),
            .size = static_cast<std::uint64_t>(info.st_size),
            .is_regular = S_ISREG(info.st_mode),
            .is_link = is_link};
}

class RealFileSystem final : public FileSystem {
public:
    Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
        const int flags = open_flags(mode) | O_CLOEXEC;
        int descriptor = ::open(path.c_str(), flags, 0644);
        if (descriptor < 0 && errno == EINVAL && mode == OpenMode::direct)
            descriptor = ::open(path.c_str(), flags & ~O_DIRECT);  // through the page cache, then
        if (descriptor < 0) return errno_failure("open", path);
        return std::make_unique<RealFile>(descriptor, path);
    }

    Status make_directories(const std::string& path) override {
        if (path.empty() || path == "/" || path == ".") return {};
        struct stat info{};
        if (::stat(path.c_str(), &info) == 0) {
            if (S_ISDIR(info.st_mode)) return {};
            errno = ENOTDIR;
            return errno_failure("mkdir", path);
        }
        TARN_TRY(make_directories(parent_of(path)));
        if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return errno_failure("mkdir", path);
        return sync_directory(parent_of(path));
    }

    Status rename(const std::string& from, const std::string& to) override {
        if (::rename(from.c_str(), to.c_str()) != 0) return errno_failure("rename", from + " to " + to);
        return {};
    }

    Status link(const std::string& from, const std::string& to) override {
        if (::link(from.c_str(), to.c_str()) == 0) return {};
        if (errno == EEXIST) return fail(Code::object_exists, fmt::format("{} exists", to));
        return errno_failure("link", from + " to " + to);
    }

    Status remove(const std::string& path) override {
        if (::remove(path.c_str()) != 0) return errno_failure("remove", path);
        return {};
    }

    Status sync_directory(const std::string& path) override {
        const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (descriptor < 0) return errno_failure("open", path);
        const int failed = ::fsync(descriptor);
        const int code = errno;
        ::close(descriptor);
        errno = code;
        if (failed != 0) return errno_failure("fsync", path);
        return {};
    }

    Result<std::vector<FileInfo>> list(const std::string& path) override {
        DIR* directory = ::opendir(path.c_str());
        if (directory == nullptr) return errno_failure("opendir", path);
        std::vector<FileInfo> files;
        while (const dirent* entry = ::readdir(directory)) {
            const std::string name = entry->d_name;
            if (name == "." || name == "..") continue;
            struct stat info{};
            const std::string full = join(path, name);
            const bool is_link = ::lstat(full.c_str(), &info) == 0 && S_ISLNK(info.st_mode);
            if (::stat(full.c_str(), &info) == 0)
                files.push_back(info_of(name, info, is_link));
            else if (is_link)
                files.push_back({.name = name, .is_regular = false, .is_link = true});
            // else it was removed meanwhile
        }
        ::closedir(directory);
        std::ranges::sort(files, {}, &FileInfo::name);
        return files;
    }

    Result<std::optional<FileInfo>> stat(const std::string& path) override {
        struct stat info{};
        if (::stat(path.c_str(), &info) != 0) {
            if (errno == ENOENT || errno == ENOTDIR) return std::optional<FileInfo>();
            return errno_failure("stat", path);
        }
        const auto slash = path.rfind('/');
        return info_of(slash == std::string::npos ? path : path.substr(slash + 1), info, false);
    }

    Result<Space> space(const std::string& path) override {
        struct statvfs info{};
        if (::statvfs(path.c_str(), &info) != 0) return errno_failure("statvfs", path);
        return Space{static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize,
                     static_cast<std::uint64_t>(info.f_blocks) * info.f_frsize};
    }

    Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
        const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (descriptor < 0) return errno_failure("open", path);
        auto held = std::make_unique<RealLock>(descriptor);
        if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return held;
        if (errno == EWOULDBLOCK) return fail(Code::directory_locked, fmt::format("{} is locked", path));
        return errno_failure("flock", path);
    }
};

}  // namespace

std::unique_ptr<FileSystem> make_real_file_system() { return std::make_unique<RealFileSystem>(); }

}  // namespace tarn::os
