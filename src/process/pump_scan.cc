// Scans of streams, for all that have room.
#include "process/pump.h"

namespace tarn::process {
namespace {

constexpr std::size_t events_a_turn = 5'000;  // of one scan, so that others get their turn

}  // namespace

// Those of a stream that stand at the same place share a scan.
Status Pump::scan_all(std::int64_t now) {
    const Sequence end = parts_.durable_end();
    std::map<std::pair<StreamId, Sequence>, std::vector<Entry*>> groups;
    for (auto& [name, entry] : entries_) {
        Subscription& each = *entry.subscription;
        if (entry.adrift || entry.homeless) continue;
        if (each.next_sequence() < end && each.wants_scan() && entry.not_before_us <= now)
            groups[{each.progress().stream, each.next_sequence()}].push_back(&entry);
    }
    for (auto& [place, group] : groups) TARN_TRY(scan_group(place.first, place.second, end, group, now));
    return {};
}

Status Pump::scan_group(StreamId stream, Sequence from, Sequence end, std::vector<Entry*>& group,
                        std::int64_t now) {
    std::optional<Error> unreadable;
    const Status scanned = scan_stream(stream, from, end, group, now, unreadable);
    for (Entry* entry : group) {
        entry->reading = false;
        if (!unreadable) continue;
        // An unreadable object is the trouble of these subscriptions, not of the others.
        entry->subscription->trouble = unreadable->text();
        entry->not_before_us = now + trouble_pause_us;
    }
    return scanned;
}

Result<std::unique_ptr<lake::Scan>> Pump::open_scan(StreamId stream, Sequence from, Sequence end,
                                                    std::string& name) {
    TARN_ASSIGN(auto view, parts_.lake.view(stream));
    name = view.name;
    lake::ScanOptions options;
    options.from_sequence = from;
    options.until_sequence = end;
    options.with_hash = false;
    return parts_.lake.scan(std::move(view), std::move(options));
}

// Fails when what it found cannot be written down.
Status Pump::scan_stream(StreamId stream, Sequence from, Sequence end, std::vector<Entry*>& group,
                         std::int64_t now, std::optional<Error>& unreadable) {
    std::string name;
    const auto scan = open_scan(stream, from, end, name);
    if (!scan) {
        unreadable = scan.error();
        return {};
    }
    const auto corrections = parts_.lake.corrections().of(stream);
    TARN_ASSIGN(Sharing * sharing, sharing_of(stream));
    std::size_t reading = group.size();
    for (Entry* entry : group) entry->reading = true;
    Sequence seen = from;
    for (std::size_t i = 0; i < events_a_turn && reading > 0; ++i) {
        const auto next = (*scan)->next();
        if (!next) {
            unreadable = next.error();
            break;
        }
        const auto* event = *next;
        seen = event != nullptr ? event->sequence + 1 : end;
        if (event == nullptr) break;
        const event::Meta& meta = meta_reader_.read(*event, name);
        const bool replayed = !meta.run.empty();
        for (const auto number : sharing->matching.match(*event, meta, document_)) {
            Entry& entry = *sharing->entries[number];
            if (!entry.reading) continue;
            Subscription& each = *entry.subscription;
            const bool named = replayed && parts_.run_names && parts_.run_names(meta.run, each.spec().name);
            TARN_TRY(each.look_at(*event, meta, replayed, named, now,
                                  lake::find_correction(corrections, event->position), &document_));
            if (each.has_room()) continue;
            TARN_TRY(each.seen_until(seen));
            entry.reading = false;
            --reading;
        }
    }
    for (Entry* entry : group) {
        if (entry->reading) TARN_TRY(entry->subscription->seen_until(seen));
    }
    more_to_scan_ = more_to_scan_ || (reading > 0 && seen < end && !unreadable);
    return {};
}

Result<Pump::Sharing*> Pump::sharing_of(StreamId stream) {
    auto& sharing = sharing_[stream];
    if (sharing && sharing->generation == generations_) return sharing.get();
    sharing = std::make_unique<Sharing>();
    sharing->generation = generations_;
    for (auto& [name, entry] : entries_) {
        if (entry.subscription->progress().stream != stream) continue;
        TARN_TRY(sharing->matching.add(sharing->entries.size(), entry.subscription->spec()));
        sharing->entries.push_back(&entry);
    }
    return sharing.get();
}

}  // namespace tarn::process
