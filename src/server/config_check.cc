#include "server/config_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/nearest.h"
#include "event/derive.h"
#include "functions/function_spec.h"
#include "process/subscription_spec.h"
#include "replay/target_spec.h"
#include "server/outside_targets.h"
#include "state/check_projection.h"

namespace tarn::server {
namespace {

using codec::Json;

std::vector<std::string> names_in(const Json& object) {
    std::vector<std::string> names;
    for (const auto& [name, value] : object.members()) names.push_back(name);
    return names;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
    return std::ranges::find(names, name) != names.end();
}

// Where byte `at` of value.dump() stands among the value's parts: "" or ".data.x[1]".
std::string path_at(const Json& value, std::size_t at) {
    std::size_t begin = 1;  // behind the opening bracket
    if (value.is_array()) {
        for (std::size_t i = 0; i < value.size(); ++i) {
            const Json& element = value.elements()[i];
            const std::size_t end = begin + element.dump().size();
            if (at < end) return fmt::format("[{}]{}", i, at < begin ? "" : path_at(element, at - begin));
            begin = end + 1;
        }
    }
    for (const auto& [name, inner] : value.members()) {
        const std::size_t inner_begin = begin + codec::quoted(name).size() + 1;
        const std::size_t end = inner_begin + inner.dump().size();
        if (at < end) return "." + name + (at < inner_begin ? "" : path_at(inner, at - inner_begin));
        begin = end + 1;
    }
    return "";
}

class Checks {
public:
    Checks(const ConfigFile& file, const KnownThings& known) : file_(file), known_(known) {
        streams_ = names_in(file.settings["streams"]);
        stores_ = names_in(file.settings["stores"]);
        streams_.insert(streams_.end(), known.streams.begin(), known.streams.end());
        stores_.insert(stores_.end(), known.stores.begin(), known.stores.end());
    }

    std::vector<Error> run() {
        if (file_.settings["version"].as_int(-1) != 1)
            add("version", "the file must say version: 1", "add the line: version: 1");
        for (const auto& [name, block] : file_.settings["streams"].members()) check_stream(name, block);
        for (const auto& [name, block] : file_.settings["stores"].members()) check_store(name, block);
        std::map<std::string, state::ProjectionSpec> world = known_.projections;
        for (const auto& [name, block] : file_.settings["projections"].members())
            check_projection(name, block, world);
        for (const auto& [name, block] : file_.settings["functions"].members()) check_function(name, block);
        for (const auto& [name, block] : file_.settings["targets"].members()) check_target(name, block);
        for (const auto& [name, block] : file_.settings["subscriptions"].members())
            check_subscription(name, block);
        check_feeders();
        check_cost(file_.settings["cost"]);
        return std::move(mistakes_);
    }

private:
    void add_at(Place place, std::string message, std::string next) {
        mistakes_.push_back(make_error(Code::bad_config, std::move(message),
                                       {.place = std::move(place), .next = std::move(next)}));
    }
    void add(std::string_view path, std::string message, std::string next) {
        add_at(file_.place_of(path), std::move(message), std::move(next));
    }
    // An error of another part of Tarn, told with the file's place.
    void add_error(Error error, std::string_view path, std::string_view what) {
        if (file_.is_misspelt_within(path)) return;  // what is missing there has another name
        if (!error.message.starts_with(what)) error.message = fmt::format("{}: {}", what, error.message);
        error.place = file_.place_of(path);
        if (error.kind != ErrorKind::unsupported) error.kind = ErrorKind::config;
        mistakes_.push_back(std::move(error));
    }

    void check_name(std::string_view kind, std::string_view section, const std::string& name) {
        if (event::is_valid_stream_name(name)) return;
        add_at(
            file_.key_place_of(fmt::format("{}.{}", section, name)),
            fmt::format("{} {}: not a valid name: 1 to 64 of a-z, 0-9, _ and -, a letter first", kind, name),
            name.starts_with('_') ? "names that begin with _ belong to Tarn" : "give it another name");
    }

