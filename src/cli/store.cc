// tarn store: list, show, query, restore, diff, promote, discard, pause, resume.
#include <fmt/core.h>

#include <algorithm>

#include "cli/commands.h"

namespace tarn::cli {
namespace {

std::string path_of(Context& context) {
    return "/v1/stores/" + net::percent_encode(context.arguments.get_or("STORE", ""));
}

Result<int> list(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(const codec::Json stores, client->get("/v1/stores"));
    context.out.list(stores, {"store", "kind", "bytes", "feeders", "base", "complete", "paused"});
    for (const auto& store : stores["items"].elements())
        if (store.has("damage"))
            context.out.note(
                fmt::format("{}: {}", store["store"].as_string(), printable(store["damage"].as_string())));
    return 0;
}

Result<int> show(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(const codec::Json store, client->get(path_of(context)));
    context.out.document(store);
    return 0;
}

Result<int> query(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    codec::Json body;
    body.set("sql", context.arguments.get_or("SQL", ""));
    TARN_ASSIGN(const codec::Json answer, client->post(path_of(context) + "/query", body));
    std::vector<std::string> columns;
    for (const auto& column : answer["columns"].elements()) columns.push_back(column.as_string());
    codec::Json items = codec::Json::array();
    for (const auto& row : answer["rows"].elements()) {
        codec::Json item = codec::Json::object();
        const auto& values = row.elements();
        for (std::size_t i = 0; i < std::min(columns.size(), values.size()); ++i)
            item.set(columns[i], values[i]);
        items.push(std::move(item));
    }
    codec::Json document;
    const bool complete = answer["complete"].as_bool();
    document.set("schema_version", 1).set("items", std::move(items)).set("complete", complete);
    if (!complete) document.set("why", answer["why"]);
    context.out.list(document, columns);
    if (!complete) context.out.note(fmt::format("NOT complete: {}", printable(answer["why"].as_string())));
    return complete ? 0 : 1;
}

// Where the state is that was replaced.
std::string kept_state(const codec::Json& done) {
    if (!done["safety_snapshot"].is_null()) return done["safety_snapshot"].as_string();
    if (!done["moved_aside"].is_null())
        return fmt::format("damaged, kept as {}", printable(done["moved_aside"].as_string()));
    return "nothing, its file was missing";
}

Result<int> restore(Context& context) {
    const Arguments& given = context.arguments;
    const auto to = given.get("--to");
    if (!to)
        return fail(Code::bad_usage, "restore needs --to: an ingest time, now, a position P:O or a snapshot",
                    {.next = "tarn snapshot list"});
    TARN_ASSIGN(Client * client, context.client());
    codec::Json body;
    body.set("to", *to);
    if (const auto into = given.get("--into"))
        body.set("into", *into);
    else
        TARN_TRY(context.confirm(fmt::format(
            "Put store {} back to {}, in place? It is snapshotted first, and its feeders stay paused.",
            given.get_or("STORE", ""), *to)));
    TARN_ASSIGN(const codec::Json done, client->post(path_of(context) + "/restore", body));
    if (context.out.format() != Format::table) {
        context.out.document(done);
        return 0;
    }
    context.out.line(fmt::format("{} restored to {} · from {} + {} events", done["store"].as_string(), *to,
                                 done["base"].as_string(), format_count(done["events"].as_uint())));
    for (const auto& snapshot : done["damaged_snapshots"].elements())
        context.out.note(fmt::format("  snapshot {} is damaged: it was passed over for the one before",
                                     snapshot.as_string()));
    if (given.get("--into")) return 0;
    context.out.note(fmt::format("  before it: {} · its feeders wait: tarn store resume {}", kept_state(done),
                                 given.get_or("STORE", "")));
    return 0;
}

Result<int> diff(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    codec::Json body;
    body.set("before", context.arguments.get_or("BEFORE", ""))
        .set("after", context.arguments.get_or("AFTER", ""));
    codec::Json ignore = codec::Json::array();
    for (const auto& column : context.arguments.all("--ignore")) ignore.push(column);
    body.set("ignore", std::move(ignore));
    codec::Json tolerances = codec::Json::array();
    for (const auto& tolerance : context.arguments.all("--tolerance")) tolerances.push(tolerance);
    body.set("tolerance", std::move(tolerances));
    if (const auto limit = context.arguments.get("--limit")) {
        if (limit->find_first_not_of("0123456789") != std::string::npos || limit->size() > 9)
            return fail(Code::bad_usage, fmt::format("--limit {}: a number", *limit));
        body.set("limit", codec::Json::number_text(*limit));
    }
    TARN_ASSIGN(codec::Json result, client->post("/v1/diff", body));
    const std::uint64_t total = result["total"].as_uint();
    if (context.out.format() == Format::json) {
        context.out.line(result.dump());
    } else {
        codec::Json list;
        list.set("items", result["differences"]).set("complete", result["complete"]);
        context.out.list(list, {"table", "key", "column", "before", "after", "events"});
    }
    context.out.note(fmt::format("{} differences in {} rows{}", format_count(total),
                                 format_count(result["rows_compared"].as_uint()),
                                 result["complete"].as_bool() ? "" : " (not all are shown: --limit)"));
    return total == 0 ? 0 : 4;
}

Result<int> act(Context& context, const char* verb, const std::string& question) {
    TARN_TRY(context.confirm(question));
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(const codec::Json done, client->post(path_of(context) + "/" + verb, codec::Json::object()));
    context.out.document(done);
    return 0;
}

Result<int> promote(Context& context) {
    const std::string copy = context.arguments.get_or("STORE", "");
    return act(
        context, "promote",
        fmt::format("Put {} in the place of its live store? The live one is snapshotted first.", copy));
}
Result<int> discard(Context& context) {
    return act(context, "discard", fmt::format("Discard {}?", context.arguments.get_or("STORE", "")));
}
Result<int> change_pause(Context& context, const char* verb) {
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(const codec::Json done, client->post(path_of(context) + "/" + verb, codec::Json::object()));
    context.out.document(done);
    return 0;
}
Result<int> pause(Context& context) { return change_pause(context, "pause"); }
Result<int> resume(Context& context) { return change_pause(context, "resume"); }

}  // namespace

std::vector<Command> store_commands() {
    const Positional store{"STORE", "a store, or a copy STORE@COPY"};
    return {
        {"store list", "stores and their copies", {}, {}, "Example:\n  tarn store list\n", list},
        {"store show",
         "one store: what feeds it and how far",
         {store},
         {},
         "Example:\n  tarn store show accounts\n",
         show},
        {"store query",
         "one SELECT over a store",
         {store, {"SQL", "the query, quoted"}},
         {},
         "Example:\n  tarn store query accounts \"SELECT * FROM balance LIMIT 5\"\n",
         query},
        {"store restore",
         "put a store back to a point, in place or into a copy",
         {store},
         {{"--to", "POINT", "an ingest time, now, a position P:O or a snapshot"},
          {"--into", "COPY", "leave the live store alone"}},
         "Examples:\n  tarn store restore accounts --to sn-0012 --into accounts@march\n  tarn store restore "
         "accounts --to 2024-03-12T00:00:00Z --yes\n\n"
         "Restored in place, the store is snapshotted first and its feeders stay paused until: tarn store "
         "resume STORE\n"
         "A damaged store is built again with --to now; its file is kept beside the new one. A damaged "
         "snapshot is\npassed over for the one before it and the events after that.",
         restore},
        {"store diff",
         "where two states differ",
         {{"BEFORE", "a store, a copy or snapshot:ID"}, {"AFTER", "the same"}},
         {{"--ignore", "COLUMN", "do not compare this column", true},
          {"--tolerance", "COLUMN=N", "numbers of this column may lie so far apart", true},
          {"--limit", "N", "default 1000"}},
         "Example:\n  tarn store diff snapshot:sn-0052 accounts@fix\n\nExit codes: 0 equal, 4 differences",
         diff},
        {"store promote",
         "put a complete copy in the place of the live store",
         {store},
         {},
         "Example:\n  tarn store promote accounts@fix --yes\n",
         promote},
        {"store discard",
         "remove a copy",
         {store},
         {},
         "Example:\n  tarn store discard accounts@fix --yes\n",
         discard},
        {"store pause",
         "stop feeding a store",
         {store},
         {},
         "Example:\n  tarn store pause accounts\n",
         pause},
        {"store resume", "feed it again", {store}, {}, "Example:\n  tarn store resume accounts\n", resume},
    };
}

}  // namespace tarn::cli
