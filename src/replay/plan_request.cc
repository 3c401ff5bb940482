#include <fmt/core.h>

#include <algorithm>

#include "base/nearest.h"
#include "replay/plan.h"
#include "replay/request_fields.h"

namespace tarn::replay {

using codec::Json;

Failure bad_request(std::string message) {
    return fail(Code::bad_selection, std::move(message), {.next = "tarn replay plan --help"});
}

Status check_request_keys(const Json& json, const std::vector<std::string>& known) {
    if (!json.is_object()) return bad_request("a plan request must be a JSON object");
    for (const auto& [key, value] : json.members()) {
        if (std::ranges::find(known, key) != known.end()) continue;
        const std::string nearest = nearest_word(key, known);
        return bad_request(fmt::format("unknown key \"{}\"{}", key,
                                       nearest.empty() ? "" : fmt::format(" (nearest: {})", nearest)));
    }
    return {};
}

Status read_text(const Json& json, std::string_view key, std::string& into) {
    const Json& value = json[key];
    if (value.is_null()) return {};
    if (!value.is_string()) return bad_request(fmt::format("\"{}\" must be a string", key));
    into = value.as_string();
    return {};
}

Status read_text(const Json& json, std::string_view key, std::optional<std::string>& into) {
    if (json[key].is_null()) return {};
    return read_text(json, key, into.emplace());
}

Status read_flag(const Json& json, std::string_view key, bool& into) {
    const Json& value = json[key];
    if (value.is_null()) return {};
    if (value.type() != codec::JsonType::boolean)
        return bad_request(fmt::format("\"{}\" must be true or false", key));
    into = value.as_bool();
    return {};
}

Status read_texts(const Json& json, std::string_view key, std::vector<std::string>& into) {
    if (json[key].is_null()) return {};
    if (!json[key].is_array()) return bad_request(fmt::format("\"{}\" must be an array of strings", key));
    for (const Json& element : json[key].elements()) {
        if (!element.is_string()) return bad_request(fmt::format("\"{}\" must hold strings only", key));
        into.push_back(element.as_string());
    }
    return {};
}

Status read_texts(const Json& json, std::string_view key, std::optional<std::vector<std::string>>& into) {
    if (json[key].is_null()) return {};
    return read_texts(json, key, into.emplace());
}

Json PlanRequest::to_json() const {
    Json json = SelectionRequest::to_json();
    if (rebuild) json.set("rebuild", *rebuild);
    Json named = Json::array();
    for (const std::string& subscription : only) named.push(subscription);
    json.set("name", name).set("base", base).set("into", into).set("target", target).set("order", order);
    json.set("on_failure", on_failure).set("pace", pace).set("shape", shape).set("only", std::move(named));
    if (!via.empty()) json.set("via", via);
    return json.set("again", again).set("needs_approval", needs_approval).set("planner", planner);
}

Result<PlanRequest> PlanRequest::from_json(const Json& json) {
    PlanRequest request;
    TARN_ASSIGN(static_cast<SelectionRequest&>(request),
                SelectionRequest::from_json(
                    json, {"name", "rebuild", "base", "into", "target", "order", "on_failure", "pace",
                           "shape", "only", "again", "needs_approval", "planner", "via"}));
    TARN_TRY(read_text(json, "name", request.name));
    TARN_TRY(read_text(json, "rebuild", request.rebuild));
    TARN_TRY(read_text(json, "base", request.base));
    TARN_TRY(read_text(json, "into", request.into));
    TARN_TRY(read_text(json, "target", request.target));
    TARN_TRY(read_text(json, "via", request.via));
    TARN_TRY(read_text(json, "order", request.order));
    TARN_TRY(read_text(json, "on_failure", request.on_failure));
    TARN_TRY(read_text(json, "pace", request.pace));
    TARN_TRY(read_text(json, "shape", request.shape));
    TARN_TRY(read_texts(json, "only", request.only));
    TARN_TRY(read_flag(json, "again", request.again));
    TARN_TRY(read_flag(json, "needs_approval", request.needs_approval));
    TARN_TRY(read_text(json, "planner", request.planner));
    return request;
}

}  // namespace tarn::replay