    // What a run to a kind of target is charged for; plans estimate by it.
    void check_cost(const Json& cost) {
        if (cost.is_null()) return;
        if (!cost["currency"].is_string() || cost["currency"].as_string().empty())
            add("cost.currency", "cost: says no currency", "for example: currency: EUR");
        const std::vector<std::string> kinds = {"null",     "file", "stream", "projection",
                                                "function", "http", "exec",   "target"};
        for (const auto& [kind, prices] : cost["targets"].members()) {
            const std::string path = fmt::format("cost.targets.{}", kind);
            if (std::ranges::find(kinds, kind) == kinds.end())
                add_at(file_.key_place_of(path), fmt::format("cost: there are no targets of kind {}", kind),
                       fmt::format("known: {}", fmt::join(kinds, ", ")));
            for (const auto& [name, price] : prices.members())
                if (!price.is_number() || price.as_double() < 0)
                    add(path + "." + name, fmt::format("cost: {} must be a number, 0 or more", name),
                        "in the currency named, for example 0.40");
        }
    }

    // Each setting is tried by itself, so that each has its place and one mistake does not hide the next.
    void check_stream(const std::string& name, const Json& given) {
        check_name("stream", "streams", name);
        const Json block = stream_block(given);
        Json around = Json::object();
        if (block.has("name_pattern") &&
            try_stream(name, "name_pattern", Json::object({{"name_pattern", block["name_pattern"]}})))
            around.set("name_pattern", block["name_pattern"]);
        for (const auto& [key, value] : block.members()) {
            if (key == "name_pattern") continue;
            if (key != "event" && key != "roll") {
                try_stream(name, key, Json::object({{key, value}}));
                continue;
            }
            if (!value.is_object()) try_stream(name, key, Json::object({{key, value}}));
            for (const auto& [inner, setting] : value.members()) {
                Json part = key == "event" ? around : Json::object();
                part.set(key, Json::object({{inner, setting}}));
                try_stream(name, key + "." + inner, part);
            }
        }
    }

    bool try_stream(const std::string& name, const std::string& setting, const Json& part) {
        const auto settings = event::StreamSettings::from_json(part);
        Status tried = settings ? Status() : fail(settings.error());
        if (settings)
            if (const auto deriver = event::Deriver::make(name, *settings); !deriver)
                tried = fail(deriver.error());
        if (tried) return true;
        add_error(tried.error(), fmt::format("streams.{}.{}", name, setting), "stream " + name);
        return false;
    }

    void check_store(const std::string& name, const Json& block) {
        check_name("store", "stores", name);
        if (block.has("snapshots")) check_schedule(name, block["snapshots"]);
        if (!block.has("kind") || block["kind"].as_string() == "sqlite") return;
        const std::string kind = block["kind"].as_string();
        const std::string path = fmt::format("stores.{}.kind", name);
        if (kind == "postgresql" || kind == "dynamodb") {
            mistakes_.push_back(
                make_error(Code::not_built,
                           fmt::format("store {}: kind {} is not there yet in this version", name, kind),
                           {.place = file_.place_of(path), .next = "use kind: sqlite"}));
            return;
        }
        const bool near = !nearest_word(kind, {"sqlite"}).empty();
        add(path, fmt::format("store {}: unknown kind {}", name, kind.empty() ? "" : "\"" + kind + "\""),
            near ? "did you mean sqlite?" : "there is kind: sqlite");
    }

    void check_schedule(const std::string& store, const Json& block) {
        const auto schedule = state::SnapshotSchedule::from_json(block);
        if (schedule) return;
        const std::string setting = setting_in(schedule.error().message, "snapshots");
        const bool is_given = !setting.empty() && block.has(setting.substr(1));
        add_error(schedule.error(), fmt::format("stores.{}.snapshots{}", store, is_given ? setting : ""),
                  "store " + store);
    }

