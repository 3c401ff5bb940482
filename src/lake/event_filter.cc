#include "lake/event_filter.h"

namespace tarn::lake {

bool EventFilter::takes_partition(Partition partition) const {
    if (options_.quarantine != (partition == quarantine_partition)) return false;
    if (options_.partition && *options_.partition != partition) return false;
    return !options_.wanted || options_.wanted->contains(partition);
}

bool EventFilter::wants_any(Partition partition, Offset first, Offset last) const {
    if (!options_.wanted) return true;
    const auto offsets = options_.wanted->find(partition);
    if (offsets == options_.wanted->end()) return false;
    const auto at = std::ranges::lower_bound(offsets->second, first);
    return at != offsets->second.end() && *at <= last;
}

bool EventFilter::all_given(std::uint64_t events) const {
    if (!options_.wanted) return false;
    std::uint64_t wanted = 0;
    for (const auto& [partition, offsets] : *options_.wanted) wanted += offsets.size();
    return events >= wanted;
}

bool EventFilter::reaches(Partition partition, Offset last) const {
    const auto from = options_.from.find(partition);
    return from == options_.from.end() || last >= from->second;
}

bool EventFilter::in_time(Time min_time, Time max_time) const {
    if (options_.min_time && max_time < *options_.min_time) return false;
    return !options_.max_time || min_time <= *options_.max_time;
}

bool EventFilter::takes_offset(Partition partition, Offset offset) const {
    return reaches(partition, offset) && wants_any(partition, offset, offset);
}

bool EventFilter::takes_frame(Partition partition, const FrameInfo& frame) const {
    if (frame.last_sequence < options_.from_sequence || frame.first_sequence >= options_.until_sequence)
        return false;
    if (!in_time(frame.min_time, frame.max_time)) return false;
    return reaches(partition, frame.last) && wants_any(partition, frame.first, frame.last);
}

bool EventFilter::takes_object(const catalog::ObjectInfo& info) const {
    if (!takes_partition(info.partition)) return false;
    if (info.last_sequence < options_.from_sequence || info.first_sequence >= options_.until_sequence)
        return false;
    if (!in_time(info.min_time, info.max_time)) return false;
    if (options_.min_ingested && info.last_ingested < *options_.min_ingested) return false;
    if (options_.max_ingested && info.first_ingested > *options_.max_ingested) return false;
    if (!reaches(info.partition, info.last) || !wants_any(info.partition, info.first, info.last))
        return false;
    return takes_any_type(info.types);
}

// No list of types: there were too many to list.
bool EventFilter::takes_any_type(const std::vector<std::string>& types) const {
    if (types.empty() || (options_.types.empty() && options_.type_prefixes.empty())) return true;
    const auto is_there = [&](const std::string& type) { return std::ranges::binary_search(types, type); };
    const auto begins_one = [&](const std::string& prefix) {
        const auto at = std::ranges::lower_bound(types, prefix);
        return at != types.end() && at->starts_with(prefix);
    };
    return std::ranges::any_of(options_.types, is_there) ||
           std::ranges::any_of(options_.type_prefixes, begins_one);
}

}  // namespace tarn::lake
