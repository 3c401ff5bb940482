// How punctual a run is, event by event, and what its ledger costs.
#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <thread>

#include "bench/bench.h"
#include "codec/zstd.h"
#include "os/real_file_system.h"
#include "os/sim_file_system.h"
#include "os/thread_priority.h"
#include "tests/shared_data.h"

namespace tarn::bench {
namespace {

constexpr double measured_seconds = 30;

// When each event left, by its place in the plan.
using Departures = std::vector<std::int64_t>;

// Runs the plan into a stream that only writes down when what came.
Result<Departures> departures_of(server::Engine& engine, const Scratch& scratch, const std::string& pace) {
    Departures departures;
    const auto note = [&](const std::string&, const std::vector<replay::Outgoing>& batch, const log::Origin&,
                          const std::string&) -> Result<log::Appended> {
        const std::int64_t now = engine.clock().monotonic_us();
        for (const replay::Outgoing& outgoing : batch) {
            departures.resize(std::max<std::size_t>(departures.size(), outgoing.index + 1));
            departures[outgoing.index] = now;
        }
        return log::Appended{};
    };
    TARN_ASSIGN(const auto replay, replay::Replay::open({.catalog = engine.catalog(),
                                                         .lake = engine.lake(),
                                                         .query = engine.query(),
                                                         .state = engine.state(),
                                                         .fs = engine.fs(),
                                                         .clock = engine.clock(),
                                                         .rng = engine.rng(),
                                                         .directory = scratch.path("jobs"),
                                                         .append = note}));
    replay::PlanRequest request;
    request.stream = "bench";
    request.all = request.again = true;
    request.target = "stream:out";
    request.pace = pace;
    TARN_ASSIGN(const codec::Json plan, replay->plan(request));
    const std::string id = plan["plan"].as_string();
    TARN_ASSIGN(const std::string run, replay->create_run(id));
    const std::atomic<bool> stop{false};
    Result<codec::Json> ended;
    std::jthread([&] {
        os::lower_thread_priority();  // as the job of a server does
        ended = replay->run(id, run, stop, [](const auto&) {});
    }).join();
    TARN_ASSIGN(const codec::Json report, std::move(ended));
    if (report["counts"]["acknowledged"].as_uint() != departures.size())
        return fail(Code::internal, "not all events were sent: " + report.dump());
    return departures;
}

// `due`: when each should have left, counted from the first. Seconds are those of the schedule.
codec::Json punctuality(const Departures& departures, const std::vector<double>& due) {
    std::vector<double> late;
    for (std::size_t i = 0; i < departures.size(); ++i)
        late.push_back((static_cast<double>(departures[i] - departures[0]) - due[i]) / 1000);
    const double took = static_cast<double>(departures.back() - departures.front());
    std::sort(late.begin(), late.end());
    codec::Json json = result(late[late.size() * 99 / 100], "ms late, 99 of 100 events", 0);
    json.set("at_most", 20).set("events", departures.size()).set("seconds", took / 1e6);
    json.set("rate_off_percent", std::abs(took / due.back() - 1) * 100).set("rate_off_at_most", 2);
    return json.set("median_ms", late[late.size() / 2])
        .set("worst_ms", late.back())
        .set("earliest_ms", late.front());
}

Result<codec::Json> events_a_second() {
    constexpr double rate = 5'000;
    Scratch scratch;
    TARN_ASSIGN(const auto engine, open_engine(scratch.path("data")));
    TARN_TRY(create_stream(*engine, "bench"));
    TARN_TRY(create_stream(*engine, "out"));
    TARN_TRY(fill(*engine, "bench", static_cast<std::uint64_t>(rate * measured_seconds)));
    TARN_ASSIGN(const Departures departures, departures_of(*engine, scratch, "5000/s"));
    std::vector<double> due;
    for (std::size_t i = 0; i < departures.size(); ++i) due.push_back(static_cast<double>(i) * 1e6 / rate);
    return punctuality(departures, due);
}

// "2023-11-16 18:15:46.6805900,…" → µs of the day.
std::int64_t time_of_day_us(std::string_view line) {
    const auto number = [&](std::size_t at, std::size_t length) {
        std::int64_t value = 0;
        std::from_chars(line.data() + at, line.data() + at + length, value);
        return value;
    };
    return ((number(11, 2) * 60 + number(14, 2)) * 60 + number(17, 2)) * 1'000'000 + number(20, 6);
}

// The arrivals of a conversation service: real bursts and lulls.
Result<std::vector<std::int64_t>> arrivals(os::FileSystem& fs, double seconds) {
    const auto folder = test::shared_data("azure-llm-arrivals");
    if (!folder) return fail(Code::io_failed, test::missing_shared_data("azure-llm-arrivals"));
    TARN_ASSIGN(const std::string packed,
                os::read_file(fs, (*folder / "AzureLLMInferenceTrace_conv.csv.zst").string()));
    std::string text;
    TARN_TRY(codec::make_zstd_unpacker()->feed(packed, [&text](std::string_view piece) -> Status {
        text += piece;
        return {};
    }));
    std::vector<std::int64_t> times;
    for (std::size_t at = text.find('\n') + 1; at < text.size(); at = text.find('\n', at) + 1) {
        times.push_back(time_of_day_us(std::string_view(text).substr(at, 27)));
        if (static_cast<double>(times.back() - times.front()) > seconds * 1e6) break;
    }
    return times;
}

Result<codec::Json> original_speed() {
    constexpr double factor = 4;
    Scratch scratch;
    TARN_ASSIGN(const auto engine, open_engine(scratch.path("data")));
    TARN_TRY(create_stream(*engine, "bench", R"({"event":{"time":{"path":"t","unit":"us"}}})"));
    TARN_TRY(create_stream(*engine, "out"));
    TARN_ASSIGN(const auto times, arrivals(engine->fs(), measured_seconds * factor));
    std::string lines;
    std::vector<double> due;
    for (const std::int64_t time : times) {
        lines += fmt::format("{{\"t\":{}}}\n", 1'700'000'000'000'000 + time);
        due.push_back(static_cast<double>(time - times.front()) / factor);
    }
    TARN_TRY(post_lines(*engine, "bench", std::move(lines)));
    TARN_ASSIGN(const Departures departures, departures_of(*engine, scratch, "4x"));
    return punctuality(departures, due);
}

// ---- what a ledger costs

// Keeps ledgers in memory, where they cost next to nothing.
class LedgersInMemory final : public os::FileSystem {
public:
    explicit LedgersInMemory(os::FileSystem& fs) : fs_(fs) {}
    Result<std::unique_ptr<os::File>> open(const std::string& path, os::OpenMode mode) override {
        return of(path).open(path, mode);
    }
    Status make_directories(const std::string& path) override {
        TARN_TRY(memory_.make_directories(path));
        return fs_.make_directories(path);
    }
    Status rename(const std::string& from, const std::string& to) override { return of(to).rename(from, to); }
    Status link(const std::string& from, const std::string& to) override { return of(to).link(from, to); }
    Status remove(const std::string& path) override { return of(path).remove(path); }
    Status sync_directory(const std::string& path) override { return fs_.sync_directory(path); }
    Result<std::vector<os::FileInfo>> list(const std::string& path) override { return fs_.list(path); }
    Result<std::optional<os::FileInfo>> stat(const std::string& path) override { return of(path).stat(path); }
    Result<os::Space> space(const std::string& path) override { return fs_.space(path); }
    Result<std::unique_ptr<os::FileLock>> lock(const std::string& path) override { return fs_.lock(path); }

private:
    os::FileSystem& of(const std::string& path) {
        if (path.find("/ledger.bin") != std::string::npos) return memory_;
        return fs_;
    }
    os::FileSystem& fs_;
    os::SimFileSystem memory_;
};

Result<double> null_run_seconds(server::Engine& engine, os::FileSystem& fs, const std::string& directory,
                                std::uint64_t events) {
    TARN_ASSIGN(const auto replay, replay::Replay::open({.catalog = engine.catalog(),
                                                         .lake = engine.lake(),
                                                         .query = engine.query(),
                                                         .state = engine.state(),
                                                         .fs = fs,
                                                         .clock = engine.clock(),
                                                         .rng = engine.rng(),
                                                         .directory = directory,
                                                         .append = {}}));
    replay::PlanRequest request;
    request.stream = "bench";
    request.all = true;
    request.target = "null:";
    TARN_ASSIGN(const codec::Json plan, replay->plan(request));
    const std::string id = plan["plan"].as_string();
    TARN_ASSIGN(const std::string run, replay->create_run(id));
    const std::atomic<bool> stop{false};
    const double begin = now_seconds();
    TARN_ASSIGN(const codec::Json report, replay->run(id, run, stop, [](const auto&) {}));
    const double seconds = now_seconds() - begin;
    if (report["counts"]["acknowledged"].as_uint() != events)
        return fail(Code::internal, "not all events were sent: " + report.dump());
    return seconds;
}

Result<codec::Json> ledger_of_null() {
    constexpr std::uint64_t events = 400'000;
    Scratch scratch;
    TARN_ASSIGN(const auto engine, open_engine(scratch.path("data")));
    TARN_TRY(create_stream(*engine, "bench", R"({"partitions":4,"event":{"key":{"path":"TargetAccount"}}})"));
    TARN_TRY(fill(*engine, "bench", events));
    TARN_ASSIGN(const auto info, engine->catalog().stream("bench"));
    TARN_TRY(engine->lake().roll(info.id));
    LedgersInMemory in_memory(engine->fs());
    double with = 1e9, without = 1e9;
    for (int round = 0; round < 7; ++round) {
        TARN_ASSIGN(const double plain,
                    null_run_seconds(*engine, in_memory, scratch.path(fmt::format("m{}", round)), events));
        TARN_ASSIGN(const double kept,
                    null_run_seconds(*engine, engine->fs(), scratch.path(fmt::format("d{}", round)), events));
        without = std::min(without, plain);
        with = std::min(with, kept);
    }
    codec::Json json = result((with / without - 1) * 100, "% more time with a ledger", 0);
    json.set("at_most", 5).set("events", events);
    return json.set("with_per_s", events / with).set("without_per_s", events / without);
}

}  // namespace

std::vector<Bench> pace_benches() {
    return {
        {"pace_events", "lateness of each event of a run at --pace 5000/s for 30 s", events_a_second},
        {"pace_original", "lateness of each event at --pace 4x, real arrivals, for 30 s", original_speed},
        {"replay_ledger", "what the ledger adds to a run of 400,000 events to null:", ledger_of_null},
    };
}

}  // namespace tarn::bench
