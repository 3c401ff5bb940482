#include "replay/target_spec.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>

#include "base/nearest.h"
#include "base/time.h"
#include "codec/hash.h"
#include "net/address_rule.h"
#include "replay/targets.h"

namespace tarn::replay {
namespace {

using codec::Json;

const std::vector<std::string> members_of_service = {"url",         "mode",          "batch",
                                                     "connections", "timeout",       "secret_file",
                                                     "headers",     "allow_private", "idempotent"};
const std::vector<std::string> members_of_program = {"exec", "dir", "batch", "timeout", "idempotent"};
constexpr std::pair<HttpMode, std::string_view> modes[] = {{HttpMode::automatic, "auto"},
                                                           {HttpMode::binary, "binary"},
                                                           {HttpMode::structured, "structured"},
                                                           {HttpMode::batched, "batched"}};

class Reader {
public:
    Reader(TargetSpec& spec, const Json& json) : spec_(spec), json_(json) {}

    Status read() {
        if (!json_.is_object()) return bad("its declaration", "expected a mapping");
        if (json_.has("url") == json_.has("exec"))
            return bad("its declaration", "expected either url (a service) or exec (a program)");
        TARN_TRY(check_members(json_.has("url") ? members_of_service : members_of_program));
        TARN_TRY(json_.has("url") ? read_service() : read_program());
        TARN_TRY(read_count("batch", 1000, spec_.batch));
        if (json_.has("timeout")) {
            const auto timeout = parse_duration_us(json_["timeout"].as_string());
            if (!timeout) return bad("timeout", "expected a duration such as 30s");
            spec_.timeout_us = *timeout;
        }
        return read_flag("idempotent", spec_.is_idempotent);
    }

private:
    Failure bad(std::string_view member, std::string_view expected, std::string next = "") const {
        return fail(Code::bad_config, fmt::format("target {}: {}: {}", spec_.name, member, expected),
                    {.next = std::move(next)});
    }

    Status check_members(const std::vector<std::string>& known) const {
        for (const auto& [member, value] : json_.members()) {
            if (std::ranges::find(known, member) != known.end()) continue;
            const std::string nearest = nearest_word(member, known);
            return bad(member, json_.has("url") ? "unknown for a service" : "unknown for a program",
                       nearest.empty() ? "" : fmt::format("did you mean {}?", nearest));
        }
        return {};
    }

    Status read_service() {
        spec_.url = json_["url"].as_string();
        const auto address = TargetAddress::parse(spec_.url);
        if (!address || address->kind != TargetKind::http)
            return bad("url", address ? "expected http://… or https://…" : address.error().message);
        TARN_TRY(read_mode());
        TARN_TRY(read_count("connections", 256, spec_.connections));
        TARN_TRY(read_flag("allow_private", spec_.allow_private));
        if (json_.has("secret_file")) spec_.secret_file = path_of(json_["secret_file"].as_string());
        if (json_.has("secret_file") && spec_.secret_file.empty())
            return bad("secret_file", "expected the path of a file");
        if (json_.has("headers")) TARN_TRY(read_headers(json_["headers"]));
        const auto rule = spec_.allow_private ? net::AddressRule::with_private_networks
                                              : net::AddressRule::no_private_networks;
        if (const Status checked = net::check_address_in_url(rule, spec_.url); !checked)
            return bad("url", checked.error().message, "allow_private: true reaches private networks");
        return {};
    }

    Status read_mode() {
        if (!json_.has("mode")) return {};
        for (const auto& [mode, name] : modes) {
            if (json_["mode"].as_string() != name) continue;
            spec_.mode = mode;
            return {};
        }
        return bad("mode", "expected auto, binary, structured or batched");
    }

    Status read_headers(const Json& headers) {
        if (!headers.is_object()) return bad("headers", "expected names with their values");
        for (const auto& [name, value] : headers.members()) {
            TargetSpec::Header header{.name = name, .value = {}, .file = {}};
            std::ranges::transform(header.name, header.name.begin(), [](char c) {
                return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
            });
            if (!is_settable(header.name))
                return bad("headers", fmt::format("{} is no name of a header, or is Tarn's to set", name));
            if (value.is_object() && value.size() == 1 && value["file"].is_string())
                header.file = path_of(value["file"].as_string());
            else if (value.is_string() || value.is_number())
                header.value = value.is_string() ? value.as_string() : value.dump();
            else
                return bad("headers", fmt::format("{}: expected a text, or {{file: PATH}}", name));
            spec_.headers.push_back(std::move(header));
        }
        return {};
    }

    // Those that frame a request or say what is in it are not for others.
    static bool is_settable(std::string_view name) {
        const auto is_token = [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
        };
        if (name.empty() || !std::ranges::all_of(name, is_token)) return false;
        if (name.starts_with("ce-") || name.starts_with("webhook-")) return false;
        for (const std::string_view ours : {"content-type", "content-length", "transfer-encoding", "host",
                                            "connection", "expect", "idempotency-key"})
            if (name == ours) return false;
        return true;
    }

