// A store's database as one consistent piece of bytes, and that piece as a compressed, checksummed object.
// Format: docs/formats/snapshot.md.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "objects/object_store.h"
#include "sqlite/sqlite.h"
#include "state/state.h"

namespace tarn::state {

struct DatabaseImage {
    std::string bytes;                      // of the database file, write-ahead file folded in
    std::vector<FeederPosition> positions;  // as they stand in these bytes
    std::uint64_t line = 0;                 // SnapshotInfo::line
};

// What the last commit left, read in one transaction; writers go on meanwhile. `positions`, when given, says
// how far the feeders are instead of the database; it is called when what is read is fixed.
using ReadPositions = std::function<Result<std::vector<FeederPosition>>()>;
// `meanwhile`, when given, is called with the image by another thread while its structure is still being
// checked.
using UseImage = std::function<void(const DatabaseImage& image)>;
Result<DatabaseImage> read_image(sqlite::Database& reader, const ReadPositions& positions,
                                 const UseImage& meanwhile);

std::string snapshot_object_name(std::string_view store, std::string_view id);
std::string snapshot_manifest_name(std::string_view store, std::string_view id);
struct PackedImage {
    std::string sha256, packed;
};
PackedImage pack_image(const DatabaseImage& image);
// Fills in object, sha256, bytes, line and positions; puts the object, then its manifest.
Status put_snapshot(objects::ObjectStore& objects, SnapshotInfo& info, const DatabaseImage& image,
                    const PackedImage& packed);
// The database's bytes again. snapshot_damaged when they are not the bytes that were put, or are gone.
Result<std::string> get_snapshot(objects::ObjectStore& objects, const SnapshotInfo& info);

}  // namespace tarn::state
