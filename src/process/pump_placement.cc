// Keeping a function quiet, and putting its subscriptions to where another state of its store stands.
#include <fmt/core.h>

#include <algorithm>

#include "process/pump.h"

namespace tarn::process {

Result<std::shared_ptr<void>> Pump::quiesce(const std::string& function, std::int64_t longest_us) {
    std::unique_lock lock(mutex_);
    const auto quiesced = quiesced_.insert(function);
    parts_.functions.recall(function);  // so that only those it works on are waited for
    const std::int64_t until = parts_.clock.monotonic_us() + longest_us;
    while (thread_.joinable() && !stopping_ && batches_of(function) > 0) {
        const std::int64_t left = until - parts_.clock.monotonic_us();
        if (left <= 0) {
            quiesced_.erase(quiesced_.find(function));
            wake();
            return still_busy(function, longest_us);
        }
        settled_.wait_for(lock, std::chrono::microseconds(std::min<std::int64_t>(left, 20'000)));
    }
    return std::shared_ptr<void>(this, [this, quiesced](void*) {
        const std::lock_guard release(mutex_);
        quiesced_.erase(quiesced);
        wake();
    });
}

std::size_t Pump::batches_of(const std::string& function) const {
    std::size_t sum = 0;
    for (const auto& [name, entry] : entries_)
        if (entry.subscription->spec().function == function) sum += entry.in_flight();
    return sum;
}

Failure Pump::still_busy(const std::string& function, std::int64_t longest_us) const {
    std::string names;
    for (const auto& [name, entry] : entries_)
        if (entry.subscription->spec().function == function && entry.in_flight() > 0)
            names += (names.empty() ? "" : ", ") + name;
    return fail(Code::store_busy,
                fmt::format("function {} still works on events of {} after {} s", function, names,
                            longest_us / 1'000'000),
                {.next = fmt::format("try again; or first: tarn subscription pause {}",
                                     names.substr(0, names.find(',')))});
}

// ---- placing
// ----------------------------------------------------------------------------------------------------

Result<state::FeederPosition> Pump::position(const std::string& subscription) {
    TARN_ASSIGN(const auto stands, standing(subscription));
    return position_of(parts_.lake, stands.first, stands.second);
}

Result<Placement> Pump::plan_placement(const std::string& subscription,
                                       const state::FeederPosition& position) {
    TARN_ASSIGN(const auto stands, standing(subscription));
    return process::plan_placement(parts_.lake, stands.first, stands.second, position, parts_.run_names);
}

Status Pump::place(const std::vector<Placement>& placements) {
    const std::lock_guard lock(mutex_);
    TARN_TRY(store_->transaction([&]() -> Status {
        for (const Placement& each : placements) TARN_TRY(carry_out(*store_, each));
        return {};
    }));
    TARN_TRY(store_->sync());
    for (const Placement& each : placements) {
        const auto found = entries_.find(each.subscription);
        if (found == entries_.end()) continue;
        TARN_TRY(take_up(found->second.subscription->spec(), each.progress.stream, each.progress.low));
    }
    wake();
    return {};
}

Result<std::pair<SubscriptionSpec, Standing>> Pump::standing(const std::string& name) {
    const std::lock_guard lock(mutex_);
    TARN_ASSIGN(Entry * entry, find_entry(name));
    Standing standing{.progress = entry->subscription->progress()};
    TARN_ASSIGN(standing.waiting, store_->waiting(name));
    TARN_ASSIGN(standing.settled, store_->settled(name));
    TARN_ASSIGN(standing.discarded, store_->discarded(name));
    return std::pair(entry->subscription->spec(), std::move(standing));
}

}  // namespace tarn::process
