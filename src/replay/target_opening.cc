#include "replay/target_opening.h"

#include <fmt/core.h>

#include <algorithm>

#include "replay/destination.h"

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
    for (const std::string& name : plan.target.names()) {
        TARN_ASSIGN(const state::ProjectionSpec spec, parts.state.projection(name));
        TARN_ASSIGN(const catalog::StreamInfo stream, parts.catalog.stream(spec.stream));
        FeederTarget feeder{.name = name, .stream = stream.id, .applier = nullptr};
        TARN_ASSIGN(feeder.applier, parts.state.applier(plan.copy.empty() ? plan.store : plan.copy, name));
        feeders.push_back(std::move(feeder));
    }
    return make_projection_target(std::move(feeders), plan.copy_begins_before);
}

// ---- functions

// The subscription of that name; nullopt when there is none.
Result<std::optional<SubscriptionInfo>> subscription_named(Functions& functions, std::string_view name) {
    TARN_ASSIGN(auto all, functions.subscriptions());
    for (SubscriptionInfo& each : all)
        if (each.name == name) return std::move(each);
    return std::nullopt;
}

Result<FunctionRoute> open_route(Replay::Parts& parts, const FrozenPlan& plan, const std::string& name) {
    TARN_ASSIGN(Functions * functions, functions_of(parts));
    FunctionRoute route{.shape = plan.shape, .streams = plan.streams};
    TARN_ASSIGN(route.function, functions->function(name));
    TARN_ASSIGN(route.at_work, functions->open(name, plan.copy));
    return route;
}

// One route a subscription; those of one function share it.
Result<std::vector<FunctionRoute>> open_copy_routes(Replay::Parts& parts, const FrozenPlan& plan,
                                                    const RunNames& run_names) {
    TARN_ASSIGN(Functions * functions, functions_of(parts));
    TARN_ASSIGN(const state::StoreInfo copy, parts.state.store(plan.copy));
    TARN_ASSIGN(const auto claim, parts.state.claim(plan.copy));
    std::vector<FunctionRoute> routes;
    for (const std::string& name : plan.feeders) {
        TARN_ASSIGN(const auto subscription, subscription_named(*functions, name));
        if (!subscription) return fail(Code::plan_stale, fmt::format("subscription {} is gone", name));
        const auto known = std::ranges::find(routes, subscription->function,
                                             [](const FunctionRoute& route) { return route.function.name; });
        FunctionRoute route;
        if (known == routes.end()) {
            TARN_ASSIGN(route, open_route(parts, plan, subscription->function));
        } else {
            route.function = known->function;
            route.at_work = known->at_work;
            route.streams = known->streams;
        }
        TARN_ASSIGN(route.feeder, make_feeder(parts, *subscription, copy.positions));
        route.copy_claim = claim;
        route.shape = subscription->shape;
        route.takes_replayed = subscription->takes_replayed;
        route.is_named_by = [run_names, name](std::string_view run) { return run_names(run, name); };
        routes.push_back(std::move(route));
    }
    return routes;
}

Result<std::unique_ptr<Target>> open_functions(Replay::Parts& parts, const FrozenPlan& plan, TargetRun run,
                                               const RunNames& run_names) {
    std::vector<FunctionRoute> routes;
    if (plan.copy.empty()) {
        TARN_ASSIGN(FunctionRoute route, open_route(parts, plan, plan.target.place));
        routes.push_back(std::move(route));
    } else {
        if (!run.resume_mark) TARN_TRY(make_fresh_copy(parts, plan));
        TARN_ASSIGN(routes, open_copy_routes(parts, plan, run_names));
    }
    return make_function_target(std::move(routes), std::move(run));
}

Failure was_changed(std::string_view what, const std::string& planned, const std::string& now) {
    return fail(Code::plan_stale,
                fmt::format("{} was version {} when this was planned and is {} now", what, planned, now),
                {.next = "plan again, so that the plan names the version that runs"});
}

