#include "server/function_restore.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

namespace tarn::server {
namespace {

using codec::Json;

// ---- the point

Result<std::set<std::string>> feeding_streams(Engine& engine, const std::string& store) {
    TARN_ASSIGN(const auto subscriptions, engine.processing().feeding_subscriptions(store));
    std::set<std::string> streams;
    for (const auto& subscription : subscriptions) streams.insert(subscription.stream);
    return streams;
}

// One past the last event ingested before `time`, even if the clock was set back after it.
Result<Sequence> cut_of_time(Engine& engine, const std::set<std::string>& streams, Time time) {
    Sequence cut = engine.log().durable_end();
    for (const std::string& stream : streams) {
        TARN_ASSIGN(auto view, engine.lake().view(stream));
        lake::ScanOptions options;
        options.min_ingested = time;
        options.with_hash = false;
        TARN_ASSIGN(const auto scan, engine.lake().scan(std::move(view), std::move(options)));
        while (true) {
            TARN_ASSIGN(const event::StoredEvent* event, scan->next());
            if (event == nullptr) break;
            if (event->ingested < time) continue;
            cut = std::min(cut, event->sequence);
            break;
        }
    }
    return cut;
}

Result<Sequence> cut_of(Engine& engine, const std::string& store, const state::RestorePoint& point) {
    TARN_ASSIGN(const auto streams, feeding_streams(engine, store));
    if (!point.position) return cut_of_time(engine, streams, point.time.value_or(Time{INT64_MAX}));
    if (streams.size() != 1)
        return fail(
            Code::bad_usage,
            fmt::format("store {} is fed by {} streams, so a position does not say which; expected an "
                        "ingest time or a snapshot",
                        store, streams.size()));
    TARN_ASSIGN(const auto stream, engine.catalog().stream(*streams.begin()));
    TARN_ASSIGN(const auto event,
                engine.lake().get({stream.id, point.position->first, point.position->second}));
    return event.event.sequence + 1;
}

// ---- where it may begin

// Holds the snapshot nothing at or after the cut?
Result<bool> is_within(Engine& engine, const state::SnapshotInfo& info, Sequence cut) {
    if (info.positions.empty()) return false;
    for (const auto& position : info.positions) {
        if (position.sequence > cut) return false;
        for (const Position& exception : position.exceptions) {
            TARN_ASSIGN(const auto event, engine.lake().get(exception));
            if (event.event.sequence >= cut) return false;
        }
    }
    return true;
}

Sequence reach_of(const state::SnapshotInfo& info) {
    Sequence sum = 0;
    for (const auto& position : info.positions) sum += position.sequence;
    return sum;
}

// Nearest first, "empty" last.
Result<std::vector<std::string>> bases(Engine& engine, const std::string& store, Sequence cut) {
    TARN_ASSIGN(const auto past, engine.state().past_snapshots(store));
    std::vector<state::SnapshotInfo> within;
    for (const auto& info : past) {
        TARN_ASSIGN(const bool fits, is_within(engine, info, cut));
        if (fits) within.push_back(info);
    }
    std::ranges::stable_sort(within, std::ranges::greater(), reach_of);
    std::vector<std::string> ids;
    for (const auto& info : within) ids.push_back(info.id);
    ids.emplace_back("empty");
    return ids;
}

// ---- building

class FunctionRestore {
public:
    FunctionRestore(Engine& engine, std::string store, std::optional<std::string> into, Sequence cut)
        : engine_(engine), store_(std::move(store)), into_(std::move(into)), cut_(cut) {}

    Result<FunctionRestored> from(const std::vector<std::string>& bases) {
        for (const std::string& base : bases) {
            done_.result.base = base;
            const Status built = build(base);
            if (built) return std::move(done_);
            if (built.error().code != Code::snapshot_damaged) return fail(built.error());
            done_.result.damaged_snapshots.push_back(base);
        }
        return fail(Code::internal, "no base to restore from");
    }

private:
    Status build(const std::string& base) {
        TARN_ASSIGN(copy_, copy_name());
        replay::PlanRequest request;
        request.rebuild = store_;
        request.base = base;
        request.into = copy_;
        request.restore_until = cut_;
        const auto plan = engine_.replay().plan(request);
        if (!plan && plan.error().code == Code::nothing_selected) return take_base(base);
        if (!plan && plan.error().kind == ErrorKind::denied) return stop_at(base, plan.error());
        if (!plan) return fail(plan.error());
        done_.result.events = (*plan)["events"].as_uint();
        const std::string id = (*plan)["plan"].as_string();
        const auto run = engine_.replay().create_run(id);
        if (!run && run.error().kind == ErrorKind::denied) return stop_at(base, run.error());
        if (!run) return fail(run.error());
        done_.run = *run;
        TARN_ASSIGN(const Json report, engine_.replay().run(id, *run, engine_.stop_flag(), {}));
        return conclude(report);
    }

