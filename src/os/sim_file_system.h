// A file system in memory that forgets, tears and fails on demand, deterministic from its seed. Tests run the
// real code on it, cut the power after any call and look at what a disk could hold then.
//
// Fault model
// - A write is durable after a successful sync of its file. At a power cut each 512-byte sector (or 4 KiB
// page) of every
//   unsynced write is there or not, independently: writes may be dropped, kept, reordered and torn. Within
//   one sector order holds, because a page cache writes whole sectors: a later write's bytes never arrive
//   without earlier ones'.
// - The size of a file grows with what arrived; sectors in between that did not arrive read as zeros. An
// unsynced
//   truncation is kept or dropped.
// - A name (created, linked, renamed, removed) is durable after a successful sync_directory of its directory.
// At a power
//   cut unsynced changes of names are there as a prefix or as any subset of them. A rename is one change,
//   also between directories. A file's sync does not make its name durable. Directories are durable once
//   made.
// - A failed sync makes nothing durable, and a later one does not make up for it: what was unsynced stays
// readable, may
//   or may not survive a power cut, and must be written again (the kernel marks failed pages clean).
// - A write that fails part-way has written a prefix. A call that fails otherwise has done nothing.
// - Not modelled: bytes that rot (tests flip them with damage()), reads that fail, lost acknowledged syncs.
//
// Thread safety: as FileSystem; the hook runs on the calling thread, outside the lock.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <set>

#include "os/file_system.h"
#include "os/rng.h"

namespace tarn::os {

enum class Fault {
    eio,          // the call fails and has done nothing
    enospc,       // the same, for want of space
    short_write,  // a write puts down a part, then fails with EIO; other calls: as eio
};

// How a power cut treats what is unsynced.
struct CrashPlan {
    enum class Keep { any, nothing, everything };
    std::uint64_t seed = 0;
    Keep keep = Keep::any;
};

class SimFileSystem final : public FileSystem {
public:
    SimFileSystem();
    ~SimFileSystem() override;
    SimFileSystem(const SimFileSystem&) = delete;
    SimFileSystem& operator=(const SimFileSystem&) = delete;

    // What the disk holds after a power cut now. The same plan gives the same disk. This one goes on
    // unharmed.
    std::unique_ptr<SimFileSystem> crash(const CrashPlan& plan) const;

    // Calls that change something are counted from 0: opens that create, writes, syncs, truncations, changes
    // of names.
    std::uint64_t calls() const;
    // The call with this number fails (once, or it and every later one).
    void fail_call(std::uint64_t number, Fault fault, bool for_ever = false);
    void heal();  // no more faults
    // Files may hold this many bytes together; nullopt: as many as they like.
    void limit_space(std::optional<std::uint64_t> bytes);
    std::uint64_t used_bytes() const;
    // Runs after every call that changes something.
    void after_call(std::function<void()> hook);
    // The calls as lines: "create wal/x", "write wal/x 4096+120", "sync wal/x", "rename a b", "sync_directory
    // wal".
    const std::vector<std::string>& trace() const { return trace_; }
    // Changes a byte on the disk itself, as rot would: it is durable at once.
    void damage(const std::string& path, std::uint64_t offset, char xor_mask);

    Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
    Status make_directories(const std::string& path) override;
    Status rename(const std::string& from, const std::string& to) override;
    Status link(const std::string& from, const std::string& to) override;
    Status remove(const std::string& path) override;
    Status sync_directory(const std::string& path) override;
    Result<std::vector<FileInfo>> list(const std::string& path) override;
    Result<std::optional<FileInfo>> stat(const std::string& path) override;
    Result<Space> space(const std::string& path) override;
    Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;

private:
    friend class SimFile;
    friend class SimLock;

    // One unsynced change of a file's bytes.
    struct Change {
        bool truncation = false;
        std::uint64_t offset = 0;  // the new size of a truncation
        std::string bytes;
    };
    struct Inode {
        std::string current;  // what a reader sees
        std::string durable;  // what the disk holds for certain
        std::vector<Change> unsynced;
        std::size_t abandoned =
            0;  // leading changes that a failed sync gave up: no later sync makes them durable
    };
    using InodePtr = std::shared_ptr<Inode>;
    // One unsynced change of names: `removed` goes, `added` gets the inode.
    struct NameChange {
        std::string removed;
        std::string added;
        InodePtr inode;
        bool touches(const std::string& directory) const;
    };
    using Names = std::map<std::string, InodePtr>;

    static void apply(const NameChange& change, Names& names);
    static void make_durable(Inode& inode);
    static std::string survivor(const Inode& inode, const CrashPlan& plan, Rng& rng);
    std::optional<Fault> begin_call(std::string line);  // counts and traces; the fault that is due
    void end_call();                                    // runs the hook
    Failure fault_failure(Fault fault, std::string_view what) const;
    std::uint64_t used_locked() const;
    std::uint64_t room_for(const Inode& inode, std::uint64_t end) const;

    Status write(Inode& inode, const std::string& path, std::uint64_t offset, std::string_view bytes);
    Status sync(Inode& inode, const std::string& path);
    Status truncate(Inode& inode, const std::string& path, std::uint64_t size);
    void change_names(NameChange change);

    mutable std::mutex mutex_;
    Names names_, durable_names_;
    std::vector<NameChange> unsynced_names_;
    std::set<std::string> directories_;
    std::set<std::string> locks_;
    std::vector<std::string> trace_;
    std::uint64_t calls_ = 0;
    std::optional<std::uint64_t> fault_at_;
    Fault fault_ = Fault::eio;
    bool fault_for_ever_ = false;
    std::optional<std::uint64_t> space_limit_;
    std::function<void()> hook_;
    bool in_hook_ = false;
};

}  // namespace tarn::os