Failure is_gone(std::string_view what) {
    return fail(Code::plan_stale, fmt::format("{} is gone since this was planned", what),
                {.next = "plan again"});
}

Status check_function(Functions& functions, const std::string& name, const std::string& planned) {
    const auto function = functions.function(name);
    if (!function && function.error().kind != ErrorKind::not_found) return fail(function.error());
    if (!function) return is_gone("function " + name);
    if (function->version == planned) return {};
    return was_changed("function " + name, planned, function->version);
}

Status check_functions(Replay::Parts& parts, const FrozenPlan& plan) {
    TARN_ASSIGN(Functions * functions, functions_of(parts));
    for (const std::string& name : plan.target.names())
        TARN_TRY(check_function(*functions, name, plan.versions.at(name)));
    for (const std::string& name : plan.feeders) {
        TARN_ASSIGN(const auto subscription, subscription_named(*functions, name));
        const std::string key = subscription_key(name);
        if (!subscription) return is_gone(key);
        if (version_of(*subscription) != plan.versions.at(key))
            return was_changed(key, plan.versions.at(key), version_of(*subscription));
    }
    return {};
}

// ---- projections

Result<std::string> stream_of_feeder(Replay::Parts& parts, const FrozenPlan& plan, const std::string& name) {
    if (plan.target.kind == TargetKind::projection) {
        TARN_ASSIGN(const state::ProjectionSpec spec, parts.state.projection(name));
        return spec.stream;
    }
    TARN_ASSIGN(Functions * functions, functions_of(parts));
    TARN_ASSIGN(const auto subscription, subscription_named(*functions, name));
    if (!subscription) return is_gone(subscription_key(name));
    return subscription->stream;
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

// ---- services and programs

Status check_declared(Replay::Parts& parts, const FrozenPlan& plan) {
    const std::string& name = plan.target.place;
    const auto spec = declared_target(parts.catalog, name);
    if (!spec && spec.error().kind != ErrorKind::not_found) return fail(spec.error());
    if (!spec) return is_gone("target " + name);
    const auto planned = plan.versions.find("target");
    if (planned != plan.versions.end() && planned->second == spec->version()) return {};
    return was_changed("target " + name, planned == plan.versions.end() ? "unknown" : planned->second,
                       spec->version());
}

Result<std::unique_ptr<Target>> open_service(Replay::Parts& parts, HttpSettings settings, TargetRun run) {
    TARN_TRY(net::check_address_in_url(settings.addresses, settings.url));
    if (run.shape == event::Shape::cloudevents) settings.mode = ask_for_mode(settings);
    return make_http_target(parts.clock, std::move(settings), std::move(run));
}

Result<std::unique_ptr<Target>> open_bare_program(Replay::Parts& parts, const FrozenPlan& plan,
                                                  TargetRun run) {
    TARN_TRY(check_may_execute(parts, plan.target));
    TARN_ASSIGN(auto command, command_of(plan.target.place));
    return open_exec_target({.command = std::move(command), .directory = {}}, std::move(run));
}

Result<std::unique_ptr<Target>> open_declared(Replay::Parts& parts, const FrozenPlan& plan, TargetRun run) {
    TARN_ASSIGN(TargetSpec spec, declared_target(parts.catalog, plan.target.place));
    if (spec.is_program())
        return open_exec_target({.command = spec.command,
                                 .directory = spec.directory,
                                 .batch = spec.batch,
                                 .timeout_us = spec.timeout_us,
                                 .is_idempotent = spec.is_idempotent},
                                std::move(run));
    TARN_ASSIGN(HttpSettings settings, http_settings(parts.fs, spec));
    return open_service(parts, std::move(settings), std::move(run));
}

}  // namespace

Status check_may_execute(const Replay::Parts& parts, const TargetAddress& address) {
    if (address.kind != TargetKind::exec || parts.may_execute) return {};
    return fail(
        Code::not_allowed_here,
        fmt::format("{}: a server runs only programs that its owner has declared", address.text()),
        {.next = "declare it in tarn.yaml: targets: {NAME: {exec: …}}, tarn apply, and plan with --to "
                 "target:NAME; or stop the server: a command that works on the directory itself may"});
}

