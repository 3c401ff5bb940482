#include "replay/approval.h"

#include <fmt/core.h>

namespace tarn::replay {

using codec::Json;

Status check_approval(const Json& plan) {
    if (!plan["needs_approval"].as_bool()) return {};
    const Json& approval = plan["approval"];
    const std::string& id = plan["plan"].as_string();
    if (approval.is_object() && approval["digest"].as_string() == plan["digest"].as_string()) return {};
    return fail(
        Code::not_allowed_here,
        fmt::format("plan {} needs the approval of somebody else than {}, who made it", id,
                    plan["planner"].as_string()),
        {.next = fmt::format("they look at it with: tarn replay show {}; and say so with: tarn replay "
                             "approve {}",
                             id, id)});
}

Result<Json> approve_plan(Replay::Parts& parts, Json plan, const std::string& by) {
    const std::string id = plan["plan"].as_string();
    if (!plan["needs_approval"].as_bool())
        return fail(Code::bad_selection, fmt::format("plan {} needs no approval", id),
                    {.next = fmt::format("tarn replay run {}", id)});
    if (by.empty())
        return fail(Code::bad_usage, "an approval must say whose it is",
                    {.next = "tarn replay approve --as NAME"});
    if (by == plan["planner"].as_string())
        return fail(Code::not_allowed_here,
                    fmt::format("plan {} was made by {}: somebody else must approve it", id, by),
                    {.next = fmt::format("ask them to look at it: tarn replay show {}", id)});
    const Time now = parts.clock.now();
    plan.set("approval",
             Json::object().set("by", by).set("at", format_rfc3339(now)).set("digest", plan["digest"]));
    TARN_TRY(os::write_file_durably(parts.fs, os::join(os::join(parts.directory, id), "plan.json"),
                                    plan.dump_pretty()));
    TARN_TRY(parts.catalog.put_document({"plan", id, now, plan}));
    return plan;
}

}  // namespace tarn::replay
