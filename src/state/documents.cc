// The JSON of everything state shows and keeps in the catalog.
#include <fmt/core.h>

#include <algorithm>
#include <initializer_list>

#include "codec/hash.h"
#include "event/event.h"
#include "state/state.h"
#include "state/store_file.h"

namespace tarn::state {

using codec::Json;

namespace {

Failure bad_spec(const std::string& name, std::string_view what) {
    return fail(Code::bad_config, fmt::format("projection {}: {}", name, what));
}

Status check_keys(const std::string& name, std::string_view place, const Json& object,
                  std::initializer_list<std::string_view> known) {
    for (const auto& [key, value] : object.members()) {
        if (std::find(known.begin(), known.end(), key) != known.end()) continue;
        std::string all;
        for (const auto& one : known) all += fmt::format("{}{}", all.empty() ? "" : ", ", one);
        return bad_spec(name, fmt::format("{}unknown key {}; known are {}", place, key, all));
    }
    return {};
}

// A text, or a list of texts.
Result<std::vector<std::string>> texts(const std::string& name, std::string_view key, const Json& json) {
    std::vector<std::string> all;
    if (json.is_string()) all.push_back(json.as_string());
    for (const auto& element : json.elements()) {
        if (!element.is_string())
            return bad_spec(name, fmt::format("{} must be SQL text or a list of SQL texts", key));
        all.push_back(element.as_string());
    }
    if (all.empty())
        return bad_spec(name, fmt::format("{} is missing: SQL text or a list of SQL texts", key));
    return all;
}

Result<ProjectionSpec::On> on_from_json(const std::string& name, const Json& json) {
    if (!json.is_object()) return bad_spec(name, "each member of `on` has a pattern and sql");
    TARN_TRY(check_keys(name, "on: ", json, {"pattern", "sql"}));
    if (!json["pattern"].is_object())
        return bad_spec(name, "on: pattern is missing: an event pattern as {type: [cash_deposit]}");
    ProjectionSpec::On on;
    on.pattern = json["pattern"].dump();
    TARN_ASSIGN(on.sql, texts(name, "on: sql", json["sql"]));
    return on;
}

Json on_to_json(const ProjectionSpec::On& on) {
    auto sql = Json::array();
    for (const auto& text : on.sql) sql.push(text);
    auto pattern = Json::parse(on.pattern);
    return Json::object({{"pattern", pattern ? *pattern : Json(on.pattern)}, {"sql", std::move(sql)}});
}

Json positions_to_json(const std::vector<FeederPosition>& positions) {
    auto json = Json::array();
    for (const auto& position : positions) json.push(position.to_json());
    return json;
}

// For people: a run in progress may have applied millions of events ahead of the watermark.
Json shown_position(const FeederPosition& position) {
    static constexpr std::size_t shown_max = 100;
    if (position.exceptions.size() <= shown_max) return position.to_json();
    auto shown = position;
    shown.exceptions.resize(shown_max);
    return shown.to_json().set("exceptions_total", position.exceptions.size());
}

Json failed_to_json(const StoreInfo& info) {
    auto first = Json::array();
    for (const auto& event : info.first_failed)
        first.push(
            Json::object({{"feeder", event.feeder},
                          {"stream", event.stream},
                          {"position", event::position_text(event.position.partition, event.position.offset)},
                          {"error", event.error}}));
    const auto live = info.name.substr(0, info.name.find('@'));
    return Json::object(
        {{"events", info.failed},
         {"first", std::move(first)},
         {"next", fmt::format("correct the projection, tarn apply, then: tarn replay plan --rebuild {} "
                              "--base empty --into NAME, run it and promote {}@NAME",
                              live, live)}});
}

Json optional_text(const std::optional<std::string>& text) { return text ? Json(*text) : Json(); }

}  // namespace

Result<ProjectionSpec> ProjectionSpec::from_json(const std::string& name, const Json& json) {
    if (!json.is_object()) return bad_spec(name, "must be an object with stream, store, schema and on");
    TARN_TRY(check_keys(name, "", json, {"stream", "store", "schema", "on"}));
    ProjectionSpec spec;
    spec.name = name;
    spec.stream = json["stream"].as_string();
    spec.store = json["store"].as_string();
    if (spec.stream.empty()) return bad_spec(name, "stream is missing: the stream that feeds it");
    if (spec.store.empty()) return bad_spec(name, "store is missing: the store it writes to");
    if (json.has("schema")) {
        TARN_ASSIGN(const auto parts, texts(name, "schema", json["schema"]));
        for (const auto& part : parts) spec.schema += (spec.schema.empty() ? "" : ";\n") + part;
    }
    if (json["on"].size() == 0 || !json["on"].is_array())
        return bad_spec(name, "on is missing: a list of {pattern, sql}");
    for (const auto& element : json["on"].elements()) {
        TARN_ASSIGN(auto on, on_from_json(name, element));
        spec.on.push_back(std::move(on));
    }
    return spec;
}

Json ProjectionSpec::to_json() const {
    auto list = Json::array();
    for (const auto& one : on) list.push(on_to_json(one));
    auto json = Json::object({{"stream", stream}, {"store", store}});
    if (!schema.empty()) json.set("schema", schema);
    json.set("on", std::move(list));
    return json;
}

std::string ProjectionSpec::version() const { return codec::sha256_hex(to_json().dump()).substr(0, 12); }

Json FeederPosition::to_json() const {
    auto list = Json::array();
    for (const auto& position : exceptions)
        list.push(event::position_text(position.partition, position.offset));
    return Json::object({{"feeder", feeder},
                         {"stream", stream},
                         {"stream_id", stream_id.value},
                         {"sequence", sequence},
                         {"next", next_to_json(next)},
                         {"exceptions", std::move(list)}});
}

Result<FeederPosition> FeederPosition::from_json(const Json& json) {
    FeederPosition position;
    position.feeder = json["feeder"].as_string();
    position.stream = json["stream"].as_string();
    position.stream_id.value = static_cast<std::uint32_t>(json["stream_id"].as_uint());
    position.sequence = json["sequence"].as_uint(1);
    position.next = next_from_json(json["next"]);
    for (const auto& text : json["exceptions"].elements()) {
        TARN_ASSIGN(const auto exception, event::parse_position(position.stream_id, text.as_string()));
        position.exceptions.push_back(exception);
    }
    return position;
}

Json StoreInfo::to_json() const {
    auto names = Json::array();
    for (const auto& feeder : feeders) names.push(feeder);
    auto json =
        Json::object({{"store", name}, {"kind", kind}, {"feeders", std::move(names)}, {"bytes", bytes}});
    if (base) json.set("base", *base).set("complete", complete);
    auto shown = Json::array();
    for (const auto& position : positions) shown.push(shown_position(position));
    json.set("paused", paused).set("positions", std::move(shown));
    if (!schedule.is_null()) json.set("snapshots", schedule);
    if (failed > 0) json.set("failed", failed_to_json(*this));
    if (!note.empty()) json.set("note", note);
    if (!damage.empty()) json.set("damage", damage);
    return json;
}

Json SnapshotInfo::to_json() const {
    return Json::object({{"snapshot", id},
                         {"store", store},
                         {"created", format_rfc3339(created)},
                         {"object", object},
                         {"sha256", sha256},
                         {"bytes", bytes},
                         {"scheduled", scheduled},
                         {"line", line},
                         {"positions", positions_to_json(positions)}});
}

Result<SnapshotInfo> SnapshotInfo::from_json(const Json& json) {
    SnapshotInfo info;
    info.id = json["snapshot"].as_string();
    info.store = json["store"].as_string();
    TARN_ASSIGN(info.created, parse_rfc3339(json["created"].as_string()));
    info.object = json["object"].as_string();
    info.sha256 = json["sha256"].as_string();
    info.bytes = json["bytes"].as_uint();
    info.scheduled = json["scheduled"].as_bool();
    info.line = json["line"].as_uint();
    for (const auto& element : json["positions"].elements()) {
        TARN_ASSIGN(auto position, FeederPosition::from_json(element));
        info.positions.push_back(std::move(position));
    }
    return info;
}

Json Difference::to_json() const {
    auto list = Json::array();
    for (const auto& one : events) list.push(one);
    auto json = Json::object({{"table", table},
                              {"key", key},
                              {"column", column},
                              {"before", optional_text(before)},
                              {"after", optional_text(after)},
                              {"events", std::move(list)}});
    if (are_candidates) json.set("candidates", true);
    return json;
}

}  // namespace tarn::state
