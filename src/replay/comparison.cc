#include "replay/comparison.h"

#include <fmt/format.h>

#include <algorithm>

#include "replay/destination.h"
#include "replay/permissions.h"

namespace tarn::replay {
namespace {

Result<std::string> name_in(const std::string& text) {
    const std::string name = text.starts_with("function:") ? text.substr(9) : text;
    if (!name.empty() && name.find_first_of(":,") == std::string::npos) return name;
    return fail(Code::bad_usage, fmt::format("\"{}\" is no function", text),
                {.next = "name two functions of tarn.yaml: --compare-outputs function:OLD function:NEW"});
}

Result<FunctionInfo> look_up(Functions& functions, const std::string& text) {
    TARN_ASSIGN(const std::string name, name_in(text));
    TARN_ASSIGN(FunctionInfo info, functions.function(name));
    if (info.stores.empty()) return info;
    return fail(
        Code::bad_usage,
        fmt::format("function {} writes store {}: a comparison would change it", name, info.stores.front()),
        {.next = fmt::format("compare the states that versions make instead: tarn replay plan --rebuild {} "
                             "--base empty --into NAME, then tarn store diff",
                             info.stores.front())});
}

Status check_allowed(Replay::Parts& parts, const codec::Json& plan,
                     const std::vector<FunctionInfo>& functions, const std::vector<std::string>& allow) {
    const TargetAddress target{TargetKind::function, functions.front().name};
    Acts acts{.target = target, .functions = functions, .streams = {}, .types = {}};
    for (const auto& [stream, id] : plan["stream_ids"].members()) acts.streams.push_back(stream);
    for (const auto& [type, count] : plan["by_type"].members()) acts.types.push_back(type);
    TARN_ASSIGN(auto missing, permissions_needed(parts, acts));
    std::erase_if(missing,
                  [&allow](const auto& name) { return std::ranges::find(allow, name) != allow.end(); });
    if (missing.empty()) return {};
    std::vector<std::string> flags = allow;
    flags.insert(flags.end(), missing.begin(), missing.end());
    return fail(
        Code::not_allowed_here,
        fmt::format("{} {} marked replay: ask", fmt::join(missing, ", "), missing.size() == 1 ? "is" : "are"),
        {.next = fmt::format("when effects may happen again, repeat with --allow {}",
                             fmt::join(flags, " --allow "))});
}

}  // namespace

Result<std::vector<ComparedFunction>> open_for_comparison(Replay::Parts& parts, const codec::Json& plan,
                                                          const std::vector<std::string>& names,
                                                          const std::vector<std::string>& allow) {
    TARN_ASSIGN(Functions * functions, functions_of(parts));
    std::vector<FunctionInfo> infos;
    for (const std::string& name : names) {
        TARN_ASSIGN(FunctionInfo info, look_up(*functions, name));
        infos.push_back(std::move(info));
    }
    TARN_TRY(check_allowed(parts, plan, infos, allow));
    TARN_TRY(functions->check_can_run("a comparison of functions"));
    std::vector<ComparedFunction> compared;
    for (FunctionInfo& info : infos) {
        TARN_ASSIGN(auto at_work, functions->open(info.name, ""));
        compared.push_back({std::move(info), std::move(at_work)});
    }
    return compared;
}

}  // namespace tarn::replay