    void check_projection(const std::string& name, const Json& block,
                          std::map<std::string, state::ProjectionSpec>& world) {
        const std::string path = "projections." + name, what = "projection " + name;
        const std::size_t before = mistakes_.size();
        check_name("projection", "projections", name);
        check_reference(path, what, "stream", block["stream"], streams_);
        check_reference(path, what, "store", block["store"], stores_);
        const auto before_it = world.find(name);
        if (before_it != world.end() && before_it->second.store != block["store"].as_string())
            add(path + ".store",
                fmt::format("{} feeds store {}, which never changes", what, before_it->second.store),
                "give the projection for another store another name");
        const Parts parts = check_parts(name, block);
        std::vector<state::ProjectionSpec> others;
        for (const auto& [other, known] : world)
            if (other != name && known.store == block["store"].as_string()) others.push_back(known);
        check_sql(name, block, parts, others);
        const auto spec = state::ProjectionSpec::from_json(name, block);
        if (spec && before == mistakes_.size()) world.insert_or_assign(name, *spec);
        if (!spec && before == mistakes_.size()) add_error(spec.error(), path, what);
    }

    void check_reference(const std::string& path, const std::string& what, const std::string& kind,
                         const Json& given, const std::vector<std::string>& declared) {
        const std::string name = given.as_string();
        if (name.empty()) return;  // told by the projection itself
        if (contains(declared, name)) return;
        if (file_.misspelt.contains("")) return;  // a whole section has another name
        const std::string nearest = nearest_word(name, declared);
        add(fmt::format("{}.{}", path, kind), fmt::format("{}: there is no {} {}", what, kind, name),
            nearest.empty() ? fmt::format("declare it: {}s: {{{}: {}}}", kind, name,
                                          kind == "store" ? "{kind: sqlite}" : "{}")
                            : fmt::format("did you mean {}?", nearest));
    }

    // What of a projection could be understood: its schema, and each member of `on` with its place in the
    // list.
    struct Parts {
        state::ProjectionSpec schema;
        std::vector<std::pair<std::size_t, state::ProjectionSpec::On>> on;
    };

    Parts check_parts(const std::string& name, const Json& block) {
        const std::string path = "projections." + name;
        const Json nothing =
            Json::object({{"pattern", Json::object({{"type", Json::array({"a"})}})}, {"sql", "SELECT 1"}});
        const auto read = [&](const std::string& at, const Json& schema, const Json& on) {
            Json part = Json::object({{"stream", "a"}, {"store", "a"}});
            if (!schema.is_null()) part.set("schema", schema);
            auto spec = state::ProjectionSpec::from_json(name, part.set("on", Json::array({on})));
            if (!spec) add_error(spec.error(), at, "projection " + name);
            return spec;
        };
        Parts parts;
        if (auto spec = read(path + ".schema", block["schema"], nothing)) parts.schema = std::move(*spec);
        parts.schema.name = name;
        parts.schema.on.clear();
        const auto& on = block["on"].elements();
        for (std::size_t i = 0; i < on.size(); ++i)
            if (auto spec = read(fmt::format("{}.on[{}]", path, i), {}, on[i]))
                parts.on.emplace_back(i, std::move(spec->on.front()));
        return parts;
    }

    // The schema alone, then each statement with its pattern: so that each mistake has its place.
    void check_sql(const std::string& name, const Json& block, const Parts& parts,
                   const std::vector<state::ProjectionSpec>& others) {
        const std::string path = "projections." + name;
        state::ProjectionSpec part = parts.schema;
        if (const auto schema = state::check_projection(part, others); !schema)
            return add_error(schema.error(), path + ".schema", "projection " + name);
        for (const auto& [i, on] : parts.on) {
            const std::string place = fmt::format("{}.on[{}]", path, i);
            const Json& given = block["on"].elements()[i];
            if (const auto pattern = pattern::Pattern::compile(on.pattern); !pattern) {
                add_pattern_error(pattern.error(), given["pattern"], place + ".pattern", name);
                continue;
            }
            for (std::size_t k = 0; k < on.sql.size(); ++k) {
                part.on = {{on.pattern, {on.sql[k]}}};
                const auto checked = state::check_projection(part, others);
                const std::string list = given["sql"].is_array() ? fmt::format("[{}]", k) : "";
                if (!checked) add_statement_error(checked.error(), place + ".sql" + list, name);
            }
        }
    }

