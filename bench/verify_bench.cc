// How fast a run's events are read and hashed again.
#include <fmt/core.h>

#include <algorithm>
#include <ctime>

#include "bench/bench.h"
#include "codec/hash.h"
#include "verify/checks.h"

namespace tarn::bench {
namespace {

constexpr std::uint64_t events = 400'000;
constexpr int rounds = 3;

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

// The scan alone: unpack, split and hash, without asking what was frozen. Bytes of payload a CPU second.
Result<double> scan_alone(server::Engine& engine, bool with_hash) {
    double best = 0;
    for (int round = 0; round < rounds; ++round) {
        TARN_ASSIGN(auto view, engine.lake().view("bench"));
        lake::ScanOptions options;
        options.in_sequence = false;
        options.with_hash = with_hash;
        TARN_ASSIGN(const auto scan, engine.lake().scan(std::move(view), std::move(options)));
        const double begin = cpu_seconds();
        std::uint64_t bytes = 0;
        while (true) {
            TARN_ASSIGN(const event::StoredEvent* event, scan->next());
            if (event == nullptr) break;
            bytes += event->payload.size();
        }
        best = std::max(best, static_cast<double>(bytes) / (cpu_seconds() - begin));
    }
    return best;
}

// XXH3-128 over payloads that are in memory already.
double hash_alone() {
    const std::string payload = sample_event(1);
    std::uint64_t sum = 0;
    const double begin = cpu_seconds();
    for (std::uint64_t i = 0; i < events; ++i) sum += codec::xxh3_128(payload).low;
    const double seconds = cpu_seconds() - begin;
    return sum == 1 ? 0 : static_cast<double>(payload.size() * events) / seconds;
}

Result<codec::Json> run_hashes() {
    Scratch scratch;
    TARN_ASSIGN(const auto engine, open_engine(scratch.path("data")));
    TARN_TRY(create_stream(*engine, "bench", R"({"partitions":4,"event":{"key":{"path":"TargetAccount"}}})"));
    TARN_TRY(fill(*engine, "bench", events));
    TARN_ASSIGN(const auto info, engine->catalog().stream("bench"));
    TARN_TRY(engine->lake().roll(info.id));
    replay::PlanRequest request;
    request.stream = "bench";
    request.all = true;
    request.target = "null:";
    TARN_ASSIGN(codec::Json plan, engine->replay().plan(request));
    TARN_ASSIGN(const std::string run, engine->replay().create_run(plan["plan"].as_string()));
    const std::atomic<bool> stop{false};
    TARN_ASSIGN(codec::Json report,
                engine->replay().run(plan["plan"].as_string(), run, stop, [](const auto&) {}));
    const verify::Subject subject{engine->replay(), engine->lake(),    engine->state(),
                                  engine->query(),  std::move(report), std::move(plan)};
    double best = 0, best_wall = 0;
    std::uint64_t bytes = 0;
    for (int round = 0; round < rounds; ++round) {
        const double begin = cpu_seconds(), begin_wall = now_seconds();
        TARN_ASSIGN(const verify::Check check, verify::check_hashes(subject));
        const double seconds = cpu_seconds() - begin, wall = now_seconds() - begin_wall;
        if (!check.ok || check.counts["read"].as_uint() != events) return fail(Code::internal, check.detail);
        bytes = check.counts["bytes"].as_uint();
        best = std::max(best, static_cast<double>(bytes) / seconds);
        best_wall = std::max(best_wall, static_cast<double>(bytes) / wall);
    }
    TARN_ASSIGN(const double scan, scan_alone(*engine, true));
    TARN_ASSIGN(const double scan_unhashed, scan_alone(*engine, false));
    codec::Json json = result(best / 1e6, "MB/s per core", 1000);
    json.set("events", events)
        .set("bytes", bytes)
        .set("wall_MB_per_s", best_wall / 1e6)
        .set("scan_alone_MB_per_s", scan / 1e6)
        .set("scan_without_hash_MB_per_s", scan_unhashed / 1e6)
        .set("hash_alone_MB_per_s", hash_alone() / 1e6);
    return json;
}

}  // namespace

std::vector<Bench> verify_benches() {
    return {{"verify_hashes", "re-hashing the 400,000 events of a run from raw objects", run_hashes}};
}

}  // namespace tarn::bench
