#include <fmt/core.h>

#include <algorithm>

#include "base/nearest.h"
#include "replay/plan.h"

namespace tarn::replay {
namespace {

using codec::Json;

const std::vector<std::string>& known_keys() {
    static const std::vector<std::string> keys = {
        "name",    "stream", "since", "until",  "ingested", "pattern",    "where", "sql",   "ids",  "all",
        "rebuild", "base",   "into",  "target", "order",    "on_failure", "pace",  "shape", "only", "again"};
    return keys;
}

Failure bad(std::string message) {
    return fail(Code::bad_selection, std::move(message), {.next = "tarn replay plan --help"});
}

Status read_text(const Json& json, std::string_view key, std::string& into) {
    const Json& value = json[key];
    if (value.is_null()) return {};
    if (!value.is_string()) return bad(fmt::format("\"{}\" must be a string", key));
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
        return bad(fmt::format("\"{}\" must be true or false", key));
    into = value.as_bool();
    return {};
}

Status read_texts(const Json& json, std::string_view key, std::vector<std::string>& into) {
    if (!json[key].is_array()) return bad(fmt::format("\"{}\" must be an array of strings", key));
    for (const Json& element : json[key].elements()) {
        if (!element.is_string()) return bad(fmt::format("\"{}\" must hold strings only", key));
        into.push_back(element.as_string());
    }
    return {};
}

Status check_keys(const Json& json) {
    if (!json.is_object()) return bad("a plan request must be a JSON object");
    for (const auto& [key, value] : json.members()) {
        if (std::find(known_keys().begin(), known_keys().end(), key) != known_keys().end()) continue;
        const std::string nearest = nearest_word(key, known_keys());
        return bad(fmt::format("unknown key \"{}\"{}", key,
                               nearest.empty() ? "" : fmt::format(" (nearest: {})", nearest)));
    }
    return {};
}

Json texts(const std::vector<std::string>& values) {
    Json array = Json::array();
    for (const std::string& value : values) array.push(value);
    return array;
}

}  // namespace

Json PlanRequest::to_json() const {
    Json json = Json::object();
    const auto optional = [&json](std::string_view key, const std::optional<std::string>& value) {
        if (value) json.set(key, *value);
    };
    json.set("name", name).set("stream", stream);
    optional("since", since);
    optional("until", until);
    json.set("ingested", ingested);
    optional("pattern", pattern);
    optional("where", where);
    optional("sql", sql);
    if (ids) json.set("ids", texts(*ids));
    json.set("all", all);
    optional("rebuild", rebuild);
    json.set("base", base)
        .set("into", into)
        .set("target", target)
        .set("order", order)
        .set("on_failure", on_failure);
    json.set("pace", pace).set("shape", shape).set("only", texts(only)).set("again", again);
    return json;
}

Result<PlanRequest> PlanRequest::from_json(const Json& json) {
    TARN_TRY(check_keys(json));
    PlanRequest request;
    TARN_TRY(read_text(json, "name", request.name));
    TARN_TRY(read_text(json, "stream", request.stream));
    TARN_TRY(read_text(json, "since", request.since));
    TARN_TRY(read_text(json, "until", request.until));
    TARN_TRY(read_flag(json, "ingested", request.ingested));
    // A pattern may stand as the object that it is, or as its text.
    if (json["pattern"].is_object())
        request.pattern = json["pattern"].dump();
    else
        TARN_TRY(read_text(json, "pattern", request.pattern));
    TARN_TRY(read_text(json, "where", request.where));
    TARN_TRY(read_text(json, "sql", request.sql));
    if (json.has("ids") && !json["ids"].is_null()) TARN_TRY(read_texts(json, "ids", request.ids.emplace()));
    TARN_TRY(read_flag(json, "all", request.all));
    TARN_TRY(read_text(json, "rebuild", request.rebuild));
    TARN_TRY(read_text(json, "base", request.base));
    TARN_TRY(read_text(json, "into", request.into));
    TARN_TRY(read_text(json, "target", request.target));
    TARN_TRY(read_text(json, "order", request.order));
    TARN_TRY(read_text(json, "on_failure", request.on_failure));
    TARN_TRY(read_text(json, "pace", request.pace));
    TARN_TRY(read_text(json, "shape", request.shape));
    if (json.has("only") && !json["only"].is_null()) TARN_TRY(read_texts(json, "only", request.only));
    TARN_TRY(read_flag(json, "again", request.again));
    return request;
}

}  // namespace tarn::replay
