// tarn config validate, explain; tarn apply.
#include "server/config.h"

#include <fmt/core.h>

#include <filesystem>

#include "cli/commands.h"
#include "os/real_file_system.h"

namespace tarn::cli {
namespace {

Result<std::string> read_config(Context& context, const std::string& file) {
    const auto fs = os::make_real_file_system();
    auto text = os::read_file(*fs, file);
    if (!text) text.error().next = fmt::format("name the file: {} FILE", context.command);
    return text;
}

Result<server::ConfigFile> validated(Context& context) {
    const std::string file = context.arguments.get_or("FILE", "tarn.yaml");
    TARN_ASSIGN(const std::string text, read_config(context, file));
    return server::validate_config(text, file);
}

Result<int> validate(Context& context) {
    TARN_ASSIGN(const server::ConfigFile file, validated(context));
    const codec::Json& config = file.settings;
    if (context.wants_document()) {
        codec::Json document;
        document.set("schema_version", 1).set("file", file.name).set("valid", true);
        for (const char* section : {"streams", "stores", "projections"})
            document.set(section, config[section].size());
        context.out.document(document);
        return 0;
    }
    context.out.line(fmt::format("{} is valid: {} streams, {} stores, {} projections", file.name,
                                 config["streams"].size(), config["stores"].size(),
                                 config["projections"].size()));
    return 0;
}

Result<int> explain(Context& context) {
    TARN_ASSIGN(server::ConfigFile file, validated(context));
    // Settings with their defaults filled in.
    codec::Json streams = codec::Json::object(), stores = codec::Json::object();
    for (const auto& [name, block] : file.settings["streams"].members()) {
        TARN_ASSIGN(const auto settings,
                    event::StreamSettings::from_json(block.is_null() ? codec::Json::object() : block));
        streams.set(name, settings.to_json());
    }
    for (const auto& [name, block] : file.settings["stores"].members())
        stores.set(name, codec::Json::object({{"kind", "sqlite"}}));
    file.settings.set("streams", std::move(streams)).set("stores", std::move(stores));
    codec::Json document;
    document.set("schema_version", 1);
    for (const auto& [name, value] : file.settings.members()) document.set(name, value);
    if (context.wants_document())
        context.out.document(document);
    else
        context.out.data(document.dump_pretty());
    return 0;
}

Result<int> apply(Context& context) {
    const std::string file = context.arguments.get_or("FILE", "tarn.yaml");
    TARN_ASSIGN(const std::string text, read_config(context, file));
    TARN_ASSIGN(Client * client, context.client());
    codec::Json body;
    body.set("text", text).set("name", file).set("apply", !context.arguments.flag("--dry-run"));
    body.set("directory", std::filesystem::path(absolute_path(file)).parent_path().string());
    TARN_ASSIGN(const codec::Json changes, client->post("/v1/apply", body));
    std::size_t changed = 0;
    for (const auto& change : changes["items"].elements()) changed += change["action"].as_string() != "none";
    context.out.list(changes, {"what", "name", "action", "detail"});
    context.out.note(
        fmt::format("{} {}", changed, changes["applied"].as_bool() ? "changed" : "would change"));
    return 0;
}

}  // namespace

std::vector<Command> config_commands() {
    const Positional file{"FILE", "default tarn.yaml", false};
    return {
        {"config validate",
         "is the file right? Touches nothing",
         {file},
         {},
         "Example:\n  tarn config validate tarn.yaml\n\nExit codes: 0 valid, 78 not",
         validate},
        {"config explain",
         "the file with all defaults filled in",
         {file},
         {},
         "Example:\n  tarn config explain\n",
         explain},
        {"apply",
         "make streams, stores and projections as the file says",
         {file},
         {{"--dry-run", "", "only show what would change"}},
         "Examples:\n  tarn apply\n  tarn apply tarn.yaml --dry-run\n\nExit codes: 0 applied, 78 the file is "
         "wrong (nothing was changed)",
         apply},
    };
}

}  // namespace tarn::cli
