// tarn stream: create, list, show, roll, delete.
#include <fmt/core.h>

#include "cli/commands.h"
#include "cli/steps.h"

namespace tarn::cli {
namespace {

// "TargetAccount,SourceAccount" → the first path that exists.
codec::Json path_rules(const std::string& text) {
    codec::Json rules = codec::Json::array();
    std::size_t at = 0;
    while (at <= text.size()) {
        const auto comma = std::min(text.find(',', at), text.size());
        codec::Json rule;
        rule.set("path", text.substr(at, comma - at));
        rules.push(std::move(rule));
        at = comma + 1;
    }
    return rules;
}

// "EventTimeStamp:s"
codec::Json time_rule(const std::string& text) {
    const auto colon = text.rfind(':');
    codec::Json rule;
    rule.set("path", text.substr(0, colon));
    if (colon != std::string::npos) rule.set("unit", text.substr(colon + 1));
    return rule;
}

// A name_pattern's groups type and id are meant as such unless something else is said.
void map_name_groups(codec::Json& event, const std::string& pattern) {
    for (const char* name : {"id", "type", "source", "subject", "key"}) {
        if (event.has(name) || pattern.find(fmt::format("(?P<{}>", name)) == std::string::npos) continue;
        codec::Json rule;
        rule.set("name", name);
        event.set(name, std::move(rule));
    }
}

}  // namespace

Result<codec::Json> stream_settings(Context& context) {
    const Arguments& given = context.arguments;
    codec::Json settings = codec::Json::object();
    if (const auto partitions = given.get("--partitions")) {
        if (partitions->empty() || partitions->find_first_not_of("0123456789") != std::string::npos ||
            partitions->size() > 4 || std::stoul(*partitions) < 1 || std::stoul(*partitions) > 1024)
            return fail(Code::bad_usage, fmt::format("--partitions {}: a number from 1 to 1024", *partitions),
                        {.next = "give --partitions 4, for example"});
        settings.set("partitions", codec::Json::number_text(*partitions));
    }
    if (const auto format = given.get("--format")) settings.set("format", *format);
    codec::Json event = codec::Json::object();
    for (const char* name : {"id", "type", "subject", "key"})
        if (const auto paths = given.get(fmt::format("--{}", name))) event.set(name, path_rules(*paths));
    if (const auto source = given.get("--source")) {
        codec::Json rule;
        rule.set("value", *source);
        event.set("source", std::move(rule));
    }
    if (const auto time = given.get("--time")) event.set("time", time_rule(*time));
    if (const auto pattern = given.get("--name-pattern")) {
        settings.set("name_pattern", *pattern);
        map_name_groups(event, *pattern);
    }
    if (event.size() > 0) settings.set("event", std::move(event));
    codec::Json roll = codec::Json::object();
    if (const auto age = given.get("--roll-age")) roll.set("age", *age);
    if (const auto size = given.get("--roll-size")) roll.set("size", *size);
    if (roll.size() > 0) settings.set("roll", std::move(roll));
    return settings;
}

namespace {

Result<int> create(Context& context) {
    TARN_ASSIGN(codec::Json settings, stream_settings(context));
    codec::Json body;
    body.set("name", context.arguments.get_or("NAME", "")).set("settings", std::move(settings));
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(const codec::Json stream, client->post("/v1/streams", body));
    if (context.out.format() != Format::table) {
        context.out.document(stream);
        return 0;
    }
    const std::uint64_t partitions = stream["settings"]["partitions"].as_uint(1);
    std::string keys;
    const codec::Json& rules = stream["settings"]["event"]["key"];
    for (const auto& rule : rules.is_array() ? rules.elements() : std::vector<codec::Json>{rules})
        if (rule.has("path"))
            keys += (keys.empty() ? " · key data." : ", else data.") + rule["path"].as_string();
    context.out.line(fmt::format("stream {} created · {} partition{}{}", stream["name"].as_string(),
                                 partitions, partitions == 1 ? "" : "s", keys));
    return 0;
}

Result<int> list(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(const codec::Json streams, client->get("/v1/streams"));
    context.out.list(streams, {"name", "id", "events", "quarantined", "objects", "bytes", "created"});
    return 0;
}

std::string path_of(Context& context) {
    return "/v1/streams/" + net::percent_encode(context.arguments.get_or("NAME", ""));
}

Result<int> show(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(const codec::Json stream, client->get(path_of(context)));
    context.out.document(stream);
    return 0;
}

Result<int> roll(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(const codec::Json rolled, client->post(path_of(context) + "/roll", codec::Json::object()));
    if (context.out.format() != Format::table) {
        context.out.document(rolled);
        return 0;
    }
    context.out.line(fmt::format("{} events rolled into {} objects · {} stored for {}",
                                 format_count(rolled["events"].as_uint()), rolled["objects"].as_uint(),
                                 format_bytes(rolled["bytes"].as_uint()),
                                 format_bytes(rolled["raw_bytes"].as_uint())));
    return 0;
}

Result<int> remove(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(const codec::Json stream, client->get(path_of(context)));
    TARN_TRY(
        context.confirm(fmt::format("Delete stream {} with {} events? Its objects stay on disk.",
                                    stream["name"].as_string(), format_count(stream["events"].as_uint()))));
    TARN_ASSIGN(const codec::Json deleted, client->remove(path_of(context)));
    context.out.document(deleted);
    return 0;
}

}  // namespace

std::vector<Command> stream_commands() {
    const Positional name{"NAME", "the stream"};
    return {
        {"stream create",
         "make a stream",
         {{"NAME", "1 to 64 of a-z, 0-9, _ and -, beginning with a letter"}},
         {{"--partitions", "N", "default 1; never changes"},
          {"--format", "F", "auto, cloudevents, eventbridge, json or bytes; default auto"},
          {"--key", "PATHS", "where the key is: paths into the data, the first that exists (a.b,c)"},
          {"--id", "PATHS", "where the id is"},
          {"--type", "PATHS", "where the type is"},
          {"--subject", "PATHS", "where the subject is"},
          {"--source", "TEXT", "the source of all its events"},
          {"--time", "PATH:UNIT", "where the time is; unit s, ms, us, ns or rfc3339"},
          {"--name-pattern", "REGEX", "named groups take attributes from file names"},
          {"--roll-age", "D", "default 60s"},
          {"--roll-size", "SIZE", "default 128MiB"}},
         "Examples:\n  tarn stream create orders\n  tarn stream create bank --partitions 4 --key "
         "TargetAccount,SourceAccount --time EventTimeStamp:s\n",
         create},
        {"stream list", "all streams", {}, {}, "Example:\n  tarn stream list -o json\n", list},
        {"stream show",
         "one stream: settings, events, positions",
         {name},
         {},
         "Example:\n  tarn stream show bank\n",
         show},
        {"stream roll",
         "write what is in the log to objects now",
         {name},
         {},
         "Example:\n  tarn stream roll bank\n",
         roll},
        {"stream delete",
         "forget a stream; its objects stay on disk",
         {name},
         {},
         "Example:\n  tarn stream delete bank --yes\n",
         remove},
    };
}

}  // namespace tarn::cli
