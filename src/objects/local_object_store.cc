// Objects as files. Put-if-absent is link(2): it fails when the name is taken and gives a name only to bytes
// already synced.
#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>

#include "objects/object_name.h"
#include "objects/object_store.h"

namespace tarn::objects {

namespace {

// Not a valid object name, so that nothing in it can be mistaken for an object.
constexpr std::string_view incoming_directory = "#incoming";

class LocalObjectStore final : public ObjectStore {
public:
    LocalObjectStore(os::FileSystem& fs, std::string root) : fs_(fs), root_(std::move(root)) {}

    Status put_if_absent(const std::string& name, std::string_view bytes) override;
    Result<std::string> get(const std::string& name) override;
    Result<std::string> get_range(const std::string& name, std::uint64_t offset,
                                  std::uint64_t length) override;
    Result<std::uint64_t> size(const std::string& name) override;
    Result<std::vector<ObjectEntry>> list(const std::string& prefix) override;
    Status remove(const std::string& name) override;
    std::string local_path(const std::string& name) override;

private:
    std::string path_of(const std::string& name) const { return os::join(root_, name); }
    Status prepare_incoming();
    Status prepare_directory(const std::string& name);
    Result<std::string> write_temporary(std::string_view bytes);
    Result<std::unique_ptr<os::File>> open_object(const std::string& name, std::uint64_t* size);
    Status list_directory(const std::string& directory, const std::string& prefix,
                          std::vector<ObjectEntry>& found);

