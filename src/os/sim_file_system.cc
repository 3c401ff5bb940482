#include "os/sim_file_system.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <unordered_set>

namespace tarn::os {
namespace {

constexpr std::uint64_t sector_bytes = 512;
constexpr std::uint64_t page_bytes = 4096;

// "./a//b/" and "a/b" are one path.
std::string normal(std::string_view path) {
    std::string out;
    for (std::size_t at = 0; at < path.size();) {
        const std::size_t end = std::min(path.find('/', at), path.size());
        const std::string_view part = path.substr(at, end - at);
        if (!part.empty() && part != ".") {
            if (!out.empty()) out += '/';
            out += part;
        }
        at = end + 1;
    }
    if (!path.empty() && path.front() == '/') out.insert(out.begin(), '/');
    return out.empty() ? "." : out;
}

Failure no_such(std::string_view call, const std::string& path) {
    Error error = make_errno_error(ENOENT, fmt::format("{} {}", call, path));
    error.kind = ErrorKind::not_found;
    return fail(std::move(error));
}

void put(std::string& content, std::uint64_t offset, std::string_view bytes) {
    if (content.size() < offset + bytes.size()) content.resize(offset + bytes.size());
    content.replace(offset, bytes.size(), bytes);
}

}  // namespace

class SimFile final : public File {
public:
    SimFile(SimFileSystem& fs, SimFileSystem::InodePtr inode, std::string path, OpenMode mode)
        : fs_(fs), inode_(std::move(inode)), path_(std::move(path)), mode_(mode) {}

    Result<std::size_t> read_at(std::uint64_t offset, std::span<char> out) const override {
        if (mode_ == OpenMode::direct) return fail(make_errno_error(EBADF, fmt::format("read {}", path_)));
        const std::scoped_lock lock(fs_.mutex_);
        if (offset >= inode_->current.size()) return std::size_t{0};
        const std::size_t n = std::min<std::size_t>(out.size(), inode_->current.size() - offset);
        inode_->current.copy(out.data(), n, offset);
        return n;
    }
    Status write_at(std::uint64_t offset, std::string_view bytes) override {
        if (mode_ == OpenMode::read) return fail(make_errno_error(EBADF, fmt::format("write {}", path_)));
        if (mode_ == OpenMode::direct && !is_of_blocks(offset, bytes))
            return fail(make_errno_error(EINVAL, fmt::format("write {}", path_)));
        return fs_.write(*inode_, path_, offset, bytes);
    }
    Status sync() override { return fs_.sync(*inode_, path_); }
    Result<std::uint64_t> size() const override {
        const std::scoped_lock lock(fs_.mutex_);
        return inode_->current.size();
    }
    Status truncate(std::uint64_t size) override {
        if (mode_ == OpenMode::read) return fail(make_errno_error(EBADF, fmt::format("ftruncate {}", path_)));
        return fs_.truncate(*inode_, path_, size);
    }

private:
    static bool is_of_blocks(std::uint64_t offset, std::string_view bytes) {
        const auto address = reinterpret_cast<std::uintptr_t>(bytes.data());
        return (offset | bytes.size() | address) % direct_block_bytes == 0;
    }

