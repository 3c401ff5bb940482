#include "server/config_file.h"

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
    bool may_be_list = false;  // of what it describes
};

const Shape anything{};
const Shape later{};  // known, and said to be missing
const Shape on_keys{Shape::Kind::keys, {{"pattern", &anything}, {"sql", &anything}}, nullptr, true};
const Shape projection_keys{
    Shape::Kind::keys,
    {{"stream", &anything}, {"store", &anything}, {"schema", &anything}, {"on", &on_keys}}};
const Shape schedule_keys{Shape::Kind::keys, {{"every", &anything}, {"keep", &anything}}};
const Shape store_keys{Shape::Kind::keys, {{"kind", &anything}, {"snapshots", &schedule_keys}}};
const Shape roll_keys{Shape::Kind::keys, {{"age", &anything}, {"size", &anything}}};
const Shape rule_keys{Shape::Kind::keys,
                      {{"path", &anything}, {"name", &anything}, {"value", &anything}, {"unit", &anything}},
                      nullptr,
                      true};
const Shape event_keys{Shape::Kind::keys,
                       {{"id", &rule_keys},
                        {"type", &rule_keys},
                        {"source", &rule_keys},
                        {"subject", &rule_keys},
                        {"time", &rule_keys},
                        {"key", &rule_keys}}};
const Shape stream_keys{Shape::Kind::keys,
                        {{"partitions", &anything},
                         {"format", &anything},
                         {"name_pattern", &anything},
                         {"event", &event_keys},
                         {"roll", &roll_keys},
                         {"max_event_bytes", &anything},
                         {"replay", &anything},
                         {"replayed", &anything}}};
const Shape function_keys{Shape::Kind::keys,
                          {{"runtime", &anything},
                           {"dir", &anything},
                           {"handler", &anything},
                           {"command", &anything},
                           {"timeout", &anything},
                           {"init_timeout", &anything},
                           {"memory", &anything},
                           {"instances", &anything},
                           {"stores", &anything},
                           {"environment", &anything},
                           {"replay", &anything}}};
const Shape retry_keys{Shape::Kind::keys,
                       {{"max", &anything}, {"backoff", &anything}, {"max_age", &anything}}};
const Shape batch_keys{Shape::Kind::keys, {{"size", &anything}, {"window", &anything}}};
const Shape subscription_keys{Shape::Kind::keys,
                              {{"stream", &anything},
                               {"pattern", &anything},
                               {"to", &anything},
                               {"via", &anything},
                               {"shape", &anything},
                               {"order", &anything},
                               {"batch", &batch_keys},
                               {"retries", &retry_keys},
                               {"replayed", &anything},
                               {"from", &anything}}};
const Shape target_keys{Shape::Kind::keys,
                        {{"url", &anything},
                         {"mode", &anything},
                         {"batch", &anything},
                         {"connections", &anything},
                         {"timeout", &anything},
                         {"secret_file", &anything},
                         {"headers", &anything},
                         {"allow_private", &anything},
                         {"idempotent", &anything},
                         {"exec", &anything},
                         {"dir", &anything}}};
const Shape functions{Shape::Kind::names, {}, &function_keys};
const Shape targets{Shape::Kind::names, {}, &target_keys};
const Shape subscriptions{Shape::Kind::names, {}, &subscription_keys};
const Shape streams{Shape::Kind::names, {}, &stream_keys};
const Shape stores{Shape::Kind::names, {}, &store_keys};
const Shape projections{Shape::Kind::names, {}, &projection_keys};

const Shape price_keys{Shape::Kind::keys, {{"per_million_events", &anything}, {"per_gb", &anything}}};
const Shape prices{Shape::Kind::names, {}, &price_keys};
const Shape cost_keys{Shape::Kind::keys, {{"currency", &anything}, {"targets", &prices}}};

