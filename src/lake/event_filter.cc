#include "lake/event_filter.h"

namespace tarn::lake {

bool EventFilter::takes_partition(Partition partition) const {
    if (options_.quarantine != (partition == quarantine_partition)) return false;
    if (options_.partition && *options_.partition != partition) return false;
    if (options_.within && !options_.within->contains(partition)) return false;
    return !options_.wanted || options_.wanted->contains(partition);
}

bool EventFilter::wants_any(Partition partition, Offset first, Offset last) const {
    if (options_.within) {
        const auto offsets = options_.within->find(partition);
        if (offsets == options_.within->end()) return false;
        const auto next = offsets->second.first_from(first);
        if (!next || *next > last) return false;
    }
    if (!options_.wanted) return true;
    const auto offsets = options_.wanted->find(partition);
    if (offsets == options_.wanted->end()) return false;
    const auto at = std::ranges::lower_bound(offsets->second, first);
    return at != offsets->second.end() && *at <= last;
}

bool EventFilter::all_given(std::uint64_t events) const {
    if (!wants_certain_offsets()) return false;
    std::uint64_t wanted = UINT64_MAX;
    const auto sum = [](const auto& partitions) {
        std::uint64_t offsets_in_all = 0;
        for (const auto& [partition, offsets] : partitions) offsets_in_all += offsets.size();
        return offsets_in_all;
    };
    if (options_.wanted) wanted = sum(*options_.wanted);
    if (options_.within) wanted = std::min(wanted, sum(*options_.within));
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

std::string_view EventFilter::why_skipped(const catalog::ObjectInfo& info) const {
    if (!takes_partition(info.partition)) return "partition";
    if (info.last_sequence < options_.from_sequence || info.first_sequence >= options_.until_sequence)
        return "sequence";
    if (!in_time(info.min_time, info.max_time)) return "event time";
    if (options_.min_ingested && info.last_ingested < *options_.min_ingested) return "ingest time";
    if (options_.max_ingested && info.first_ingested > *options_.max_ingested) return "ingest time";
    if (!reaches(info.partition, info.last) || !wants_any(info.partition, info.first, info.last))
        return "position";
    if (!takes_any_type(info.types)) return "type";
    return takes_any_key(info) ? "" : "key";
}

// No range of keys: some event has none, and nothing is known of the others.
bool EventFilter::takes_any_key(const catalog::ObjectInfo& info) const {
    if (options_.keys.empty() || info.max_key.empty()) return true;
    const auto at = std::ranges::lower_bound(options_.keys, info.min_key);
    return at != options_.keys.end() && *at <= info.max_key;
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
