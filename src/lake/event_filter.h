// The parts of ScanOptions that decide about single events, frames and objects, in one place for objects and
// tail alike.
#pragma once

#include <algorithm>

#include "lake/raw_object.h"
#include "lake/scan.h"

namespace tarn::lake {

class EventFilter {
public:
    explicit EventFilter(const ScanOptions& options) : options_(options) {}

    bool takes_object(const catalog::ObjectInfo& info) const { return why_skipped(info).empty(); }
    // The statistic that rules the object out; "" when it must be read.
    std::string_view why_skipped(const catalog::ObjectInfo& info) const;
    bool takes_frame(Partition partition, const FrameInfo& frame) const;
    // By position alone, so that lines need not be parsed to be skipped.
    bool takes_offset(Partition partition, Offset offset) const;
    // The sorted offsets that are wanted of a partition, when nothing else decides about offsets; else
    // nullptr.
    const std::vector<Offset>* only_list(Partition partition) const {
        if (!options_.wanted || options_.within || !options_.from.empty()) return nullptr;
        const auto offsets = options_.wanted->find(partition);
        return offsets == options_.wanted->end() ? nullptr : &offsets->second;
    }
    bool takes_any_offset(Partition partition, Offset first, Offset last) const {
        return reaches(partition, last) && wants_any(partition, first, last);
    }
    bool wants_certain_offsets() const { return options_.wanted || options_.within; }
    // Whether certain offsets are wanted, and as many events as they are have been given.
    bool all_given(std::uint64_t events) const;
    bool takes_sequence(Sequence sequence) const {
        return sequence >= options_.from_sequence && sequence < options_.until_sequence;
    }
    bool takes_partition(Partition partition) const;

private:
    bool wants_any(Partition partition, Offset first, Offset last) const;
    bool reaches(Partition partition, Offset last) const;  // the begin offset of the partition
    bool in_time(Time min_time, Time max_time) const;
    bool takes_any_type(const std::vector<std::string>& types) const;
    bool takes_any_key(const catalog::ObjectInfo& info) const;

    const ScanOptions& options_;
};

}  // namespace tarn::lake
