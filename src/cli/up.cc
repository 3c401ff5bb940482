// tarn up: serve.
#include <fmt/core.h>
#include <unistd.h>

#include <filesystem>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/version.h"
#include "net/http_server.h"
#include "os/keeper.h"
#include "os/process.h"
#include "os/real_file_system.h"
#include "query/query.h"
#include "server/api.h"
#include "server/config.h"

namespace tarn::cli {
namespace {

struct Address {
    std::string host;
    std::uint16_t port;
};

Result<Address> parse_address(const std::string& text) {
    const auto colon = text.rfind(':');
    unsigned port = 0;
    if (colon == std::string::npos || colon + 1 == text.size() || text.size() - colon > 6 ||
        text.find_first_not_of("0123456789", colon + 1) != std::string::npos ||
        (port = static_cast<unsigned>(std::stoul(text.substr(colon + 1)))) > 65535)
        return fail(Code::bad_usage, fmt::format("--listen {}: not an address and port", text),
                    {.next = "give ADDRESS:PORT, for example 127.0.0.1:8470"});
    std::string host = text.substr(0, colon);
    if (host == "localhost") host = "127.0.0.1";
    if (!host.starts_with("127."))
        return fail(Code::public_address,
                    fmt::format("{} is not a loopback address, and there are no credentials yet", host),
                    {.next = "listen on 127.0.0.1 and put a proxy that asks for credentials in front"});
    return Address{host, static_cast<std::uint16_t>(port)};
}

Status apply_file(Context& context, server::Engine& engine, const std::string& path) {
    const auto fs = os::make_real_file_system();
    TARN_ASSIGN(const std::string text, os::read_file(*fs, path));
    TARN_ASSIGN(const auto changes,
                server::apply_config(engine, text, path, true,
                                     std::filesystem::path(absolute_path(path)).parent_path().string()));
    for (const auto& change : changes)
        if (change.action != "none")
            context.out.note(
                fmt::format("{} {} {}: {}", change.what, change.name, change.action, change.detail));
    return {};
}

// True when nothing is left to do; `code` is then 0, or 3 when something cannot move.
Result<bool> is_idle(Context& context, server::Engine& engine, int& code) {
    TARN_ASSIGN(process::Processes * processes, engine.processing().processes());
    TARN_ASSIGN(const auto idleness, processes->idleness());
    if (!idleness.idle) return false;
    for (const auto& stuck : idleness.stuck) context.out.note(stuck);
    code = idleness.stuck.empty() ? 0 : 3;
    return true;
}

// Until a signal comes, or, with --until-idle, nothing is pending. The exit code.
Result<int> serve(Context& context, server::Engine& engine) {
    constexpr std::int64_t look_every_us = 100'000, reload_every_us = 500'000;
    const bool until_idle = context.arguments.flag("--until-idle"), watch = context.arguments.flag("--watch");
    if (!until_idle && !watch) {
        wait_for_signal();
        return 0;
    }
    int code = 0;
    std::int64_t reload_at = 0;
    while (!interrupted()) {
        engine.clock().sleep_us(look_every_us);
        if (watch && engine.clock().monotonic_us() >= reload_at) {
            reload_at = engine.clock().monotonic_us() + reload_every_us;
            TARN_ASSIGN(const auto changed, engine.processing().reload());
            for (const auto& name : changed) context.out.note(fmt::format("function {} reloaded", name));
        }
        if (!until_idle) continue;
        TARN_TRY(engine.catch_up());
        TARN_ASSIGN(const bool idle, is_idle(context, engine, code));
        if (idle) return code;
    }
    return 0;
}

Result<int> up(Context& context) {
    constexpr std::int64_t grace_us = 10'000'000;
    TARN_ASSIGN(const Address address, parse_address(context.arguments.get_or("--listen", "127.0.0.1:8470")));
    TARN_ASSIGN(auto engine, server::Engine::open({.directory = context.globals.data,
                                                   .command = "tarn up",
                                                   .program = os::self_path(),
                                                   .serving = true}));
    if (const std::string note = engine->opening_note(); !note.empty()) context.out.note(note);
    if (const auto file = context.arguments.get("--config")) TARN_TRY(apply_file(context, *engine, *file));
    server::Api api(*engine);
    TARN_ASSIGN(auto server, net::HttpServer::start({.address = address.host, .port = address.port}, api));
    const std::string url = fmt::format("http://{}:{}", address.host, server->port());
    // Without the record commands must be told --server; that is no reason not to serve.
    if (const auto announced = engine->directory().announce(url); !announced)
        context.out.note(fmt::format("tarn: the owner record could not be written ({}): use --server {}",
                                     announced.error().message, url));
    engine->start_background();
    if (!engine->log().damage()) TARN_TRY(engine->processing().start());
    context.out.note(fmt::format("tarn {} · data {}{} · {}", version, engine->directory().path(),
                                 engine->directory().is_new() ? " (new)" : "", url));
    codec::Json ready;
    ready.set("listening", url)
        .set("data", engine->directory().path())
        .set("pid", static_cast<int>(::getpid()));
    context.out.line(ready.dump());
    context.out.flush();

    TARN_ASSIGN(const int code, serve(context, *engine));
    context.out.note("stopping: finishing or checkpointing what is under way");
    engine->stop_answers();  // a query or a follower may have hours to go
    engine->jobs().stop_all();
    server->stop(grace_us);
    api.stop();
    engine->processing().stop(grace_us);
    engine->stop_background();
    return code;
}

Result<int> keep(Context& context) {
    const auto program = context.arguments.all("PROGRAM");
    if (program.empty()) return fail(Code::bad_usage, "__keep MEMORY GROUP -- PROGRAM…");
    return os::run_keeper(std::strtoull(context.arguments.get_or("MEMORY", "0").c_str(), nullptr, 10),
                          context.arguments.get_or("GROUP", "-"), program);
}

Result<int> query_worker(Context&) { return query::query_worker_main(); }

}  // namespace

std::vector<Command> up_commands() {
    return {
        {"up",
         "serve the data directory over HTTP",
         {},
         {{"--listen", "ADDR:PORT", "default 127.0.0.1:8470; port 0 takes any free one"},
          {"--config", "FILE", "apply this tarn.yaml first"},
          {"--until-idle", "", "stop when nothing is pending: exit 0, or 3 when something cannot move"},
          {"--watch", "", "reload functions whose code changes"}},
         "Examples:\n  tarn up\n  tarn up --data /var/lib/tarn --listen 127.0.0.1:0\n  tarn up --config "
         "tarn.yaml\n\n"
         "Prints one JSON line on stdout when it accepts requests. SIGTERM or Ctrl-C: stops accepting, "
         "checkpoints, exits 0.",
         up},
        {"__keep",
         "internal: looks after a function's processes",
         {{"MEMORY", ""}, {"GROUP", ""}, {"PROGRAM", "", true, true}},
         {},
         "",
         keep,
         true},
        {"__query-worker", "internal: runs one query", {}, {}, "", query_worker, true},
    };
}

}  // namespace tarn::cli
