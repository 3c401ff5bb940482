// Snapshots: taken, listed, deleted. What one is made of: snapshot_file.h.
#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "state/damage.h"
#include "state/outside_feeders.h"
#include "state/state_impl.h"
#include "state/store_file.h"

namespace tarn::state {
namespace {

constexpr std::string_view snapshot_kind = "snapshot";

std::string snapshot_id(std::uint64_t number) { return fmt::format("sn-{:04}", number); }

// "sn-7" is meant as "sn-0007".
std::string full_id(std::string_view id) {
    if (!id.starts_with("sn-")) return std::string(id);
    std::uint64_t number = 0;
    const char* end = id.data() + id.size();
    const auto parsed = std::from_chars(id.data() + 3, end, number);
    return parsed.ec == std::errc() && parsed.ptr == end ? snapshot_id(number) : std::string(id);
}

}  // namespace

Result<SnapshotInfo> StateImpl::create_snapshot(std::string_view store) {
    const auto name = split_store_name(store);
    TARN_TRY(check_exists(name));
    if (name.is_copy())
        return fail(Code::bad_usage, fmt::format("{} is a copy; snapshots are taken of stores", store),
                    {.next = fmt::format("tarn snapshot create {}", name.store)});
    return create_snapshot_of(name.store, false);
}

// What the store is and how far its feeders are in it. Projections go on meanwhile; functions wait until the
// read transaction stands.
Result<DatabaseImage> StateImpl::read_live_image(const std::string& store, const UseImage& meanwhile) {
    TARN_ASSIGN(const auto outside, outside_feeders(store));
    if (outside.empty()) {
        TARN_ASSIGN(auto side, open_side(store));
        return explained(read_image(side.database(), {}, meanwhile));
    }
    TARN_ASSIGN(auto quiet, parts_.outside->quiesce(store));
    TARN_ASSIGN(auto side, open_side(store));
    const auto positions = [&] {
        auto exact = parts_.outside->positions(store);
        quiet.reset();
        return exact;
    };
    return explained(read_image(side.database(), positions, meanwhile));
}

// The document comes last: a crash before it leaves objects that nothing names, and no number twice.
Result<SnapshotInfo> StateImpl::create_snapshot_of(const std::string& store, bool scheduled) {
    PackedImage packed;
    TARN_ASSIGN(const auto image,
                read_live_image(store, [&](const DatabaseImage& one) { packed = pack_image(one); }));
    TARN_ASSIGN(const auto number, parts_.catalog.next_number(snapshot_kind));
    SnapshotInfo info;
    info.id = snapshot_id(number);
    info.store = store;
    info.created = parts_.clock.now();
    info.scheduled = scheduled;
    TARN_TRY(put_snapshot(parts_.lake.store(), info, image, packed));
    TARN_TRY(
        parts_.catalog.put_document({std::string(snapshot_kind), info.id, info.created, info.to_json()}));
    return info;
}

Result<std::vector<SnapshotInfo>> StateImpl::snapshots() {
    TARN_ASSIGN(const auto documents, parts_.catalog.documents(snapshot_kind));
    std::vector<SnapshotInfo> all;
    for (const auto& document : documents) {
        TARN_ASSIGN(auto info, SnapshotInfo::from_json(document.body));
        all.push_back(std::move(info));
    }
    // The number decides, not the clock: it may have been set back.
    std::sort(all.begin(), all.end(), [](const SnapshotInfo& a, const SnapshotInfo& b) {
        return a.id.size() != b.id.size() ? a.id.size() > b.id.size() : a.id > b.id;
    });
    return all;
}

Result<SnapshotInfo> StateImpl::snapshot(std::string_view id) {
    TARN_ASSIGN(const auto document, parts_.catalog.document(snapshot_kind, full_id(id)));
    if (!document)
        return fail(Code::unknown_snapshot, fmt::format("there is no snapshot {}", id),
                    {.next = "tarn snapshot list"});
    return SnapshotInfo::from_json(document->body);
}

Status StateImpl::delete_snapshot(std::string_view id) {
    TARN_ASSIGN(const auto info, snapshot(id));
    TARN_TRY(parts_.catalog.delete_document(snapshot_kind, info.id));
    TARN_TRY(parts_.lake.store().remove(snapshot_manifest_name(info.store, info.id)));
    return parts_.lake.store().remove(info.object);
}

}  // namespace tarn::state
