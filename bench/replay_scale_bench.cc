// Plans and runs over ten million events: what a selection costs that matches a hundredth, and whether memory
// grows with it.
#include <fmt/core.h>

#include <array>
#include <fstream>
#include <thread>

#include "bench/bench.h"

namespace tarn::bench {
namespace {

constexpr std::uint64_t all_events = 10'000'000;
constexpr std::uint64_t first_ms = 1'700'000'000'000;  // one event a millisecond from here
constexpr std::array<const char*, 4> types = {"deposit", "withdrawal", "transfer", "fee"};

std::string small_event(std::uint64_t number) {
    return fmt::format(R"({{"t":{},"type":"{}","account":"A{:06}","amount":"{}.{:02}"}})", first_ms + number,
                       types[number % types.size()], number % 50'000, number % 900, number % 100);
}

// Rolled as it comes, as a server would.
Result<std::unique_ptr<server::Engine>> open_filled(const Scratch& scratch, std::uint64_t count) {
    constexpr std::uint64_t roll_every = 1'000'000;
    TARN_ASSIGN(auto engine, open_engine(scratch.path("data")));
    TARN_TRY(create_stream(
        *engine, "bench",
        R"({"event":{"type":{"path":"type"},"key":{"path":"account"},"time":{"path":"t","unit":"ms"}}})"));
    TARN_TRY(create_stream(*engine, "out"));
    TARN_ASSIGN(const auto info, engine->catalog().stream("bench"));
    std::string lines;
    for (std::uint64_t i = 0; i < count; ++i) {
        lines += small_event(i) + "\n";
        if (lines.size() < 900'000 && i + 1 < count) continue;
        TARN_TRY(post_lines(*engine, "bench", std::move(lines)));
        lines.clear();
        if (i % roll_every < 10'000) TARN_TRY(engine->lake().roll(info.id));
    }
    TARN_TRY(engine->lake().roll(info.id));
    return engine;
}

// The event time of an event, as RFC 3339.
std::string time_of(std::uint64_t number) {
    std::string text;
    append_rfc3339(text, Time{static_cast<std::int64_t>(first_ms + number) * 1000});
    return text;
}

// The events [from, from + count) in time, of all types or of one.
replay::PlanRequest window(std::uint64_t from, std::uint64_t count, bool one_type, const char* target) {
    replay::PlanRequest request;
    request.stream = "bench";
    request.since = time_of(from);
    request.until = time_of(from + count);
    if (one_type) request.pattern = R"({"type":["deposit"]})";
    request.target = target;
    return request;
}

Result<codec::Json> run_plan(server::Engine& engine, const std::string& plan) {
    TARN_ASSIGN(const std::string run, engine.replay().create_run(plan));
    const std::atomic<bool> stop{false};
    return engine.replay().run(plan, run, stop, [](const auto&) {});
}

Status check_count(const codec::Json& report, std::uint64_t expected) {
    if (report["counts"]["acknowledged"].as_uint() == expected) return {};
    return fail(Code::internal, fmt::format("not all {} events were sent: {}", expected, report.dump()));
}

// Seconds from `run` until the first event is in the stream `out`.
Result<double> first_event_seconds(server::Engine& engine, const std::string& plan, std::uint64_t expected) {
    TARN_ASSIGN(const auto before, engine.lake().view("out"));
    const double begin = now_seconds();
    Result<codec::Json> report;
    std::jthread running([&] { report = run_plan(engine, plan); });
    double first = 0;
    while (first == 0) {
        TARN_ASSIGN(const auto view, engine.lake().view("out"));
        if (view.tail.end_sequence > before.tail.end_sequence) first = now_seconds() - begin;
        if (now_seconds() - begin > 60) break;
        std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    running.join();
    TARN_TRY(report);
    TARN_TRY(check_count(*report, expected));
    return first;
}

// ---- planning

Result<codec::Json> replay_plan() {
    Scratch scratch;
    TARN_ASSIGN(const auto engine, open_filled(scratch, all_events));
    constexpr std::uint64_t span = 400'000;  // a quarter of which are deposits: a hundredth of all
    double fastest = 1e9;
    std::string plan;
    for (int round = 0; round < 3; ++round) {
        const double begin = now_seconds();
        TARN_ASSIGN(const codec::Json document,
                    engine->replay().plan(window(3'000'000, span, true, "stream:out")));
        fastest = std::min(fastest, now_seconds() - begin);
        if (document["events"].as_uint() != span / 4)
            return fail(Code::internal, fmt::format("{} events are planned", document["events"].as_uint()));
        plan = document["plan"].as_string();
    }
    TARN_ASSIGN(const double first, first_event_seconds(*engine, plan, span / 4));
    codec::Json json = result(fastest, "s", 0);
    json.set("at_most", 1).set("events", all_events).set("selected", span / 4);
    json.set("first_event_ms", first * 1000).set("first_event_at_most_ms", 100);
    return json;
}

// ---- shares

struct ScanCost {
    double seconds = 0;
    std::uint64_t events = 0, bytes = 0;
};

// Unpack, split and filter, with nothing behind it.
Result<ScanCost> scan_window(server::Engine& engine, std::uint64_t from, std::uint64_t count) {
    lake::ScanOptions options;
    options.min_time = Time{static_cast<std::int64_t>(first_ms + from) * 1000};
    options.max_time = Time{static_cast<std::int64_t>(first_ms + from + count - 1) * 1000};
    const double begin = now_seconds();
    TARN_ASSIGN(auto view, engine.lake().view("bench"));
    TARN_ASSIGN(const auto scan, engine.lake().scan(std::move(view), std::move(options)));
    ScanCost cost;
    while (true) {
        TARN_ASSIGN(const event::StoredEvent* event, scan->next());
        if (event == nullptr) break;
        ++cost.events;
    }
    cost.seconds = now_seconds() - begin;
    cost.bytes = scan->counts().bytes_read;
    return cost;
}

Result<codec::Json> replay_null() {
    constexpr std::uint64_t events = 2'000'000;
    Scratch scratch;
    TARN_ASSIGN(const auto engine, open_filled(scratch, events));
    double worst = 1e9;
    codec::Json shares = codec::Json::array();
    for (const std::uint64_t percent : {1, 10, 100}) {
        const std::uint64_t count = events * percent / 100, from = percent == 100 ? 0 : 700'000;
        ScanCost scan;
        double scan_seconds = 1e9, run_seconds = 1e9;
        for (int round = 0; round < 3; ++round) {
            TARN_ASSIGN(scan, scan_window(*engine, from, count));
            scan_seconds = std::min(scan_seconds, scan.seconds);
            auto request = window(from, count, false, "null:");
            request.again = true;
            TARN_ASSIGN(const codec::Json plan, engine->replay().plan(request));
            const double begin = now_seconds();
            TARN_ASSIGN(const codec::Json report, run_plan(*engine, plan["plan"].as_string()));
            run_seconds = std::min(run_seconds, now_seconds() - begin);
            TARN_TRY(check_count(report, count));
            if (report["hashes"]["selected"] != report["hashes"]["sent"])
                return fail(Code::internal, "what was sent is not what was selected");
        }
        if (scan.events < count) return fail(Code::internal, fmt::format("{} scanned", scan.events));
        worst = std::min(worst, scan_seconds / run_seconds);
        codec::Json share;
        share.set("percent", percent).set("of_scan", scan_seconds / run_seconds);
        share.set("events_per_s", static_cast<double>(count) / run_seconds);
        share.set("scan_per_s", static_cast<double>(scan.events) / scan_seconds);
        shares.push(std::move(share));
    }
    codec::Json json = result(worst, "of the raw scan, the worst share", 0.7);
    json.set("shares", std::move(shares));
    return json;
}

// ---- memory

std::uint64_t peak_bytes() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) * 1024;
    return 0;
}

void forget_peak() { std::ofstream("/proc/self/clear_refs") << "5"; }

Result<codec::Json> replay_memory() {
    Scratch scratch;
    TARN_ASSIGN(const auto engine, open_filled(scratch, all_events));
    codec::Json json;
    std::uint64_t highest = 0;
    for (const std::uint64_t count : {all_events / 10, all_events}) {
        forget_peak();
        const std::uint64_t before = peak_bytes();
        TARN_ASSIGN(const codec::Json plan, engine->replay().plan(window(0, count, false, "null:")));
        const std::uint64_t planned = peak_bytes();
        forget_peak();
        TARN_ASSIGN(const codec::Json report, run_plan(*engine, plan["plan"].as_string()));
        const std::uint64_t ran = peak_bytes();
        TARN_TRY(check_count(report, count));
        highest = std::max({highest, planned, ran});
        codec::Json one;
        one.set("before_mb", before / 1'000'000).set("plan_mb", planned / 1'000'000);
        json.set(fmt::format("selected_{}", count), one.set("run_mb", ran / 1'000'000));
    }
    codec::Json all = result(static_cast<double>(highest) / 1e6, "MB at the most, whole process", 0);
    all.set("at_most", 300);
    for (const auto& [name, value] : json.members()) all.set(name, value);
    return all;
}

}  // namespace

std::vector<Bench> replay_scale_benches() {
    return {
        {"replay_plan", "a plan of 1 % of 10,000,000 events by time and type, and its first event sent",
         replay_plan},
        {"replay_null", "runs of 1, 10 and 100 % to null: against the raw scan of the same", replay_null},
        {"replay_memory", "memory of plan and run at 1,000,000 and 10,000,000 selected events",
         replay_memory},
    };
}

}  // namespace tarn::bench