const Shape root{Shape::Kind::keys,
                 {{"version", &anything},
                  {"streams", &streams},
                  {"stores", &stores},
                  {"projections", &projections},
                  {"functions", &functions},
                  {"targets", &targets},
                  {"subscriptions", &subscriptions},
                  {"cost", &cost_keys}}};

std::string hint(const Shape& shape, std::string_view key) {
    std::vector<std::string> known;
    for (const auto& [name, inner] : shape.keys) known.push_back(name);
    const std::string nearest = nearest_word(key, known);
    if (!nearest.empty()) return fmt::format("did you mean {}?", nearest);
    return fmt::format("known here: {}", fmt::join(known, ", "));
}

class Reader {
public:
    Reader(ConfigFile& file, std::vector<Error>& mistakes) : file_(file), mistakes_(mistakes) {}

    // Aliases let a few bytes stand for very many settings: the number read is bounded.
    bool too_large() const { return nodes_ > max_nodes; }

    codec::Json read(const YAML::Node& node, const Shape& shape, const std::string& path) {
        if (++nodes_ > max_nodes) return {};
        file_.values.emplace(path, place(node));
        if (node.IsMap()) return read_map(node, shape, path);
        if (node.IsSequence() && (shape.may_be_list || shape.kind == Shape::Kind::anything))
            return read_list(node, shape, path);
        if (shape.kind != Shape::Kind::anything && !node.IsNull()) {
            add(place(node), fmt::format("{} must be a mapping", path.empty() ? "the file" : path),
                shape.kind == Shape::Kind::keys ? hint(shape, "") : "names, each with its settings below it");
            return {};
        }
        return node.IsScalar() ? scalar(node) : codec::Json();
    }

    Place place(const YAML::Node& node) const {
        const YAML::Mark mark = node.Mark();
        return {.source = file_.name,
                .line = static_cast<std::uint64_t>(mark.line + 1),
                .column = static_cast<std::uint64_t>(mark.column + 1),
                .byte = {}};
    }

private:
    static constexpr std::size_t max_nodes = 100'000;

    void add(Place place, std::string message, std::string next, Code code = Code::bad_config) {
        mistakes_.push_back(
            make_error(code, std::move(message), {.place = std::move(place), .next = std::move(next)}));
    }

    codec::Json read_list(const YAML::Node& node, const Shape& shape, const std::string& path) {
        codec::Json list = codec::Json::array();
        for (const auto& element : node)
            list.push(read(element, shape, fmt::format("{}[{}]", path, list.size())));
        return list;
    }

    codec::Json read_map(const YAML::Node& node, const Shape& shape, const std::string& path) {
        codec::Json object = codec::Json::object();
        std::set<std::string> seen;
        for (const auto& member : node) {
            if (!member.first.IsScalar()) {
                add(place(member.first), "a key must be a word", "write key: value");
                continue;
            }
            const std::string key = member.first.Scalar();
            const std::string inner_path = path.empty() ? key : path + "." + key;
            if (!seen.insert(key).second) {
                add(place(member.first), fmt::format("key {} stands twice", inner_path), "keep one of them");
                continue;
            }
            file_.keys.emplace(inner_path, place(member.first));
            const Shape* inner = shape_of(member.first, shape, key, inner_path);
            if (inner == nullptr) file_.misspelt.insert(path);
            if (inner == nullptr) continue;
            object.set(key, read(member.second, *inner, inner_path));
        }
        return object;
    }

    // nullptr: there is no such key.
    const Shape* shape_of(const YAML::Node& node, const Shape& shape, const std::string& key,
                          const std::string& path) {
        if (shape.kind == Shape::Kind::names) return shape.each;
        if (shape.kind == Shape::Kind::anything) return &anything;
        const auto found =
            std::ranges::find_if(shape.keys, [&](const auto& known) { return known.first == key; });
        if (found == shape.keys.end()) {
            add(place(node), fmt::format("unknown key {}", path), hint(shape, key));
            return nullptr;
        }
        if (found->second == &later)
            add(place(node), fmt::format("{} cannot be declared yet in this version", path),
                "remove it; it comes with a later version", Code::not_built);
        return found->second;
    }

