#include "state/snapshot_file.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include "codec/hash.h"
#include "codec/zstd.h"
#include "state/damage.h"
#include "state/store_file.h"

namespace tarn::state {
namespace {

constexpr int compression_level = 3;  // snapshots are written seldom and kept long

Failure damaged(const SnapshotInfo& info, std::string_view what) {
    return fail(Code::snapshot_damaged, fmt::format("snapshot {}: {}", info.id, what),
                {.place = {.source = info.object},
                 .next = fmt::format("use the one before: tarn snapshot list {}", info.store)});
}

Result<std::string> serialized(sqlite::Database& reader) {
    sqlite3_int64 size = 0;
    unsigned char* bytes = sqlite3_serialize(reader.handle(), "main", &size, 0);
    if (bytes == nullptr)
        return fail(Code::store_failed, "the store's database cannot be read as a whole: out of memory");
    std::string image(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
    sqlite3_free(bytes);
    return image;
}

}  // namespace

Result<DatabaseImage> read_image(sqlite::Database& reader) {
    TARN_TRY(reader.execute("BEGIN"));
    DatabaseImage image;
    const auto read = [&]() -> Status {
        TARN_ASSIGN(image.positions,
                    read_positions(reader));  // the first read fixes what this transaction sees
        TARN_TRY(check_structure(reader));    // a damaged store must not become a base that looks good
        TARN_ASSIGN(image.bytes, serialized(reader));
        return {};
    };
    const auto done = read();
    TARN_TRY(reader.execute("COMMIT"));
    if (!done) return fail(done.error());
    return image;
}

std::string snapshot_object_name(std::string_view store, std::string_view id) {
    return fmt::format("snapshots/{}/{}/state.db.zst", store, id);
}

std::string snapshot_manifest_name(std::string_view store, std::string_view id) {
    return fmt::format("snapshots/{}/{}/manifest.json", store, id);
}

Status put_snapshot(objects::ObjectStore& objects, SnapshotInfo& info, const DatabaseImage& image) {
    info.object = snapshot_object_name(info.store, info.id);
    info.sha256 = codec::sha256_hex(image.bytes);
    info.bytes = image.bytes.size();
    info.positions = image.positions;
    std::string packed;
    codec::ZstdCompressor(compression_level).append_frame(packed, image.bytes);
    TARN_TRY(objects.put_if_absent(info.object, packed));
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
