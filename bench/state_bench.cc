// State against its floors: applying against SQLite alone, snapshots beside a writer, restore, comparing.
#include <fmt/core.h>
#include <sqlite3.h>

#include <algorithm>
#include <thread>

#include "bench/bench.h"
#include "state/feeder.h"
#include "state/store_file.h"

namespace tarn::bench {
namespace {

constexpr std::uint64_t rows = 1'000'000;
constexpr std::size_t batch_events = 10'000;

constexpr const char* upsert =
    "INSERT INTO totals(account, n, amount) VALUES ({}, 1, {} ->> 'Amount') ON CONFLICT(account) DO UPDATE "
    "SET n = n + 1, amount = "
    "decimal_add(amount, excluded.amount)";
constexpr const char* schema =
    "CREATE TABLE totals(account TEXT PRIMARY KEY, n INTEGER NOT NULL, amount TEXT NOT NULL) WITHOUT ROWID";
constexpr const char* plain_schema =
    "CREATE TABLE totals(account TEXT PRIMARY KEY, n INTEGER NOT NULL, amount TEXT NOT NULL)";
constexpr const char* wide_schema =
    "CREATE TABLE totals(account TEXT PRIMARY KEY, n INTEGER NOT NULL, amount TEXT NOT NULL, note TEXT NOT "
    "NULL "
    "DEFAULT 'a note as people write them, of some sixty bytes or a few more')";

Result<state::ProjectionSpec> totals_spec(const char* tables) {
    codec::Json on =
        codec::Json::object({{"pattern", codec::Json::object({{"type", codec::Json::array({"payment"})}})},
                             {"sql", fmt::format(fmt::runtime(upsert), ":key", ":data")}});
    return state::ProjectionSpec::from_json(
        "totals", codec::Json::object({{"stream", "bench"},
                                       {"store", "totals"},
                                       {"schema", tables},
                                       {"on", codec::Json::array({std::move(on)})}}));
}

std::string small_event(std::uint64_t number, std::uint64_t keys) {
    return fmt::format(R"({{"Account":"A{:07}","Amount":"{}.{:02}","Text":"payment number {}"}})",
                       number % keys, number % 900, number % 100, number);
}

Status fill_small(server::Engine& engine, std::uint64_t first, std::uint64_t count, std::uint64_t keys) {
    std::string lines;
    for (std::uint64_t i = first; i < first + count; ++i) {
        lines += small_event(i, keys) + "\n";
        if (lines.size() < 1'000'000 && i + 1 < first + count) continue;
        TARN_TRY(post_lines(engine, "bench", std::move(lines)));
        lines.clear();
    }
    return {};
}

Result<std::unique_ptr<server::Engine>> open_totals(const Scratch& scratch, const char* tables) {
    TARN_ASSIGN(auto engine, open_engine(scratch.path("data")));
    TARN_TRY(create_stream(*engine, "bench",
                           R"({"event":{"type":{"value":"payment"},"key":{"path":"Account"}}})"));
    TARN_TRY(engine->state().declare_store("totals"));
    TARN_ASSIGN(const auto spec, totals_spec(tables));
    TARN_TRY(engine->state().declare_projection(spec));
    return engine;
}

Status check_sum(server::Engine& engine, const std::string& store, std::uint64_t n, std::uint64_t keys) {
    TARN_ASSIGN(const auto totals, engine.state().query(store, "SELECT sum(n), count(*) FROM totals"));
    const auto& row = totals.rows.at(0);
    if (row.at(0).as_uint() == n && row.at(1).as_uint() == keys) return {};
    return fail(Code::internal, fmt::format("{}: {} events of {} in {} rows of {}", store,
                                            row.at(0).as_uint(), n, row.at(1).as_uint(), keys));
}

// ---- applying

// Events as they come out of the lake, in memory.
struct Events {
    std::vector<lake::OwnedEvent> events;
};

Result<Events> read_all(server::Engine& engine) {
    TARN_ASSIGN(auto view, engine.lake().view("bench"));
    TARN_ASSIGN(const auto scan, engine.lake().scan(std::move(view), {}));
    Events all;
    while (true) {
        TARN_ASSIGN(const event::StoredEvent* event, scan->next());
        if (event == nullptr) return all;
        all.events.emplace_back(*event);
    }
}

Result<double> apply_seconds(const std::string& path, const Events& all, StreamId stream) {
    TARN_ASSIGN(auto database, state::open_store_file(path));
    TARN_ASSIGN(const auto spec, totals_spec(schema));
    TARN_TRY(state::ensure_feeder(database, spec, stream));
    TARN_ASSIGN(const auto feeder, state::Feeder::open(database, spec, state::FeedOrder::ascending));
    const double begin = now_seconds();
    for (std::size_t i = 0; i < all.events.size(); ++i) {
        if (!feeder->in_transaction()) TARN_TRY(feeder->begin());
        TARN_TRY(feeder->apply(all.events[i].event));
        if ((i + 1) % batch_events == 0) TARN_TRY(feeder->commit());
    }
    if (feeder->in_transaction()) TARN_TRY(feeder->commit());
    return now_seconds() - begin;
}

// The same statement on the same kind of database, with nothing around it.
Result<double> raw_seconds(const std::string& path, const Events& all) {
    TARN_ASSIGN(auto database, state::open_store_file(path));
    TARN_TRY(database.execute(schema));
    TARN_ASSIGN(auto statement, database.prepare(fmt::format(fmt::runtime(upsert), "?1", "?2")));
    sqlite3_stmt* const raw = statement.handle();
    const double begin = now_seconds();
    for (std::size_t i = 0; i < all.events.size(); ++i) {
        if (i % batch_events == 0) TARN_TRY(database.execute("BEGIN IMMEDIATE"));
        const std::string_view payload = all.events[i].payload;
        const std::string_view key = payload.substr(12, 8);
        sqlite3_bind_text(raw, 1, key.data(), static_cast<int>(key.size()), SQLITE_STATIC);
        sqlite3_bind_text(raw, 2, payload.data(), static_cast<int>(payload.size()), SQLITE_STATIC);
        if (sqlite3_step(raw) != SQLITE_DONE) return fail(Code::internal, "the raw upsert failed");
        sqlite3_reset(raw);
        if ((i + 1) % batch_events == 0 || i + 1 == all.events.size()) TARN_TRY(database.execute("COMMIT"));
    }
    return now_seconds() - begin;
}

Result<std::string> rows_text(const std::string& path) {
    TARN_ASSIGN(auto database, state::open_store_file(path));
    TARN_ASSIGN(auto row, database.prepare("SELECT count(*), sum(n), decimal_sum(amount) FROM totals"));
    TARN_TRY(row.step());
    return fmt::format("{} {} {}", row.integer(0), row.integer(1), row.text(2));
}

Result<codec::Json> state_apply() {
    constexpr std::uint64_t events = 400'000, keys = 20'000;
    Scratch scratch;
    TARN_ASSIGN(const auto engine, open_totals(scratch, schema));
    TARN_TRY(fill_small(*engine, 0, events, keys));
    TARN_ASSIGN(const Events all, read_all(*engine));
    TARN_ASSIGN(const auto info, engine->catalog().stream("bench"));
    // In turns, the best of each: other work on the machine hits both.
    double raw = 1e9, applied = 1e9;
    for (int round = 0; round < 3; ++round) {
        TARN_ASSIGN(const double one, raw_seconds(scratch.path(fmt::format("raw{}.db", round)), all));
        TARN_ASSIGN(const double other,
                    apply_seconds(scratch.path(fmt::format("applied{}.db", round)), all, info.id));
        raw = std::min(raw, one);
        applied = std::min(applied, other);
    }
    TARN_ASSIGN(const auto expected, rows_text(scratch.path("raw0.db")));
    TARN_ASSIGN(const auto got, rows_text(scratch.path("applied0.db")));
    if (expected != got) return fail(Code::internal, fmt::format("{} instead of {}", got, expected));
    codec::Json json = result(raw / applied, "of SQLite alone", 0.8);
    json.set("raw_per_s", events / raw).set("applied_per_s", events / applied).set("events", events);
    return json;
}

// A run that rebuilds the store beside the live one: from raw objects through plan, ledger and order.
Result<double> rebuild_seconds(server::Engine& engine, const std::string& copy) {
    replay::PlanRequest request;
    request.rebuild = "totals";
    request.base = "empty";
    request.into = copy;
    TARN_ASSIGN(const codec::Json plan, engine.replay().plan(request));
    const std::string& id = plan["plan"].as_string();
    TARN_ASSIGN(const std::string run, engine.replay().create_run(id));
    const std::atomic<bool> stop{false};
    const double begin = now_seconds();
    TARN_ASSIGN(const codec::Json report, engine.replay().run(id, run, stop, [](const auto&) {}));
    const double seconds = now_seconds() - begin;
    const codec::Json& counts = report["counts"];
    if (counts["acknowledged"] == counts["selected"]) return seconds;
    return fail(Code::internal, "not all events were applied: " + report.dump());
}

Result<codec::Json> replay_projection() {
    constexpr std::uint64_t events = 400'000, keys = 20'000;
    Scratch scratch;
    TARN_ASSIGN(const auto engine, open_totals(scratch, schema));
    TARN_TRY(fill_small(*engine, 0, events, keys));
    TARN_ASSIGN(const auto info, engine->catalog().stream("bench"));
    TARN_TRY(engine->lake().roll(info.id));
    TARN_ASSIGN(const Events all, read_all(*engine));
    double raw = 1e9, rebuilt = 1e9;
    for (int round = 0; round < 3; ++round) {
        TARN_ASSIGN(const double one, raw_seconds(scratch.path(fmt::format("raw{}.db", round)), all));
        TARN_ASSIGN(const double other, rebuild_seconds(*engine, fmt::format("fix{}", round)));
        TARN_TRY(check_sum(*engine, fmt::format("totals@fix{}", round), events, keys));
        raw = std::min(raw, one);
        rebuilt = std::min(rebuilt, other);
    }
    codec::Json json = result(raw / rebuilt, "of SQLite alone", 0.8);
    json.set("raw_per_s", events / raw).set("run_per_s", events / rebuilt).set("events", events);
    return json;
}

// ---- snapshots

// The longest time that feeding a few new events took, while `during` runs.
Result<std::vector<double>> feeding_times(server::Engine& engine, std::uint64_t& next,
                                          const std::atomic<bool>& stop) {
    std::vector<double> times;
    while (!stop) {
        TARN_TRY(fill_small(engine, next, 20, rows));
        next += 20;
        const double begin = now_seconds();
        TARN_TRY(engine.state().catch_up());
        times.push_back(now_seconds() - begin);
    }
    std::ranges::sort(times);
    return times;
}

Result<std::vector<double>> feeding_beside(server::Engine& engine, std::uint64_t& next,
                                           const std::function<Status()>& work) {
    std::atomic<bool> stop = false;
    Status worked;
    std::thread worker([&] {
        worked = work();
        stop = true;
    });
    auto times = feeding_times(engine, next, stop);
    worker.join();
    TARN_TRY(worked);
    return times;
}

Result<codec::Json> state_snapshot() {
    Scratch scratch;
    TARN_ASSIGN(const auto engine, open_totals(scratch, wide_schema));
    TARN_TRY(fill_small(*engine, 0, rows, rows));
    TARN_TRY(engine->catch_up());
    TARN_TRY(check_sum(*engine, "totals", rows, rows));
    constexpr int rounds = 5;
    std::uint64_t next = rows;
    state::SnapshotInfo taken;
    double seconds = 0, fastest = 1e9;
    TARN_ASSIGN(const auto beside, feeding_beside(*engine, next, [&]() -> Status {
                    for (int round = 0; round < rounds; ++round) {
                        const double begin = now_seconds();
                        TARN_ASSIGN(taken, engine->state().create_snapshot("totals"));
                        const double took = now_seconds() - begin;
                        fastest = std::min(fastest, took);
                        seconds += took;
                    }
                    return {};
                }));
    TARN_ASSIGN(const auto alone, feeding_beside(*engine, next, [&]() -> Status {
                    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
                    return {};
                }));
    TARN_TRY(engine->catch_up());
    TARN_TRY(check_sum(*engine, "totals", next, rows));
    TARN_TRY(engine->state().restore("totals", {.snapshot = taken.id}, "back"));
    TARN_ASSIGN(const auto back, engine->state().query("totals@back", "SELECT sum(n) FROM totals"));
    const std::uint64_t held = back.rows.at(0).at(0).as_uint();
    if (held < rows || held > next) return fail(Code::internal, fmt::format("the snapshot holds {}", held));
    codec::Json json = result(static_cast<double>(taken.bytes) / 1e6 / fastest, "MB/s", 200);
    json.set("bytes", taken.bytes).set("seconds", fastest).set("mean_seconds", seconds / rounds);
    json.set("longest_pause_ms", beside.back() * 1000).set("pause_at_most_ms", 20);
    json.set("longest_pause_without_ms", alone.back() * 1000);
    json.set("p99_pause_ms", beside[beside.size() * 99 / 100] * 1000).set("feedings", beside.size());
    return json;
}

// ---- restore

Result<codec::Json> state_restore() {
    constexpr std::uint64_t keys = 20'000;
    Scratch scratch;
    TARN_ASSIGN(const auto engine, open_totals(scratch, plain_schema));
    TARN_TRY(fill_small(*engine, 0, keys, keys));
    TARN_TRY(engine->catch_up());
    TARN_TRY(engine->state().create_snapshot("totals"));
    TARN_TRY(fill_small(*engine, keys, rows, keys));
    TARN_ASSIGN(const auto info, engine->catalog().stream("bench"));
    TARN_TRY(engine->lake().roll(info.id));
    const state::RestorePoint now{.time = Time{INT64_MAX}};
    double begin = now_seconds();
    TARN_ASSIGN(const auto copied, engine->state().restore("totals", now, "back"));
    const double copy_seconds = now_seconds() - begin;
    TARN_TRY(check_sum(*engine, "totals@back", keys + rows, keys));
    begin = now_seconds();
    TARN_ASSIGN(const auto done, engine->state().restore("totals", now, std::nullopt));
    const double seconds = now_seconds() - begin;
    TARN_TRY(check_sum(*engine, "totals", keys + rows, keys));
    if (done.events != rows || copied.events != rows)
        return fail(Code::internal, fmt::format("{} events were applied", done.events));
    codec::Json json = result(rows / seconds, "events/s", 80'000);
    json.set("into_a_copy_per_s", rows / copy_seconds).set("events", rows);
    return json;
}

// ---- comparing

Result<codec::Json> state_diff() {
    Scratch scratch;
    TARN_ASSIGN(const auto engine, open_totals(scratch, plain_schema));
    TARN_TRY(fill_small(*engine, 0, rows, rows));
    TARN_TRY(engine->catch_up());
    TARN_TRY(engine->state().make_copy("totals", "then", "live"));
    TARN_TRY(fill_small(*engine, 0, 100, rows));
    TARN_TRY(engine->catch_up());
    const double begin = now_seconds();
    TARN_ASSIGN(const auto diff, engine->state().diff("totals@then", "totals", {}));
    const double seconds = now_seconds() - begin;
    // Of a hundred rows the count and the amount, but for the amounts to which nothing was added.
    if (diff.rows_compared != rows || diff.total < 190 || diff.total > 200)
        return fail(Code::internal, fmt::format("{} differences in {} rows", diff.total, diff.rows_compared));
    codec::Json json = result(seconds, "s", 0);
    json.set("at_most", 2).set("rows", diff.rows_compared).set("differences", diff.total);
    return json;
}

}  // namespace

std::vector<Bench> state_benches() {
    return {
        {"state_apply",
         "a projection's upserts against the same statement on SQLite alone, batches of 10,000", state_apply},
        {"replay_projection",
         "a run that rebuilds a projection from raw objects, against the same statement on SQLite alone",
         replay_projection},
        {"state_snapshot", "a snapshot of 1,000,000 rows beside a writer", state_snapshot},
        {"state_restore", "restore to a point 1,000,000 events after a snapshot", state_restore},
        {"state_diff", "comparing 1,000,000 rows", state_diff},
    };
}

}  // namespace tarn::bench
