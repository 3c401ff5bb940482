#include "server/refused_events.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>

#include "process/cause.h"

namespace tarn::server {
namespace {

constexpr std::string_view before_statement = " (in: ";

// "UNIQUE constraint failed: t.a (in: INSERT …)" → the message and the statement.
std::pair<std::string, std::string> split(const std::string& error) {
    const auto at = error.find(before_statement);
    if (at == std::string::npos) return {error, ""};
    std::string statement = error.substr(at + before_statement.size());
    if (statement.ends_with(')')) statement.pop_back();
    return {error.substr(0, at), statement};
}

std::string place_of(const state::FailedEvent& event) {
    return fmt::format("{} {}", event.stream,
                       event::position_text(event.position.partition, event.position.offset));
}

// As the projection sees it: with the correction, when there is one.
Result<lake::OwnedEvent> event_of(Engine& engine, const state::FailedEvent& failed) {
    TARN_ASSIGN(auto event, engine.lake().get(failed.position));
    if (const auto correction = engine.lake().corrections().at(failed.position))
        correction->replace(event.event);
    return event;
}

bool is_within(const state::FailedEvent& event, const RefusedSelection& selection) {
    if (!selection.since_us && !selection.until_us) return true;
    return event.at && event.at->us >= selection.since_us.value_or(INT64_MIN) &&
           event.at->us < selection.until_us.value_or(INT64_MAX);
}

codec::Json time_json(const std::optional<Time>& time) {
    return time ? codec::Json(format_rfc3339(*time)) : codec::Json();
}

// The first and the last time that one of its events was tried, as far as that is known.
std::pair<std::optional<Time>, std::optional<Time>> times_of(const RefusedGroup& group) {
    std::optional<Time> first, last;
    for (const auto& event : group.events) {
        if (!event.at) continue;
        if (!first || event.at->us < first->us) first = event.at;
        if (!last || event.at->us > last->us) last = event.at;
    }
    return {first, last};
}

Status collect(Engine& engine, const std::string& store, const RefusedSelection& selection,
               std::map<std::string, RefusedGroup>& groups) {
    const auto failed = engine.state().failed_events(store);
    if (!failed && failed.error().code == Code::store_damaged) return {};
    if (!failed) return fail(failed.error());
    for (const auto& event : *failed) {
        if (!is_within(event, selection)) continue;
        const process::Attempt attempt{.error_type = "SQL", .message = event.error};
        const std::string id = process::cause_of("projection:" + event.feeder, attempt);
        RefusedGroup& group = groups[id];
        if (group.events.empty()) group = {id, event.feeder, store, split(event.error).first, {}};
        group.events.push_back(event);
    }
    return {};
}

}  // namespace

Result<std::vector<RefusedGroup>> refused_groups(Engine& engine, const RefusedSelection& selection) {
    std::map<std::string, RefusedGroup> groups;
    TARN_ASSIGN(const auto projections, engine.state().projections());
    std::set<std::string> stores;
    for (const auto& projection : projections) stores.insert(projection.store);
    for (const auto& store : stores) TARN_TRY(collect(engine, store, selection, groups));
    std::vector<RefusedGroup> list;
    for (auto& [id, each] : groups)
        if (!selection.group || id == *selection.group) list.push_back(std::move(each));
    return list;
}

codec::Json group_json(const RefusedGroup& group) {
    const auto [first, last] = times_of(group);
    return codec::Json::object({{"group", group.group},
                                {"subscription", group.subscription()},
                                {"cause", "SQL: " + group.cause},
                                {"count", group.events.size()},
                                {"held", 0},
                                {"first", time_json(first)},
                                {"last", time_json(last)},
                                {"sample", place_of(group.events.front())}});
}

codec::Json letters_json(Engine& engine, const RefusedGroup& group, std::size_t limit) {
    codec::Json items = codec::Json::array();
    for (const auto& failed : group.events) {
        if (items.size() == limit) break;
        const auto [message, statement] = split(failed.error);
        const auto event = event_of(engine, failed);
        items.push(
            codec::Json::object({{"position", place_of(failed)},
                                 {"subscription", group.subscription()},
                                 {"group", group.group},
                                 {"error_type", "SQL"},
                                 {"message", message},
                                 {"cause", "SQL: " + message},
                                 {"last", time_json(failed.at)},
                                 {"edited", false},
                                 {"sql", statement},
                                 {"event", event ? std::string(event->event.payload)
                                                 : fmt::format("cannot be read: {}", event.error().text())},
                                 {"attempts", codec::Json::array()}}));
    }
    return items;
}

Result<AppliedAgain> apply_again(Engine& engine, const RefusedGroup& group) {
    TARN_ASSIGN(const auto applier, engine.state().applier(group.store, group.projection));
    AppliedAgain done;
    for (const auto& failed : group.events) {
        TARN_ASSIGN(const auto event, event_of(engine, failed));
        TARN_ASSIGN(const auto applied, applier->apply(event.event));
        ++(applied.outcome == state::Outcome::failed ? done.refused : done.applied);
    }
    TARN_TRY(applier->commit());
    return done;
}

}  // namespace tarn::server
