#include "state/feed.h"

#include <algorithm>
#include <optional>
#include <set>

namespace tarn::state {
namespace {

void count(FeedCounts& counts, Outcome outcome) {
    counts.seen++;
    if (outcome == Outcome::applied) counts.applied++;
    if (outcome == Outcome::failed) counts.failed++;
}

// Applies up to `limit` events; false when the scan is at its end. After an error of the store the
// transaction is undone, after one of the lake it is still open.
Result<bool> feed_some(lake::Scan& scan, Feeder& feeder, std::size_t limit, FeedCounts& counts) {
    for (std::size_t i = 0; i < limit; i++) {
        TARN_ASSIGN(const auto* event, scan.next());
        if (event == nullptr) return false;
        auto applied = feeder.apply(*event);
        if (!applied) {
            feeder.roll_back();
            return fail(std::move(applied.error()));
        }
        count(counts, applied->outcome);
    }
    return true;
}

}  // namespace

Sequence view_end(const lake::StreamView& view) {
    Sequence end = std::max(view.tail.end_sequence, view.rolled_sequence);
    for (const auto& object : view.objects) end = std::max(end, object.last_sequence + 1);
    return end;
}

std::map<Partition, Offset> next_in_objects(const lake::StreamView& view, Sequence until) {
    std::map<Partition, Offset> next;
    for (const auto& object : view.objects) {
        if (object.last_sequence >= until) continue;
        auto& known = next[object.partition];
        known = std::max(known, object.last + 1);
    }
    return next;
}

namespace {

// The first event of the partition at or after `sequence` that is in an object; nullopt when there is none.
Result<std::optional<Offset>> first_in_objects(lake::Lake& lake, const lake::StreamView& view,
                                               Partition partition, Sequence sequence) {
    const auto object = std::ranges::find_if(view.objects, [&](const catalog::ObjectInfo& each) {
        return each.partition == partition && each.last_sequence >= sequence;
    });
    if (object == view.objects.end()) return std::optional<Offset>();
    if (object->first_sequence >= sequence) return std::optional(object->first);
    lake::ScanOptions options;
    options.partition = partition;
    options.from_sequence = sequence;
    options.with_hash = false;
    TARN_ASSIGN(const auto scan, lake.scan(view, std::move(options)));
    TARN_ASSIGN(const auto* event, scan->next());
    return event == nullptr ? std::nullopt : std::optional(event->position.offset);
}

}  // namespace

Result<std::map<Partition, Offset>> next_at(lake::Lake& lake, const lake::StreamView& view,
                                            Sequence sequence) {
    std::map<Partition, Offset> next = next_in_objects(view, sequence);
    std::set<Partition> open;
    for (Partition partition = 0; partition < view.partitions; ++partition) {
        TARN_ASSIGN(const auto first, first_in_objects(lake, view, partition, sequence));
        if (first)
            next[partition] = *first;
        else
            open.insert(partition);
    }
    lake::ScanOptions options;
    options.from_sequence = view.rolled_sequence;
    options.with_hash = false;
    TARN_ASSIGN(const auto scan, lake.scan(view, std::move(options)));
    while (!open.empty()) {
        TARN_ASSIGN(const auto* event, scan->next());
        if (event == nullptr) break;
        const auto& [stream, partition, offset] = event->position;
        if (!open.contains(partition)) continue;
        next[partition] = event->sequence < sequence ? offset + 1 : offset;
        if (event->sequence >= sequence) open.erase(partition);
    }
    for (const Partition partition : open) next.try_emplace(partition, 0);
    return next;
}

Result<FeedCounts> feed(lake::Lake& lake, const lake::StreamView& view, Feeder& feeder,
                        const FeedRange& range) {
    const Sequence end = std::min(range.until, view_end(view));
    FeedCounts counts;
    if (feeder.row().sequence >= end) return counts;

    lake::ScanOptions options;
    options.from_sequence = feeder.row().sequence;
    options.until_sequence = end;
    options.with_hash = false;
    if (range.prune) options.types = feeder.types();
    TARN_ASSIGN(const auto scan, lake::scan_corrected(lake, view, std::move(options)));
    for (bool more = true; more;) {
        TARN_TRY(feeder.begin());
        feeder.follow_stream(view.stream);
        auto some = feed_some(*scan, feeder, range.batch_events, counts);
        if (!some) {
            // An unreadable object does not take back what came before it.
            if (feeder.in_transaction()) TARN_TRY(feeder.commit());
            return fail(std::move(some.error()));
        }
        more = *some;
        if (!more) feeder.move_to(end, next_in_objects(view, end));
        TARN_TRY(feeder.commit());
    }
    return counts;
}

}  // namespace tarn::state