    // It was tried as the only one, which its message need not say.
    void add_statement_error(Error error, const std::string& path, const std::string& name) {
        const std::string what = "projection " + name, alone = what + ", on 1";
        if (error.message.starts_with(alone)) error.message.replace(0, alone.size(), what);
        add_error(std::move(error), path, what);
    }

    void add_pattern_error(Error error, const Json& pattern, const std::string& path,
                           const std::string& name) {
        const std::size_t at = error.place.byte.value_or(error.place.column > 0 ? error.place.column - 1 : 0);
        const bool known = error.place.byte || error.place.line == 1;
        if (error.next.empty()) error.next = "try it: tarn pattern check";
        add_error(std::move(error), known ? path + path_at(pattern, at) : path, "projection " + name);
    }

    void check_function(const std::string& name, const Json& block) {
        const std::string path = "functions." + name, what = "function " + name;
        check_name("function", "functions", name);
        const auto spec = functions::FunctionSpec::from_json(name, block, "/");
        if (!spec) return add_error(spec.error(), path + setting_in(spec.error().message, what), what);
        for (std::size_t i = 0; i < spec->stores.size(); ++i)
            if (!contains(stores_, spec->stores[i]))
                add(fmt::format("{}.stores[{}]", path, i),
                    fmt::format("{}: there is no store {}", what, spec->stores[i]),
                    fmt::format("declare it: stores: {{{}: {{kind: sqlite}}}}", spec->stores[i]));
    }

    void check_target(const std::string& name, const Json& block) {
        const std::string path = "targets." + name, what = "target " + name;
        check_name("target", "targets", name);
        const auto spec = replay::TargetSpec::from_json(name, block, "/");
        if (!spec) add_error(spec.error(), path + setting_in(spec.error().message, what), what);
    }

    void check_subscription(const std::string& name, const Json& block) {
        const std::string path = "subscriptions." + name, what = "subscription " + name;
        check_name("subscription", "subscriptions", name);
        check_reference(path, what, "stream", block["stream"], streams_);
        const auto spec = process::SubscriptionSpec::from_json(name, block);
        if (!spec) return add_error(spec.error(), path + setting_in(spec.error().message, what), what);
        if (!spec->target.empty()) {
            const Status target = check_outside_target(*spec);
            if (!target) add_error(target.error(), path + ".to", what);
            if (target) check_target_of(*spec, path + ".to");
            return;
        }
        if (!spec->to_stream.empty()) {
            if (!contains(streams_, spec->to_stream))
                add(path + ".to", fmt::format("{}: there is no stream {}", what, spec->to_stream),
                    fmt::format("declare it: streams: {{{}: {{}}}}", spec->to_stream));
            if (spec->function.empty()) return;
        }
        std::vector<std::string> declared = names_in(file_.settings["functions"]);
        declared.insert(declared.end(), known_.functions.begin(), known_.functions.end());
        if (contains(declared, spec->function)) return;
        const std::string nearest = nearest_word(spec->function, declared);
        add(path + ".to", fmt::format("{}: there is no function {}", what, spec->function),
            nearest.empty() ? "declare it below functions:"
                            : fmt::format("did you mean function:{}?", nearest));
    }

    // target:NAME of a subscription. What the file says of it is what will be.
    void check_target_of(const process::SubscriptionSpec& spec, const std::string& path) {
        if (!spec.target.starts_with("target:")) return;
        const std::string name = spec.target.substr(std::string_view("target:").size());
        const Json& blocks = file_.settings["targets"];
        std::vector<std::string> declared = names_in(blocks);
        declared.insert(declared.end(), known_.targets.begin(), known_.targets.end());
        if (contains(declared, name)) {
            const bool is_program =
                blocks.has(name) ? blocks[name].has("exec") : contains(known_.programs, name);
            if (is_program) add_error(no_program_error(spec.name, name), path, "subscription " + spec.name);
            return;
        }
        const std::string nearest = nearest_word(name, declared);
        add(path, fmt::format("subscription {}: there is no target {}", spec.name, name),
            nearest.empty() ? fmt::format("declare it: targets: {{{}: {{url: https://…}}}}", name)
                            : fmt::format("did you mean target:{}?", nearest));
    }