    // The named copy; for a restore in place one that lasts until it is swapped in.
    Result<std::string> copy_name() {
        if (into_) return *into_;
        for (int number = 1;; ++number) {
            const std::string name = fmt::format("restore-{}", number);
            const auto taken = engine_.state().store(store_ + "@" + name);
            if (taken) continue;
            if (taken.error().kind == ErrorKind::not_found) return name;
            return fail(taken.error());
        }
    }
    std::string copy() const { return store_ + "@" + copy_; }

    // The base is the point: no function takes anything between the two.
    Status take_base(const std::string& base) {
        if (base != "empty") return restore_snapshot(base);
        TARN_TRY(engine_.state().make_copy(store_, copy_, base));
        TARN_TRY(engine_.state().mark_copy(copy(), true));
        return put_in_place();
    }

    Status restore_snapshot(const std::string& base) {
        state::RestorePoint point;
        point.snapshot = base;
        TARN_ASSIGN(auto result, engine_.state().restore(store_, point, into_));
        result.damaged_snapshots.insert(result.damaged_snapshots.begin(),
                                        done_.result.damaged_snapshots.begin(),
                                        done_.result.damaged_snapshots.end());
        result.events = 0;
        done_.result = std::move(result);
        return {};
    }

    Status stop_at(const std::string& base, Error error) {
        error.next = fmt::format(
            "mark what may be repeated replay: safe; or rehearse: tarn replay plan "
            "--rebuild {} --base {} --into NAME, then run it with --allow",
            store_, base);
        if (base == "empty") {
            error.message +=
                fmt::format("; {} has no snapshot before that point, and nothing was changed", store_);
            return fail(std::move(error));
        }
        TARN_TRY(restore_snapshot(base));
        error.message = fmt::format("{} was restored to snapshot {} and no further: {}", done_.result.store,
                                    base, error.message);
        done_.stopped = std::move(error);
        return {};
    }

    Status conclude(const Json& report) {
        const Json& counts = report["counts"];
        const std::uint64_t open = counts["failed"].as_uint() + counts["held"].as_uint() +
                                   counts["unknown"].as_uint() + counts["remaining"].as_uint();
        if (open > 0)
            return fail(
                Code::copy_incomplete,
                fmt::format("{} of {} events did not get into {}: the functions refused some, or the run "
                            "was stopped; nothing else was changed",
                            format_count(open), format_count(counts["selected"].as_uint()), copy()),
                {.next = fmt::format("tarn report {}; tarn store discard {}", done_.run, copy())});
        return put_in_place();
    }

    Status put_in_place() {
        done_.result.store = copy();
        if (!into_) {
            TARN_ASSIGN(done_.result.replaced, engine_.state().promote_copy(copy(), true));
            done_.result.store = store_;
        }
        TARN_ASSIGN(const auto info, engine_.state().store(done_.result.store));
        done_.result.positions = info.positions;
        return {};
    }

    Engine& engine_;
    const std::string store_;
    const std::optional<std::string> into_;
    const Sequence cut_;
    std::string copy_;
    FunctionRestored done_;
};

}  // namespace

Result<bool> is_fed_by_functions(Engine& engine, const std::string& store) {
    TARN_ASSIGN(const auto subscriptions, engine.processing().feeding_subscriptions(store));
    return !subscriptions.empty();
}

Result<FunctionRestored> restore_through_functions(Engine& engine, const std::string& store,
                                                   const state::RestorePoint& point,
                                                   const std::optional<std::string>& into) {
    TARN_ASSIGN(const Sequence cut, cut_of(engine, store, point));
    TARN_ASSIGN(const auto starts, bases(engine, store, cut));
    return FunctionRestore(engine, store, into, cut).from(starts);
}

}  // namespace tarn::server
