#include "replay/event_feed.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

namespace tarn::replay {
namespace {

Error stale(const ManifestEntry& entry, std::string_view what) {
    return make_error(
        Code::plan_stale,
        fmt::format("event {} of stream id {} {}", event::position_text(entry.partition, entry.offset),
                    entry.stream.value, what),
        {.next = "see what is damaged with: tarn fsck, then plan again"});
}

// What the lake can no longer give whole makes the plan stale; other errors (no memory, no descriptors) pass
// as they are.
Failure as_stale(const Error& error) {
    if (error.kind != ErrorKind::corrupt && error.kind != ErrorKind::not_found) return fail(error);
    return fail(
        Code::plan_stale, error.message,
        {.place = error.place, .next = "what was sent before stands. See what is damaged with: tarn fsck"});
}

// The object that holds an entry, nullptr when none does. `objects` are ordered by (partition, first).
const catalog::ObjectInfo* object_of(const std::vector<catalog::ObjectInfo>& objects,
                                     const ManifestEntry& entry) {
    auto after = std::upper_bound(objects.begin(), objects.end(), std::pair(entry.partition, entry.offset),
                                  [](const auto& place, const catalog::ObjectInfo& object) {
                                      return place < std::pair(object.partition, object.first);
                                  });
    if (after == objects.begin()) return nullptr;
    const catalog::ObjectInfo& object = *std::prev(after);
    return object.partition == entry.partition && object.last >= entry.offset ? &object : nullptr;
}

}  // namespace

Status EventFeed::open_lane(StreamId stream, std::map<Partition, std::vector<Offset>> wanted, Sequence first,
                            Sequence last) {
    for (auto& [partition, offsets] : wanted) std::sort(offsets.begin(), offsets.end());
    lake::ScanOptions options;
    options.wanted = std::move(wanted);
    options.from_sequence = first;
    options.until_sequence = last + 1;
    options.skip_damage = tolerate_damage_;
    options.on_damage = [](const Error&) {};  // shows up as a missing event
    TARN_ASSIGN(lake::StreamView view, lake_.view(stream));
    auto scan = lake_.scan(std::move(view), std::move(options));
    if (!scan) return as_stale(scan.error());
    lanes_[stream].scan = std::move(*scan);
    return {};
}

Result<bool> EventFeed::load_window() {
    window_.clear();
    lanes_.clear();
    at_ = 0;
    first_index_ = manifest_.index();
    std::map<StreamId, std::map<Partition, std::vector<Offset>>> wanted;
    ManifestEntry entry;
    while (window_.size() < feed_window_entries) {
        TARN_ASSIGN(const bool more, manifest_.next(entry));
        if (!more) break;
        window_.push_back(entry);
        wanted[entry.stream][entry.partition].push_back(entry.offset);
    }
    if (window_.empty()) return false;
    for (auto& [stream, offsets] : wanted)
        TARN_TRY(open_lane(stream, std::move(offsets), window_.front().sequence, window_.back().sequence));
    return true;
}

Result<const event::StoredEvent*> EventFeed::find(const ManifestEntry& entry) {
    Lane& lane = lanes_[entry.stream];
    // What the scan gave out last dies now, unless it is ahead of what was asked for.
    while (!lane.primed || (lane.ahead && lane.ahead->sequence < entry.sequence)) {
        const auto next = lane.scan->next();
        if (!next) return as_stale(next.error());
        lane.ahead = *next;
        lane.primed = true;
    }
    if (!lane.ahead || lane.ahead->sequence != entry.sequence) return nullptr;
    return lane.ahead;
}

// The plan froze what stands in the event's place since it was corrected.
bool EventFeed::take_correction(FedEvent& fed) {
    correction_ = lake_.corrections().at(fed.event->position);
    if (!correction_ || correction_->hash != fed.entry.hash) return false;
    corrected_ = *fed.event;
    correction_->replace(corrected_);
    fed.event = &corrected_;
    return true;
}

Result<bool> EventFeed::next(FedEvent& fed) {
    if (at_ == window_.size()) {
        TARN_ASSIGN(const bool more, load_window());
        if (!more) return false;
    }
    fed.entry = window_[at_];
    fed.index = first_index_ + at_;
    fed.problem.reset();
    ++at_;
    TARN_ASSIGN(fed.event, find(fed.entry));
    if (!fed.event ||
        fed.event->position != Position{fed.entry.stream, fed.entry.partition, fed.entry.offset})
        fed.problem = stale(fed.entry, "is missing");
    else if (fed.event->hash != fed.entry.hash && !take_correction(fed))
        fed.problem = stale(fed.entry, fmt::format("has hash {}, the plan froze {}", fed.event->hash.hex(),
                                                   fed.entry.hash.hex()));
    if (!fed.problem) return true;
    fed.event = nullptr;
    if (!tolerate_damage_) return fail(*fed.problem);
    return true;
}

Status check_objects(lake::Lake& lake, ManifestReader& manifest, std::uint64_t from) {
    std::map<StreamId, lake::StreamView> views;
    std::map<StreamId, std::set<std::string>> needed;
    manifest.seek(from);
    ManifestEntry entry;
    while (true) {
        TARN_ASSIGN(const bool more, manifest.next(entry));
        if (!more) break;
        auto known = views.find(entry.stream);
        if (known == views.end()) {
            TARN_ASSIGN(lake::StreamView view, lake.view(entry.stream));
            known = views.emplace(entry.stream, std::move(view)).first;
        }
        if (entry.sequence >= known->second.rolled_sequence) continue;  // still in the log
        const catalog::ObjectInfo* object = object_of(known->second.objects, entry);
        if (!object) return fail(stale(entry, "is in no object the catalog knows"));
        needed[entry.stream].insert(object->name);
    }
    for (const auto& [stream, names] : needed)
        for (const std::string& name : names) {
            const auto reader = lake::RawObjectReader::open(lake.store(), name, stream);
            if (reader) continue;
            return fail(Code::plan_stale, fmt::format("object {}: {}", name, reader.error().message),
                        {.next = "nothing was sent. See what is damaged with: tarn fsck"});
        }
    manifest.seek(from);
    return {};
}

}  // namespace tarn::replay
