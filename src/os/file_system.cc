#include "os/file_system.h"

namespace tarn::os {

std::string parent_of(std::string_view path) {
    while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
    const auto slash = path.rfind('/');
    if (slash == std::string_view::npos) return ".";
    return slash == 0 ? "/" : std::string(path.substr(0, slash));
}

std::string join(std::string_view directory, std::string_view name) {
    if (directory.empty()) return std::string(name);
    std::string out(directory);
    if (out.back() != '/') out += '/';
    return out.append(name);
}

Result<std::string> read_file(FileSystem& fs, const std::string& path) {
    TARN_ASSIGN(const auto file, fs.open(path, OpenMode::read));
    TARN_ASSIGN(const std::uint64_t size, file->size());
    std::string bytes(size, '\0');
    TARN_ASSIGN(const std::size_t read, file->read_at(0, bytes));
    bytes.resize(read);
    return bytes;
}

Status write_file_durably(FileSystem& fs, const std::string& path, std::string_view bytes) {
    const std::string temporary = path + ".new";
    TARN_ASSIGN(const auto file, fs.open(temporary, OpenMode::create));
    TARN_TRY(file->truncate(0));
    TARN_TRY(file->write_at(0, bytes));
    TARN_TRY(file->sync());
    TARN_TRY(fs.rename(temporary, path));
    return fs.sync_directory(parent_of(path));
}

}  // namespace tarn::os
