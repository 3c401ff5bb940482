// Functions: what the host adds to the bare loop of the same HTTP client, and what misbehaving ones cost
// capture.
#include <fmt/core.h>

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <latch>

#include "bench/bench.h"
#include "bench/http_load.h"
#include "functions/function_host.h"
#include "functions/runtime_api.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "os/child.h"
#include "os/real_file_system.h"

namespace tarn::bench {
namespace {

constexpr std::string_view event =
    R"({"specversion":"1.0","id":"7","type":"deposit","data":{"amount":"12.50"}})";
// Short rounds: the best ones are those that nothing outside has disturbed.
constexpr int warm_up = 2'000, measured = 6'000, rounds = 10;

// Node's HTTP client doing nothing but next and response.
constexpr std::string_view bare_loop = R"(
import { Agent, request } from 'node:http';
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
const agent = new Agent({ keepAlive: true, maxSockets: 1, noDelay: true });
function call(method, path, body) {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) };
    const sent = request({ host, port, method, path: '/2018-06-01/runtime/' + path, agent, headers }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () => resolve({ headers: response.headers, body: Buffer.concat(parts) }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
for (;;) {
  const next = await call('GET', 'invocation/next');
  await call('POST', `invocation/${next.headers['lambda-runtime-aws-request-id']}/response`, '{"ok":true}');
}
)";

// Answers next and response at once and does nothing else.
class BareHandler final : public net::Handler {
public:
    void handle(net::Request request, Respond respond) override {
        const auto call = functions::classify(request);
        if (call.kind == functions::RuntimeCall::Kind::next)
            return respond(functions::next_response("00000000-0000-7000-8000-000000000000", 4'000'000'000'000,
                                                    "bare", {std::string(event), ""}));
        respond(functions::accepted());
        const std::lock_guard lock(mutex_);
        wrong_ += request.body != R"({"ok":true})";
        if (++answered_ >= awaited_) changed_.notify_one();
    }
    // Seconds from the `from`th to the `to`th answer.
    Result<double> time(int from, int to) {
        std::unique_lock lock(mutex_);
        await(lock, from);
        const double start = now_seconds();
        await(lock, to);
        if (wrong_ > 0) return fail(Code::internal, "the bare loop answered something else");
        return now_seconds() - start;
    }

private:
    void await(std::unique_lock<std::mutex>& lock, int count) {
        awaited_ = count;
        changed_.wait(lock, [&] { return answered_ >= count; });
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    int answered_ = 0, wrong_ = 0, awaited_ = 0;
};

// Of a Node program against the bare handler.
Result<double> bare_seconds(const std::vector<std::string>& program, const std::string& directory) {
    BareHandler handler;
    TARN_ASSIGN(const auto server, net::HttpServer::start({.port = 0}, handler));
    TARN_ASSIGN(
        const auto child,
        os::Child::start({.keeper = tarn_binary(),
                          .arguments = program,
                          .environment = {"PATH=/usr/local/bin:/usr/bin:/bin", "AWS_LAMBDA_FUNCTION_NAME=f",
                                          fmt::format("AWS_LAMBDA_RUNTIME_API=127.0.0.1:{}", server->port())},
                          .working_directory = directory,
                          .memory_limit_bytes = 256u << 20}));
    return handler.time(warm_up, warm_up + measured);
}

// Hands over `count` invocations, a few of them always waiting, and gives the seconds.
Result<double> invoke_many(functions::FunctionHost& host, int count) {
    std::mutex mutex;
    std::condition_variable changed;
    int answered = 0, wrong = 0, sent = 0, target = 0;
    const auto done = [&](const functions::InvocationResult& result) {
        const std::lock_guard lock(mutex);
        wrong += result.payload != R"({"ok":true})";
        if (++answered >= target) changed.notify_one();
    };
    const double start = now_seconds();
    std::unique_lock lock(mutex);
    while (answered < count) {
        constexpr int ahead = 64;
        while (sent < count && sent - answered < ahead) {
            ++sent;
            lock.unlock();
            TARN_TRY(host.invoke("f", {std::string(event), ""}, done));
            lock.lock();
        }
        target = std::min(count, answered + ahead / 2);
        changed.wait(lock, [&] { return answered >= target; });
    }
    if (wrong > 0) return fail(Code::internal, fmt::format("{} invocations were answered wrongly", wrong));
    return now_seconds() - start;
}

Result<double> host_seconds(const functions::FunctionSpec& spec) {
    const auto clock = os::make_real_clock();
    const auto rng = os::make_real_rng();
    TARN_ASSIGN(const auto host, functions::FunctionHost::start({*clock, *rng, tarn_binary(), {}}));
    TARN_TRY(host->declare(spec, "1"));
    TARN_TRY(invoke_many(*host, warm_up));
    return invoke_many(*host, measured);
}

// Both are measured in turns, and each's best round counts: what disturbs them comes from outside.
Result<codec::Json> node_invocations() {
    Scratch scratch;
    std::ofstream(scratch.path("app.mjs"))
        << "export const handler = async (event) => ({ ok: event.id === '7' });\n";
    const functions::FunctionSpec spec{
        .name = "f", .runtime = "node", .directory = scratch.path(), .handler = "app.handler"};
    double bare = 1e9, runtime = 1e9, hosted = 1e9;
    for (int round = 0; round < rounds; ++round) {
        TARN_ASSIGN(const double bare_now,
                    bare_seconds({"node", "--input-type=module", "-e", std::string(bare_loop)}, ""));
        TARN_ASSIGN(const double runtime_now, bare_seconds(functions::command_line(spec), spec.directory));
        TARN_ASSIGN(const double hosted_now, host_seconds(spec));
        bare = std::min(bare, bare_now);
        runtime = std::min(runtime, runtime_now);
        hosted = std::min(hosted, hosted_now);
    }
    codec::Json json = result(bare / hosted, "of the bare loop", 0.9);
    json.set("invocations_per_s", measured / hosted).set("bare_per_s", measured / bare);
    json.set("overhead_us", (hosted - bare) / measured * 1e6).set("overhead_us_at_most", 20);
    json.set("of_it_our_node_runtime_us", (runtime - bare) / measured * 1e6);
    return json;
}

// ---- capture beside functions that misbehave

// Each does its worst from its start on, is ended, and is started again.
constexpr std::string_view misbehaving = R"(version: 1
streams: {bench: {}}
functions:
  floods: {runtime: command, command: [python3, flood.py], timeout: 2s, init_timeout: 2s}
  spins: {runtime: command, command: [python3, spin.py], timeout: 2s, init_timeout: 2s}
  eats: {runtime: command, command: [python3, eat.py], memory: 64MiB, timeout: 2s, init_timeout: 2s}
  forks: {runtime: command, command: [python3, fork.py], timeout: 2s, init_timeout: 2s}
)";

Result<LoadResult> capture_load(bool beside_functions) {
    Scratch scratch;
    std::ofstream(scratch.path("flood.py")) << "while True: print('x' * 200)\n";
    std::ofstream(scratch.path("spin.py")) << "while True: pass\n";
    std::ofstream(scratch.path("eat.py")) << "hog = []\nwhile True: hog.append(bytearray(1 << 20))\n";
    std::ofstream(scratch.path("fork.py"))
        << "import os, time\nfor i in range(5): os.fork()\ntime.sleep(1000)\n";
    std::ofstream(scratch.path("tarn.yaml"))
        << (beside_functions ? misbehaving : "version: 1\nstreams: {bench: {}}\n");
    TARN_ASSIGN(const auto apply, os::spawn({.arguments = {tarn_binary(), "apply", "--data",
                                                           scratch.path("data"), scratch.path("tarn.yaml")},
                                             .environment = {"PATH=/usr/bin:/bin"}}));
    if (const auto end = apply->wait(); end.code != 0 || end.signal != 0)
        return fail(Code::internal, "tarn apply: " + apply->stderr_tail());
    TARN_ASSIGN(const auto server, Server::start(scratch.path("data")));
    LoadOptions options;
    options.port = server->port();
    options.path = "/v1/streams/bench/events";
    options.connections = 4;
    options.body = sample_event(1);
    options.seconds = 6;
    const LoadResult load = run_http_load(options);
    if (!load.good()) return fail(Code::internal, "the load generator: " + load.first_problem);
    return load;
}

Result<codec::Json> capture_beside_functions() {
    double alone = 1e9, beside = 1e9, rate_alone = 0, rate_beside = 0;
    for (int round = 0; round < 3; ++round) {
        TARN_ASSIGN(const LoadResult quiet, capture_load(false));
        TARN_ASSIGN(const LoadResult loud, capture_load(true));
        alone = std::min(alone, quiet.p99_us);
        beside = std::min(beside, loud.p99_us);
        rate_alone = std::max(rate_alone, quiet.per_second);
        rate_beside = std::max(rate_beside, loud.per_second);
    }
    codec::Json json = result(beside, "us, p99 of a durable POST", 0);
    json.set("p99_alone_us", alone).set("events_per_s", rate_beside).set("events_per_s_alone", rate_alone);
    return json;
}

}  // namespace

std::vector<Bench> function_benches() {
    return {{"functions", "invocations by one Node worker against next + response of the same client",
             node_invocations},
            {"capture_beside_functions", "durable POSTs over 4 connections while four functions misbehave",
             capture_beside_functions}};
}

}  // namespace tarn::bench