    // "function f: timeout: expected …" is about ".timeout".
    static std::string setting_in(const std::string& message, const std::string& what) {
        if (!message.starts_with(what + ": ")) return "";
        const std::size_t begin = what.size() + 2, end = message.find(':', begin);
        const std::string setting = message.substr(begin, end == std::string::npos ? 0 : end - begin);
        return setting.empty() || setting.find(' ') != std::string::npos ? "" : "." + setting;
    }

    // A store is fed by projections or by functions, never by both.
    void check_feeders() {
        std::map<std::string, std::string> projections;
        for (const auto& [name, block] : file_.settings["projections"].members())
            projections.try_emplace(block["store"].as_string(), name);
        for (const auto& [name, spec] : known_.projections) projections.try_emplace(spec.store, name);
        for (const auto& [name, block] : file_.settings["projections"].members()) {
            const std::string store = block["store"].as_string();
            const auto function = known_.fed_by_functions.find(store);
            // One that the file declares too is told below, as the file has it.
            if (function == known_.fed_by_functions.end() ||
                file_.settings["functions"].has(function->second))
                continue;
            add(fmt::format("projections.{}.store", name),
                fmt::format("store {} is fed by function {}, which is declared already", store,
                            function->second),
                "a store is fed by functions or by projections: give the projection a store of its own");
        }
        for (const auto& [name, block] : file_.settings["functions"].members())
            for (std::size_t i = 0; i < block["stores"].elements().size(); ++i) {
                const std::string store = block["stores"].elements()[i].as_string();
                const auto projection = projections.find(store);
                if (projection != projections.end())
                    add(fmt::format("functions.{}.stores[{}]", name, i),
                        fmt::format("store {} is fed by both function {} and projection {}", store, name,
                                    projection->second),
                        "a store is fed by functions or by projections: give one of them a store of its own");
            }
    }

    const ConfigFile& file_;
    const KnownThings& known_;
    std::vector<std::string> streams_, stores_;
    std::vector<Error> mistakes_;
};

bool stands_before(const Error& a, const Error& b) {
    return std::tie(a.place.line, a.place.column) < std::tie(b.place.line, b.place.column);
}

}  // namespace

Json stream_block(const Json& block) { return block.is_null() ? Json::object() : block; }

std::vector<Error> config_mistakes(const ConfigFile& file, const KnownThings& known) {
    return Checks(file, known).run();
}

Error as_one_error(std::vector<Error> mistakes, const std::string& file_name) {
    constexpr std::size_t shown = 20;
    std::ranges::stable_sort(mistakes, stands_before);
    // What a later version brings is not what is wrong when something is.
    std::ranges::stable_partition(mistakes,
                                  [](const Error& error) { return error.kind != ErrorKind::unsupported; });
    Error first = mistakes.front();
    if (mistakes.size() == 1 && first.next.empty())
        first.next = fmt::format("correct it, then: tarn config validate {}", file_name);
    if (mistakes.size() == 1) return first;
    if (!first.next.empty()) first.message += fmt::format(" ({})", first.next);
    for (std::size_t i = 1; i < std::min(mistakes.size(), shown); ++i)
        first.excerpt += fmt::format("{}{}: {}{}", first.excerpt.empty() ? "" : "\n",
                                     mistakes[i].place.text(), mistakes[i].message,
                                     mistakes[i].next.empty() ? "" : fmt::format(" ({})", mistakes[i].next));
    if (mistakes.size() > shown) first.excerpt += fmt::format("\nand {} more", mistakes.size() - shown);
    first.next = fmt::format("correct all {}, then: tarn config validate {}", mistakes.size(), file_name);
    return first;
}

}  // namespace tarn::server
