#include "replay/destination.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "base/nearest.h"
#include "codec/hash.h"
#include "replay/target_opening.h"

namespace tarn::replay {
namespace {

Failure bad(std::string message, std::string next = "tarn replay plan --help") {
    return fail(Code::bad_selection, std::move(message), {.next = std::move(next)});
}

// "fix" and "accounts@fix" mean the same copy of accounts.
Result<std::string> copy_of(const std::string& store, const std::string& into) {
    const std::size_t at = into.find('@');
    const std::string name = at == std::string::npos ? into : into.substr(at + 1);
    if (at != std::string::npos && into.substr(0, at) != store)
        return bad(fmt::format("--into {} names a copy of another store than {}", into, store));
    if (name.empty() || name.find('@') != std::string::npos)
        return bad(fmt::format("--into {}: expected COPY or STORE@COPY", into));
    return store + "@" + name;
}

Status resolve_copy(const PlanRequest& request, Destination& to) {
    if (request.base.empty())
        return bad(fmt::format("--into {} needs --base: what the copy starts from", request.into),
                   "--base SNAPSHOT, --base empty or --base live; tarn snapshot list");
    TARN_ASSIGN(to.copy, copy_of(to.store, request.into));
    to.base = request.base;
    return {};
}

std::string joined(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : ",") + name;
    return text;
}

bool contains(const std::vector<std::string>& names, std::string_view name) {
    return std::ranges::find(names, name) != names.end();
}

// ---- projections

Status resolve_projections(Replay::Parts& parts, const PlanRequest& request, Destination& to) {
    to.names = to.address.names();
    for (const std::string& name : to.names) {
        TARN_ASSIGN(const state::ProjectionSpec spec, parts.state.projection(name));
        if (!contains(request.streams(), spec.stream))
            return bad(fmt::format("projection {} takes events of stream {}, the plan selects from {}", name,
                                   spec.stream, request.stream));
        if (!to.store.empty() && to.store != spec.store)
            return bad("the target's projections feed different stores");
        to.store = spec.store;
    }
    if (!request.into.empty()) {
        TARN_TRY(resolve_copy(request, to));
        TARN_ASSIGN(to.feeders, resolve_feeders(parts, to.store, to.names, to.base));
    }
    TARN_ASSIGN(const auto specs, parts.state.projections());
    for (const auto& spec : specs)
        if (spec.store == to.store && !contains(to.names, spec.name)) to.feeds_whole_store = false;
    return {};
}

Status add_projection_versions(Replay::Parts& parts, Destination& to) {
    for (const std::string& name : to.names) {
        TARN_ASSIGN(const state::ProjectionSpec spec, parts.state.projection(name));
        to.version.set(name, spec.version());
    }
    return {};
}

// ---- functions

// A function that writes more than one store would write the live one of those that are not copied.
Status check_writes_one_store(const FunctionInfo& function) {
    if (function.stores.size() == 1) return {};
    if (function.stores.empty())
        return bad(fmt::format("function {} writes no store: there is nothing to copy", function.name),
                   "leave --into and --base out, or name its store in tarn.yaml: functions: stores");
    return bad(
        fmt::format("function {} writes {} stores ({}): a run into a copy of one would change the others",
                    function.name, function.stores.size(), joined(function.stores)),
        "give each store a function of its own");
}

// The subscriptions of these functions, by name.
Result<std::vector<SubscriptionInfo>> subscriptions_of(Functions& functions,
                                                       const std::vector<std::string>& names) {
    TARN_ASSIGN(auto all, functions.subscriptions());
    std::erase_if(all, [&names](const auto& each) { return !contains(names, each.function); });
    std::ranges::sort(all, {}, &SubscriptionInfo::name);
    return all;
}

// All functions that feed the store, each once.
Result<std::vector<std::string>> functions_feeding(Functions& functions, const std::string& store) {
    TARN_ASSIGN(const auto subscriptions, functions.subscriptions());
    std::set<std::string> names;
    for (const SubscriptionInfo& subscription : subscriptions) {
        const auto function = functions.function(subscription.function);
        if (function && contains(function->stores, store)) names.insert(function->name);
    }
    return std::vector<std::string>(names.begin(), names.end());
}

Status resolve_function_copy(Replay::Parts& parts, const PlanRequest& request, Destination& to) {
    for (const FunctionInfo& function : to.functions) TARN_TRY(check_writes_one_store(function));
    to.store = to.functions.front().stores.front();
    TARN_TRY(resolve_copy(request, to));
    if (to.subscriptions.empty())
        return bad(fmt::format("no subscription feeds function {}: what belongs into {} is not known",
                               to.names.front(), to.store),
                   "declare it in tarn.yaml: subscriptions");
    TARN_ASSIGN(to.feeders, resolve_feeders(parts, to.store, to.subscriptions, to.base));
    TARN_ASSIGN(Functions * functions, functions_of(parts));
    TARN_ASSIGN(const auto feeding, functions_feeding(*functions, to.store));
    to.feeds_whole_store =
        std::ranges::all_of(feeding, [&to](const std::string& name) { return contains(to.names, name); });
    return {};
}

Status resolve_functions(Replay::Parts& parts, const PlanRequest& request, Destination& to) {
    to.names = to.address.names();
    TARN_ASSIGN(Functions * functions, functions_of(parts));
    if (to.names.size() > 1 && !request.rebuild)
        return bad(fmt::format("--to {}: one function at a time", to.address.text()));
    for (const std::string& name : to.names) {
        TARN_ASSIGN(FunctionInfo function, functions->function(name));
        to.version.set(name, function.version);
        to.functions.push_back(std::move(function));
    }
    TARN_ASSIGN(to.subscriptions, subscriptions_of(*functions, to.names));
    if (request.into.empty()) return {};
    TARN_TRY(resolve_function_copy(parts, request, to));
    for (const SubscriptionInfo& subscription : to.subscriptions)
        to.version.set(subscription_key(subscription.name), version_of(subscription));
    return {};
}

// ---- streams

Status resolve_only(Replay::Parts& parts, const PlanRequest& request, Destination& to) {
    if (request.only.empty()) return {};
    if (to.address.kind != TargetKind::stream)
        return bad(
            fmt::format("--only belongs to stream targets, not to {}", to.address.text()),
            "name the subscriptions that shall see what is sent into a stream: --to stream:NAME --only S");
    TARN_ASSIGN(Functions * functions, functions_of(parts));
    TARN_ASSIGN(const auto subscriptions, functions->subscriptions());
    std::vector<std::string> known;
    for (const SubscriptionInfo& subscription : subscriptions)
        if (subscription.stream == to.address.place) known.push_back(subscription.name);
    for (const std::string& name : request.only) {
        const auto named = std::ranges::find(subscriptions, name, &SubscriptionInfo::name);
        if (named == subscriptions.end() || named->stream != to.address.place) {
            const std::string nearest = nearest_word(name, known);
            return fail(Code::unknown_subscription,
                        fmt::format("--only {}: stream {} has no such subscription", name, to.address.place),
                        {.next = nearest.empty() ? "tarn subscription list"
                                                 : fmt::format("did you mean {}?", nearest)});
        }
        if (named->function.empty()) continue;  // into another stream, or outside
        TARN_ASSIGN(FunctionInfo function, functions->function(named->function));
        to.functions.push_back(std::move(function));
    }
    return {};
}

Status resolve_stream(Replay::Parts& parts, Destination& to) {
    if (to.address.place.starts_with('_'))
        return fail(Code::bad_target,
                    fmt::format("stream:{} belongs to Tarn: only Tarn writes there", to.address.place),
                    {.next = "name a stream of your own; what there is: tarn stream list"});
    TARN_ASSIGN(const catalog::StreamInfo stream, parts.catalog.stream(to.address.place));
    to.version.set("stream", std::to_string(stream.id.value));
    return {};
}

// ---- on the way

Failure not_by_way(const TargetAddress& target) {
    return target.kind == TargetKind::function
               ? bad(fmt::format("--via does not go with --to {}: what arrives would come from another "
                                 "function than the one that is replayed",
                                 target.text()),
                     "call the one from the other's code, or send what it makes into a stream first: --to "
                     "stream:NAME --via …")
               : bad(fmt::format(
                         "--via does not go with {}: a store must follow from the events that the lake "
                         "has, or no rebuild arrives at it again",
                         target.text()),
                     "send what the function makes into a stream, and declare the projection there: --to "
                     "stream:NAME --via …");
}

Status resolve_via(Replay::Parts& parts, const PlanRequest& request, Destination& to) {
    if (request.via.empty()) return {};
    const std::string name = request.via.starts_with("function:") ? request.via.substr(9) : "";
    if (name.empty() || name.find_first_of(":,") != std::string::npos)
        return bad(
            fmt::format("--via {}: expected function:NAME", request.via),
            "name a function of tarn.yaml that speaks Firehose's contract: docs/reference/functions.md");
    if (to.address.kind == TargetKind::function || to.address.kind == TargetKind::projection)
        return not_by_way(to.address);
    TARN_ASSIGN(Functions * functions, functions_of(parts));
    TARN_ASSIGN(to.via, functions->function(name));
    return {};
}

// ---- --rebuild

Status check_rebuild(Replay::Parts& parts, const PlanRequest& request) {
    if (!request.target.empty() && !request.target.starts_with("projection:") &&
        !request.target.starts_with("function:"))
        return bad("--rebuild goes to the store's own feeders: leave --to out");
    if (request.into.empty())
        return bad("--rebuild needs --into COPY: it never touches the live store",
                   "tarn replay plan --rebuild STORE --base … --into COPY");
    TARN_TRY(parts.state.store(*request.rebuild));
    return {};
}

Status resolve_rebuild(Replay::Parts& parts, const PlanRequest& request, Destination& to) {
    TARN_TRY(check_rebuild(parts, request));
    if (parts.functions != nullptr) {
        TARN_ASSIGN(const auto names, functions_feeding(*parts.functions, *request.rebuild));
        if (!names.empty()) {
            to.address = {TargetKind::function, joined(names)};
            return resolve_functions(parts, request, to);
        }
    }
    to.store = *request.rebuild;
    TARN_TRY(resolve_copy(request, to));
    TARN_ASSIGN(to.feeders, resolve_feeders(parts, to.store, to.names, to.base));
    for (const Feeder& feeder : to.feeders) to.names.push_back(feeder.name);
    to.address = {TargetKind::projection, joined(to.names)};
    return add_projection_versions(parts, to);
}

}  // namespace

