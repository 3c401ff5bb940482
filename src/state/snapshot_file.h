// A store's database as one consistent piece of bytes, and that piece as a compressed, checksummed object.
// Format: docs/formats/snapshot.md.
#pragma once

#include <string>
#include <vector>

#include "objects/object_store.h"
#include "sqlite/sqlite.h"
#include "state/state.h"

namespace tarn::state {

struct DatabaseImage {
    std::string bytes;                      // of the database file, write-ahead file folded in
    std::vector<FeederPosition> positions;  // as they stand in these bytes
};

// What the last commit left, read in one transaction; writers go on meanwhile.
Result<DatabaseImage> read_image(sqlite::Database& reader);

std::string snapshot_object_name(std::string_view store, std::string_view id);
std::string snapshot_manifest_name(std::string_view store, std::string_view id);
// Fills in object, sha256, bytes and positions; puts the object, then its manifest.
Status put_snapshot(objects::ObjectStore& objects, SnapshotInfo& info, const DatabaseImage& image);
// The database's bytes again. snapshot_damaged when they are not the bytes that were put, or are gone.
Result<std::string> get_snapshot(objects::ObjectStore& objects, const SnapshotInfo& info);

}  // namespace tarn::state
