// A store that projections fed knows which positions it has applied: each at most once, by its own
// transactions.
#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>

#include "verify/checks.h"

namespace tarn::verify {
namespace {

using codec::Json;

bool is_applied(const state::FeederPosition& feeder, const std::set<Position>& exceptions,
                const replay::ManifestEntry& entry) {
    const bool is_below = entry.sequence < feeder.sequence;
    return is_below != exceptions.contains({entry.stream, entry.partition, entry.offset});
}

}  // namespace

Result<Check> check_store(const Subject& subject) {
    const bool is_copy = !subject.plan["into"].as_string().empty();
    const std::string store = subject.store();
    const auto info = subject.state.store(store);
    if (!info)
        return Check{.name = "target",
                     .ok = false,
                     .detail = fmt::format("{} cannot be read: {}", store, info.error().message)};
    std::set<std::string> planned;
    for (const Json& name : subject.plan["feeders"].elements()) planned.insert(name.as_string());
    std::vector<std::pair<const state::FeederPosition*, std::set<Position>>> feeders;
    for (const state::FeederPosition& position : info->positions)
        if (planned.contains(position.feeder))
            feeders.emplace_back(&position,
                                 std::set<Position>(position.exceptions.begin(), position.exceptions.end()));
    std::map<StreamId, std::string> streams;
    std::uint64_t missing = 0, applied = 0, unexpected = 0;
    std::string first;
    std::set<std::uint64_t> keys;  // with a gap, or with what should not be there
    const auto look = [&](const replay::ManifestEntry& entry, std::string_view outcome) {
        if (outcome != "acknowledged" && outcome != "failed" && outcome != "held") return Status();
        std::string& stream = streams[entry.stream];
        if (stream.empty()) stream = subject.stream_name(entry.stream);
        const bool is_there = std::any_of(feeders.begin(), feeders.end(), [&](const auto& feeder) {
            return feeder.first->stream == stream && is_applied(*feeder.first, feeder.second, entry);
        });
        const bool should_be = outcome == "acknowledged";
        applied += is_there && should_be;
        missing += !is_there && should_be;
        // With several feeders one may have taken what another refused.
        const bool is_unexpected = is_there && !should_be && feeders.size() == 1 && is_copy;
        unexpected += is_unexpected;
        if (is_unexpected || (!is_there && should_be)) {
            if (first.empty()) first = subject.event_text(entry);
            keys.insert(entry.key_hash);
        }
        return Status();
    };
    TARN_TRY(subject.replay.for_each_entry(subject.report["run"].as_string(), look));
    Check check{
        .name = "target", .ok = missing + unexpected == 0, .detail = {}, .evidence = Evidence::target};
    check.counts = Json::object()
                       .set("applied", applied)
                       .set("missing", missing)
                       .set("unexpected", unexpected)
                       .set("keys", keys.size());
    if (missing > 0)
        check.detail = fmt::format(
            "{} re-read: {} acknowledged events are not among its applied positions, in {} keys, the first "
            "{}",
            store, format_count(missing), format_count(keys.size()), first);
    else if (unexpected > 0)
        check.detail = fmt::format("{} re-read: {} events that failed or were held are applied, the first {}",
                                   store, format_count(unexpected), first);
    if (!check.ok) return check;
    check.detail = fmt::format("{} re-read: its applied positions hold all {} acknowledged events", store,
                               format_count(applied));
    if (info->failed > 0 && !info->first_failed.empty()) {
        const auto& first_failed = info->first_failed.front();
        check.detail +=
            fmt::format("; {} are not in it because {} refused them, the first {} {}: {}",
                        format_count(info->failed), first_failed.feeder, first_failed.stream,
                        event::position_text(first_failed.position.partition, first_failed.position.offset),
                        first_failed.error);
    }
    return check;
}

}  // namespace tarn::verify