    SimFileSystem& fs_;
    SimFileSystem::InodePtr inode_;
    std::string path_;
    OpenMode mode_;
};

class SimLock final : public FileLock {
public:
    SimLock(SimFileSystem& fs, std::string path) : fs_(fs), path_(std::move(path)) {}
    ~SimLock() override {
        const std::scoped_lock lock(fs_.mutex_);
        fs_.locks_.erase(path_);
    }
    SimLock(const SimLock&) = delete;
    SimLock& operator=(const SimLock&) = delete;

private:
    SimFileSystem& fs_;
    std::string path_;
};

SimFileSystem::SimFileSystem() : directories_{".", "/"} {}
SimFileSystem::~SimFileSystem() = default;

bool SimFileSystem::NameChange::touches(const std::string& directory) const {
    return (!removed.empty() && parent_of(removed) == directory) ||
           (!added.empty() && parent_of(added) == directory);
}

void SimFileSystem::apply(const NameChange& change, Names& names) {
    if (!change.removed.empty()) names.erase(change.removed);
    if (!change.added.empty()) names[change.added] = change.inode;
}

// ---- the power cut

std::string SimFileSystem::survivor(const Inode& inode, const CrashPlan& plan, Rng& rng) {
    if (plan.keep == CrashPlan::Keep::everything) return inode.current;
    std::string content = inode.durable;
    if (plan.keep == CrashPlan::Keep::nothing || inode.unsynced.empty()) return content;

    // What each change leaves: decided from the last to the first, because a sector that arrived with a later
    // write carries the earlier ones' bytes too.
    const std::uint64_t unit = rng.below(2) == 0 ? sector_bytes : page_bytes;
    std::unordered_set<std::uint64_t> arrived;
    std::vector<std::vector<std::pair<std::uint64_t, std::uint64_t>>> pieces(
        inode.unsynced.size());  // begin, end
    std::vector<bool> cut(inode.unsynced.size());
    for (std::size_t i = inode.unsynced.size(); i-- > 0;) {
        const Change& change = inode.unsynced[i];
        if (change.truncation) {
            cut[i] = rng.below(2) == 0;
            continue;
        }
        // 0: all of it, 1: nothing, 2: any subset, 3: a prefix, 4: a suffix
        const std::uint64_t fate = rng.below(5);
        const std::uint64_t first = change.offset / unit;
        const std::uint64_t last = (change.offset + change.bytes.size() - 1) / unit;
        const std::uint64_t split = first + rng.below(last - first + 2);
        for (std::uint64_t sector = first; sector <= last; ++sector) {
            const bool kept = fate == 0 || (fate == 2 && rng.below(2) == 0) ||
                              (fate == 3 && sector < split) || (fate == 4 && sector >= split) ||
                              arrived.contains(sector);
            if (!kept) continue;
            arrived.insert(sector);
            const std::uint64_t begin = std::max(sector * unit, change.offset);
            const std::uint64_t end = std::min((sector + 1) * unit, change.offset + change.bytes.size());
            if (!pieces[i].empty() && pieces[i].back().second == begin) {
                pieces[i].back().second = end;
            } else {
                pieces[i].emplace_back(begin, end);
            }
        }
    }
    for (std::size_t i = 0; i < inode.unsynced.size(); ++i) {
        const Change& change = inode.unsynced[i];
        if (cut[i]) content.resize(change.offset);
        for (const auto& [begin, end] : pieces[i]) {
            put(content, begin, std::string_view(change.bytes).substr(begin - change.offset, end - begin));
        }
    }
    return content;
}

std::unique_ptr<SimFileSystem> SimFileSystem::crash(const CrashPlan& plan) const {
    const std::scoped_lock lock(mutex_);
    SeededRng rng(plan.seed);
    Names names = durable_names_;
    const bool prefix = rng.below(2) == 0;
    const std::uint64_t kept = rng.below(unsynced_names_.size() + 1);
    for (std::size_t i = 0; i < unsynced_names_.size(); ++i) {
        bool keep = prefix ? i < kept : rng.below(2) == 0;
        if (plan.keep != CrashPlan::Keep::any) keep = plan.keep == CrashPlan::Keep::everything;
        if (keep) apply(unsynced_names_[i], names);
    }
    auto disk = std::make_unique<SimFileSystem>();
    disk->directories_ = directories_;
    disk->space_limit_ = space_limit_;
    std::map<const Inode*, InodePtr> copies;
    for (const auto& [path, inode] : names) {
        InodePtr& copy = copies[inode.get()];
        if (!copy) {
            copy = std::make_shared<Inode>();
            copy->current = survivor(*inode, plan, rng);
            copy->durable = copy->current;
        }
        disk->names_[path] = copy;
    }
    disk->durable_names_ = disk->names_;
    return disk;
}

// ---- faults and bookkeeping

std::uint64_t SimFileSystem::calls() const {
    const std::scoped_lock lock(mutex_);
    return calls_;
}

void SimFileSystem::fail_call(std::uint64_t number, Fault fault, bool for_ever) {
    const std::scoped_lock lock(mutex_);
    fault_at_ = number;
    fault_ = fault;
    fault_for_ever_ = for_ever;
}

void SimFileSystem::heal() {
    const std::scoped_lock lock(mutex_);
    fault_at_.reset();
}

void SimFileSystem::limit_space(std::optional<std::uint64_t> bytes) {
    const std::scoped_lock lock(mutex_);
    space_limit_ = bytes;
}

std::uint64_t SimFileSystem::used_bytes() const {
    const std::scoped_lock lock(mutex_);
    return used_locked();
}

void SimFileSystem::after_call(std::function<void()> hook) { hook_ = std::move(hook); }

void SimFileSystem::damage(const std::string& path, std::uint64_t offset, char xor_mask) {
    const std::scoped_lock lock(mutex_);
    const auto found = names_.find(normal(path));
    if (found == names_.end() || offset >= found->second->current.size()) return;
    Inode& inode = *found->second;
    inode.current[offset] = static_cast<char>(inode.current[offset] ^ xor_mask);
    if (offset < inode.durable.size()) inode.durable[offset] = inode.current[offset];
}

std::optional<Fault> SimFileSystem::begin_call(std::string line) {
    trace_.push_back(std::move(line));
    const std::uint64_t number = calls_++;
    if (!fault_at_ || number < *fault_at_) return std::nullopt;
    if (number > *fault_at_ && !fault_for_ever_) return std::nullopt;
    trace_.back() += " failed";
    return fault_;
}

// Called without the lock. The hook's own calls on this file system, if any, run no hook.
void SimFileSystem::end_call() {
    if (!hook_ || in_hook_) return;
    in_hook_ = true;
    hook_();
    in_hook_ = false;
}

Failure SimFileSystem::fault_failure(Fault fault, std::string_view what) const {
    return fail(make_errno_error(fault == Fault::enospc ? ENOSPC : EIO, what));
}

std::uint64_t SimFileSystem::used_locked() const {
    std::set<const Inode*> seen;
    std::uint64_t used = 0;
    for (const auto& [path, inode] : names_) {
        if (seen.insert(inode.get()).second) used += inode->current.size();
    }
    return used;
}

// How far, at most up to `end`, the file may reach.
std::uint64_t SimFileSystem::room_for(const Inode& inode, std::uint64_t end) const {
    const std::uint64_t size = inode.current.size();
    if (!space_limit_ || end <= size) return end;
    const std::uint64_t used = used_locked();
    const std::uint64_t free = *space_limit_ > used ? *space_limit_ - used : 0;
    return std::min(end, size + free);
}

// ---- files

Status SimFileSystem::write(Inode& inode, const std::string& path, std::uint64_t offset,
                            std::string_view bytes) {
    Status status;
    {
        const std::scoped_lock lock(mutex_);
        const auto fault = begin_call(fmt::format("write {} {}+{}", path, offset, bytes.size()));
        std::uint64_t written = bytes.size();
        if (fault) {
            written = *fault == Fault::short_write ? bytes.size() / 2 : 0;
            status = fault_failure(*fault, fmt::format("write {}", path));
        } else if (const std::uint64_t end = room_for(inode, offset + bytes.size());
                   end < offset + bytes.size()) {
            written = end > offset ? end - offset : 0;
            status = fault_failure(Fault::enospc, fmt::format("write {}", path));
        }
        if (written > 0) {
            put(inode.current, offset, bytes.substr(0, written));
            inode.unsynced.push_back({false, offset, std::string(bytes.substr(0, written))});
        }
    }
    end_call();
    return status;
}

void SimFileSystem::make_durable(Inode& inode) {
    for (std::size_t i = inode.abandoned; i < inode.unsynced.size(); ++i) {
        const Change& change = inode.unsynced[i];
        if (change.truncation) {
            inode.durable.resize(change.offset);
        } else {
            put(inode.durable, change.offset, change.bytes);
        }
    }
    inode.unsynced.resize(inode.abandoned);
    if (inode.abandoned == 0) return;
    if (inode.durable == inode.current) {  // all that a failed sync gave up has been written again
        inode.unsynced.clear();
        inode.abandoned = 0;
        return;
    }
    for (Change& change :
         inode.unsynced) {  // should it reach the disk after all, then as the cache holds it by now
        if (change.truncation || change.offset >= inode.current.size()) continue;
        change.bytes = inode.current.substr(change.offset, change.bytes.size());
    }
}

Status SimFileSystem::sync(Inode& inode, const std::string& path) {
    Status status;
    {
        const std::scoped_lock lock(mutex_);
        if (const auto fault = begin_call(fmt::format("sync {}", path))) {
            inode.abandoned = inode.unsynced.size();
            status = fault_failure(*fault, fmt::format("fdatasync {}", path));
        } else {
            make_durable(inode);
        }
    }
    end_call();
    return status;
}

Status SimFileSystem::truncate(Inode& inode, const std::string& path, std::uint64_t size) {
    Status status;
    {
        const std::scoped_lock lock(mutex_);
        if (const auto fault = begin_call(fmt::format("truncate {} {}", path, size))) {
            status = fault_failure(*fault, fmt::format("ftruncate {}", path));
        } else {
            inode.current.resize(size);
            inode.unsynced.push_back({true, size, {}});
        }
    }
    end_call();
    return status;
}

Result<std::unique_ptr<File>> SimFileSystem::open(const std::string& raw_path, OpenMode mode) {
    const std::string path = normal(raw_path);
    InodePtr inode;
    bool created = false;
    Status status;
    {
        const std::scoped_lock lock(mutex_);
        const auto found = names_.find(path);
        if (found != names_.end()) {
            if (mode == OpenMode::create_new)
                return fail(make_errno_error(EEXIST, fmt::format("open {}", path)));
            inode = found->second;
        } else {
            if (mode == OpenMode::read || mode == OpenMode::read_write || mode == OpenMode::direct ||
                !directories_.contains(parent_of(path))) {
                return no_such("open", path);
            }
            created = true;
            if (const auto fault = begin_call(fmt::format("create {}", path))) {
                status = fault_failure(*fault, fmt::format("open {}", path));
            } else {
                inode = std::make_shared<Inode>();
                change_names({"", path, inode});
            }
        }
    }
    if (created) end_call();
    if (!status) return fail(std::move(status.error()));
    return std::make_unique<SimFile>(*this, inode, path, mode);
}

// ---- names

void SimFileSystem::change_names(NameChange change) {
    apply(change, names_);
    unsynced_names_.push_back(std::move(change));
}

Status SimFileSystem::make_directories(const std::string& raw_path) {
    const std::string path = normal(raw_path);
    Status status;
    {
        const std::scoped_lock lock(mutex_);
        if (directories_.contains(path)) return {};
        if (const auto fault = begin_call(fmt::format("make_directories {}", path))) {
            status = fault_failure(*fault, fmt::format("mkdir {}", path));
        } else {
            for (std::string at = path; !directories_.contains(at); at = parent_of(at))
                directories_.insert(at);
        }
    }
    end_call();
    return status;
}

Status SimFileSystem::rename(const std::string& raw_from, const std::string& raw_to) {
    const std::string from = normal(raw_from);
    const std::string to = normal(raw_to);
    Status status;
    {
        const std::scoped_lock lock(mutex_);
        const auto fault = begin_call(fmt::format("rename {} {}", from, to));
        const auto found = names_.find(from);
        if (fault) {
            status = fault_failure(*fault, fmt::format("rename {}", from));
        } else if (found == names_.end() || !directories_.contains(parent_of(to))) {
            status = no_such("rename", from);
        } else {
            change_names({from, to, found->second});
        }
    }
    end_call();
    return status;
}

Status SimFileSystem::link(const std::string& raw_from, const std::string& raw_to) {
    const std::string from = normal(raw_from);
    const std::string to = normal(raw_to);
    Status status;
    {
        const std::scoped_lock lock(mutex_);
        const auto fault = begin_call(fmt::format("link {} {}", from, to));
        const auto found = names_.find(from);
        if (fault) {
            status = fault_failure(*fault, fmt::format("link {}", from));
        } else if (found == names_.end() || !directories_.contains(parent_of(to))) {
            status = no_such("link", from);
        } else if (names_.contains(to)) {
            status = fail(Code::object_exists, fmt::format("{} exists", to));
        } else {
            change_names({"", to, found->second});
        }
    }
    end_call();
    return status;
}

Status SimFileSystem::remove(const std::string& raw_path) {
    const std::string path = normal(raw_path);
    Status status;
    {
        const std::scoped_lock lock(mutex_);
        const auto fault = begin_call(fmt::format("remove {}", path));
        const auto inside = [&](const std::string& other) {
            return parent_of(other) == path && other != path;
        };
        if (fault) {
            status = fault_failure(*fault, fmt::format("remove {}", path));
        } else if (names_.contains(path)) {
            change_names({path, "", nullptr});
        } else if (!directories_.contains(path)) {
            status = no_such("remove", path);
        } else if (std::ranges::any_of(names_, [&](const auto& entry) { return inside(entry.first); }) ||
                   std::ranges::any_of(directories_, inside)) {
            status = fail(make_errno_error(ENOTEMPTY, fmt::format("remove {}", path)));
        } else {
            directories_.erase(path);
        }
    }
    end_call();
    return status;
}

Status SimFileSystem::sync_directory(const std::string& raw_path) {
    const std::string path = normal(raw_path);
    Status status;
    {
        const std::scoped_lock lock(mutex_);
        const auto fault = begin_call(fmt::format("sync_directory {}", path));
        if (fault) {
            status = fault_failure(*fault, fmt::format("fsync {}", path));
        } else if (!directories_.contains(path)) {
            status = no_such("fsync", path);
        } else {
            std::vector<NameChange> others;
            for (NameChange& change : unsynced_names_) {
                if (change.touches(path)) {
                    apply(change, durable_names_);
                } else {
                    others.push_back(std::move(change));
                }
            }
            unsynced_names_ = std::move(others);
        }
    }
    end_call();
    return status;
}

Result<std::vector<FileInfo>> SimFileSystem::list(const std::string& raw_path) {
    const std::string path = normal(raw_path);
    const std::scoped_lock lock(mutex_);
    if (!directories_.contains(path)) return no_such("opendir", path);
    std::vector<FileInfo> files;
    const auto name_of = [](const std::string& full) { return full.substr(full.rfind('/') + 1); };
    for (const auto& [name, inode] : names_) {
        if (parent_of(name) == path) files.push_back({name_of(name), false, inode->current.size()});
    }
    for (const auto& directory : directories_) {
        if (directory != path && directory != "." && directory != "/" && parent_of(directory) == path) {
            files.push_back({name_of(directory), true, 0});
        }
    }
    std::ranges::sort(files, {}, &FileInfo::name);
    return files;
}

Result<std::optional<FileInfo>> SimFileSystem::stat(const std::string& raw_path) {
    const std::string path = normal(raw_path);
    const std::scoped_lock lock(mutex_);
    const std::string name = path.substr(path.rfind('/') + 1);
    if (const auto found = names_.find(path); found != names_.end()) {
        return std::optional(FileInfo{name, false, found->second->current.size()});
    }
    if (directories_.contains(path)) return std::optional(FileInfo{name, true, 0});
    return std::optional<FileInfo>();
}

Result<Space> SimFileSystem::space(const std::string&) {
    const std::scoped_lock lock(mutex_);
    const std::uint64_t total = space_limit_.value_or(1ull << 40);
    const std::uint64_t used = used_locked();
    return Space{total > used ? total - used : 0, total};
}

Result<std::unique_ptr<FileLock>> SimFileSystem::lock(const std::string& raw_path) {
    const std::string path = normal(raw_path);
    const std::scoped_lock lock(mutex_);
    if (!locks_.insert(path).second) return fail(Code::directory_locked, fmt::format("{} is locked", path));
    return std::make_unique<SimLock>(*this, path);
}

}  // namespace tarn::os
