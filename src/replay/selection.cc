#include "replay/selection.h"

#include <fmt/core.h>

#include <algorithm>

#include "codec/hash.h"
#include "replay/chooser.h"
#include "replay/pruning.h"
#include "replay/resolve_conditions.h"

namespace tarn::replay {
namespace {

// Merges the scans of several streams by sequence.
class MergedScan {
public:
    Status add(lake::Lake& lake, const Source& source, lake::ScanOptions options) {
        Lane lane;
        lane.source = &source;
        TARN_ASSIGN(lane.scan, lake::scan_corrected(lake, source.view, std::move(options)));
        TARN_ASSIGN(lane.ahead, lane.scan->next());
        lanes_.push_back(std::move(lane));
        return {};
    }

    // nullptr at the end.
    Result<const event::StoredEvent*> next(const Source*& source) {
        if (given_) {
            TARN_ASSIGN(given_->ahead, given_->scan->next());
            given_ = nullptr;
        }
        for (Lane& lane : lanes_)
            if (lane.ahead && (!given_ || lane.ahead->sequence < given_->ahead->sequence)) given_ = &lane;
        if (!given_) return nullptr;
        source = given_->source;
        return given_->ahead;
    }

    void count(SelectionCounts& counts) const {
        for (const Lane& lane : lanes_) {
            counts.scanned.add(lane.scan->counts());
        }
    }

private:
    struct Lane {
        const Source* source = nullptr;
        std::unique_ptr<lake::Scan> scan;
        const event::StoredEvent* ahead = nullptr;
    };
    std::vector<Lane> lanes_;
    Lane* given_ = nullptr;
};

}  // namespace

void IdHashes::sort() {
    std::ranges::sort(hashes_);
    hashes_.erase(std::unique(hashes_.begin(), hashes_.end()), hashes_.end());
}

bool IdHashes::contains(std::string_view id) const {
    return std::ranges::binary_search(hashes_, codec::xxh3_128(id));
}

std::vector<std::string> Selection::stream_names() const {
    std::vector<std::string> names;
    for (const Source& source : sources)
        if (source.selects) names.push_back(source.info.name);
    return names;
}

Result<Selection> Selection::resolve(Replay::Parts& parts, Replay& replay, const PlanRequest& request,
                                     std::vector<Feeder> feeders, Time now) {
    if (!request.selects_anything() && !request.rebuild)
        return fail(Code::no_selection,
                    request.except.empty()
                        ? "no selection was given: a plan needs --since, --until, --pattern, --where, --sql, "
                          "--ids, --keys or another way of selecting, or --rebuild"
                        : "--except takes away from a selection, and none was given",
                    {.next = "for everything in the stream say --all"});
    Selection selection;
    selection.feeders = std::move(feeders);
    TARN_ASSIGN(std::set<std::string> selected, streams_of(parts, replay, request));
    std::set<std::string> fed;
    for (const Feeder& feeder : selection.feeders) fed.insert(feeder.stream_name);
    if (request.rebuild) selected = fed;
    if (selected.empty())
        return fail(Code::bad_selection, "no stream was named", {.next = "tarn replay plan STREAM …"});
    std::set<std::string> streams = selected;
    streams.insert(fed.begin(), fed.end());
    for (const std::string& name : streams) {
        Source source;
        TARN_ASSIGN(source.info, parts.catalog.stream(name));
        TARN_ASSIGN(source.view, parts.lake.view(source.info.id));
        source.selects = selected.contains(name);
        // Views are taken one after the other; what only the later ones could show stays out, so that "up to
        // here" is true of all.
        const Sequence end = source.view.tail.end_sequence;
        selection.end = selection.sources.empty() ? end : std::min(selection.end, end);
        selection.sources.push_back(std::move(source));
    }
    if (request.restore_until != 0) selection.end = std::min(selection.end, request.restore_until);
    TARN_ASSIGN(selection.conditions,
                resolve_conditions({parts, replay, selection.sources, selection.end, now}, request));
    selection.conditions.rebuild = request.rebuild.has_value();
    return selection;
}

Result<std::vector<lake::ScanCounts>> outlook(Replay::Parts& parts, const Selection& selection) {
    std::vector<lake::ScanCounts> outlooks;
    for (const Source& source : selection.sources) {
        TARN_ASSIGN(const auto scan, parts.lake.scan(source.view, scan_options(selection, source)));
        outlooks.push_back(scan->counts());
    }
    return outlooks;
}

Result<SelectionCounts> scan_selection(Replay::Parts& parts, const Selection& selection,
                                       const std::function<Status(const Selected&)>& fn) {
    MergedScan scan;
    for (const Source& source : selection.sources)
        TARN_TRY(scan.add(parts.lake, source, scan_options(selection, source)));
    Chooser chooser(selection);
    event::MetaReader reader;
    SelectionCounts counts;
    while (true) {
        const Source* source = nullptr;
        TARN_ASSIGN(const event::StoredEvent* event, scan.next(source));
        if (!event) break;
        const event::Meta& meta = reader.read(*event, source->info.name);
        const auto choice = chooser.choose(*event, meta, source->selects);
        counts.needed += choice.needed;
        if (!choice.selected) continue;
        ++counts.selected;
        counts.needed_selected += choice.needed;
        event::StoredEvent selected = *event;
        selected.hash = codec::xxh3_128(event->payload);
        TARN_TRY(fn({selected, meta, source->info.name, choice.needed}));
    }
    TARN_TRY(chooser.finish());
    counts.keys_without_events = chooser.keys_without_events();
    scan.count(counts);
    return counts;
}

Result<std::map<Partition, Offset>> last_offsets(lake::Lake& lake, const lake::StreamView& view,
                                                 Sequence end) {
    std::map<Partition, Offset> last;
    const auto note = [&last](Partition partition, Offset offset) {
        const auto [known, is_new] = last.try_emplace(partition, offset);
        if (!is_new) known->second = std::max(known->second, offset);
    };
    lake::ScanOptions options;
    options.from_sequence = view.rolled_sequence;
    options.until_sequence = end;
    options.with_hash = false;
    for (const catalog::ObjectInfo& object : view.objects) {
        if (object.last_sequence < end)
            note(object.partition, object.last);
        else
            options.from_sequence = std::min(options.from_sequence, object.first_sequence);
    }
    TARN_ASSIGN(const auto scan, lake.scan(view, std::move(options)));
    while (true) {
        TARN_ASSIGN(const event::StoredEvent* event, scan->next());
        if (!event) return last;
        note(event->position.partition, event->position.offset);
    }
}

Result<StreamFacts> facts_of(lake::Lake& lake, const Source& source) {
    StreamFacts facts;
    const auto note_times = [&facts](Time first, Time last) {
        facts.first_time = std::min(facts.first_time, first);
        facts.last_time = std::max(facts.last_time, last);
    };
    for (const catalog::ObjectInfo& object : source.view.objects) {
        facts.events += object.events;
        facts.types.insert(object.types.begin(), object.types.end());
        facts.all_types = facts.all_types && !object.types.empty();
        note_times(object.min_time, object.max_time);
    }
    lake::ScanOptions options;
    options.with_hash = false;
    options.from_sequence = source.view.rolled_sequence;
    TARN_ASSIGN(const auto scan, lake.scan(source.view, std::move(options)));
    event::MetaReader reader;
    while (true) {
        TARN_ASSIGN(const event::StoredEvent* event, scan->next());
        if (!event) return facts;
        const event::Meta& meta = reader.read(*event, source.info.name);
        ++facts.events;
        facts.types.emplace(meta.type);
        note_times(meta.time, meta.time);
    }
}

}  // namespace tarn::replay
