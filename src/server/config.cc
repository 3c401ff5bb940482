#include "server/config.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <set>

#include "base/nearest.h"

namespace tarn::server {
namespace {

// What may stand below a key: a closed set of keys, any name (each with the same inner shape), or anything
// (checked later).
struct Shape {
    enum class Kind { keys, names, anything } kind = Kind::anything;
    std::vector<std::pair<std::string, const Shape*>> keys;
    const Shape* each = nullptr;
};

const Shape anything{};
const Shape later{};  // known, and said to be missing
const Shape projection_keys{
    Shape::Kind::keys,
    {{"stream", &anything}, {"store", &anything}, {"schema", &anything}, {"on", &anything}}};
const Shape store_keys{Shape::Kind::keys, {{"kind", &anything}, {"snapshots", &later}}};
const Shape roll_keys{Shape::Kind::keys, {{"age", &anything}, {"size", &anything}}};
const Shape event_keys{Shape::Kind::keys,
                       {{"id", &anything},
                        {"type", &anything},
                        {"source", &anything},
                        {"subject", &anything},
                        {"time", &anything},
                        {"key", &anything}}};
const Shape stream_keys{Shape::Kind::keys,
                        {{"partitions", &anything},
                         {"format", &anything},
                         {"name_pattern", &anything},
                         {"event", &event_keys},
                         {"roll", &roll_keys},
                         {"max_event_bytes", &anything}}};
const Shape streams{Shape::Kind::names, {}, &stream_keys};
const Shape stores{Shape::Kind::names, {}, &store_keys};
const Shape projections{Shape::Kind::names, {}, &projection_keys};

const Shape root{Shape::Kind::keys,
                 {{"version", &anything},
                  {"streams", &streams},
                  {"stores", &stores},
                  {"projections", &projections},
                  {"functions", &later},
                  {"subscriptions", &later}}};

std::string hint(const Shape& shape, std::string_view key) {
    std::vector<std::string> known;
    for (const auto& [name, inner] : shape.keys) known.push_back(name);
    const std::string nearest = nearest_word(key, known);
    if (!nearest.empty()) return fmt::format("did you mean {}?", nearest);
    return fmt::format("known here: {}", fmt::join(known, ", "));
}

class Reader {
public:
    explicit Reader(std::string file) : file_(std::move(file)) {}

    Result<codec::Json> read(const YAML::Node& node, const Shape& shape, const std::string& path) {
        if (node.IsMap()) return read_map(node, shape, path);
        if (shape.kind != Shape::Kind::anything && !node.IsNull())
            return fail_at(node, fmt::format("{} must be a mapping", path.empty() ? "the file" : path));
        if (node.IsSequence()) {
            codec::Json list = codec::Json::array();
            for (const auto& element : node) {
                TARN_ASSIGN(codec::Json value, read(element, anything, path + "[]"));
                list.push(std::move(value));
            }
            return list;
        }
        if (node.IsScalar()) return scalar(node);
        return codec::Json();
    }

    Failure fail_at(const YAML::Node& node, std::string message, std::string next = "") const {
        const YAML::Mark mark = node.Mark();
        return fail(Code::bad_config, std::move(message),
                    {.place = {.source = file_,
                               .line = static_cast<std::uint64_t>(mark.line + 1),
                               .column = static_cast<std::uint64_t>(mark.column + 1)},
                     .next = std::move(next)});
    }

private:
    Result<codec::Json> read_map(const YAML::Node& node, const Shape& shape, const std::string& path) {
        codec::Json object = codec::Json::object();
        std::set<std::string> seen;
        for (const auto& member : node) {
            const std::string key = member.first.Scalar();
            const std::string inner_path = path.empty() ? key : path + "." + key;
            if (!seen.insert(key).second)
                return fail_at(member.first, fmt::format("key {} stands twice", inner_path));
            TARN_ASSIGN(const Shape* inner, shape_of(member.first, shape, key, inner_path));
            TARN_ASSIGN(codec::Json value, read(member.second, *inner, inner_path));
            object.set(key, std::move(value));
        }
        return object;
    }

    Result<const Shape*> shape_of(const YAML::Node& node, const Shape& shape, const std::string& key,
                                  const std::string& path) const {
        if (shape.kind == Shape::Kind::names) return shape.each;
        if (shape.kind == Shape::Kind::anything) return &anything;
        const auto found =
            std::ranges::find_if(shape.keys, [&](const auto& known) { return known.first == key; });
        if (found == shape.keys.end())
            return fail_at(node, fmt::format("unknown key {}", path), hint(shape, key));
        if (found->second == &later)
            return fail_at(node, fmt::format("{} cannot be declared yet in this version", path),
                           "remove it; it comes with a later version");
        return found->second;
    }

    static Result<codec::Json> scalar(const YAML::Node& node) {
        const std::string& text = node.Scalar();
        if (node.Tag() == "!") return codec::Json(text);  // quoted
        if (text == "true" || text == "false") return codec::Json(text == "true");
        if (text == "null" || text == "~" || text.empty()) return codec::Json();
        const auto number = codec::Json::parse(text);
        if (number && number->is_number()) return *number;
        return codec::Json(text);
    }