Result<Destination> resolve_destination(Replay::Parts& parts, const PlanRequest& request) {
    Destination to;
    if (request.rebuild) {
        TARN_TRY(resolve_rebuild(parts, request, to));
        TARN_TRY(resolve_only(parts, request, to));
        TARN_TRY(resolve_via(parts, request, to));
        return to;
    }
    TARN_ASSIGN(to.address, TargetAddress::parse(request.target));
    const TargetKind kind = to.address.kind;
    const bool holds_state = kind == TargetKind::projection || kind == TargetKind::function;
    if (!holds_state && (!request.into.empty() || !request.base.empty()))
        return bad(fmt::format("--into and --base belong to projection and function targets, not to {}",
                               to.address.text()));
    if (request.into.empty() && !request.base.empty()) return bad("--base needs --into COPY");
    if (kind == TargetKind::projection) {
        TARN_TRY(resolve_projections(parts, request, to));
        TARN_TRY(add_projection_versions(parts, to));
    }
    if (kind == TargetKind::function) TARN_TRY(resolve_functions(parts, request, to));
    if (kind == TargetKind::stream) TARN_TRY(resolve_stream(parts, to));
    if (kind == TargetKind::declared) {
        TARN_ASSIGN(const TargetSpec spec, declared_target(parts.catalog, to.address.place));
        to.version.set("target", spec.version());
    }
    if (kind == TargetKind::http)
        TARN_TRY(net::check_address_in_url(net::AddressRule::no_private_networks, to.address.place));
    TARN_TRY(check_may_execute(parts, to.address));
    if (kind == TargetKind::file)
        TARN_TRY(check_file_place(parts.fs, to.address.place, os::parent_of(parts.directory)));
    TARN_TRY(resolve_only(parts, request, to));
    TARN_TRY(resolve_via(parts, request, to));
    return to;
}

std::vector<FunctionInfo> functions_of_run(const Destination& to) {
    std::vector<FunctionInfo> called = to.functions;
    if (to.via) called.push_back(*to.via);
    return called;
}

std::string version_of(const SubscriptionInfo& subscription) {
    const std::string text = fmt::format("{}\n{}\n{}\n{}", subscription.stream, subscription.function,
                                         event::shape_name(subscription.shape), subscription.pattern);
    return codec::sha256_hex(text).substr(0, 12);
}

std::string subscription_key(std::string_view subscription) {
    return fmt::format("subscription {}", subscription);
}

Result<Functions*> functions_of(Replay::Parts& parts) {
    if (parts.functions != nullptr) return parts.functions;
    return fail(Code::internal, "a plan names functions where there are none");
}

}  // namespace tarn::replay
