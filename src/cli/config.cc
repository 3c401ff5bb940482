// tarn config validate, explain; tarn apply.
#include "server/config.h"

#include <fmt/core.h>

#include "cli/commands.h"
#include "os/real_file_system.h"

namespace tarn::cli {
namespace {

Result<std::string> read_config(const std::string& file) {
    const auto fs = os::make_real_file_system();
    auto text = os::read_file(*fs, file);
    if (!text && text.error().kind == ErrorKind::not_found)
        text.error().next = "name the file: tarn apply FILE";
    return text;
}

// What is wrong with a stream's or projection's own settings shows without a data directory too.
Status check_blocks(const codec::Json& config) {
    for (const auto& [name, block] : config["streams"].members()) {
        auto settings = event::StreamSettings::from_json(block.is_null() ? codec::Json::object() : block);
        if (!settings) {
            settings.error().message = fmt::format("stream {}: {}", name, settings.error().message);
            return fail(std::move(settings.error()));
        }
        TARN_TRY(event::Deriver::make(name, *settings));
    }
    for (const auto& [name, block] : config["projections"].members())
        TARN_TRY(state::ProjectionSpec::from_json(name, block));
    return {};
}

Result<int> validate(Context& context) {
    const std::string file = context.arguments.get_or("FILE", "tarn.yaml");
    TARN_ASSIGN(const std::string text, read_config(file));
    TARN_ASSIGN(const codec::Json config, server::parse_config(text, file));
    TARN_TRY(check_blocks(config));
    context.out.line(fmt::format("{} is valid: {} streams, {} stores, {} projections", file,
                                 config["streams"].size(), config["stores"].size(),
                                 config["projections"].size()));
    return 0;
}

Result<int> explain(Context& context) {
    const std::string file = context.arguments.get_or("FILE", "tarn.yaml");
    TARN_ASSIGN(const std::string text, read_config(file));
    TARN_ASSIGN(codec::Json config, server::parse_config(text, file));
    TARN_TRY(check_blocks(config));
    // Settings with their defaults filled in.
    codec::Json streams = codec::Json::object();
    for (const auto& [name, block] : config["streams"].members()) {
        TARN_ASSIGN(const auto settings,
                    event::StreamSettings::from_json(block.is_null() ? codec::Json::object() : block));
        streams.set(name, settings.to_json());
    }
    config.set("streams", std::move(streams));
    context.out.data(config.dump_pretty());
    return 0;
}

Result<int> apply(Context& context) {
    const std::string file = context.arguments.get_or("FILE", "tarn.yaml");
    TARN_ASSIGN(const std::string text, read_config(file));
    TARN_ASSIGN(Client * client, context.client());
    codec::Json body;
    body.set("text", text).set("name", file).set("apply", !context.arguments.flag("--dry-run"));
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
