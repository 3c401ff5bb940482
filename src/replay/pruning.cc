#include "replay/pruning.h"

#include <fmt/core.h>

#include <algorithm>

namespace tarn::replay {
namespace {

// The first sequence any of the stream's feeders lacks.
Sequence first_needed(const std::vector<Feeder>& feeders, StreamId stream) {
    Sequence first = UINT64_MAX;
    for (const Feeder& feeder : feeders) {
        if (feeder.stream != stream) continue;
        const bool lacks_earlier = std::any_of(
            feeder.exceptions.begin(), feeder.exceptions.end(), [&feeder](const Position& position) {
                const auto next = feeder.base.next.find(position.partition);
                return next == feeder.base.next.end() || position.offset < next->second;
            });
        first = std::min(first, lacks_earlier ? 0 : feeder.base.sequence);
    }
    return first;
}

// The times that texts which begin with `text` can mean, whatever their offset from UTC, to the day.
std::optional<std::pair<Time, Time>> days_of(std::string_view text) {
    constexpr std::size_t date_size = 10;
    if (text.size() < date_size) return std::nullopt;
    const auto midnight = parse_rfc3339(fmt::format("{}T00:00:00Z", text.substr(0, date_size)));
    if (!midnight) return std::nullopt;
    constexpr std::int64_t day_us = 86'400'000'000;
    return std::pair{Time{midnight->us - day_us}, Time{midnight->us + 2 * day_us}};
}

void at_least(std::optional<Time>& bound, Time time) { bound = std::max(time, bound.value_or(time)); }
void at_most(std::optional<Time>& bound, Time time) { bound = std::min(time, bound.value_or(time)); }

void prune_by_times(const pattern::TextNeed& need, lake::ScanOptions& options) {
    std::optional<std::pair<Time, Time>> all;
    for (const auto* texts : {&need.exact, &need.prefixes})
        for (const std::string& text : *texts) {
            const auto days = days_of(text);
            if (!days) return;
            all = all ? std::pair{std::min(all->first, days->first), std::max(all->second, days->second)}
                      : *days;
        }
    if (!all) return;
    at_least(options.min_time, all->first);
    at_most(options.max_time, all->second);
}

void prune_by_pattern(const pattern::Pattern& pattern, lake::ScanOptions& options) {
    const bool has_types = !options.types.empty() || !options.type_prefixes.empty();
    if (auto need = pattern.need("type"); need && !has_types) {
        options.types = std::move(need->exact);
        options.type_prefixes = std::move(need->prefixes);
    }
    if (const auto need = pattern.need("time")) prune_by_times(*need, options);
}

// A key's events are all in one partition.
void prune_by_keys(const TextSet& keys, const Source& source, lake::ScanOptions& options) {
    if (!options.keys.empty()) return;
    options.keys.assign(keys.begin(), keys.end());
    std::set<Partition> partitions;
    for (const std::string& key : keys)
        partitions.insert(event::partition_of(key, source.info.settings.partitions));
    if (partitions.size() == 1) options.partition = *partitions.begin();
}

std::uint64_t size_of(const PositionSet::OfStream& positions) {
    std::uint64_t size = 0;
    for (const auto& [partition, offsets] : positions) size += offsets.size();
    return size;
}

// The smaller of what two conditions leave over.
void prune_to(std::shared_ptr<const PositionSet::OfStream> positions, lake::ScanOptions& options) {
    if (!options.within || size_of(*positions) < size_of(*options.within))
        options.within = std::move(positions);
}

void prune_by(const Conditions& conditions, const Source& source, lake::ScanOptions& options) {
    auto& min = conditions.ingested ? options.min_ingested : options.min_time;
    auto& max = conditions.ingested ? options.max_ingested : options.max_time;
    if (conditions.since) at_least(min, *conditions.since);
    if (conditions.until) at_most(max, Time{conditions.until->us - 1});
    options.from_sequence = std::max(options.from_sequence, conditions.since_sequence);
    if (!conditions.lacking.empty())
        options.from_sequence =
            std::max(options.from_sequence, first_needed(conditions.lacking, source.info.id));
    if (conditions.pattern) prune_by_pattern(*conditions.pattern, options);
    if (conditions.keys) prune_by_keys(*conditions.keys, source, options);
    if (conditions.positions) prune_to(conditions.positions->of(source.info.id), options);
    if (conditions.has_ids() && conditions.ids.empty())
        prune_to(conditions.id_positions.of(source.info.id), options);
    for (const Conditions& each : conditions.also) prune_by(each, source, options);
}

bool must_find_ids(const Conditions& conditions) {
    return !conditions.ids.empty() || std::ranges::any_of(conditions.also, must_find_ids) ||
           std::ranges::any_of(conditions.except, must_find_ids);
}

}  // namespace

lake::ScanOptions scan_options(const Selection& selection, const Source& source) {
    const Conditions& conditions = selection.conditions;
    lake::ScanOptions options;
    options.until_sequence = selection.end;
    options.with_hash = false;  // of what is selected only
    // Each id must be found even when another condition rules the event out: nothing may be skipped on those
    // grounds. Nor may it where only a look at everything tells whether the feeders get all that they take.
    const bool has_feeder = std::ranges::any_of(
        selection.feeders, [&source](const Feeder& feeder) { return feeder.stream == source.info.id; });
    if (must_find_ids(conditions)) return options;
    if (has_feeder && !conditions.rebuild) return options;
    if (has_feeder) options.from_sequence = first_needed(selection.feeders, source.info.id);
    if (!has_feeder) prune_by(conditions, source, options);
    return options;
}

}  // namespace tarn::replay
