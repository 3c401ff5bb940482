// The frozen list of a plan: one fixed-size record an event, in sequence order, in blocks with a CRC32C each,
// sealed by a SHA-256 at the end. Format: docs/formats/manifest.md. Written once, streamed; never whole in
// memory.
#pragma once

#include <memory>
#include <string>

#include "codec/hash.h"
#include "os/file_system.h"
#include "replay/plan.h"

namespace tarn::replay {

inline constexpr std::size_t manifest_header_bytes = 32;
inline constexpr std::size_t manifest_record_bytes = 64;
inline constexpr std::size_t manifest_block_records = 1024;
inline constexpr std::size_t manifest_block_header_bytes = 8;
inline constexpr std::size_t manifest_trailer_bytes = 56;

struct ManifestSummary {
    std::uint64_t entries = 0;
    std::string sha256;  // of everything before the trailer, 64 hex digits
};

// Not thread-safe. `fs` must outlive it. Until finish() succeeds nothing stands under `path`.
class ManifestWriter {
public:
    // Until it is sealed it stands at `part`, which may be in another directory of the same disk.
    static Result<std::unique_ptr<ManifestWriter>> create(os::FileSystem& fs, const std::string& path,
                                                          const std::string& part);
    Status add(const ManifestEntry& entry);
    // Seals the file and makes it durable under its name; makes the directory when there is none.
    Result<ManifestSummary> finish();

private:
    ManifestWriter(os::FileSystem& fs, std::string path, std::string part)
        : fs_(fs), path_(std::move(path)), part_(std::move(part)) {}
    Status append(std::string_view bytes);
    Status write_block();

    os::FileSystem& fs_;
    std::string path_, part_;
    std::unique_ptr<os::File> file_;
    codec::Sha256 sha256_;
    std::string records_;
    std::uint64_t at_ = 0;
    std::uint64_t entries_ = 0;
};

// Not thread-safe. Every block is verified before its entries are given out; plan_damaged names the byte.
class ManifestReader {
public:
    static Result<std::unique_ptr<ManifestReader>> open(os::FileSystem& fs, const std::string& path);
    std::uint64_t entries() const { return entries_; }
    const std::string& sha256() const { return sha256_; }  // as the trailer says; check() proves it
    // Reads the whole file and compares it with its seal.
    Status check();
    // The next entry given out is number `index`.
    void seek(std::uint64_t index) { next_ = index; }
    std::uint64_t index() const { return next_; }
    Result<bool> next(ManifestEntry& entry);  // false at the end

private:
    explicit ManifestReader(std::string path) : path_(std::move(path)) {}
    Status read_trailer(std::uint64_t size);
    Status load_block(std::uint64_t block);
    Failure damaged(std::uint64_t byte, std::string what) const;

    std::string path_;
    std::unique_ptr<os::File> file_;
    std::uint64_t entries_ = 0;
    std::string sha256_;
    std::uint64_t next_ = 0;
    std::uint64_t loaded_block_ = UINT64_MAX;
    std::string block_;
};

}  // namespace tarn::replay
