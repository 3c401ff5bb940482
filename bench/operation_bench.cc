// How long things take to start, and how much they need when idle.
#include <fmt/core.h>

#include <algorithm>
#include <fstream>

#include "bench/bench.h"

namespace tarn::bench {
namespace {

Result<codec::Json> query_start() {
    Scratch scratch;
    TARN_ASSIGN(const auto engine, server::Engine::open({.directory = scratch.path("data"),
                                                         .command = "tarn_bench",
                                                         .program = tarn_binary(),
                                                         .serving = true}));
    TARN_TRY(create_stream(*engine, "bench"));
    TARN_ASSIGN(const auto info, engine->catalog().stream("bench"));
    for (int i = 0; i < 100; ++i) {
        TARN_TRY(fill(*engine, "bench", 10));
        TARN_TRY(engine->lake().roll(info.id));
    }
    TARN_ASSIGN(const auto view, engine->lake().view("bench"));
    if (view.objects.size() != 100)
        return fail(Code::internal, fmt::format("{} objects", view.objects.size()));
    std::vector<double> times;
    for (int i = 0; i < 11; ++i) {
        std::string count;
        const double begin = now_seconds();
        TARN_TRY(engine->query().run("SELECT count(*) FROM bench.events", {},
                                     {[](const auto&) -> Status { return {}; },
                                      [&](const auto& row) -> Status {
                                          count = row.at(0).value_or("");
                                          return {};
                                      }}));
        times.push_back((now_seconds() - begin) * 1000);
        if (count != "1000") return fail(Code::internal, "the count is " + count);
        engine->clock().sleep_us(
            200'000);  // lets the next spare worker get ready, as between a person's queries
    }
    std::ranges::sort(times);
    codec::Json json = result(times[times.size() / 2], "ms (median of 11; less is better)", 100);
    json.set("worst", times.back());
    return json;
}

Result<codec::Json> recovery() {
    constexpr std::uint64_t events = 500'000;
    Scratch scratch;
    {
        TARN_ASSIGN(const auto engine, open_engine(scratch.path("data")));
        TARN_TRY(create_stream(*engine, "bench", R"({"roll":{"age":"1h","size":"64GiB"}})"));
        TARN_TRY(fill(*engine, "bench", events));
    }
    const double begin = now_seconds();
    TARN_ASSIGN(const auto engine, open_engine(scratch.path("data")));
    const double seconds = now_seconds() - begin;
    const auto& recovered = engine->log().recovery();
    if (recovered.events < events)
        return fail(Code::internal, fmt::format("{} events recovered", recovered.events));
    codec::Json json =
        result(seconds / (static_cast<double>(recovered.bytes) / 1e9), "s per GB of log (less is better)", 1);
    json.set("bytes", recovered.bytes).set("seconds", seconds);
    return json;
}

Result<codec::Json> idle_memory() {
    Scratch scratch;
    TARN_ASSIGN(const auto server, Server::start(scratch.path("data")));
    std::ifstream in(fmt::format("/proc/{}/status", server->pid()));
    for (std::string line; std::getline(in, line);)
        if (line.starts_with("VmRSS:"))
            return result(std::stod(line.substr(6)) / 1000, "MB (less is better)", 60);
    return fail(Code::internal, "no VmRSS");
}

}  // namespace

std::vector<Bench> operation_benches() {
    return {
        {"query_start", "count(*) over 100 objects, from asking to the answer", query_start},
        {"recovery", "opening a directory whose log holds 500,000 events", recovery},
        {"idle_memory", "resident memory of an idle server", idle_memory},
    };
}

}  // namespace tarn::bench
