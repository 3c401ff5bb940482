// From HTTP and from files into the log.
#include <fmt/core.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "bench/bench.h"
#include "bench/http_load.h"
#include "net/http_client.h"

namespace tarn::bench {
namespace {

// What the stream says it holds must be what was acknowledged.
Status check_stored(std::uint16_t port, std::uint64_t events) {
    net::HttpClient client;
    TARN_ASSIGN(const auto response,
                client.send({.url = fmt::format("http://127.0.0.1:{}/v1/streams/bench", port)}));
    TARN_ASSIGN(const codec::Json stream, codec::Json::parse(response.body));
    if (stream["events"].as_uint() != events)
        return fail(Code::internal, fmt::format("{} events are stored, {} were acknowledged",
                                                stream["events"].as_uint(), events));
    return {};
}

double cpu_seconds(int pid) {
    std::ifstream in(fmt::format("/proc/{}/stat", pid));
    std::string text((std::istreambuf_iterator<char>(in)), {});
    std::istringstream rest(text.substr(text.rfind(')') + 2));
    std::string word;
    double ticks = 0;
    for (int i = 3; i <= 15 && rest >> word; ++i)
        if (i == 14 || i == 15) ticks += std::stod(word);
    return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

Result<codec::Json> http_to_log(int per_request, int connections, double at_least) {
    Scratch scratch;
    TARN_ASSIGN(const auto server, Server::start(scratch.path("data")));
    net::HttpClient client;
    const std::string base = fmt::format("http://127.0.0.1:{}/v1/streams", server->port());
    TARN_TRY(client.send({.method = "POST",
                          .url = base,
                          .body = R"({"name":"bench","settings":{"roll":{"age":"1h","size":"64GiB"}}})"}));
    LoadOptions options;
    options.port = server->port();
    options.path = "/v1/streams/bench/events";
    options.connections = connections;
    options.content_type = per_request == 1 ? "application/json" : "application/x-ndjson";
    for (int i = 0; i < per_request; ++i) options.body += sample_event(i) + (per_request == 1 ? "" : "\n");
    options.seconds = 5;
    const double cpu = cpu_seconds(server->pid());
    const LoadResult load = run_http_load(options);
    const double used = cpu_seconds(server->pid()) - cpu;
    if (!load.good()) return fail(Code::internal, "the load generator: " + load.first_problem);
    TARN_TRY(check_stored(server->port(), load.ok * per_request));
    const double events = static_cast<double>(load.ok * per_request);
    codec::Json json = result(events / load.seconds, "events/s", at_least);
    json.set("events", load.ok * per_request).set("p50_us", load.p50_us).set("p99_us", load.p99_us);
    json.set("server_cpu_us_per_event", used * 1e6 / events);
    return json;
}

std::string soccer_file() {
    const char* shared = std::getenv("TARN_SHARED");
    const std::filesystem::path root = shared != nullptr ? shared : "../shared";
    return (root / "data/soccer-wyscout/england-2017-18.events.ndjson.zst").string();
}

Result<codec::Json> file_to_log() {
    Scratch scratch;
    if (!std::filesystem::exists(soccer_file()))
        return fail(Code::unreadable_source, "the soccer data set is absent");
    const std::string plain = scratch.path("england.ndjson");
    if (std::system(fmt::format("zstd -dcq {} > {}", soccer_file(), plain).c_str()) != 0)
        return fail(Code::internal, "zstd failed");
    TARN_ASSIGN(const auto engine, open_engine(scratch.path("data")));
    TARN_TRY(
        create_stream(*engine, "soccer",
                      R"({"partitions":4,"event":{"type":{"path":"eventName"},"key":{"path":"matchId"}}})"));
    capture::ImportRequest request;
    request.stream = "soccer";
    request.sources = {plain};
    const std::atomic<bool> stop{false};
    const double begin = now_seconds();
    TARN_ASSIGN(const auto counts, engine->capture().import(request, stop, [](const auto&) {}));
    const double seconds = now_seconds() - begin;
    if (counts.accepted != 643'150 || counts.quarantined != 0)
        return fail(Code::internal,
                    fmt::format("{} accepted, {} quarantined", counts.accepted, counts.quarantined));
    const double bytes = static_cast<double>(std::filesystem::file_size(plain));
    codec::Json json = result(bytes / 1e6 / seconds, "MB/s", 100);
    json.set("events", counts.accepted).set("seconds", seconds);
    return json;
}

}  // namespace

std::vector<Bench> capture_benches() {
    return {
        {"http_to_log", "durable POST of 1 event of 1,050 B, 64 connections",
         [] { return http_to_log(1, 64, 40'000); }},
        {"http_batch_to_log", "durable POST of 100 events as NDJSON, 16 connections",
         [] { return http_to_log(100, 16, 200'000); }},
        {"file_to_log", "import of the English season as NDJSON, 188 MB", file_to_log},
    };
}

}  // namespace tarn::bench
