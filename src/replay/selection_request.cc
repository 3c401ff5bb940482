// SelectionRequest as a JSON document: what `tarn replay plan` sends and `tarn selection save` keeps.
#include <fmt/core.h>

#include <algorithm>

#include "base/nearest.h"
#include "replay/plan.h"
#include "replay/request_fields.h"

namespace tarn::replay {
namespace {

using codec::Json;

// A selection within selections within selections is a mistake or an attack.
constexpr int deepest = 8;

const std::vector<std::string>& selection_keys() {
    static const std::vector<std::string> keys = {
        "stream",    "since",    "until",      "ingested", "since_event", "since_snapshot",
        "pattern",   "where",    "sql",        "ids",      "keys",        "dead_letters",
        "failed_of", "outcomes", "selections", "except",   "all"};
    return keys;
}

Json texts(const std::vector<std::string>& values) {
    Json array = Json::array();
    for (const std::string& value : values) array.push(value);
    return array;
}

Status read_stream(const Json& json, std::string& into) {
    if (!json["stream"].is_array()) return read_text(json, "stream", into);
    std::vector<std::string> names;
    TARN_TRY(read_texts(json, "stream", names));
    for (const std::string& name : names) into += (into.empty() ? "" : ",") + name;
    return {};
}

// A pattern may stand as the object that it is, or as its text.
Status read_pattern(const Json& json, std::optional<std::string>& into) {
    if (!json["pattern"].is_object()) return read_text(json, "pattern", into);
    into = json["pattern"].dump();
    return {};
}

Result<SelectionRequest> read(const Json& json, const std::vector<std::string>& more, int depth);

Status read_except(const Json& json, std::vector<SelectionRequest>& into, int depth) {
    if (json["except"].is_null()) return {};
    if (!json["except"].is_array()) return bad_request("\"except\" must be an array of selections");
    for (const Json& each : json["except"].elements()) {
        TARN_ASSIGN(SelectionRequest taken_away, read(each, {}, depth + 1));
        if (!taken_away.selects_anything())
            return bad_request("a selection of \"except\" selects nothing: it would take nothing away");
        into.push_back(std::move(taken_away));
    }
    return {};
}

// Everything and only a part of it cannot both be meant.
Status check_means_all(SelectionRequest request) {
    request.all = false;
    if (!request.selects_anything()) return {};
    std::string parts;
    const Json json = request.to_json();
    for (const auto& [key, value] : json.members())
        if (key != "stream" && key != "except") parts += (parts.empty() ? "" : ", ") + key;
    return fail(Code::bad_selection,
                fmt::format("\"all\" selects everything, but there is {} as well", parts),
                {.next = "leave --all out; or leave the conditions out"});
}

Result<SelectionRequest> read(const Json& json, const std::vector<std::string>& more, int depth) {
    if (depth > deepest) return bad_request(fmt::format("selections are nested more than {} deep", deepest));
    std::vector<std::string> known = selection_keys();
    known.insert(known.end(), more.begin(), more.end());
    TARN_TRY(check_request_keys(json, known));
    SelectionRequest request;
    TARN_TRY(read_stream(json, request.stream));
    TARN_TRY(read_text(json, "since", request.since));
    TARN_TRY(read_text(json, "until", request.until));
    TARN_TRY(read_flag(json, "ingested", request.ingested));
    TARN_TRY(read_text(json, "since_event", request.since_event));
    TARN_TRY(read_text(json, "since_snapshot", request.since_snapshot));
    TARN_TRY(read_pattern(json, request.pattern));
    TARN_TRY(read_text(json, "where", request.where));
    TARN_TRY(read_text(json, "sql", request.sql));
    TARN_TRY(read_texts(json, "ids", request.ids));
    TARN_TRY(read_texts(json, "keys", request.keys));
    TARN_TRY(read_text(json, "dead_letters", request.dead_letters));
    TARN_TRY(read_text(json, "failed_of", request.failed_of));
    TARN_TRY(read_texts(json, "outcomes", request.outcomes));
    TARN_TRY(read_texts(json, "selections", request.selections));
    TARN_TRY(read_except(json, request.except, depth));
    TARN_TRY(read_flag(json, "all", request.all));
    if (request.all) TARN_TRY(check_means_all(request));
    return request;
}

}  // namespace

std::vector<std::string> SelectionRequest::streams() const {
    std::vector<std::string> names;
    for (std::string_view rest = stream; !rest.empty();) {
        const std::size_t comma = rest.find(',');
        const std::string name(rest.substr(0, comma));
        if (!name.empty() && std::ranges::find(names, name) == names.end()) names.push_back(name);
        rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    }
    return names;
}

bool SelectionRequest::selects_anything() const {
    return all || since || until || since_event || since_snapshot || pattern || where || sql || ids || keys ||
           dead_letters || failed_of || !selections.empty();
}

Json SelectionRequest::to_json() const {
    Json json = Json::object();
    const auto optional = [&json](std::string_view key, const std::optional<std::string>& value) {
        if (value) json.set(key, *value);
    };
    if (!stream.empty()) json.set("stream", stream);
    optional("since", since);
    optional("until", until);
    if (ingested) json.set("ingested", true);
    optional("since_event", since_event);
    optional("since_snapshot", since_snapshot);
    optional("pattern", pattern);
    optional("where", where);
    optional("sql", sql);
    if (ids) json.set("ids", texts(*ids));
    if (keys) json.set("keys", texts(*keys));
    optional("dead_letters", dead_letters);
    optional("failed_of", failed_of);
    if (!outcomes.empty()) json.set("outcomes", texts(outcomes));
    if (!selections.empty()) json.set("selections", texts(selections));
    if (!except.empty()) {
        Json taken_away = Json::array();
        for (const SelectionRequest& each : except) taken_away.push(each.to_json());
        json.set("except", std::move(taken_away));
    }
    if (all) json.set("all", true);
    return json;
}

Result<SelectionRequest> SelectionRequest::from_json(const Json& json, const std::vector<std::string>& more) {
    return read(json, more, 0);
}

}  // namespace tarn::replay
