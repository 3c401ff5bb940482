// What subscriptions cost those who capture.
#include <fmt/core.h>

#include <filesystem>
#include <fstream>

#include "bench/bench.h"
#include "bench/http_load.h"
#include "net/http_client.h"

namespace tarn::bench {
namespace {

constexpr int events_a_request = 100;

Result<codec::Json> send(std::uint16_t port, const char* method, const std::string& path,
                         const std::string& body = "") {
    net::HttpClient client;
    TARN_ASSIGN(const auto response, client.send({.method = method,
                                                  .url = fmt::format("http://127.0.0.1:{}{}", port, path),
                                                  .body = body}));
    if (response.status >= 300) return fail(Code::internal, response.body.substr(0, 500));
    return codec::Json::parse(response.body);
}

// Each takes another one of the hundred endings of an amount.
std::string config(int subscriptions) {
    std::string text =
        "version: 1\nstreams: {bench: {roll: {age: 1h, size: 64GiB}}}\n"
        "functions: {f: {runtime: python, dir: f, handler: app.handler}}\nsubscriptions:\n";
    for (int i = 0; i < subscriptions; ++i)
        text += fmt::format(
            "  s{}: {{stream: bench, pattern: {{data: {{Amount: [{{suffix: \".{:02}\"}}]}}}}, to: "
            "function:f, "
            "from: beginning, batch: {{size: 1000}}}}\n",
            i, i % 100);
    return text;
}

// Events a second that a busy server captures.
Result<double> captured(const Scratch& scratch, const std::string& name, int subscriptions) {
    TARN_ASSIGN(const auto server, Server::start(scratch.path(name)));
    codec::Json body = codec::Json::object({{"name", "tarn.yaml"}, {"apply", true}});
    body.set("text", subscriptions == 0 ? "version: 1\nstreams: {bench: {roll: {age: 1h, size: 64GiB}}}\n"
                                        : config(subscriptions));
    TARN_TRY(send(server->port(), "POST", "/v1/apply", body.set("directory", scratch.path()).dump()));
    LoadOptions options;
    options.port = server->port();
    options.path = "/v1/streams/bench/events";
    options.connections = 16;
    options.content_type = "application/x-ndjson";
    for (int i = 0; i < events_a_request; ++i) options.body += sample_event(i) + "\n";
    options.seconds = 4;
    const LoadResult load = run_http_load(options);
    if (!load.good()) return fail(Code::internal, "the load generator: " + load.first_problem);
    if (subscriptions > 0) {
        TARN_ASSIGN(const auto list, send(server->port(), "GET", "/v1/subscriptions"));
        std::uint64_t matched = 0;
        for (const auto& each : list["items"].elements()) matched += each["matched"].as_uint();
        if (list["items"].size() != static_cast<std::size_t>(subscriptions) || matched == 0)
            return fail(Code::internal, "the subscriptions did not work meanwhile");
    }
    return static_cast<double>(load.ok) * events_a_request / load.seconds;
}

Result<codec::Json> many_subscriptions() {
    Scratch scratch;
    std::filesystem::create_directory(scratch.path("f"));
    std::ofstream(scratch.path("f/app.py")) << "def handler(event, context): pass\n";
    double none = 0, many = 0;
    for (int round = 0; round < 2; ++round) {
        TARN_ASSIGN(const double without, captured(scratch, fmt::format("none{}", round), 0));
        TARN_ASSIGN(const double with, captured(scratch, fmt::format("many{}", round), 1000));
        none = std::max(none, without);
        many = std::max(many, with);
    }
    codec::Json json = result(many / none, "of the capture rate without subscriptions", 0.9);
    json.set("events_per_second_with", many).set("events_per_second_without", none);
    return json;
}

}  // namespace

std::vector<Bench> process_benches() {
    return {{"subscriptions", "durable POST of 100 events beside 1,000 subscriptions that take 1 % each",
             many_subscriptions}};
}

}  // namespace tarn::bench