Status check_target_is_free(Replay::Parts& parts, const FrozenPlan& plan) {
    if (plan.target.kind == TargetKind::file) return check_file_is_free(parts.fs, plan.target.place);
    if (plan.copy.empty()) return {};
    TARN_ASSIGN(const bool taken, copy_is_there(parts, plan.copy));
    if (!taken) return {};
    return fail(Code::copy_exists, fmt::format("the copy {} exists", plan.copy),
                {.next = fmt::format("tarn store discard {}", plan.copy)});
}

Status check_target_is_same(Replay::Parts& parts, const FrozenPlan& plan) {
    if (!plan.via.empty()) {
        TARN_ASSIGN(Functions * functions, functions_of(parts));
        TARN_TRY(check_function(*functions, plan.via, plan.via_version));
    }
    if (plan.target.kind == TargetKind::function) return check_functions(parts, plan);
    if (plan.target.kind == TargetKind::declared) return check_declared(parts, plan);
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

namespace {

Result<std::unique_ptr<Target>> open_end(Replay::Parts& parts, const FrozenPlan& plan, TargetRun run,
                                         const RunNames& run_names) {
    const auto& resume_mark = run.resume_mark;
    switch (plan.target.kind) {
        case TargetKind::null:
            return std::make_unique<NullTarget>();
        case TargetKind::file:
            return open_file_target(parts.fs, plan.target.place, std::move(run));
        case TargetKind::stream:
            return make_stream_target(parts.append, plan.target.place, std::move(run));
        case TargetKind::http:
            return open_service(parts, {.url = plan.target.place, .secret = {}, .headers = {}},
                                std::move(run));
        case TargetKind::exec:
            return open_bare_program(parts, plan, std::move(run));
        case TargetKind::declared:
            return open_declared(parts, plan, std::move(run));
        case TargetKind::projection:
            return open_projections(parts, plan, !resume_mark);
        case TargetKind::function:
            return open_functions(parts, plan, std::move(run), run_names);
    }
    return fail(Code::bad_target, "a target of unknown kind");
}

}  // namespace

Result<std::unique_ptr<Target>> open_target(Replay::Parts& parts, const FrozenPlan& plan,
                                            const std::string& run_uid,
                                            std::optional<std::uint64_t> resume_mark,
                                            const RunNames& run_names) {
    TargetRun run{.run = run_uid, .shape = plan.shape, .resume_mark = resume_mark};
    if (plan.via.empty()) return open_end(parts, plan, std::move(run), run_names);
    // Before the target: a function that cannot be had leaves nothing behind.
    Via via{.function = {}, .at_work = {}, .streams = plan.streams};
    TARN_ASSIGN(Functions * functions, functions_of(parts));
    TARN_ASSIGN(via.function, functions->function(plan.via));
    TARN_ASSIGN(via.at_work, functions->open(plan.via, ""));
    TARN_ASSIGN(auto end, open_end(parts, plan, run, run_names));
    return make_via_target(parts.clock, std::move(via), std::move(end), run);
}

Status complete_target(Replay::Parts& parts, const FrozenPlan& plan) {
    if (plan.copy.empty() || !plan.complete) return {};
    // What ran until the end is what was planned.
    TARN_TRY(check_target_is_same(parts, plan));
    for (const std::string& name : plan.feeders) {
        TARN_ASSIGN(const std::string stream, stream_of_feeder(parts, plan, name));
        std::map<Partition, Offset> next;
        if (const auto last = plan.positions.find(stream); last != plan.positions.end())
            for (const auto& [partition, offset] : last->second) next[partition] = offset + 1;
        TARN_TRY(parts.state.advance(plan.copy, name, plan.snapshot, next));
    }
    return parts.state.mark_copy(plan.copy, true);
}

}  // namespace tarn::replay
