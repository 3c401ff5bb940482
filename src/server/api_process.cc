// Routes of functions, subscriptions and dead letters.
#include <fmt/core.h>

#include "event/event.h"
#include "server/api.h"

namespace tarn::server {
namespace {

codec::Json document(codec::Json json) {
    codec::Json out = codec::Json::object({{"schema_version", 1}});
    for (const auto& [name, value] : json.members()) out.set(name, value);
    return out;
}

Result<net::Response> list_functions(Call& call) {
    TARN_ASSIGN(const auto specs, call.engine.processing().functions());
    codec::Json items = codec::Json::array();
    for (const auto& spec : specs) {
        functions::FunctionStatus status{.spec = spec};
        status.state = "stopped";
        if (call.engine.processing().started()) {
            TARN_ASSIGN(auto* host, call.engine.processing().host());
            if (auto running = host->find(spec.name)) status = std::move(*running);
        } else if (const auto version = functions::code_version(spec, call.engine.fs())) {
            status.version = *version;
        }
        items.push(status.to_json());
    }
    return json_response(list_document(std::move(items)));
}

codec::Json result_json(const functions::InvocationResult& result) {
    codec::Json json = codec::Json::object({{"end", functions::invocation_end_name(result.end)}});
    json.set("request_id", result.request_id)
        .set("version", result.version)
        .set("duration_us", result.duration_us);
    if (result.end == functions::InvocationEnd::returned) {
        const auto answer = codec::Json::parse(result.payload);
        json.set("result", answer ? *answer : codec::Json(result.payload));
    } else {
        json.set("error_type", result.error_type).set("message", result.error_message);
        const auto stack = codec::Json::parse(result.stack_trace);
        json.set("stack", stack ? *stack : codec::Json());
    }
    json.set("logs", result.log_tail);
    return json;
}

Result<net::Response> invoke_function(Call& call) {
    const auto valid = codec::validate_json(call.request.body, {.max_bytes = 6u << 20});
    if (!valid) return fail(valid.error());
    TARN_ASSIGN(const auto result,
                call.engine.processing().invoke(call.arguments[0], {std::move(call.request.body), ""}));
    return json_response(document(result_json(result)));
}

Result<net::Response> function_logs(Call& call) {
    TARN_TRY(call.parameters({"limit"}));
    TARN_ASSIGN(const std::uint64_t limit, call.number("limit", 200));
    TARN_TRY(call.engine.processing().function(call.arguments[0]));
    TARN_ASSIGN(auto* host, call.engine.processing().host());
    codec::Json items = codec::Json::array();
    for (const auto& line : host->logs(call.arguments[0], limit))
        items.push(codec::Json::object({{"at", format_rfc3339(line.at)},
                                        {"instance", line.instance},
                                        {"request_id", line.request_id},
                                        {"text", line.text}}));
    return json_response(list_document(std::move(items)));
}

Result<net::Response> list_subscriptions(Call& call) {
    TARN_ASSIGN(auto* processes, call.engine.processing().processes());
    TARN_ASSIGN(const auto all, processes->list());
    codec::Json items = codec::Json::array();
    for (const auto& each : all) items.push(each.to_json());
    return json_response(list_document(std::move(items)));
}

Result<net::Response> show_subscription(Call& call) {
    TARN_ASSIGN(auto* processes, call.engine.processing().processes());
    TARN_ASSIGN(const auto status, processes->find(call.arguments[0]));
    return json_response(document(status.to_json()));
}

Route set_paused(bool paused) {
    return [paused](Call& call) -> Result<net::Response> {
        TARN_ASSIGN(auto* processes, call.engine.processing().processes());
        TARN_TRY(processes->set_paused(call.arguments[0], paused));
        TARN_TRY(call.engine.record(paused ? "subscription.paused" : "subscription.resumed",
                                    call.arguments[0],
                                    codec::Json::object({{"subscription", call.arguments[0]}})));
        return show_subscription(call);
    };
}

// ---- dead letters

Result<codec::Json> position_json(Engine& engine, const Position& position) {
    const auto stream = engine.catalog().stream(position.stream);
    return codec::Json(fmt::format("{} {}", stream ? stream->name : fmt::format("~{}", position.stream.value),
                                   event::position_text(position.partition, position.offset)));
}

Result<net::Response> list_groups(Call& call) {
    TARN_ASSIGN(auto* processes, call.engine.processing().processes());
    TARN_ASSIGN(const auto groups, processes->groups());
    codec::Json items = codec::Json::array();
    for (const auto& group : groups) {
        TARN_ASSIGN(codec::Json sample, position_json(call.engine, group.sample));
        items.push(
            codec::Json::object({{"group", group.group},
                                 {"subscription", group.subscription},
                                 {"cause", fmt::format("{}: {}", group.error_type, group.error_message)},
                                 {"count", group.count},
                                 {"held", group.held},
                                 {"first", format_rfc3339(Time{group.first_us})},
                                 {"last", format_rfc3339(Time{group.last_us})},
                                 {"sample", std::move(sample)}}));
    }
    return json_response(list_document(std::move(items)));
}

// A group "dg-…", "STREAM P:O", or "P:O" with ?stream=.
Result<process::DeadSelection> selection_of(Call& call) {
    process::DeadSelection selection;
    const std::string& what = call.arguments[0];
    if (what.starts_with("dg-")) {
        selection.group = what;
        return selection;
    }
    const std::size_t space = what.rfind(' ');
    if (space == std::string::npos)
        return fail(Code::unknown_dead_letter,
                    fmt::format("\"{}\" is neither a group (dg-…) nor a position (STREAM P:O)", what),
                    {.next = "tarn dlq list"});
    TARN_ASSIGN(const auto stream, call.engine.catalog().stream(what.substr(0, space)));
    TARN_ASSIGN(selection.position, event::parse_position(stream.id, what.substr(space + 1)));
    return selection;
}

Result<std::vector<process::DeadLetter>> selected(Call& call, std::size_t limit) {
    TARN_ASSIGN(const auto selection, selection_of(call));
    TARN_ASSIGN(auto* processes, call.engine.processing().processes());
    TARN_ASSIGN(auto letters, processes->dead(selection, limit));
    if (letters.empty())
        return fail(Code::unknown_dead_letter, fmt::format("no dead letter is at {}", call.arguments[0]),
                    {.next = "tarn dlq list"});
    return letters;
}

codec::Json attempts_json(const std::vector<process::Attempt>& attempts) {
    codec::Json list = codec::Json::array();
    for (const auto& each : attempts) {
        const auto stack = codec::Json::parse(each.stack);
        list.push(codec::Json::object({{"at", format_rfc3339(Time{each.at_us})},
                                       {"end", each.end},
                                       {"error_type", each.error_type},
                                       {"message", each.message},
                                       {"stack", stack ? *stack : codec::Json()},
                                       {"logs", each.log_tail},
                                       {"version", each.version},
                                       {"duration_us", each.duration_us},
                                       {"batch", each.batch}}));
    }
    return list;
}

Result<net::Response> show_letters(Call& call) {
    TARN_TRY(call.parameters({"limit"}));
    TARN_ASSIGN(const std::uint64_t limit, call.number("limit", 100));
    TARN_ASSIGN(const auto letters, selected(call, limit + 1));
    TARN_ASSIGN(auto* processes, call.engine.processing().processes());
    codec::Json items = codec::Json::array();
    for (const auto& letter : letters) {
        if (items.size() == limit) break;
        TARN_ASSIGN(codec::Json position, position_json(call.engine, letter.position));
        auto shown = processes->document(letter);
        if (!shown) shown = fmt::format("cannot be read: {}", shown.error().text());
        items.push(codec::Json::object({{"position", std::move(position)},
                                        {"subscription", letter.subscription},
                                        {"group", letter.group},
                                        {"error_type", letter.error_type},
                                        {"message", letter.error_message},
                                        {"first", format_rfc3339(Time{letter.first_us})},
                                        {"last", format_rfc3339(Time{letter.last_us})},
                                        {"edited", letter.edited.has_value()},
                                        {"event", *shown},
                                        {"attempts", attempts_json(letter.attempts)}}));
    }
    codec::Json list = list_document(std::move(items));
    if (letters.size() > limit) list.set("complete", false);
    return json_response(std::move(list));
}

using Act = Result<std::uint64_t> (process::Processes::*)(const std::vector<process::DeadLetter>&);

Route act_on_letters(std::string verb, Act act, std::string event_type) {
    return [verb, act, event_type](Call& call) -> Result<net::Response> {
        TARN_ASSIGN(const codec::Json body, call.json({"dry_run", "limit"}));
        if (!call.engine.processing().started() && verb == "redriven")
            return fail(Code::bad_usage, "functions run only under tarn up: redrive needs a server",
                        {.next = "tarn up, then this command again"});
        TARN_ASSIGN(const auto letters, selected(call, body["limit"].as_uint(1'000'000)));
        std::uint64_t count = letters.size();
        const bool dry = body["dry_run"].as_bool();
        if (!dry) {
            TARN_ASSIGN(auto* processes, call.engine.processing().processes());
            TARN_ASSIGN(count, (processes->*act)(letters));
            TARN_TRY(call.engine.record(
                event_type, call.arguments[0],
                codec::Json::object({{"selection", call.arguments[0]}, {"count", count}})));
        }
        return json_response(codec::Json::object(
            {{"schema_version", 1}, {verb, count}, {"dry_run", dry}, {"selection", call.arguments[0]}}));
    };
}

Result<net::Response> edit_letter(Call& call) {
    TARN_ASSIGN(const auto letters, selected(call, 2));
    if (letters.size() > 1)
        return fail(Code::bad_usage, "one dead letter is edited at a time",
                    {.next = "name its position: STREAM P:O"});
    const auto valid = codec::validate_json(call.request.body);
    if (!valid) return fail(valid.error());
    TARN_ASSIGN(auto* processes, call.engine.processing().processes());
    TARN_ASSIGN(const std::string before, processes->document(letters[0]));
    TARN_TRY(processes->edit(letters[0], call.request.body));
    auto corrected = letters[0];
    corrected.edited = call.request.body;
    TARN_ASSIGN(const std::string after, processes->document(corrected));
    TARN_TRY(call.engine.record("dead_letter.corrected", call.arguments[0],
                                codec::Json::object({{"replaces", call.arguments[0]},
                                                     {"subscription", letters[0].subscription},
                                                     {"payload", call.request.body}})));
    return json_response(codec::Json::object(
        {{"schema_version", 1}, {"position", call.arguments[0]}, {"before", before}, {"after", after}}));
}

}  // namespace

void Api::add_process_routes() {
    add("GET", "/v1/functions", "read", list_functions);
    add("POST", "/v1/functions/{}/invoke", "run", invoke_function);
    add("GET", "/v1/functions/{}/logs", "read", function_logs);
    add("GET", "/v1/subscriptions", "read", list_subscriptions);
    add("GET", "/v1/subscriptions/{}", "read", show_subscription);
    add("POST", "/v1/subscriptions/{}/pause", "operate", set_paused(true));
    add("POST", "/v1/subscriptions/{}/resume", "operate", set_paused(false));
    add("GET", "/v1/dead-letters", "read", list_groups);
    add("GET", "/v1/dead-letters/{}", "read", show_letters);
    add("POST", "/v1/dead-letters/{}/redrive", "operate",
        act_on_letters("redriven", &process::Processes::redrive, "dead_letters.redriven"));
    add("POST", "/v1/dead-letters/{}/discard", "operate",
        act_on_letters("discarded", &process::Processes::discard, "dead_letters.discarded"));
    add("PUT", "/v1/dead-letters/{}", "operate", edit_letter);
}

}  // namespace tarn::server
