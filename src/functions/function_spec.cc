#include "functions/function_spec.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "base/nearest.h"
#include "base/time.h"
#include "codec/hash.h"
#include "functions/bootstraps.h"
#include "functions/environment.h"

namespace tarn::functions {
namespace {

using codec::Json;

const std::vector<std::string> known_members = {"runtime", "dir",          "handler", "command",
                                                "timeout", "init_timeout", "memory",  "instances",
                                                "stores",  "environment",  "replay"};

Failure bad(const std::string& name, std::string_view member, std::string_view expected,
            std::string next = "") {
    return fail(Code::bad_config, fmt::format("function {}: {}: {}", name, member, expected),
                {.next = std::move(next)});
}

Status check_members(const std::string& name, const Json& json) {
    if (!json.is_object()) return bad(name, "its declaration", "expected a mapping");
    for (const auto& [member, value] : json.members()) {
        if (std::ranges::find(known_members, member) != known_members.end()) continue;
        const std::string nearest = nearest_word(member, known_members);
        return bad(name, member, "unknown key",
                   nearest.empty()
                       ? "known here: runtime, dir, handler, command, timeout, memory, instances, stores, "
                         "environment, replay"
                       : fmt::format("did you mean {}?", nearest));
    }
    return {};
}

Result<std::vector<std::string>> texts(const std::string& name, std::string_view member, const Json& json) {
    std::vector<std::string> list;
    if (json.is_null()) return list;
    if (!json.is_array()) return bad(name, member, "expected a list");
    for (const Json& element : json.elements()) {
        if (!element.is_string() && !element.is_number())
            return bad(name, member, "expected a list of texts");
        list.push_back(element.as_string());
    }
    return list;
}

Status read_instances(FunctionSpec& spec, const Json& json) {
    if (json.is_null()) return {};
    const std::uint64_t low = json.is_object() ? json["min"].as_uint(1) : json.as_uint(0);
    const std::uint64_t high = json.is_object() ? json["max"].as_uint(low) : low;
    if (low == 0 || high < low || high > 1000)
        return bad(spec.name, "instances", "expected a number from 1, or {min: 1, max: 8}");
    spec.min_instances = low;
    spec.max_instances = high;
    return {};
}

Status read_duration(std::int64_t& out, const std::string& name, std::string_view member, const Json& json) {
    if (json.is_null()) return {};
    const auto parsed = parse_duration_us(json.as_string());
    if (!parsed) return bad(name, member, "expected a duration such as 10s");
    out = *parsed;
    return {};
}

Status read_program(FunctionSpec& spec, const Json& json) {
    static const std::vector<std::string> runtimes = {"python", "node", "command"};
    spec.runtime = json["runtime"].as_string();
    if (std::ranges::find(runtimes, spec.runtime) == runtimes.end())
        return bad(spec.name, "runtime", "expected python, node or command");
    TARN_ASSIGN(spec.command, texts(spec.name, "command", json["command"]));
    spec.handler = json["handler"].as_string();
    if (spec.runtime == "command") {
        if (spec.command.empty())
            return bad(spec.name, "command", "runtime command needs it",
                       "for example: command: [./bootstrap]");
        return {};
    }
    if (!spec.command.empty()) return bad(spec.name, "command", "is for runtime: command only");
    if (spec.handler.find('.') == std::string::npos)
        return bad(spec.name, "handler", "expected module.function, for example app.handler");
    return {};
}

Status read_environment(FunctionSpec& spec, const Json& json) {
    if (json.is_null()) return {};
    if (!json.is_object()) return bad(spec.name, "environment", "expected a mapping of names to texts");
    for (const auto& [variable, value] : json.members()) {
        if (variable.empty() || variable.find_first_of("=\0") != std::string::npos)
            return bad(spec.name, "environment", fmt::format("{} cannot be a variable's name", variable));
        if (is_reserved_variable(variable))
            return bad(spec.name, "environment", fmt::format("{} is Tarn's to set", variable),
                       variable == "AWS_LAMBDA_MAX_CONCURRENCY"
                           ? "for more at a time: instances: {min: 1, max: 8}"
                           : "remove it");
        spec.environment.emplace_back(
            variable, value.is_string() || value.is_number() ? value.as_string() : value.dump());
    }
    return {};
}

// What changes without the code changing: a data directory of Tarn (which holds gigabytes), version control.
Result<bool> is_code(os::FileSystem& fs, const std::string& path, const std::string& name) {
    if (name == ".git" || name == "__pycache__") return false;
    TARN_ASSIGN(const auto marker, fs.stat(path + "/tarn.json"));
    TARN_ASSIGN(const auto log, fs.stat(path + "/wal"));
    return !marker || !log;
}

// Adds every file below, in name order, so that the hash does not depend on the disk.
Status hash_tree(codec::Sha256& hash, os::FileSystem& fs, const std::string& root, const std::string& below) {
    const std::string directory = below.empty() ? root : root + "/" + below;
    TARN_ASSIGN(auto entries, fs.list(directory));
    std::ranges::sort(entries, {}, &os::FileInfo::name);
    for (const auto& entry : entries) {
        if (entry.name.ends_with(".pyc")) continue;  // interpreters write them
        const std::string path = below.empty() ? entry.name : below + "/" + entry.name;
        if (entry.is_directory) {
            TARN_ASSIGN(const bool code, is_code(fs, root + "/" + path, entry.name));
            if (!entry.is_link && code) TARN_TRY(hash_tree(hash, fs, root, path));
            continue;
        }
        if (!entry.is_regular) continue;
        TARN_ASSIGN(const auto file, fs.open(root + "/" + path, os::OpenMode::read));
        hash.update(fmt::format("{}\n{}\n", path, entry.size));
        std::array<char, 65536> buffer{};
        for (std::uint64_t at = 0;;) {
            TARN_ASSIGN(const std::size_t n, file->read_at(at, buffer));
            if (n == 0) break;
            hash.update({buffer.data(), n});
            at += n;
        }
    }
    return {};
}

}  // namespace

Result<FunctionSpec> FunctionSpec::from_json(const std::string& name, const Json& json,
                                             const std::string& base_directory) {
    TARN_TRY(check_members(name, json));
    FunctionSpec spec;
    spec.name = name;
    TARN_TRY(read_program(spec, json));
    const std::filesystem::path directory = json["dir"].is_null() ? "." : json["dir"].as_string();
    spec.directory = (directory.is_absolute() ? directory : std::filesystem::path(base_directory) / directory)
                         .lexically_normal()
                         .string();
    TARN_TRY(read_duration(spec.timeout_us, name, "timeout", json["timeout"]));
    TARN_TRY(read_duration(spec.init_timeout_us, name, "init_timeout", json["init_timeout"]));
    if (!json["memory"].is_null()) {
        const auto bytes = parse_size(json["memory"].as_string());
        if (!bytes || *bytes < (16u << 20))
            return bad(name, "memory", "expected a size from 16MiB, such as 256MiB");
        spec.memory_bytes = *bytes;
    }
    TARN_TRY(read_instances(spec, json["instances"]));
    TARN_ASSIGN(spec.stores, texts(name, "stores", json["stores"]));
    TARN_TRY(read_environment(spec, json["environment"]));
    if (!json["replay"].is_null()) {
        auto mode = event::parse_replay_mark(json["replay"].as_string());
        if (!mode) return bad(name, "replay", "expected safe, ask or never");
        spec.replay = *mode;
    }
    return spec;
}

Json FunctionSpec::to_json() const {
    Json json = Json::object({{"runtime", runtime}, {"dir", directory}});
    if (!handler.empty()) json.set("handler", handler);
    const auto list = [](const std::vector<std::string>& values) {
        Json array = Json::array();
        for (const auto& value : values) array.push(value);
        return array;
    };
    if (!command.empty()) json.set("command", list(command));
    json.set("timeout", duration_setting(timeout_us)).set("init_timeout", duration_setting(init_timeout_us));
    json.set("memory", memory_bytes);
    json.set("instances", Json::object({{"min", min_instances}, {"max", max_instances}}));
    json.set("stores", list(stores));
    Json variables = Json::object();
    for (const auto& [variable, value] : environment) variables.set(variable, value);
    json.set("environment", std::move(variables));
    json.set("replay", event::replay_mark_name(replay));
    return json;
}

Result<std::string> code_version(const FunctionSpec& spec, os::FileSystem& fs) {
    codec::Sha256 hash;
    hash.update(spec.to_json().dump());
    auto hashed = hash_tree(hash, fs, spec.directory, "");
    if (!hashed) {
        Error error = hashed.error();
        error.message = fmt::format("function {}: its code cannot be read: {}", spec.name, error.message);
        error.next = fmt::format("put the code into {} or correct `dir`", spec.directory);
        return fail(std::move(error));
    }
    return hash.finish_hex().substr(0, 12);
}

std::vector<std::string> command_line(const FunctionSpec& spec) {
    // -B: Python knows its compiled files by second and size, too coarse for code that is replaced at once.
    if (spec.runtime == "python")
        return {"python3", "-B", "-u", "-c", std::string(python_bootstrap), spec.handler};
    if (spec.runtime == "node")
        return {"node", "--input-type=module", "-e", std::string(node_bootstrap), spec.handler};
    return spec.command;
}

}  // namespace tarn::functions
