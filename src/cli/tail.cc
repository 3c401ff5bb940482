// tarn tail and tarn get: read events.
#include <fmt/core.h>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/text_argument.h"

namespace tarn::cli {
namespace {

// One document: the events that lines stand for. What is not JSON, as a payload may be, stands as text.
class EventList {
public:
    void add(std::string_view lines) {
        while (!lines.empty()) {
            const auto end = lines.find('\n');
            const std::string_view line = lines.substr(0, end);
            lines = end == std::string_view::npos ? std::string_view() : lines.substr(end + 1);
            auto event = codec::Json::parse(line);
            items_.push_back(event ? std::move(*event) : codec::Json(line));
        }
    }
    codec::Json document(const codec::Json& trailer) {
        codec::Json json;
        json.set("schema_version", 1).set("items", codec::Json::array(std::move(items_)));
        json.set("complete", trailer["complete"].as_bool());
        for (const char* name : {"why", "damage"})
            if (trailer.has(name)) json.set(name, trailer[name]);
        return json;
    }

private:
    std::vector<codec::Json> items_;
};

Status check_format(Context& context, bool follow) {
    if (context.out.format() == Format::csv)
        return fail(Code::bad_usage,
                    "tarn tail -o csv: events are documents; -o takes table, json and ndjson",
                    {.next = "for columns: tarn query \"SELECT … FROM <stream>.events\" -o csv"});
    if (follow && context.out.format() == Format::json)
        return fail(Code::bad_usage, "tarn tail --follow -o json: one document needs an end",
                    {.next = "leave out --follow, or take a line an event: -o ndjson"});
    return {};
}

Result<int> tail(Context& context) {
    const Arguments& given = context.arguments;
    TARN_TRY(check_format(context, given.flag("--follow")));
    TARN_ASSIGN(Client * client, context.client());
    EventList list;
    const auto print = [&](std::string_view lines) {
        if (context.out.format() == Format::json)
            list.add(lines);
        else
            context.out.data(lines);
    };
    net::Request request =
        make_request("GET", "/v1/streams/" + net::percent_encode(given.get_or("STREAM", "")) + "/events");
    const bool follow = given.flag("--follow");
    request.query.emplace_back("from", given.get_or("--from", follow ? "end" : "beginning"));
    if (follow) request.query.emplace_back("follow", "true");
    if (given.flag("--positions")) request.query.emplace_back("envelope", "true");
    if (const auto limit = given.get("--limit")) request.query.emplace_back("limit", *limit);
    if (const auto shape = given.get("--shape")) request.query.emplace_back("shape", *shape);
    if (const auto pattern = given.get("--pattern")) {
        TARN_ASSIGN(std::string text, text_argument(*pattern));
        request.query.emplace_back("pattern", std::move(text));
    }
    // The trailer is the last line: everything before it is data.
    std::string pending;
    const Status streamed = client->stream(std::move(request), [&](std::string_view piece) {
        pending.append(piece);
        const auto last = pending.rfind('\n', pending.size() < 2 ? 0 : pending.size() - 2);
        if (last != std::string::npos) {
            print(std::string_view(pending).substr(0, last + 1));
            pending.erase(0, last + 1);
            if (follow) context.out.flush();
        }
        if (follow && !pending.starts_with("{\"trailer\":") && pending.ends_with('\n')) {
            context.out.data(pending);
            context.out.flush();
            pending.clear();
        }
        return !interrupted() && !context.out.stdout_broken();
    });
    context.out.flush();
    if (interrupted()) return 130;
    const auto end = codec::Json::parse(pending);
    if (end && !end->has("trailer"))
        if (auto error = error_in(*end)) return fail(std::move(*error));
    TARN_TRY(streamed);
    if (!end) return 0;
    const codec::Json& trailer = (*end)["trailer"];
    if (context.out.format() == Format::json) context.out.line(list.document(trailer).dump());
    context.out.note(fmt::format("{} events of {} read{}", format_count(trailer["events"].as_uint()),
                                 format_count(trailer["scanned"].as_uint()),
                                 trailer["complete"].as_bool()
                                     ? " (complete)"
                                     : fmt::format(" (not complete: {})", trailer["why"].as_string())));
    for (const auto& damage : trailer["damage"].elements()) context.out.note(damage.as_string());
    return trailer["damage"].size() == 0 ? 0 : 1;
}

Result<int> get(Context& context) {
    TARN_ASSIGN(Client * client, context.client());
    const std::string position = context.arguments.get_or("P:O", "");
    const auto colon = position.find(':');
    if (colon == std::string::npos)
        return fail(Code::bad_usage, fmt::format("\"{}\" is not a position", position),
                    {.next = "give PARTITION:OFFSET, for example 0:41"});
    TARN_ASSIGN(const std::string payload,
                client->send(make_request(
                    "GET", fmt::format("/v1/streams/{}/events/{}/{}",
                                       net::percent_encode(context.arguments.get_or("STREAM", "")),
                                       net::percent_encode(position.substr(0, colon)),
                                       net::percent_encode(position.substr(colon + 1))))));
    context.out.data(payload);
    return 0;
}

}  // namespace

std::vector<Command> tail_commands() {
    return {
        {"tail",
         "read a stream's events, one JSON document a line",
         {{"STREAM", "which"}},
         {{"--from", "WHERE", "P:O (that partition), beginning, end, or a time such as -1h"},
          {"--follow", "", "wait for more until Ctrl-C"},
          {"--limit", "N", "at most so many"},
          {"--pattern", "JSON|FILE", "only events that match"},
          {"--shape", "S", "cloudevents (default), eventbridge or payload"},
          {"--positions", "", "with position, sequence and ingest time around each"}},
         "Examples:\n  tarn tail bank --from beginning --limit 3\n  tarn tail bank --follow --pattern "
         "'{\"type\":[\"cash_deposit\"]}'\n",
         tail},
        {"get",
         "write one event's payload, byte for byte, and nothing else",
         {{"STREAM", "which"}, {"P:O", "partition and offset"}},
         {},
         "Example:\n  tarn get bank 0:41 | jq .\n",
         get},
    };
}

}  // namespace tarn::cli
