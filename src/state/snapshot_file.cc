#include "state/snapshot_file.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include <algorithm>
#include <memory>
#include <thread>

#include "codec/hash.h"
#include "codec/zstd.h"
#include "os/thread_priority.h"
#include "state/damage.h"
#include "state/store_file.h"

namespace tarn::state {
namespace {

// Higher ones take longer and gain nothing on database pages (measured: 1,000,000 rows, level 3 is larger).
constexpr int compression_level = 1;

Failure damaged(const SnapshotInfo& info, std::string_view what) {
    return fail(Code::snapshot_damaged, fmt::format("snapshot {}: {}", info.id, what),
                {.place = {.source = info.object},
                 .next = fmt::format("use the one before: tarn snapshot list {}", info.store)});
}

struct SqliteFree {
    void operator()(unsigned char* bytes) const { sqlite3_free(bytes); }
};
struct Pages {
    std::unique_ptr<unsigned char, SqliteFree> bytes;
    sqlite3_int64 size = 0;
};

Result<Pages> read_pages(sqlite::Database& reader) {
    Pages pages;
    pages.bytes.reset(sqlite3_serialize(reader.handle(), "main", &pages.size, 0));
    if (pages.bytes == nullptr)
        return fail(Code::store_failed, "the store's database cannot be read as a whole: out of memory");
    return pages;
}

// SQLite's check on the pages as they were read: the file is not read a second time, and nobody waits for it.
// `path`: of the file, for the message.
Status check_pages(Pages pages, const char* path) {
    constexpr int journal_at = 18, journal_size = 2;  // in the header: 2 is a write-ahead file, 1 is none
    if (pages.size > journal_at + journal_size) std::fill_n(pages.bytes.get() + journal_at, journal_size, 1);
    TARN_ASSIGN(auto memory, open_in_memory());
    const sqlite3_int64 size = pages.size;
    const int taken = sqlite3_deserialize(memory.handle(), "main", pages.bytes.release(), size, size,
                                          SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_READONLY);
    if (taken != SQLITE_OK) return damaged_file(path, sqlite3_errmsg(memory.handle()));
    TARN_TRY(memory.execute(fmt::format("PRAGMA mmap_size={}", size)));
    return check_structure(memory, path);
}

// A damaged store must not become a base that looks good.
Status check_beside(Pages pages, const char* path, const DatabaseImage& image, const UseImage& meanwhile) {
    if (!meanwhile) return check_pages(std::move(pages), path);
    std::jthread beside([&] {
        os::lower_thread_priority();  // the store's writer goes first
        meanwhile(image);
    });
    return check_pages(std::move(pages), path);
}

}  // namespace

Result<DatabaseImage> read_image(sqlite::Database& reader, const ReadPositions& positions,
                                 const UseImage& meanwhile) {
    TARN_TRY(reader.execute("BEGIN"));
    DatabaseImage image;
    Pages pages;
    const auto read = [&]() -> Status {
        TARN_ASSIGN(image.positions,
                    read_positions(reader));  // the first read fixes what this transaction sees
        TARN_ASSIGN(image.line, read_replacement(reader));
        if (positions) {
            TARN_ASSIGN(image.positions, positions());
        }
        TARN_ASSIGN(pages, read_pages(reader));
        return {};
    };
    const auto done = read();
    TARN_TRY(reader.execute("COMMIT"));
    if (!done) return fail(done.error());
    image.bytes.assign(reinterpret_cast<const char*>(pages.bytes.get()),
                       static_cast<std::size_t>(pages.size));
    TARN_TRY(check_beside(std::move(pages), sqlite3_db_filename(reader.handle(), "main"), image, meanwhile));
    return image;
}

std::string snapshot_object_name(std::string_view store, std::string_view id) {
    return fmt::format("snapshots/{}/{}/state.db.zst", store, id);
}

std::string snapshot_manifest_name(std::string_view store, std::string_view id) {
    return fmt::format("snapshots/{}/{}/manifest.json", store, id);
}

PackedImage pack_image(const DatabaseImage& image) {
    PackedImage made{codec::sha256_hex(image.bytes), {}};
    codec::ZstdCompressor(compression_level).append_frame(made.packed, image.bytes);
    return made;
}

Status put_snapshot(objects::ObjectStore& objects, SnapshotInfo& info, const DatabaseImage& image,
                    const PackedImage& packed) {
    info.object = snapshot_object_name(info.store, info.id);
    info.sha256 = packed.sha256;
    info.bytes = image.bytes.size();
    info.positions = image.positions;
    info.line = image.line;
    TARN_TRY(objects.put_if_absent(info.object, packed.packed));
    return objects.put_if_absent(snapshot_manifest_name(info.store, info.id), info.to_json().dump_pretty());
}

Result<std::string> get_snapshot(objects::ObjectStore& objects, const SnapshotInfo& info) {
    auto packed = objects.get(info.object);
    if (!packed && packed.error().code == Code::object_missing) return damaged(info, "its object is missing");
    if (!packed) return fail(std::move(packed.error()));
    std::string bytes;
    codec::ZstdDecompressor decompressor;
    if (const auto unpacked = decompressor.frame(*packed, info.bytes, bytes); !unpacked)
        return damaged(info, unpacked.error().message);
    const auto sha256 = codec::sha256_hex(bytes);
    if (sha256 != info.sha256)
        return damaged(info, fmt::format("SHA-256 is {}, expected {}", sha256, info.sha256));
    return bytes;
}

}  // namespace tarn::state
