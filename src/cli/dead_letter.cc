// tarn dlq: list, show, edit, redrive, discard.
#include <fmt/core.h>

#include <array>
#include <sstream>

#include "base/time.h"
#include "cli/commands.h"
#include "cli/text_argument.h"

namespace tarn::cli {
namespace {

std::string path_of(Context& context) {
    return "/v1/dead-letters/" + net::percent_encode(context.arguments.get_or("GROUP", ""));
}

constexpr std::array filter_names = {"subscription", "pattern", "cause", "since", "until"};

// A pattern may be JSON or a file with it, as everywhere.
Result<std::optional<std::string>> filter(Context& context, std::string_view name) {
    const auto given = context.arguments.get(fmt::format("--{}", name));
    if (!given || name != "pattern") return given;
    TARN_ASSIGN(std::string text, text_argument(*given));
    return std::optional(std::move(text));
}

// "?a=b&c=d", "" when there are none.
Result<std::string> query_of_filters(Context& context) {
    std::string query;
    for (const char* name : filter_names) {
        TARN_ASSIGN(const auto value, filter(context, name));
        if (value)
            query += fmt::format("{}{}={}", query.empty() ? "?" : "&", name, net::percent_encode(*value));
    }
    return query;
}

Result<int> list(Context& context) {
    TARN_ASSIGN(const std::string query, query_of_filters(context));
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(const codec::Json groups, client->get("/v1/dead-letters" + query));
    context.out.list(groups, {"group", "subscription", "cause", "count", "held", "first", "last", "sample"});
    return 0;
}

// For people: what is known of it, each attempt in a line, and of the last one where it broke.
void show_letter(Context& context, const codec::Json& letter) {
    codec::Json facts = codec::Json::object();
    for (const auto& [name, value] : letter.members())
        if (name != "attempts" && !value.is_null()) facts.set(name, value);
    context.out.document(facts);
    const auto& attempts = letter["attempts"].elements();
    for (const codec::Json& attempt : attempts)
        context.out.line(printable(
            fmt::format(" {}  {} after {}: {}: {}", attempt["at"].as_string(), attempt["end"].as_string(),
                        format_duration(static_cast<std::int64_t>(attempt["duration_us"].as_uint())),
                        attempt["error_type"].as_string(), attempt["message"].as_string())));
    if (attempts.empty()) return;
    for (const codec::Json& frame : attempts.back()["stack"].elements()) {
        std::istringstream text(frame.as_string());
        for (std::string each; std::getline(text, each);) context.out.line(printable(each));
    }
}

Result<int> show(Context& context) {
    TARN_ASSIGN(std::string query, query_of_filters(context));
    query += fmt::format("{}limit={}", query.empty() ? "?" : "&",
                         net::percent_encode(context.arguments.get_or("--limit", "100")));
    if (const auto after = context.arguments.get("--after")) query += "&after=" + net::percent_encode(*after);
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(const codec::Json letters, client->get(path_of(context) + query));
    if (!context.out.is_for_people() || letters["items"].size() != 1) {
        context.out.list(letters, {"position", "subscription", "error_type", "message", "first", "last",
                                   "edited", "redrive"});
        if (!letters["complete"].as_bool())
            context.out.note(fmt::format("there are more: --after '{}'", letters["next"].as_string()));
        return 0;
    }
    show_letter(context, letters["items"].elements().front());
    return 0;
}

Result<int> edit(Context& context) {
    TARN_ASSIGN(const std::string payload, text_argument(context.arguments.get_or("FILE", "-")));
    TARN_ASSIGN(const std::string query, query_of_filters(context));
    TARN_ASSIGN(Client * client, context.client());
    TARN_ASSIGN(const std::string body, client->send(make_request("PUT", path_of(context) + query, payload)));
    TARN_ASSIGN(const codec::Json done, codec::Json::parse(body));
    if (context.wants_document()) {
        context.out.document(done);
        return 0;
    }
    for (const codec::Json& change : done["changes"].elements())
        for (const auto& [member, mark] : {std::pair("before", '-'), std::pair("after", '+')})
            if (change.has(member))
                context.out.line(fmt::format("{} {}: {}", mark, change["path"].as_string(),
                                             printable(change[member].dump())));
    if (done["changes"].size() == 0) context.out.note("nothing is different from the original");
    context.out.note(
        fmt::format("the original stays. It is sent so, and becomes a correction, with: tarn dlq "
                    "redrive '{}'",
                    context.arguments.get_or("GROUP", "")));
    return 0;
}

Result<codec::Json> body_of(Context& context) {
    codec::Json body = codec::Json::object();
    for (const char* name : filter_names) {
        TARN_ASSIGN(const auto value, filter(context, name));
        if (value) body.set(name, *value);
    }
    if (const auto limit = context.arguments.get("--limit"))
        body.set("limit", codec::Json::number_text(*limit));
    if (const auto pace = context.arguments.get("--pace")) body.set("pace", *pace);
    return body;
}

// Says how many there are, and shows some, before it asks.
Result<int> act(Context& context, const char* verb, const char* done_word, const char* question) {
    TARN_ASSIGN(codec::Json body, body_of(context));
    TARN_ASSIGN(Client * client, context.client());
    const std::string path = path_of(context) + "/" + verb;
    const bool dry = context.arguments.flag("--dry-run");
    TARN_ASSIGN(codec::Json answer, client->post(path, body.set("dry_run", true)));
    const std::uint64_t count = answer[done_word].as_uint();
    for (const codec::Json& letter : answer["sample"].elements())
        context.out.note(fmt::format("  {}  {}{}", letter["position"].as_string(),
                                     printable(letter["cause"].as_string()),
                                     letter["edited"].as_bool() ? "  (edited)" : ""));
    if (count > answer["sample"].size())
        context.out.note(fmt::format("  … and {} more", format_count(count - answer["sample"].size())));
    if (!dry) {
        TARN_TRY(context.confirm(fmt::format("{} {} dead letter{} of {}?", question, format_count(count),
                                             count == 1 ? "" : "s", context.arguments.get_or("GROUP", ""))));
        TARN_ASSIGN(answer, client->post(path, body.set("dry_run", false)));
    }
    const std::uint64_t passed_over = answer["passed_over"].as_uint();
    if (passed_over > 0)
        context.out.note(fmt::format("{} passed over: on their way, or settled meanwhile", passed_over));
    if (const std::uint64_t refused = answer["refused"].as_uint(); refused > 0)
        context.out.note(fmt::format("{} refused again: correct the projection, then tarn apply", refused));
    if (context.wants_document())
        context.out.document(answer);
    else
        context.out.line(
            fmt::format("{}{} {}", dry ? "would be " : "", done_word, answer[done_word].as_uint()));
    return 0;
}
Result<int> redrive(Context& context) { return act(context, "redrive", "redriven", "Send again"); }
Result<int> discard(Context& context) { return act(context, "discard", "discarded", "Give up"); }

}  // namespace

std::vector<Command> dead_letter_commands() {
    const Positional group{"GROUP", "a group (dg-…), a position ('bank 0:41'), or all"};
    const Option dry{"--dry-run", "", "say how many and show some, change nothing"};
    const Option limit{"--limit", "N", "the oldest N"};
    const Option subscription{"--subscription", "NAME", "only of this subscription"};
    const std::vector<Option> filters = {
        subscription,
        {"--pattern", "P", "only events that match: JSON or a file with it"},
        {"--cause", "TEXT", "only with this group (dg-…), or this text in \"ErrorType: message\""},
        {"--since", "T", "only those whose last attempt was at or after T"},
        {"--until", "T", "and before T"}};
    const auto with = [&](std::vector<Option> more) {
        more.insert(more.begin(), filters.begin(), filters.end());
        return more;
    };
    return {
        {"dlq list",
         "dead letters, grouped by cause",
         {},
         filters,
         "Examples:\n  tarn dlq list\n  tarn dlq list --cause KeyError --since 2h\n\nheld: later events of "
         "the "
         "same keys, which wait so that order is kept.",
         list},
        {"dlq show",
         "dead letters with every attempt",
         {group},
         with({{"--limit", "N", "default 100"}, {"--after", "PLACE", "go on behind the last one shown"}}),
         "Examples:\n  tarn dlq show dg-51c07a2e\n  tarn dlq show 'bank 0:41' -o json\n",
         show},
        {"dlq edit",
         "correct the payload of one; the original stays",
         {group, {"FILE", "JSON, a file with it, or - (default)", false}},
         {subscription},
         "Example:\n  tarn dlq edit 'bank 0:41' fixed.json\n\nShows what differs from the original. Once "
         "redriven it is a correction: an event of its own in _tarn, which rebuilds take in the original's "
         "place.",
         edit},
        {"dlq redrive",
         "send them to their function again; what was held behind them follows",
         {group},
         with({{"--pace", "N/s", "so many a second; what is left goes on after a restart"}, dry, limit}),
         "Examples:\n  tarn dlq redrive dg-51c07a2e --dry-run\n  tarn dlq redrive all --subscription ledger "
         "--pace 10/s --yes\n\nIdentity and time of the events stay. Needs a server: functions run under "
         "tarn "
         "up.",
         redrive},
        {"dlq discard",
         "give them up; what was held behind them goes on",
         {group},
         with({dry, limit}),
         "Example:\n  tarn dlq discard 'bank 0:41' --yes\n",
         discard},
    };
}

}  // namespace tarn::cli
