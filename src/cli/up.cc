// tarn up: serve.
#include <fmt/core.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/version.h"
#include "net/http_server.h"
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
        return fail(Code::bad_usage,
                    fmt::format("--listen {}: give ADDRESS:PORT, for example 127.0.0.1:8470", text));
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
    TARN_ASSIGN(const codec::Json config, server::parse_config(text, path));
    TARN_ASSIGN(const auto changes, server::apply_config(engine, config, true));
    for (const auto& change : changes)
        if (change.action != "none")
            context.out.note(
                fmt::format("{} {} {}: {}", change.what, change.name, change.action, change.detail));
    return {};
}

void print_recovery(Context& context, server::Engine& engine) {
    const auto& recovery = engine.log().recovery();
    if (recovery.torn_bytes > 0)
        context.out.note(
            fmt::format("recovered: {} events in the log; an unfinished write of {} at {} was cut off "
                        "(nothing acknowledged was in it)",
                        format_count(recovery.events), format_bytes(recovery.torn_bytes), recovery.torn_at));
}

Result<int> up(Context& context) {
    constexpr std::int64_t grace_us = 10'000'000;
    TARN_ASSIGN(const Address address, parse_address(context.arguments.get_or("--listen", "127.0.0.1:8470")));
    TARN_ASSIGN(auto engine, server::Engine::open({.directory = context.globals.data,
                                                   .command = "tarn up",
                                                   .program = os::self_path(),
                                                   .serving = true}));
    print_recovery(context, *engine);
    if (const auto file = context.arguments.get("--config")) TARN_TRY(apply_file(context, *engine, *file));
    server::Api api(*engine);
    TARN_ASSIGN(auto server, net::HttpServer::start({.address = address.host, .port = address.port}, api));
    const std::string url = fmt::format("http://{}:{}", address.host, server->port());
    // Without the record commands must be told --server; that is no reason not to serve.
    if (const auto announced = engine->directory().announce(url); !announced)
        context.out.note(fmt::format("tarn: the owner record could not be written ({}): use --server {}",
                                     announced.error().message, url));
    engine->start_background();
    context.out.note(fmt::format("tarn {} · data {}{} · {}", version, engine->directory().path(),
                                 engine->directory().is_new() ? " (new)" : "", url));
    codec::Json ready;
    ready.set("listening", url)
        .set("data", engine->directory().path())
        .set("pid", static_cast<int>(::getpid()));
    context.out.line(ready.dump());
    context.out.flush();

    wait_for_signal();
    context.out.note("stopping: finishing or checkpointing what is under way");
    engine->stop_answers();  // a query or a follower may have hours to go
    engine->jobs().stop_all();
    server->stop(grace_us);
    api.stop();
    engine->stop_background();
    return 0;
}

Result<int> query_worker(Context&) { return query::query_worker_main(); }

}  // namespace

std::vector<Command> up_commands() {
    return {
        {"up",
         "serve the data directory over HTTP",
         {},
         {{"--listen", "ADDR:PORT", "default 127.0.0.1:8470; port 0 takes any free one"},
          {"--config", "FILE", "apply this tarn.yaml first"}},
         "Examples:\n  tarn up\n  tarn up --data /var/lib/tarn --listen 127.0.0.1:0\n  tarn up --config "
         "tarn.yaml\n\n"
         "Prints one JSON line on stdout when it accepts requests. SIGTERM or Ctrl-C: stops accepting, "
         "checkpoints, exits 0.",
         up},
        {"__query-worker", "internal: runs one query", {}, {}, "", query_worker, true},
    };
}

}  // namespace tarn::cli