    os::FileSystem& fs_;
    const std::string root_;
    std::mutex mutex_;
    bool incoming_ready_ = false;                // guarded by mutex_
    std::set<std::string> durable_directories_;  // guarded by mutex_
    std::atomic<std::uint64_t> temporaries_ = 0;
};

Failure missing(const std::string& name, const std::string& path) {
    return fail(Code::object_missing, fmt::format("object {} is missing", name),
                {.place = {.source = path}, .next = "tarn fsck"});
}

// What an interrupted put left behind is removed by name only: a leftover may be a second name of a good
// object.
Status LocalObjectStore::prepare_incoming() {
    const std::lock_guard lock(mutex_);
    if (incoming_ready_) return {};
    const std::string directory = os::join(root_, incoming_directory);
    TARN_TRY(fs_.make_directories(directory));
    TARN_ASSIGN(const auto leftovers, fs_.list(directory));
    for (const os::FileInfo& file : leftovers) TARN_TRY(fs_.remove(os::join(directory, file.name)));
    incoming_ready_ = true;
    return {};
}

// Makes the object's directory and every directory above it durable. Directories found present are synced
// once too: an earlier process may have been killed between making and syncing them.
Status LocalObjectStore::prepare_directory(const std::string& name) {
    const std::string directory = os::parent_of(path_of(name));
    const std::lock_guard lock(mutex_);
    if (durable_directories_.contains(directory)) return {};
    TARN_TRY(fs_.make_directories(directory));
    for (std::string above = directory; above.size() > root_.size(); above = os::parent_of(above))
        TARN_TRY(fs_.sync_directory(os::parent_of(above)));
    durable_directories_.insert(directory);
    return {};
}

// A fresh file, never an existing one: see prepare_incoming.
Result<std::string> LocalObjectStore::write_temporary(std::string_view bytes) {
    const std::string path = os::join(os::join(root_, incoming_directory), std::to_string(++temporaries_));
    TARN_ASSIGN(const auto file, fs_.open(path, os::OpenMode::create_new));
    Status written = file->write_at(0, bytes);
    if (written) written = file->sync();
    if (written) return path;
    (void)fs_.remove(path);  // the first error counts; the leftover is cleared at the next start
    return fail(std::move(written.error()));
}

Status LocalObjectStore::put_if_absent(const std::string& name, std::string_view bytes) {
    TARN_TRY(check_object_name(name));
    TARN_TRY(prepare_incoming());
    TARN_TRY(prepare_directory(name));
    TARN_ASSIGN(const std::string temporary, write_temporary(bytes));

    const std::string path = path_of(name);
    const Status linked = fs_.link(temporary, path);
    (void)fs_.remove(temporary);
    const bool taken = !linked && linked.error().code == Code::object_exists;
    if (!linked && !taken) return linked;
    // Also when the name was taken: whoever put it may have died before this sync.
    TARN_TRY(fs_.sync_directory(os::parent_of(path)));
    if (taken)
        return fail(Code::object_exists, fmt::format("object {} exists", name), {.place = {.source = path}});
    return {};
}

Result<std::unique_ptr<os::File>> LocalObjectStore::open_object(const std::string& name,
                                                                std::uint64_t* size) {
    TARN_TRY(check_object_name(name));
    const std::string path = path_of(name);
    TARN_ASSIGN(const auto found, fs_.stat(path));
    if (!found || found->is_directory) return missing(name, path);
    *size = found->size;
    auto file = fs_.open(path, os::OpenMode::read);
    if (!file && file.error().kind == ErrorKind::not_found) return missing(name, path);
    return file;
}

Result<std::string> LocalObjectStore::get(const std::string& name) { return get_range(name, 0, UINT64_MAX); }

Result<std::string> LocalObjectStore::get_range(const std::string& name, std::uint64_t offset,
                                                std::uint64_t length) {
    std::uint64_t size = 0;
    TARN_ASSIGN(const auto file, open_object(name, &size));
    std::string bytes;
    if (offset >= size) return bytes;
    bytes.resize(std::min(length, size - offset));
    TARN_ASSIGN(const std::size_t read, file->read_at(offset, bytes));
    bytes.resize(read);
    return bytes;
}

Result<std::uint64_t> LocalObjectStore::size(const std::string& name) {
    TARN_TRY(check_object_name(name));
    TARN_ASSIGN(const auto found, fs_.stat(path_of(name)));
    if (!found || found->is_directory) return missing(name, path_of(name));
    return found->size;
}

// `directory` is "" or ends with a slash. Descends only where names can still begin with the prefix.
Status LocalObjectStore::list_directory(const std::string& directory, const std::string& prefix,
                                        std::vector<ObjectEntry>& found) {
    const std::string path = directory.empty() ? root_ : path_of(directory.substr(0, directory.size() - 1));
    auto files = fs_.list(path);
    if (!files && files.error().kind == ErrorKind::not_found) return {};
    if (!files) return fail(std::move(files.error()));
    for (const os::FileInfo& file : *files) {
        const std::string name = directory + file.name;
        if (!is_valid_object_name(name)) continue;
        if (!file.is_directory) {
            if (name.starts_with(prefix)) found.push_back({name, file.size});
            continue;
        }
        const std::string below = name + "/";
        if (below.starts_with(prefix) || prefix.starts_with(below))
            TARN_TRY(list_directory(below, prefix, found));
    }
    return {};
}

Result<std::vector<ObjectEntry>> LocalObjectStore::list(const std::string& prefix) {
    std::vector<ObjectEntry> found;
    TARN_TRY(list_directory("", prefix, found));
    std::ranges::sort(found, {}, &ObjectEntry::name);
    return found;
}

Status LocalObjectStore::remove(const std::string& name) {
    TARN_TRY(check_object_name(name));
    const std::string path = path_of(name);
    TARN_ASSIGN(const auto found, fs_.stat(path));
    if (!found || found->is_directory) return {};
    const Status removed = fs_.remove(path);
    if (!removed && removed.error().kind != ErrorKind::not_found) return removed;
    return fs_.sync_directory(os::parent_of(path));
}

std::string LocalObjectStore::local_path(const std::string& name) {
    return is_valid_object_name(name) ? path_of(name) : std::string();
}

}  // namespace

std::unique_ptr<ObjectStore> make_local_object_store(os::FileSystem& fs, std::string root) {
    while (root.size() > 1 && root.back() == '/') root.pop_back();
    return std::make_unique<LocalObjectStore>(fs, std::move(root));
}

}  // namespace tarn::objects
