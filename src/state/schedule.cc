// Snapshots by schedule: when the next is due, and which of the earlier ones go.
#include <fmt/core.h>

#include <algorithm>

#include "state/state_impl.h"

namespace tarn::state {
namespace {

using codec::Json;

constexpr std::int64_t longest_wait_us = 60'000'000;
constexpr std::int64_t retry_us = 60'000'000;

Failure bad_schedule(std::string_view what) {
    return fail(Code::bad_config, fmt::format("snapshots: {}", what),
                {.next = "write it as {every: 1h, keep: 48}"});
}

// `all`: newest first.
const SnapshotInfo* last_scheduled(const std::vector<SnapshotInfo>& all, const std::string& store) {
    const auto last = std::ranges::find_if(
        all, [&](const SnapshotInfo& info) { return info.store == store && info.scheduled; });
    return last == all.end() ? nullptr : &*last;
}

}  // namespace

Result<SnapshotSchedule> SnapshotSchedule::from_json(const Json& json) {
    if (!json.is_object()) return bad_schedule("expected when to take them: {every: 1h, keep: 48}");
    SnapshotSchedule schedule;
    const auto every = parse_duration_us(json["every"].as_string());
    if (!every || *every < 1'000'000)
        return bad_schedule("every: expected a duration of at least 1s, as 1h or 15m");
    schedule.every_us = *every;
    if (!json.has("keep")) return schedule;
    schedule.keep = json["keep"].as_uint();
    if (!json["keep"].is_number() || schedule.keep == 0)
        return bad_schedule("keep: expected how many to keep, 1 or more");
    return schedule;
}

Json SnapshotSchedule::to_json() const {
    Json json = Json::object({{"every", duration_setting(every_us)}});
    if (keep > 0) json.set("keep", keep);
    return json;
}

Result<std::optional<SnapshotSchedule>> StateImpl::schedule(std::string_view store) {
    const auto name = split_store_name(store);
    TARN_TRY(check_exists(name));
    std::lock_guard lock(mutex_);
    return stores_[name.store].schedule;
}

Status StateImpl::set_schedule(std::string_view store, const std::optional<SnapshotSchedule>& schedule) {
    const auto name = split_store_name(store);
    TARN_TRY(check_exists(name));
    StoreDocument document;
    {
        std::lock_guard lock(mutex_);
        document = stores_[name.store];
    }
    if (document.schedule == schedule) return {};
    document.schedule = schedule;
    document.schedule_trouble.clear();
    document.retry_not_before_us = 0;
    return save_store(name.store, document);
}

// The wall clock says how long ago the last one was, over restarts; the monotonic clock says that nobody
// waits longer than the interval when the wall clock was set back.
std::int64_t StateImpl::wait_for_snapshot(const std::string& store, const SnapshotInfo* last) {
    std::lock_guard lock(mutex_);
    StoreDocument& document = stores_[store];
    const std::int64_t every = document.schedule->every_us;
    const std::int64_t now = parts_.clock.monotonic_us();
    const Time since = last == nullptr ? document.created : last->created;
    const std::string from = last == nullptr ? "nothing" : last->id;
    if (document.counting_from != from) {
        document.counting_from = from;
        document.counting_since_us = now;
    }
    const std::int64_t passed = parts_.clock.now().us - since.us;
    std::int64_t wait = every - (now - document.counting_since_us);
    if (passed >= 0) wait = std::min(wait, every - passed);
    return std::max({wait, document.retry_not_before_us - now, std::int64_t{0}});
}

Result<ScheduledRound> StateImpl::take_due_snapshots() {
    std::vector<std::string> names;
    {
        std::lock_guard lock(mutex_);
        for (const auto& [name, document] : stores_)
            if (document.schedule) names.push_back(name);
    }
    ScheduledRound round;
    round.wait_us = longest_wait_us;
    if (names.empty()) return round;
    TARN_ASSIGN(const auto all, snapshots());
    for (const auto& name : names) {
        const std::int64_t wait = wait_for_snapshot(name, last_scheduled(all, name));
        if (wait > 0)
            round.wait_us = std::min(round.wait_us, wait);
        else
            take_scheduled(name, round);
    }
    return round;
}

std::map<std::string, std::string> StateImpl::snapshot_troubles() {
    std::lock_guard lock(mutex_);
    std::map<std::string, std::string> troubles;
    for (const auto& [name, document] : stores_)
        if (!document.schedule_trouble.empty()) troubles.emplace(name, document.schedule_trouble);
    return troubles;
}

void StateImpl::take_scheduled(const std::string& store, ScheduledRound& round) {
    auto taken = create_snapshot_of(store, true);
    const Status deleted = taken ? delete_old_snapshots(store, round) : fail(taken.error());
    std::lock_guard lock(mutex_);
    StoreDocument& document = stores_[store];
    document.retry_not_before_us = 0;
    document.schedule_trouble.clear();
    if (taken) round.taken.push_back(std::move(*taken));
    if (deleted) return;
    document.schedule_trouble = deleted.error().text();
    if (!taken) {
        const std::int64_t pause = std::min(retry_us, document.schedule->every_us);
        document.retry_not_before_us = parts_.clock.monotonic_us() + pause;
        round.wait_us = std::min(round.wait_us, pause);
    }
    round.failed.emplace_back(store, deleted.error());
}

// Of those that the schedule took, the newest `keep` stay, and what a plan or a copy begins from.
Status StateImpl::delete_old_snapshots(const std::string& store, ScheduledRound& round) {
    std::uint64_t keep = 0;
    {
        std::lock_guard lock(mutex_);
        if (const auto& schedule = stores_[store].schedule) keep = schedule->keep;
    }
    if (keep == 0) return {};
    TARN_ASSIGN(auto all, snapshots());  // newest first
    std::erase_if(all, [&](const SnapshotInfo& info) { return info.store != store || !info.scheduled; });
    if (all.size() <= keep) return {};
    TARN_ASSIGN(const std::string named, plans_and_copies());
    for (std::size_t i = keep; i < all.size(); ++i) {
        if (named.contains(codec::quoted(all[i].id))) continue;
        TARN_TRY(delete_snapshot(all[i].id));
        round.deleted.push_back(all[i].id);
    }
    return {};
}

// All that may name a snapshot, as text.
Result<std::string> StateImpl::plans_and_copies() {
    std::string text;
    for (const char* kind : {"plan", "copy"}) {
        TARN_ASSIGN(const auto documents, parts_.catalog.documents(kind));
        for (const auto& document : documents) text += document.body.dump() + "\n";
    }
    return text;
}

// What `tarn store show` says of it.
Json StateImpl::schedule_json(const std::string& store, const std::vector<SnapshotInfo>& all) {
    std::optional<SnapshotSchedule> schedule;
    std::string trouble;
    {
        std::lock_guard lock(mutex_);
        schedule = stores_[store].schedule;
        trouble = stores_[store].schedule_trouble;
    }
    if (!schedule) return {};
    Json json = schedule->to_json();
    const SnapshotInfo* const last = last_scheduled(all, store);
    if (last != nullptr) json.set("last", last->id).set("last_at", format_rfc3339(last->created));
    json.set("next_in", format_duration(wait_for_snapshot(store, last)));
    if (!trouble.empty()) json.set("trouble", trouble);
    return json;
}

}  // namespace tarn::state
