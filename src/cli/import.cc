// tarn import: files, directories, globs, archives; each record once however often it is run.
#include <fmt/core.h>

#include "cli/commands.h"
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

void print_counts(Context& context, codec::Json counts, const std::string& job, std::int64_t duration_us) {
    if (context.out.format() != Format::table) {
        counts.set("schema_version", 1).set("job", job);
        context.out.line(counts.dump());
        return;
    }
    context.out.line(
        fmt::format("{} read = {} accepted + {} quarantined + {} seen before · {} files · {} · {}",
                    format_count(counts["read"].as_uint()), format_count(counts["accepted"].as_uint()),
                    format_count(counts["quarantined"].as_uint()), format_count(counts["skipped"].as_uint()),
                    format_count(counts["files"].as_uint()), format_bytes(counts["bytes"].as_uint()),
                    format_duration(duration_us)));
    if (counts["quarantined"].as_uint() > 0)
        context.out.note(fmt::format(
            "  see why: tarn query \"SELECT reason, count(*) AS n FROM {}.quarantine GROUP BY 1\"",
            context.arguments.get_or("STREAM", "")));
}

Result<int> import(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    const std::string stream = context.arguments.get_or("STREAM", "");
    codec::Json body;
    body.set("stream", stream).set("sources", absolute_sources(context.arguments.all("SOURCE")));
    if (const auto format = context.arguments.get("--format")) body.set("format", *format);
    if (const auto records = context.arguments.get("--records")) body.set("records", *records);
    if (const auto pattern = context.arguments.get("--name-pattern")) body.set("name_pattern", *pattern);
    if (context.arguments.flag("--again")) body.set("again", true);
    const auto clock = os::make_real_clock();
    const std::int64_t began = clock->monotonic_us();
    TARN_ASSIGN(const codec::Json started, client->post("/v1/imports", body));
    const std::string job = started["job"].as_string();
    codec::Json counts;
    auto result =
        watch_job(context, job, describe, "run the same command again: nothing is taken twice", &counts);
    // What was taken before a failure is said too: it is there.
    if (result || counts.is_object())
        print_counts(context, result ? *result : counts, job, clock->monotonic_us() - began);
    TARN_TRY(result);
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