    Status read_program() {
        const Json& exec = json_["exec"];
        if (json_.has("dir")) spec_.directory = path_of(json_["dir"].as_string());
        if (spec_.directory.empty()) return bad("dir", "expected the path of a folder");
        if (exec.is_string()) {
            const auto command = command_of(exec.as_string());
            if (!command) return bad("exec", command.error().message);
            spec_.command = *command;
        }
        for (const Json& part : exec.elements()) {
            if (!part.is_string() && !part.is_number()) return bad("exec", "expected a list of texts");
            spec_.command.push_back(part.is_string() ? part.as_string() : part.dump());
        }
        if (spec_.command.empty() || spec_.command.front().empty())
            return bad("exec", "expected a program and its arguments");
        return {};
    }

    Status read_count(std::string_view member, std::size_t most, std::size_t& into) {
        if (!json_.has(member)) return {};
        const std::uint64_t count = json_[member].as_uint(0);
        if (count < 1 || count > most)
            return bad(member, fmt::format("expected a number from 1 to {}", most));
        into = count;
        return {};
    }

    Status read_flag(std::string_view member, bool& into) {
        if (!json_.has(member)) return {};
        if (json_[member].type() != codec::JsonType::boolean) return bad(member, "expected true or false");
        into = json_[member].as_bool();
        return {};
    }

    std::string path_of(const std::string& text) const {
        if (text.empty()) return "";
        return (std::filesystem::path(spec_.directory) / text).lexically_normal().string();
    }

    TargetSpec& spec_;
    const Json& json_;
};

}  // namespace

Result<TargetSpec> TargetSpec::from_json(const std::string& name, const Json& json,
                                         const std::string& directory) {
    std::error_code problem;
    TargetSpec spec;
    spec.name = name;
    spec.directory = std::filesystem::absolute(directory, problem).string();
    TARN_TRY(Reader(spec, json).read());
    if (!spec.is_program()) spec.directory.clear();
    return spec;
}

Json TargetSpec::to_json() const {
    Json json = Json::object();
    if (is_program()) {
        Json parts = Json::array();
        for (const std::string& part : command) parts.push(part);
        json.set("exec", std::move(parts)).set("dir", directory);
    } else {
        json.set("url", url);
        for (const auto& [known, text] : modes)
            if (known == mode) json.set("mode", text);
        json.set("connections", connections).set("allow_private", allow_private);
        if (!secret_file.empty()) json.set("secret_file", secret_file);
        Json list = Json::object();
        for (const Header& header : headers)
            list.set(header.name,
                     header.file.empty() ? Json(header.value) : Json::object({{"file", header.file}}));
        if (!headers.empty()) json.set("headers", std::move(list));
    }
    return json.set("batch", batch)
        .set("timeout", duration_setting(timeout_us))
        .set("idempotent", is_idempotent);
}

std::string TargetSpec::version() const { return codec::sha256_hex(to_json().dump()).substr(0, 12); }

std::string TargetSpec::place() const {
    if (!is_program()) return url;
    std::string text = "exec:";
    for (const std::string& part : command) text += (text.size() == 5 ? "" : " ") + part;
    return text;
}

Result<TargetSpec> declared_target(catalog::Catalog& catalog, const std::string& name) {
    TARN_ASSIGN(const auto document, catalog.document(target_document, name));
    if (document) return TargetSpec::from_json(name, document->body, "/");
    TARN_ASSIGN(const auto all, catalog.documents(target_document));
    std::vector<std::string> names;
    for (const auto& each : all) names.push_back(each.id);
    const std::string nearest = nearest_word(name, names);
    return fail(Code::unknown_target, fmt::format("there is no target {}", name),
                {.next = nearest.empty() ? "declare it in tarn.yaml: targets, then: tarn apply"
                                         : fmt::format("did you mean target:{}?", nearest)});
}

Result<std::vector<std::string>> command_of(std::string_view text) {
    std::vector<std::string> parts;
    std::string part;
    bool is_begun = false;
    char quote = 0;
    for (const char c : text) {
        if (quote != 0 ? c == quote : c == '\'' || c == '"') {
            quote = quote != 0 ? '\0' : c;
            is_begun = true;
        } else if (quote == 0 && c == ' ') {
            if (is_begun) parts.push_back(std::move(part));
            part.clear();
            is_begun = false;
        } else {
            part += c;
            is_begun = true;
        }
    }
    if (quote != 0)
        return fail(Code::bad_target, fmt::format("exec:{}: the quote {} is not closed", text, quote));
    if (is_begun) parts.push_back(std::move(part));
    if (parts.empty()) return fail(Code::bad_target, "exec: names no program", {.next = "exec:PROGRAM ARGS"});
    return parts;
}

}  // namespace tarn::replay