    std::string file_;
};

// "expected in stream bank" errors come without a place: the whole block is meant.
Error in_block(Error error, std::string_view what, std::string_view name) {
    error.message = fmt::format("{} {}: {}", what, name, error.message);
    error.kind = ErrorKind::config;
    return error;
}

codec::Json stream_block(codec::Json block) {
    if (block.is_null()) block = codec::Json::object();
    return block;
}

Result<Change> apply_stream(Engine& engine, const std::string& name, const codec::Json& block, bool apply) {
    auto settings = event::StreamSettings::from_json(stream_block(block));
    if (!settings) return fail(in_block(settings.error(), "stream", name));
    if (!event::is_valid_stream_name(name))
        return fail(
            Code::bad_config,
            fmt::format("stream {}: not a valid name: 1 to 64 of a-z, 0-9, _ and -, a letter first", name));
    if (const auto deriver = event::Deriver::make(name, *settings); !deriver)
        return fail(in_block(deriver.error(), "stream", name));
    const auto known = engine.catalog().stream(name);
    if (!known && known.error().kind != ErrorKind::not_found) return fail(known.error());
    Change change{"stream", name, known ? "none" : "create",
                  fmt::format("{} partitions", settings->partitions)};
    if (known && known->settings.partitions != settings->partitions)
        return fail(Code::bad_config,
                    fmt::format("stream {}: it has {} partitions, which never change; the file says {}", name,
                                known->settings.partitions, settings->partitions));
    if (known && known->settings.to_json() != settings->to_json()) change.action = "change";
    if (!apply || change.action == "none") return change;
    if (known) {
        TARN_TRY(engine.catalog().update_stream(known->id, *settings));
    } else {
        TARN_TRY(engine.catalog().create_stream(name, *settings, engine.clock().now()));
    }
    engine.capture().forget_stream(name);
    codec::Json data;
    data.set("stream", name).set("settings", settings->to_json());
    TARN_TRY(engine.record(known ? "stream.changed" : "stream.created", name, data));
    return change;
}

Result<Change> apply_store(Engine& engine, const std::string& name, const codec::Json& block, bool apply) {
    const std::string kind = block.has("kind") ? block["kind"].as_string() : "sqlite";
    if (kind != "sqlite")
        return fail(Code::bad_config,
                    fmt::format("store {}: kind {} is not there yet; sqlite is", name, kind));
    const auto known = engine.state().store(name);
    if (!known && known.error().kind != ErrorKind::not_found) return fail(known.error());
    Change change{"store", name, known ? "none" : "create", kind};
    if (!known && apply) {
        TARN_TRY(engine.state().declare_store(name));
        codec::Json data;
        data.set("store", name).set("kind", kind);
        TARN_TRY(engine.record("store.declared", name, data));
    }
    return change;
}

Result<Change> apply_projection(Engine& engine, const codec::Json& config, const std::string& name,
                                const codec::Json& block, bool apply) {
    auto spec = state::ProjectionSpec::from_json(name, block);
    if (!spec) return fail(in_block(spec.error(), "projection", name));
    if (!config["stores"].has(spec->store) && !engine.state().store(spec->store))
        return fail(Code::bad_config, fmt::format("projection {}: there is no store {}", name, spec->store),
                    {.next = fmt::format("declare it: stores: {{{}: {{kind: sqlite}}}}", spec->store)});
    if (!config["streams"].has(spec->stream) && !engine.catalog().stream(spec->stream))
        return fail(Code::bad_config,
                    fmt::format("projection {}: there is no stream {}", name, spec->stream));
    const auto known = engine.state().projection(name);
    if (!known && known.error().kind != ErrorKind::not_found) return fail(known.error());
    Change change{"projection", name, known ? "none" : "create",
                  fmt::format("{} into {}, version {}", spec->stream, spec->store, spec->version())};
    if (known && known->version() != spec->version()) {
        change.action = "change";
        change.detail = fmt::format("version {} becomes {}; what {} holds stays as it is until it is rebuilt",
                                    known->version(), spec->version(), spec->store);
    }
    if (!apply || change.action == "none") return change;
    TARN_TRY(engine.state().declare_projection(*spec));
    codec::Json data;
    data.set("projection", name).set("version", spec->version()).set("declaration", spec->to_json());
    TARN_TRY(engine.record(known ? "projection.changed" : "projection.declared", name, data));
    return change;
}

}  // namespace

codec::Json Change::to_json() const {
    codec::Json json;
    json.set("what", what).set("name", name).set("action", action).set("detail", detail);
    return json;
}

Result<codec::Json> parse_config(const std::string& text, const std::string& file_name) {
    try {
        const YAML::Node node = YAML::Load(text);
        Reader reader(file_name);
        if (!node.IsMap())
            return fail(Code::bad_config,
                        fmt::format("{} holds no settings; it begins with version: 1", file_name));
        TARN_ASSIGN(codec::Json config, reader.read(node, root, ""));
        if (config["version"].as_int(-1) != 1)
            return reader.fail_at(node, "the file must say version: 1", "add the line: version: 1");
        return config;
    } catch (const YAML::Exception& problem) {
        return fail(Code::bad_config, problem.msg,
                    {.place = {.source = file_name,
                               .line = static_cast<std::uint64_t>(problem.mark.line + 1),
                               .column = static_cast<std::uint64_t>(problem.mark.column + 1)}});
    }
}

Result<std::vector<Change>> apply_config(Engine& engine, const codec::Json& config, bool apply) {
    // First everything is looked at, so that a mistake at the end leaves the beginning undone too.
    for (const bool really : {false, true}) {
        if (really && !apply) break;
        std::vector<Change> changes;
        for (const auto& [name, block] : config["streams"].members()) {
            TARN_ASSIGN(Change change, apply_stream(engine, name, block, really));
            changes.push_back(std::move(change));
        }
        for (const auto& [name, block] : config["stores"].members()) {
            TARN_ASSIGN(Change change, apply_store(engine, name, block, really));
            changes.push_back(std::move(change));
        }
        for (const auto& [name, block] : config["projections"].members()) {
            TARN_ASSIGN(Change change, apply_projection(engine, config, name, block, really));
            changes.push_back(std::move(change));
        }
        if (really || !apply) return changes;
    }
    return std::vector<Change>();
}

}  // namespace tarn::server
