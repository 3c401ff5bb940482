#include "replay/permissions.h"

#include <fmt/core.h>

#include <algorithm>

#include "replay/destination.h"

namespace tarn::replay {
namespace {

using event::ReplayMark;

Failure never(const std::string& what) {
    return fail(Code::not_allowed_here, fmt::format("{} is marked replay: never", what),
                {.next = "leave it out of the selection, or change its mark in tarn.yaml"});
}

Result<bool> makes_somebody_act(Replay::Parts& parts, const Acts& acts) {
    if (!acts.functions.empty() || acts.names_subscriptions) return true;
    switch (acts.target.kind) {
        case TargetKind::function:
        case TargetKind::http:
        case TargetKind::exec:
        case TargetKind::declared:
            return true;
        case TargetKind::stream:
            break;
        default:
            return false;
    }
    if (parts.functions == nullptr) return false;
    TARN_ASSIGN(const auto subscriptions, parts.functions->subscriptions());
    return std::ranges::any_of(subscriptions, [&acts](const SubscriptionInfo& each) {
        return each.takes_replayed && each.stream == acts.target.place;
    });
}

void add_once(std::vector<std::string>& names, const std::string& name) {
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
}

Status add_types(Replay::Parts& parts, const Acts& acts, std::vector<std::string>& names) {
    TARN_ASSIGN(const bool count, makes_somebody_act(parts, acts));
    if (!count) return {};
    for (const std::string& stream : acts.streams) {
        TARN_ASSIGN(const catalog::StreamInfo info, parts.catalog.stream(stream));
        for (const auto& [type, mark] : info.settings.replay) {
            if (std::ranges::find(acts.types, type) == acts.types.end()) continue;
            if (mark == ReplayMark::never) return never(fmt::format("event type {} of {}", type, stream));
            if (mark == ReplayMark::ask) add_once(names, type);
        }
    }
    return {};
}

Result<std::vector<FunctionInfo>> functions_called(Replay::Parts& parts, const codec::Json& plan,
                                                   const TargetAddress& target) {
    std::vector<FunctionInfo> called;
    if (parts.functions == nullptr) return called;
    std::vector<std::string> names;
    if (target.kind == TargetKind::function) names = target.names();
    if (plan.has("via")) add_once(names, plan["via"]["function"].as_string());
    if (plan["only"].size() > 0) {
        TARN_ASSIGN(const auto subscriptions, parts.functions->subscriptions());
        for (const codec::Json& only : plan["only"].elements())
            for (const SubscriptionInfo& each : subscriptions)
                if (each.name == only.as_string() && !each.function.empty()) add_once(names, each.function);
    }
    for (const std::string& name : names) {
        TARN_ASSIGN(FunctionInfo info, parts.functions->function(name));
        called.push_back(std::move(info));
    }
    return called;
}

}  // namespace

Result<std::vector<std::string>> permissions_needed(Replay::Parts& parts, const Acts& acts) {
    std::vector<std::string> names;
    for (const FunctionInfo& function : acts.functions) {
        if (function.mark == ReplayMark::never) return never("function " + function.name);
        if (function.mark == ReplayMark::ask) add_once(names, function.name);
    }
    TARN_TRY(add_types(parts, acts, names));
    return names;
}

Status check_permissions(Replay::Parts& parts, const codec::Json& plan,
                         const std::vector<std::string>& allow) {
    TARN_ASSIGN(const TargetAddress target, TargetAddress::parse(plan["target"].as_string()));
    TARN_ASSIGN(const auto functions, functions_called(parts, plan, target));
    Acts acts{.target = target,
              .functions = functions,
              .streams = {},
              .types = {},
              .names_subscriptions = plan["only"].size() > 0};
    for (const auto& [stream, id] : plan["stream_ids"].members()) acts.streams.push_back(stream);
    for (const auto& [type, count] : plan["by_type"].members()) acts.types.push_back(type);
    TARN_ASSIGN(auto missing, permissions_needed(parts, acts));
    std::erase_if(missing,
                  [&allow](const auto& name) { return std::ranges::find(allow, name) != allow.end(); });
    if (missing.empty()) return {};
    std::string names, flags;
    for (const std::string& name : missing) {
        names += (names.empty() ? "" : ", ") + name;
        flags += " --allow " + name;
    }
    for (const std::string& name : allow) flags += " --allow " + name;
    const std::string id = plan["plan"].as_string();
    return fail(
        Code::not_allowed_here,
        fmt::format("plan {}: {} {} marked replay: ask", id, names, missing.size() == 1 ? "is" : "are"),
        {.next = fmt::format("when its effects may happen again: tarn replay run {}{}", id, flags)});
}

}  // namespace tarn::replay
