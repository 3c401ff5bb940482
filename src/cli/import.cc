// tarn import: files, directories, globs, archives; each record once however often it is run.
#include <fmt/core.h>

#include "cli/commands.h"
#include "cli/steps.h"
#include "cli/watch.h"
#include "os/clock.h"

namespace tarn::cli {
namespace {

std::string describe(const codec::Json& progress) {
    const std::uint64_t files = progress["files"].as_uint(), total = progress["files_total"].as_uint();
    return fmt::format(
        "reading {} {} of {} files · {} · {} accepted + {} quarantined + {} seen before", bar(files, total),
        format_count(files), format_count(total), format_bytes(progress["bytes"].as_uint()),
        format_count(progress["accepted"].as_uint()), format_count(progress["quarantined"].as_uint()),
        format_count(progress["skipped"].as_uint()));
}

// The host may have another working directory: it gets absolute paths. Globs keep their signs.
codec::Json absolute_sources(const std::vector<std::string>& sources) {
    codec::Json list = codec::Json::array();
    for (const auto& source : sources) list.push(absolute_path(source));
    return list;
}

}  // namespace

std::string import_text(const Imported& imported) {
    const codec::Json& counts = imported.counts;
    return fmt::format("{} read = {} accepted + {} quarantined + {} seen before · {} files · {} · {}",
                       format_count(counts["read"].as_uint()), format_count(counts["accepted"].as_uint()),
                       format_count(counts["quarantined"].as_uint()),
                       format_count(counts["skipped"].as_uint()), format_count(counts["files"].as_uint()),
                       format_bytes(counts["bytes"].as_uint()), format_duration(imported.duration_us));
}

Status import_sources(Context& context, const std::string& stream, bool again,
                      const std::string& how_to_continue, Imported& imported) {
    TARN_ASSIGN(Client * client, context.client());
    const Arguments& given = context.arguments;
    codec::Json body;
    body.set("stream", stream).set("sources", absolute_sources(given.all("SOURCE")));
    if (const auto format = given.get("--format")) body.set("format", *format);
    if (const auto records = given.get("--records")) body.set("records", *records);
    if (const auto pattern = given.get("--name-pattern")) body.set("name_pattern", *pattern);
    if (again) body.set("again", true);
    const auto clock = os::make_real_clock();
    const std::int64_t began = clock->monotonic_us();
    TARN_ASSIGN(const codec::Json started, client->post("/v1/imports", body));
    imported.job = started["job"].as_string();
    auto result = watch_job(context, imported.job, describe, how_to_continue, &imported.counts);
    imported.duration_us = clock->monotonic_us() - began;
    TARN_TRY(result);
    imported.counts = std::move(*result);
    return {};
}

namespace {

void print_counts(Context& context, Imported imported) {
    if (context.out.format() != Format::table) {
        imported.counts.set("schema_version", 1).set("job", imported.job);
        context.out.line(imported.counts.dump());
        return;
    }
    context.out.line(import_text(imported));
    if (imported.counts["quarantined"].as_uint() > 0)
        context.out.note(fmt::format(
            "  see why: tarn query \"SELECT reason, count(*) AS n FROM {}.quarantine GROUP BY 1\"",
            context.arguments.get_or("STREAM", "")));
}

Result<int> import(Context& context) {
    Imported imported;
    const Status done =
        import_sources(context, context.arguments.get_or("STREAM", ""), context.arguments.flag("--again"),
                       "run the same command again: nothing is taken twice", imported);
    // What was taken before a failure is said too: it is there.
    if (imported.counts.is_object()) print_counts(context, std::move(imported));
    TARN_TRY(done);
    return 0;
}

}  // namespace

std::vector<Command> import_commands() {
    return {{"import",
             "capture files, directories, globs and archives, in name order, each record once",
             {{"STREAM", "where to"},
              {"SOURCE", "files, directories or globs; .gz, .zst, .tar and .zip are unpacked", true, true}},
             {{"--format", "F", "auto, ndjson, json-array or file-per-event; default auto"},
              {"--records", "PATH", "the array of records inside each document, such as Records"},
              {"--name-pattern", "REGEX", "one event a file; named groups give attributes"},
              {"--again", "", "take also what was taken before"}},
             "Examples:\n  tarn import bank events/\n  tarn import trail 'AWSLogs/**/*.json.gz' --records "
             "Records\n\n"
             "Restartable: run the same command again after any interruption and nothing is taken twice. "
             "What cannot be parsed\n"
             "goes to quarantine with its place; sources that cannot be read are listed, exit 1. Paths are "
             "read by whoever hosts the data directory.",
             import}};
}

}  // namespace tarn::cli
