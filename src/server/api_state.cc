// Routes of stores, snapshots, restore, copies and differences.
#include <fmt/core.h>

#include <set>

#include "server/api.h"
#include "server/function_restore.h"

namespace tarn::server {
namespace {

Result<net::Response> list_stores(Call& call) {
    TARN_TRY(call.engine.catch_up());
    TARN_ASSIGN(const auto stores, call.engine.state().stores());
    codec::Json items = codec::Json::array();
    for (const auto& store : stores) items.push(store.to_json());
    return json_response(list_document(std::move(items)));
}

Result<net::Response> show_store(Call& call) {
    TARN_TRY(call.engine.catch_up());
    TARN_ASSIGN(const auto store, call.engine.state().store(call.arguments[0]));
    codec::Json json = store.to_json();
    json.set("schema_version", 1);
    return json_response(std::move(json));
}

Result<net::Response> query_store(Call& call) {
    TARN_TRY(call.engine.catch_up());
    TARN_ASSIGN(const codec::Json body, call.json({"sql"}));
    TARN_ASSIGN(auto answer, call.engine.state().query(call.arguments[0], body["sql"].as_string()));
    codec::Json names = codec::Json::array();
    for (const auto& column : answer.columns) names.push(column);
    codec::Json lines = codec::Json::array();
    for (auto& row : answer.rows) lines.push(codec::Json::array(std::move(row)));
    codec::Json json;
    json.set("schema_version", 1)
        .set("columns", std::move(names))
        .set("rows", std::move(lines))
        .set("complete", answer.complete);
    if (!answer.complete) json.set("why", answer.why);
    return json_response(std::move(json));
}

Result<net::Response> page_rows(Call& call) {
    constexpr std::uint64_t most = 10'000;
    TARN_TRY(call.parameters({"table", "after", "limit"}));
    TARN_ASSIGN(const std::uint64_t limit, call.number("limit", 1000));
    if (limit == 0 || limit > most)
        return fail(Code::bad_usage, fmt::format("limit: expected 1 to {}", most));
    TARN_TRY(call.engine.catch_up());
    std::optional<std::string> after;
    if (const auto given = call.request.parameter("after")) after = std::string(*given);
    TARN_ASSIGN(auto page, call.engine.state().rows(call.arguments[0],
                                                    std::string(call.request.parameter("table").value_or("")),
                                                    after, limit));
    codec::Json columns = codec::Json::array(), key = codec::Json::array(), rows = codec::Json::array();
    for (const auto& column : page.answer.columns) columns.push(column);
    for (const auto& column : page.key) key.push(column);
    for (auto& row : page.answer.rows) rows.push(codec::Json::array(std::move(row)));
    codec::Json json;
    json.set("schema_version", 1).set("table", page.table).set("columns", std::move(columns));
    json.set("key", std::move(key)).set("rows", std::move(rows));
    json.set("complete", page.answer.complete).set("next", std::move(page.next));
    return json_response(std::move(json));
}

// A place in a stream that does not feed the store says nothing about the store.
Status check_feeds(Call& call, const std::string& store, const std::string& stream) {
    const std::string live = store.substr(0, store.find('@'));
    TARN_ASSIGN(const auto projections, call.engine.state().projections());
    std::set<std::string> feeding;
    for (const auto& projection : projections)
        if (projection.store == live) feeding.insert(projection.stream);
    TARN_ASSIGN(const auto subscriptions, call.engine.processing().feeding_subscriptions(live));
    for (const auto& subscription : subscriptions) feeding.insert(subscription.stream);
    if (feeding.contains(stream)) return {};
    std::string streams;
    for (const auto& name : feeding) streams += (streams.empty() ? "" : ", ") + name;
    return fail(Code::bad_usage, fmt::format("stream {} does not feed store {}", stream, live),
                {.next = streams.empty() ? fmt::format("tarn store show {}", live)
                                         : fmt::format("name a position of: {}", streams)});
}

// "bank 0:41" or "0:41" (the store's only stream), an ingest time, "now", or a snapshot id.
Result<state::RestorePoint> restore_point(Call& call, const std::string& store, const std::string& to) {
    state::RestorePoint point;
    if (to.starts_with("sn-")) {
        point.snapshot = to;
        return point;
    }
    const auto space = to.rfind(' ');
    const std::string place = space == std::string::npos ? to : to.substr(space + 1);
    if (const auto position = event::parse_position(StreamId{}, place)) {
        if (space != std::string::npos) TARN_TRY(check_feeds(call, store, to.substr(0, space)));
        point.position = {position->partition, position->offset};
        return point;
    }
    if (to == "now") {
        point.time = Time{INT64_MAX};  // everything acknowledged, whatever the clock said
        return point;
    }
    TARN_ASSIGN(point.time, parse_time(to, call.engine.clock().now()));
    return point;
}

codec::Json positions_json(const std::vector<state::FeederPosition>& positions) {
    codec::Json list = codec::Json::array();
    for (const auto& position : positions) list.push(position.to_json());
    return list;
}

// "fix" or "accounts@fix" as the copy of `store`.
Result<std::string> copy_name(const std::string& store, const std::string& into) {
    const auto at = into.find('@');
    if (at == std::string::npos) return into;
    if (into.substr(0, at) != store)
        return fail(Code::bad_usage, fmt::format("{} is not a copy of {}", into, store),
                    {.next = fmt::format("name it {}@NAME", store)});
    return into.substr(at + 1);
}

// Where the state is that something else took the place of; null where there is none.
void set_replaced(codec::Json& json, const state::Replaced& replaced) {
    const auto text_or_null = [](const std::string& text) {
        return text.empty() ? codec::Json() : codec::Json(text);
    };
    json.set("safety_snapshot", text_or_null(replaced.safety_snapshot));
    if (!replaced.new_snapshot.empty()) json.set("new_snapshot", replaced.new_snapshot);
    json.set("moved_aside", text_or_null(replaced.moved_aside));
}

// A snapshot stands by itself; beyond it, functions get the events again where they feed the store.
Result<FunctionRestored> restored_state(Call& call, const std::string& store,
                                        const state::RestorePoint& point,
                                        const std::optional<std::string>& into) {
    TARN_ASSIGN(const bool by_functions, is_fed_by_functions(call.engine, store));
    if (by_functions && !point.snapshot) return restore_through_functions(call.engine, store, point, into);
    FunctionRestored restored;
    TARN_ASSIGN(restored.result, call.engine.state().restore(store, point, into));
    return restored;
}

Result<net::Response> restore_store(Call& call) {
    TARN_TRY(call.engine.catch_up());
    TARN_ASSIGN(const codec::Json body, call.json({"to", "into"}));
    const std::string& store = call.arguments[0];
    if (!body.has("to"))
        return fail(Code::bad_usage, "restore needs \"to\": a time, a position or a snapshot");
    TARN_ASSIGN(const auto point, restore_point(call, store, body["to"].as_string()));
    std::optional<std::string> into;
    if (body.has("into")) {
        TARN_ASSIGN(into, copy_name(store, body["into"].as_string()));
    }
    TARN_ASSIGN(const FunctionRestored restored, restored_state(call, store, point, into));
    const state::RestoreResult& done = restored.result;
    codec::Json json;
    json.set("schema_version", 1).set("store", done.store).set("base", done.base).set("events", done.events);
    json.set("run", restored.run.empty() ? codec::Json() : codec::Json(restored.run));
    codec::Json damaged = codec::Json::array();
    for (const auto& snapshot : done.damaged_snapshots) damaged.push(snapshot);
    json.set("damaged_snapshots", std::move(damaged));
    set_replaced(json, done.replaced.value_or(state::Replaced()));
    json.set("positions", positions_json(done.positions));
    TARN_TRY(call.engine.record("store.restored", done.store, json));
    if (restored.stopped) return fail(*restored.stopped);
    return json_response(std::move(json));
}

Result<net::Response> resume_store(Call& call) {
    TARN_TRY(call.engine.state().set_paused(call.arguments[0], false));
    return show_store(call);
}

Result<net::Response> pause_store(Call& call) {
    TARN_TRY(call.engine.state().set_paused(call.arguments[0], true));
    return show_store(call);
}

// What was done to the named thing, written down and answered: {"promoted":"accounts@fix", …}.
Result<net::Response> done(Call& call, const std::string& verb, const char* kind, codec::Json json = {}) {
    const std::string& name = call.arguments[0];
    json.set("schema_version", 1).set(verb, name);
    TARN_TRY(call.engine.record(fmt::format("{}.{}", kind, verb), name, json));
    return json_response(std::move(json));
}

Result<net::Response> promote_copy(Call& call) {
    TARN_ASSIGN(const auto replaced, call.engine.state().promote_copy(call.arguments[0]));
    codec::Json json;
    set_replaced(json, replaced);
    return done(call, "promoted", "store", std::move(json));
}

Result<net::Response> discard_copy(Call& call) {
    TARN_TRY(call.engine.state().discard_copy(call.arguments[0]));
    return done(call, "discarded", "store");
}

Result<net::Response> diff_states(Call& call) {
    TARN_TRY(call.engine.catch_up());
    TARN_ASSIGN(const codec::Json body, call.json({"before", "after", "ignore", "tolerance", "limit"}));
    state::DiffOptions options;
    for (const auto& column : body["ignore"].elements()) options.ignore_columns.push_back(column.as_string());
    std::vector<std::string> tolerances;
    for (const auto& text : body["tolerance"].elements()) tolerances.push_back(text.as_string());
    TARN_ASSIGN(options.tolerances, state::Tolerances::parse(tolerances));
    if (body.has("limit")) options.limit = body["limit"].as_uint();
    TARN_ASSIGN(const auto diff,
                call.engine.state().diff(body["before"].as_string(), body["after"].as_string(), options));
    codec::Json items = codec::Json::array();
    for (const auto& difference : diff.differences) items.push(difference.to_json());
    codec::Json json;
    json.set("schema_version", 1).set("differences", std::move(items)).set("total", diff.total);
    json.set("rows_compared", diff.rows_compared).set("events_note", diff.events_note);
    json.set("complete", diff.total == diff.differences.size());
    return json_response(std::move(json));
}

Result<net::Response> create_snapshot(Call& call) {
    TARN_TRY(call.engine.catch_up());
    TARN_ASSIGN(const codec::Json body, call.json({"store"}));
    TARN_ASSIGN(const auto snapshot, call.engine.state().create_snapshot(body["store"].as_string()));
    codec::Json json = snapshot.to_json();
    TARN_TRY(call.engine.record("snapshot.created", snapshot.id, json));
    json.set("schema_version", 1);
    return json_response(std::move(json), 201);
}

Result<net::Response> list_snapshots(Call& call) {
    TARN_ASSIGN(const auto snapshots, call.engine.state().snapshots());
    const auto store = call.request.parameter("store");
    codec::Json items = codec::Json::array();
    for (const auto& snapshot : snapshots)
        if (!store || snapshot.store == *store) items.push(snapshot.to_json());
    return json_response(list_document(std::move(items)));
}

Result<net::Response> show_snapshot(Call& call) {
    TARN_ASSIGN(const auto snapshot, call.engine.state().snapshot(call.arguments[0]));
    codec::Json json = snapshot.to_json();
    json.set("schema_version", 1);
    return json_response(std::move(json));
}

Result<net::Response> delete_snapshot(Call& call) {
    TARN_TRY(call.engine.state().delete_snapshot(call.arguments[0]));
    return done(call, "deleted", "snapshot");
}

}  // namespace

void Api::add_state_routes() {
    add("GET", "/v1/stores", "read", list_stores);
    add("GET", "/v1/stores/{}", "read", show_store);
    add("POST", "/v1/stores/{}/query", "query", query_store);
    add("GET", "/v1/stores/{}/rows", "read", page_rows);
    add("POST", "/v1/stores/{}/restore", "operate", restore_store);
    add("POST", "/v1/stores/{}/pause", "operate", pause_store);
    add("POST", "/v1/stores/{}/resume", "operate", resume_store);
    add("POST", "/v1/stores/{}/promote", "operate", promote_copy);
    add("POST", "/v1/stores/{}/discard", "operate", discard_copy);
    add("POST", "/v1/diff", "read", diff_states);
    add("POST", "/v1/snapshots", "operate", create_snapshot);
    add("GET", "/v1/snapshots", "read", list_snapshots);
    add("GET", "/v1/snapshots/{}", "read", show_snapshot);
    add("DELETE", "/v1/snapshots/{}", "operate", delete_snapshot);
}

}  // namespace tarn::server