    static codec::Json scalar(const YAML::Node& node) {
        const std::string& text = node.Scalar();
        if (node.Tag() == "!") return codec::Json(text);  // quoted
        if (text == "true" || text == "false") return codec::Json(text == "true");
        if (text == "null" || text == "~" || text.empty()) return codec::Json();
        const auto number = codec::Json::parse(text);
        if (number && number->is_number()) return *number;
        return codec::Json(text);
    }

    ConfigFile& file_;
    std::vector<Error>& mistakes_;
    std::size_t nodes_ = 0;
};

const Place* find_around(const std::map<std::string, Place, std::less<>>& places, std::string_view path) {
    while (true) {
        if (const auto found = places.find(path); found != places.end()) return &found->second;
        if (path.empty()) return nullptr;
        const auto cut = path.find_last_of(".[");
        path = cut == std::string_view::npos ? std::string_view() : path.substr(0, cut);
    }
}

}  // namespace

Place ConfigFile::place_of(std::string_view path) const {
    const Place* found = find_around(values, path);
    return found != nullptr ? *found : Place{.source = name, .byte = {}};
}

Place ConfigFile::key_place_of(std::string_view path) const {
    const auto found = keys.find(path);
    return found != keys.end() ? found->second : place_of(path);
}

bool ConfigFile::is_misspelt_within(std::string_view path) const {
    return std::ranges::any_of(misspelt, [path](const std::string& found) {
        return found.starts_with(path) &&
               (found.size() == path.size() || found[path.size()] == '.' || found[path.size()] == '[');
    });
}

namespace {

Result<YAML::Node> load(const std::string& text, const std::string& name) {
    if (!codec::is_valid_utf8(text))
        return fail(Code::bad_config, fmt::format("{} is not UTF-8 text", name),
                    {.next = "save it as UTF-8; what may stand in it: tarn config explain --help"});
    try {
        return YAML::Load(text);
    } catch (const YAML::Exception& problem) {
        return fail(Code::bad_config, problem.msg,
                    {.place = {.source = name,
                               .line = static_cast<std::uint64_t>(problem.mark.line + 1),
                               .column = static_cast<std::uint64_t>(problem.mark.column + 1),
                               .byte = {}},
                     .next = "correct the YAML there: blanks instead of tabs, and every bracket closed"});
    }
}

Failure too_many(const std::string& name) {
    return fail(Code::bad_config, fmt::format("{} holds more than 100,000 settings", name),
                {.next = "are there aliases (*name) that stand for very much? Write less"});
}

}  // namespace

Result<ConfigFile> read_config_file(const std::string& text, const std::string& name,
                                    std::vector<Error>& mistakes) {
    TARN_ASSIGN(const YAML::Node node, load(text, name));
    if (!node.IsMap())
        return fail(Code::bad_config, fmt::format("{} holds no settings; it begins with version: 1", name),
                    {.next = "begin it with the line: version: 1"});
    ConfigFile file{.name = name, .settings = {}, .keys = {}, .values = {}, .misspelt = {}};
    Reader reader(file, mistakes);
    file.settings = reader.read(node, root, "");
    if (reader.too_large()) return too_many(name);
    return file;
}

Result<codec::Json> read_yaml(const std::string& text, const std::string& name) {
    TARN_ASSIGN(const YAML::Node node, load(text, name));
    ConfigFile file{.name = name, .settings = {}, .keys = {}, .values = {}, .misspelt = {}};
    std::vector<Error> mistakes;
    Reader reader(file, mistakes);
    codec::Json json = reader.read(node, anything, "");
    if (reader.too_large()) return too_many(name);
    if (!mistakes.empty()) return fail(mistakes.front());
    return json;
}

}  // namespace tarn::server
