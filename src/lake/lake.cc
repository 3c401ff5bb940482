#include "lake/lake.h"

#include <fmt/core.h>

#include "lake/fsck.h"
#include "lake/object_cursor.h"
#include "lake/roller.h"
#include "lake/tail_cursor.h"

namespace tarn::lake {

namespace {

class LakeOfDirectory final : public Lake {
public:
    LakeOfDirectory(catalog::Catalog& catalog, log::Log& log, objects::ObjectStore& store, os::FileSystem& fs,
                    os::Clock& clock)
        : catalog_(catalog), log_(log), store_(store), fs_(fs), roller_(catalog, log, store, fs, clock) {}

    Status begin() { return roller_.begin(); }

    Result<StreamView> view(std::string_view stream) override {
        TARN_ASSIGN(const catalog::StreamInfo info, catalog_.stream(stream));
        return view_of(info);
    }
    Result<StreamView> view(StreamId stream) override {
        TARN_ASSIGN(const catalog::StreamInfo info, catalog_.stream(stream));
        return view_of(info);
    }
    Result<std::unique_ptr<Scan>> scan(StreamView view, ScanOptions options) override {
        begin_tail_at(view, options.from_sequence);
        return Scan::open(store_, fs_, std::move(view), std::move(options));
    }
    Result<OwnedEvent> get(Position position) override;
    Result<RollResult> roll(StreamId stream) override { return roller_.roll(stream); }
    Result<std::int64_t> roll_due() override { return roller_.roll_due(); }
    Result<std::vector<Finding>> check() override { return check_objects(catalog_, store_); }
    objects::ObjectStore& store() override { return store_; }
    os::FileSystem& file_system() override { return fs_; }

private:
    Result<StreamView> view_of(const catalog::StreamInfo& info);
    void begin_tail_at(StreamView& view, Sequence from);
    // What the log holds of the stream beyond its objects. Taken before the objects are asked for: an event
    // that a roll moves meanwhile is then in both, never in neither.
    log::Tail tail_of(const catalog::StreamInfo& info) {
        return log_.tail(roller_.pending().start_of(info.id, info.rolled_sequence));
    }

    catalog::Catalog& catalog_;
    log::Log& log_;
    objects::ObjectStore& store_;
    os::FileSystem& fs_;
    Roller roller_;
};

// Events below the rolled sequence, read together with the objects, come from these alone; the others from
// the tail alone.
Result<StreamView> LakeOfDirectory::view_of(const catalog::StreamInfo& info) {
    StreamView view;
    view.stream = info.id;
    view.name = info.name;
    view.partitions = info.settings.partitions;
    view.tail = tail_of(info);
    TARN_ASSIGN(catalog::StreamObjects found, catalog_.stream_objects(info.id));
    view.rolled_sequence = found.rolled_sequence;
    const auto quarantined = std::ranges::find(found.objects, quarantine_partition,
                                               &catalog::ObjectInfo::partition);  // they are last
    view.quarantine_objects.assign(std::make_move_iterator(quarantined),
                                   std::make_move_iterator(found.objects.end()));
    found.objects.erase(quarantined, found.objects.end());
    view.objects = std::move(found.objects);
    return view;
}

// A view's tail begins where its objects end. Who wants only what came later, as feeders and subscriptions do
// all the time, must not read up to there. What the view pins is still in the log.
void LakeOfDirectory::begin_tail_at(StreamView& view, Sequence from) {
    if (from <= view.rolled_sequence || view.tail.pin == nullptr || !view.tail.gaps.empty()) return;
    const log::Tail later = log_.tail(from);
    const auto is_in_view = [&](const log::Extent& extent) {
        return !later.extents.empty() && extent.path == later.extents.front().path;
    };
    auto& extents = view.tail.extents;
    const auto first = std::ranges::find_if(extents, is_in_view);
    if (first != extents.end()) first->begin = std::max(first->begin, later.extents.front().begin);
    extents.erase(extents.begin(), first);
    std::erase_if(extents, [](const log::Extent& extent) { return extent.begin >= extent.end; });
}

Result<OwnedEvent> LakeOfDirectory::get(Position position) {
    TARN_ASSIGN(const catalog::StreamInfo info, catalog_.stream(position.stream));
    StreamView view;
    view.stream = info.id;
    view.tail = tail_of(info);
    view.rolled_sequence = 0;
    TARN_ASSIGN(const auto object, catalog_.object_at(position));

    ScanOptions options;
    options.quarantine = position.partition == quarantine_partition;
    options.wanted.emplace()[position.partition] = {position.offset};
    const EventFilter filter(options);
    ScanCounts counts;
    ObjectCursor in_objects(store_, options, filter, counts);
    if (object) in_objects.add(*object);
    TailCursor in_tail(fs_, view, options, filter, counts);
    TARN_ASSIGN(const event::StoredEvent* found, object ? in_objects.next() : in_tail.next());
    if (found != nullptr) return OwnedEvent(*found);
    return fail(Code::unknown_position,
                fmt::format("stream {} has no event at {}", info.name,
                            event::position_text(position.partition, position.offset)),
                {.next = "tarn stream show " + info.name});
}

}  // namespace

Result<std::unique_ptr<Lake>> Lake::open(catalog::Catalog& catalog, log::Log& log,
                                         objects::ObjectStore& store, os::FileSystem& fs, os::Clock& clock) {
    auto lake = std::make_unique<LakeOfDirectory>(catalog, log, store, fs, clock);
    TARN_TRY(lake->begin());
    TARN_TRY(lake->corrections().load(catalog));
    return lake;
}

}  // namespace tarn::lake
