#include "event/stream_settings.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "base/nearest.h"
#include "base/time.h"

namespace tarn::event {
namespace {

using codec::Json;

constexpr std::uint32_t most_partitions = 1024;
constexpr std::array<std::pair<std::string_view, TimeUnit>, 5> units = {{{"rfc3339", TimeUnit::rfc3339},
                                                                         {"s", TimeUnit::s},
                                                                         {"ms", TimeUnit::ms},
                                                                         {"us", TimeUnit::us},
                                                                         {"ns", TimeUnit::ns}}};
constexpr std::array formats = {Format::json, Format::cloudevents, Format::eventbridge, Format::bytes};

Failure bad(std::string message) { return fail(Code::bad_config, std::move(message)); }

template <typename Names>
Status check_keys(const Json& object, std::string_view where, const Names& known) {
    if (!object.is_object()) return bad(fmt::format("{} must be an object", where));
    for (const auto& [key, value] : object.members()) {
        if (std::ranges::find(known, key) != std::ranges::end(known)) continue;
        const std::string shown = key.substr(0, 64);
        const std::string nearest = nearest_word(shown, {std::begin(known), std::end(known)});
        const std::string hint = nearest.empty() ? "" : fmt::format(": the nearest is \"{}\"", nearest);
        return bad(fmt::format("{} has no setting \"{}\"{}", where, shown, hint));
    }
    return {};
}

Result<std::string> text_of(const Json& json, std::string_view where) {
    if (!json.is_string()) return bad(fmt::format("{} must be text", where));
    return json.as_string();
}

Result<TimeUnit> unit_of(const Json& json, std::string_view where) {
    TARN_ASSIGN(const std::string name, text_of(json, where));
    for (const auto& [known, unit] : units)
        if (known == name) return unit;
    return bad(fmt::format("{} \"{}\" is unknown: expected s, ms, us, ns or rfc3339", where, name));
}

Result<Rule> rule_of(const Json& json, const std::string& where, bool is_time) {
    constexpr std::array<std::string_view, 4> known = {"path", "name", "value", "unit"};
    TARN_TRY(check_keys(json, where, known));
    Rule rule;
    int sources = 0;
    const auto take = [&](std::string_view key, Rule::From from) -> Status {
        if (!json.has(key)) return {};
        ++sources;
        rule.from = from;
        // A constant may be given as a number or boolean too.
        if (from == Rule::From::constant &&
            (json[key].is_number() || json[key].type() == codec::JsonType::boolean)) {
            rule.what = json[key].dump();
            return {};
        }
        TARN_ASSIGN(rule.what, text_of(json[key], fmt::format("{}.{}", where, key)));
        if (rule.what.empty()) return bad(fmt::format("{}.{} must not be empty", where, key));
        return {};
    };
    TARN_TRY(take("path", Rule::From::path));
    TARN_TRY(take("name", Rule::From::name_group));
    TARN_TRY(take("value", Rule::From::constant));
    if (sources != 1) return bad(fmt::format("{} needs exactly one of path, name and value", where));
    if (!json.has("unit")) return rule;
    if (!is_time) return bad(fmt::format("{}.unit: only time has a unit", where));
    TARN_ASSIGN(rule.unit, unit_of(json["unit"], where + ".unit"));
    return rule;
}

Status read_rules(const Json& mapping, std::string_view name, Rules& rules) {
    if (!mapping.has(name)) return {};
    const Json& json = mapping[name];
    const std::string where = fmt::format("event.{}", name);
    const bool is_time = name == "time";
    if (!json.is_array()) {
        TARN_ASSIGN(Rule rule, rule_of(json, where, is_time));
        rules.push_back(std::move(rule));
        return {};
    }
    for (std::size_t i = 0; i < json.size(); ++i) {
        TARN_ASSIGN(Rule rule, rule_of(json.elements()[i], fmt::format("{}[{}]", where, i), is_time));
        rules.push_back(std::move(rule));
    }
    return {};
}

Result<Mapping> mapping_of(const Json& json) {
    constexpr std::array<std::string_view, 6> known = {"id", "type", "source", "subject", "time", "key"};
    Mapping mapping;
    TARN_TRY(check_keys(json, "event", known));
    TARN_TRY(read_rules(json, "id", mapping.id));
    TARN_TRY(read_rules(json, "type", mapping.type));
    TARN_TRY(read_rules(json, "source", mapping.source));
    TARN_TRY(read_rules(json, "subject", mapping.subject));
    TARN_TRY(read_rules(json, "time", mapping.time));
    TARN_TRY(read_rules(json, "key", mapping.key));
    return mapping;
}

// A number of bytes or a text such as "128MiB"; > 0.
Result<std::uint64_t> size_of(const Json& json, std::string_view where) {
    std::uint64_t bytes = json.as_uint();
    if (json.is_string()) {
        const auto parsed = parse_size(json.as_string());
        if (!parsed) return bad(fmt::format("{}: {}", where, parsed.error().message));
        bytes = *parsed;
    }
    if (bytes == 0) return bad(fmt::format("{} must be a size above 0 such as 128MiB", where));
    return bytes;
}

Result<RollSettings> roll_of(const Json& json) {
    constexpr std::array<std::string_view, 2> known = {"age", "size"};
    RollSettings roll;
    TARN_TRY(check_keys(json, "roll", known));
    if (json.has("age")) {
        TARN_ASSIGN(const std::string text, text_of(json["age"], "roll.age"));
        const auto age = parse_duration_us(text);
        if (!age) return bad(fmt::format("roll.age: {}", age.error().message));
        roll.age_us = *age;
    }
    if (json.has("size")) {
        TARN_ASSIGN(roll.size_bytes, size_of(json["size"], "roll.size"));
    }
    return roll;
}

Result<std::optional<Format>> format_of(const Json& json) {
    TARN_ASSIGN(const std::string name, text_of(json, "format"));
    if (name == "auto") return std::nullopt;
    for (const Format format : formats)
        if (format_name(format) == name) return format;
    return bad(fmt::format("format \"{}\" is unknown: expected auto, cloudevents, eventbridge, json or bytes",
                           name));
}

// {"mail_sent": "never", …}
Result<std::map<std::string, ReplayMark>> marks_of(const Json& json) {
    if (!json.is_object()) return bad("replay must be an object: event type to safe, ask or never");
    std::map<std::string, ReplayMark> marks;
    for (const auto& [type, mark] : json.members()) {
        const auto parsed = parse_replay_mark(mark.as_string());
        if (!parsed) return bad(fmt::format("replay.{}: expected safe, ask or never", type));
        marks[type] = *parsed;
    }
    return marks;
}

Json rules_to_json(const Rules& rules) {
    Json list = Json::array();
    for (const Rule& rule : rules) {
        const char* const key = rule.from == Rule::From::path       ? "path"
                                : rule.from == Rule::From::constant ? "value"
                                                                    : "name";
        Json json = Json::object({{key, rule.what}});
        for (const auto& [name, unit] : units)
            if (unit == rule.unit && unit != TimeUnit::rfc3339) json.set("unit", name);
        list.push(std::move(json));
    }
    return rules.size() == 1 ? list.elements().front() : list;
}

Json mapping_to_json(const Mapping& mapping) {
    Json json = Json::object();
    const auto put = [&](std::string_view name, const Rules& rules) {
        if (!rules.empty()) json.set(name, rules_to_json(rules));
    };
    put("id", mapping.id);
    put("type", mapping.type);
    put("source", mapping.source);
    put("subject", mapping.subject);
    put("time", mapping.time);
    put("key", mapping.key);
    return json;
}

}  // namespace

Result<StreamSettings> StreamSettings::from_json(const Json& json) {
    constexpr std::array<std::string_view, 8> known = {
        "partitions", "format", "name_pattern", "event", "roll", "max_event_bytes", "replay", "replayed"};
    StreamSettings settings;
    if (json.is_null()) return settings;  // "bank:" with nothing below it
    TARN_TRY(check_keys(json, "a stream", known));
    if (json.has("partitions")) {
        const std::uint64_t partitions = json["partitions"].as_uint();
        if (partitions < 1 || partitions > most_partitions)
            return bad(fmt::format("partitions must be a number from 1 to {}", most_partitions));
        settings.partitions = static_cast<std::uint32_t>(partitions);
    }
    if (json.has("format")) {
        TARN_ASSIGN(settings.format, format_of(json["format"]));
    }
    if (json.has("name_pattern")) {
        TARN_ASSIGN(settings.name_pattern, text_of(json["name_pattern"], "name_pattern"));
    }
    if (json.has("event")) {
        TARN_ASSIGN(settings.mapping, mapping_of(json["event"]));
    }
    if (json.has("roll")) {
        TARN_ASSIGN(settings.roll, roll_of(json["roll"]));
    }
    if (json.has("max_event_bytes")) {
        TARN_ASSIGN(settings.max_event_bytes, size_of(json["max_event_bytes"], "max_event_bytes"));
    }
    if (json.has("replay")) {
        TARN_ASSIGN(settings.replay, marks_of(json["replay"]));
    }
    if (json.has("replayed")) {
        const std::string replayed = json["replayed"].as_string();
        if (replayed != "mark" && replayed != "drop") return bad("replayed: expected mark or drop");
        settings.drops_replayed = replayed == "drop";
    }
    return settings;
}

Json StreamSettings::to_json() const {
    Json json = Json::object();
    json.set("partitions", partitions);
    json.set("format", format ? format_name(*format) : "auto");
    if (!name_pattern.empty()) json.set("name_pattern", name_pattern);
    if (Json event = mapping_to_json(mapping); event.size() > 0) json.set("event", std::move(event));
    json.set("roll", Json::object({{"age", duration_setting(roll.age_us)}, {"size", roll.size_bytes}}));
    json.set("max_event_bytes", max_event_bytes);
    if (!replay.empty()) {
        Json marks = Json::object();
        for (const auto& [type, mark] : replay) marks.set(type, replay_mark_name(mark));
        json.set("replay", std::move(marks));
    }
    if (drops_replayed) json.set("replayed", "drop");
    return json;
}

bool is_valid_stream_name(std::string_view name) {
    const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
    const auto is_rest = [&](char c) {
        return is_letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '-';
    };
    return !name.empty() && name.size() <= 64 && is_letter(name.front()) &&
           std::ranges::all_of(name, is_rest);
}

}  // namespace tarn::event
