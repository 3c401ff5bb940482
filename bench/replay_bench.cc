// From raw objects to a target, and from the log into state.
#include <fmt/core.h>

#include "bench/bench.h"

namespace tarn::bench {
namespace {

constexpr std::uint64_t events = 400'000;

Result<codec::Json> objects_to_null() {
    Scratch scratch;
    TARN_ASSIGN(const auto engine, open_engine(scratch.path("data")));
    TARN_TRY(create_stream(*engine, "bench", R"({"partitions":4,"event":{"key":{"path":"TargetAccount"}}})"));
    TARN_TRY(fill(*engine, "bench", events));
    TARN_ASSIGN(const auto info, engine->catalog().stream("bench"));
    TARN_TRY(engine->lake().roll(info.id));
    // The scan alone, for comparison: unpack, split, hash.
    double begin = now_seconds();
    TARN_ASSIGN(auto view, engine->lake().view("bench"));
    TARN_ASSIGN(const auto scan, engine->lake().scan(view, {}));
    std::uint64_t seen = 0;
    while (true) {
        TARN_ASSIGN(const event::StoredEvent* event, scan->next());
        if (event == nullptr) break;
        ++seen;
    }
    const double scan_seconds = now_seconds() - begin;
    if (seen != events) return fail(Code::internal, fmt::format("{} scanned", seen));

    replay::PlanRequest request;
    request.stream = "bench";
    request.all = true;
    request.target = "null:";
    begin = now_seconds();
    TARN_ASSIGN(const codec::Json plan, engine->replay().plan(request));
    const double plan_seconds = now_seconds() - begin;
    TARN_ASSIGN(const std::string run, engine->replay().create_run(plan["plan"].as_string()));
    const std::atomic<bool> stop{false};
    begin = now_seconds();
    TARN_ASSIGN(const codec::Json report,
                engine->replay().run(plan["plan"].as_string(), run, stop, [](const auto&) {}));
    const double seconds = now_seconds() - begin;
    if (report["counts"]["acknowledged"].as_uint() != events ||
        report["hashes"]["selected"] != report["hashes"]["sent"])
        return fail(Code::internal, "not all events were sent as they were: " + report.dump());
    codec::Json json = result(events / seconds, "events/s", 500'000);
    json.set("events", events)
        .set("scan_alone_per_s", events / scan_seconds)
        .set("plan_per_s", events / plan_seconds);
    return json;
}

Result<codec::Json> log_to_state() {
    Scratch scratch;
    TARN_ASSIGN(const auto engine, open_engine(scratch.path("data")));
    TARN_TRY(create_stream(*engine, "bench",
                           R"({"event":{"type":{"value":"payment"},"key":{"path":"TargetAccount"}}})"));
    TARN_TRY(fill(*engine, "bench", events));
    TARN_TRY(engine->state().declare_store("totals"));
    TARN_ASSIGN(const codec::Json declaration, codec::Json::parse(R"json({"stream":"bench","store":"totals",
        "schema":"CREATE TABLE totals(account TEXT PRIMARY KEY, n INTEGER NOT NULL, amount TEXT NOT NULL) WITHOUT ROWID",
        "on":[{"pattern":{"type":["payment"]},"sql":"INSERT INTO totals VALUES (:key, 1, :data ->> 'Amount') ON CONFLICT(account) DO UPDATE SET n = n + 1, amount = decimal_add(amount, excluded.amount)"}]})json"));
    TARN_ASSIGN(const auto spec, state::ProjectionSpec::from_json("totals", declaration));
    TARN_TRY(engine->state().declare_projection(spec));
    const double begin = now_seconds();
    TARN_TRY(engine->state().catch_up());
    const double seconds = now_seconds() - begin;
    TARN_ASSIGN(const auto totals, engine->state().query("totals", "SELECT sum(n), count(*) FROM totals"));
    const auto& row = totals.rows.at(0);
    if (row.at(0).as_uint() != static_cast<std::uint64_t>(events) || row.at(1).as_uint() != 20'000)
        return fail(Code::internal, "the state is wrong");
    codec::Json json = result(events / seconds, "events/s", 60'000);
    json.set("events", events).set("keys", 20'000);
    return json;
}

}  // namespace

std::vector<Bench> replay_benches() {
    return {
        {"objects_to_null", "a run of 400,000 events of 1,050 B from raw objects to null:", objects_to_null},
        {"log_to_state", "a projection with one upsert an event over 20,000 keys", log_to_state},
    };
}

}  // namespace tarn::bench
