#include "replay/target_opening.h"

#include <fmt/core.h>

namespace tarn::replay {
namespace {

Result<bool> copy_is_there(Replay::Parts& parts, const std::string& copy) {
    const auto store = parts.state.store(copy);
    if (store) return true;
    if (store.error().kind == ErrorKind::not_found) return false;
    return fail(store.error());
}

Status make_fresh_copy(Replay::Parts& parts, const FrozenPlan& plan) {
    TARN_ASSIGN(const bool left_over, copy_is_there(parts, plan.copy));
    if (left_over) TARN_TRY(parts.state.discard_copy(plan.copy));
    const std::string name = plan.copy.substr(plan.copy.find('@') + 1);
    TARN_TRY(parts.state.make_copy(plan.store, name, plan.base));
    return parts.state.mark_copy(plan.copy, false);
}

Result<std::unique_ptr<Target>> open_projections(Replay::Parts& parts, const FrozenPlan& plan,
                                                 bool first_time) {
    if (!plan.copy.empty() && first_time) TARN_TRY(make_fresh_copy(parts, plan));
    std::vector<FeederTarget> feeders;
    for (const std::string& name : plan.target.projections()) {
        TARN_ASSIGN(const state::ProjectionSpec spec, parts.state.projection(name));
        TARN_ASSIGN(const catalog::StreamInfo stream, parts.catalog.stream(spec.stream));
        FeederTarget feeder{.name = name, .stream = stream.id, .applier = nullptr};
        TARN_ASSIGN(feeder.applier, parts.state.applier(plan.copy.empty() ? plan.store : plan.copy, name));
        feeders.push_back(std::move(feeder));
    }
    return make_projection_target(std::move(feeders), plan.copy_begins_before);
}

Status check_projection(Replay::Parts& parts, const std::string& name, const std::string& planned) {
    const auto spec = parts.state.projection(name);
    if (!spec)
        return fail(Code::plan_stale, fmt::format("projection {} is gone: {}", name, spec.error().message),
                    {.next = "plan again"});
    if (spec->version() == planned) return {};
    return fail(Code::plan_stale,
                fmt::format("projection {} was version {} when this was planned and is {} now", name, planned,
                            spec->version()),
                {.next = "plan again, so that the plan names the version that runs"});
}

}  // namespace

Status check_target_is_free(Replay::Parts& parts, const FrozenPlan& plan) {
    if (plan.target.kind == TargetKind::file) return check_file_is_free(parts.fs, plan.target.place);
    if (plan.copy.empty()) return {};
    TARN_ASSIGN(const bool taken, copy_is_there(parts, plan.copy));
    if (!taken) return {};
    return fail(Code::copy_exists, fmt::format("the copy {} exists", plan.copy),
                {.next = fmt::format("tarn store discard {}", plan.copy)});
}

Status check_target_is_same(Replay::Parts& parts, const FrozenPlan& plan) {
    for (const auto& [name, version] : plan.versions) {
        if (plan.target.kind == TargetKind::projection) {
            TARN_TRY(check_projection(parts, name, version));
            continue;
        }
        const auto stream = parts.catalog.stream(plan.target.place);
        if (!stream || std::to_string(stream->id.value) != version)
            return fail(Code::plan_stale,
                        fmt::format("stream {} was deleted since this was planned", plan.target.place),
                        {.next = "plan again"});
    }
    return {};
}

Result<std::unique_ptr<Target>> open_target(Replay::Parts& parts, const FrozenPlan& plan,
                                            const std::string& run_uid,
                                            std::optional<std::uint64_t> resume_mark) {
    TargetRun run{.run = run_uid, .shape = plan.shape, .resume_mark = resume_mark};
    switch (plan.target.kind) {
        case TargetKind::null:
            return std::make_unique<NullTarget>();
        case TargetKind::file:
            return open_file_target(parts.fs, plan.target.place, std::move(run));
        case TargetKind::stream:
            return make_stream_target(parts.append, plan.target.place, std::move(run));
        case TargetKind::http:
            return make_http_target(parts.clock, plan.target.place, std::move(run));
        case TargetKind::projection:
            return open_projections(parts, plan, !resume_mark);
    }
    return fail(Code::bad_target, "a target of unknown kind");
}

Status complete_target(Replay::Parts& parts, const FrozenPlan& plan) {
    if (plan.target.kind != TargetKind::projection || plan.copy.empty() || !plan.complete) return {};
    for (const std::string& name : plan.target.projections()) {
        TARN_ASSIGN(const state::ProjectionSpec spec, parts.state.projection(name));
        std::map<Partition, Offset> next;
        if (const auto last = plan.positions.find(spec.stream); last != plan.positions.end())
            for (const auto& [partition, offset] : last->second) next[partition] = offset + 1;
        TARN_TRY(parts.state.advance(plan.copy, name, plan.snapshot, next));
    }
    return parts.state.mark_copy(plan.copy, true);
}

}  // namespace tarn::replay
