// Routes of dead letters: groups, letters with every attempt, and what can be done with them.
#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "event/event.h"
#include "pattern/pattern.h"
#include "replay/pace.h"
#include "server/api.h"
#include "server/refused_events.h"

namespace tarn::server {
namespace {

constexpr std::size_t page = 500;
constexpr std::size_t samples_shown = 3;
const std::vector<std::string> filter_names = {"subscription", "pattern", "cause", "since", "until"};

std::string position_text(Engine& engine, const Position& position) {
    const auto stream = engine.catalog().stream(position.stream);
    return fmt::format("{} {}", stream ? stream->name : fmt::format("~{}", position.stream.value),
                       event::position_text(position.partition, position.offset));
}

// What was asked for: a place, and filters that narrow it.
struct Asked {
    process::DeadSelection selection;
    std::optional<pattern::Pattern> pattern;
};

// A value of the query or of the body.
using Value = std::function<std::optional<std::string>(const std::string& name)>;

Value of_query(const Call& call) {
    return [&call](const std::string& name) -> std::optional<std::string> {
        const auto value = call.request.parameter(name);
        return value ? std::optional(std::string(*value)) : std::nullopt;
    };
}
Value of_body(const codec::Json& body) {
    return [&body](const std::string& name) -> std::optional<std::string> {
        const codec::Json& value = body[name];
        if (value.is_null()) return std::nullopt;
        return value.is_string() ? value.as_string() : value.dump();
    };
}

Result<Asked> filters(Engine& engine, const Value& value) {
    Asked asked;
    asked.selection.subscription = value("subscription");
    const auto cause = value("cause");
    if (cause && cause->starts_with("dg-"))
        asked.selection.group = *cause;
    else
        asked.selection.cause = cause;
    const Time now = engine.clock().now();
    if (const auto since = value("since")) {
        TARN_ASSIGN(const Time time, parse_time(*since, now));
        asked.selection.since_us = time.us;
    }
    if (const auto until = value("until")) {
        TARN_ASSIGN(const Time time, parse_time(*until, now));
        asked.selection.until_us = time.us;
    }
    if (const auto text = value("pattern")) {
        TARN_ASSIGN(asked.pattern, pattern::Pattern::compile(*text));
    }
    return asked;
}

// Narrows it to a group "dg-…", a position "STREAM P:O", or leaves it at "all".
Status narrow(Call& call, Asked& asked) {
    const std::string& what = call.arguments[0];
    if (what == "all") return {};
    if (what.starts_with("dg-")) {
        asked.selection.group = what;
        return {};
    }
    const std::size_t space = what.rfind(' ');
    if (space == std::string::npos)
        return fail(Code::unknown_dead_letter,
                    fmt::format("\"{}\" is neither a group (dg-…), a position (STREAM P:O) nor all", what),
                    {.next = "tarn dlq list"});
    TARN_ASSIGN(const auto stream, call.engine.catalog().stream(what.substr(0, space)));
    TARN_ASSIGN(asked.selection.position, event::parse_position(stream.id, what.substr(space + 1)));
    return {};
}

// Calls `take` with the letters that were asked for, in their order, until it gives false.
Status for_each_letter(process::Processes& processes, const Asked& asked,
                       const std::function<Result<bool>(const process::DeadLetter&)>& take) {
    process::DeadSelection selection = asked.selection;
    while (true) {
        TARN_ASSIGN(const auto letters, processes.dead(selection, page));
        for (const auto& letter : letters) {
            if (asked.pattern) {
                TARN_ASSIGN(const std::string document, processes.pattern_document(letter));
                if (!asked.pattern->matches(document)) continue;
            }
            TARN_ASSIGN(const bool more, take(letter));
            if (!more) return {};
        }
        if (letters.size() < page) return {};
        selection.after = process::DeadPlace{letters.back().sequence, letters.back().subscription};
    }
}

Failure none_of(Call& call) {
    const std::string& what = call.arguments[0];
    std::string message = fmt::format("no dead letter is at {}", what);
    if (what == "all") message = "no dead letter is so";
    if (what.starts_with("dg-")) message = fmt::format("no dead letter of {} is so", what);
    return fail(Code::unknown_dead_letter, std::move(message), {.next = "tarn dlq list"});
}

// ---- groups

codec::Json group_json(Engine& engine, const process::DeadGroup& group) {
    return codec::Json::object({{"group", group.group},
                                {"subscription", group.subscription},
                                {"cause", fmt::format("{}: {}", group.error_type, group.error_message)},
                                {"count", group.count},
                                {"held", group.held},
                                {"first", format_rfc3339(Time{group.first_us})},
                                {"last", format_rfc3339(Time{group.last_us})},
                                {"sample", position_text(engine, group.sample)}});
}

// A pattern is about the events: what of each group it takes is counted one by one.
Status count_matching(process::Processes& processes, const Asked& asked,
                      std::vector<process::DeadGroup>& groups) {
    std::map<std::pair<std::string, std::string>, process::DeadGroup> counted;
    TARN_TRY(for_each_letter(processes, asked, [&](const process::DeadLetter& letter) -> Result<bool> {
        auto& group = counted[{letter.group, letter.subscription}];
        if (group.count++ == 0) {
            group.sample = letter.position;
            group.first_us = letter.first_us;
        }
        group.first_us = std::min(group.first_us, letter.first_us);
        group.last_us = std::max(group.last_us, letter.last_us);
        return true;
    }));
    std::erase_if(groups, [&](process::DeadGroup& group) {
        const auto found = counted.find({group.group, group.subscription});
        if (found == counted.end()) return true;
        group.count = found->second.count;
        group.sample = found->second.sample;
        group.first_us = found->second.first_us;
        group.last_us = found->second.last_us;
        return false;
    });
    return {};
}

RefusedSelection refused_selection(const Asked& asked) {
    return {asked.selection.group, asked.selection.since_us, asked.selection.until_us};
}

// What projections refused is not looked at by a pattern.
Status add_refused(Engine& engine, const Asked& asked, codec::Json& items) {
    const auto& selection = asked.selection;
    if (asked.pattern) return {};
    TARN_TRY(engine.catch_up());
    TARN_ASSIGN(const auto refused, refused_groups(engine, refused_selection(asked)));
    for (const auto& group : refused) {
        if (selection.subscription && *selection.subscription != group.subscription()) continue;
        if (selection.cause && ("SQL: " + group.cause).find(*selection.cause) == std::string::npos) continue;
        items.push(group_json(group));
    }
    return {};
}

// The group of events that a projection refused, when the call names one.
Result<std::optional<RefusedGroup>> refused_group(Call& call, const Asked& asked) {
    if (!call.arguments[0].starts_with("dg-")) return std::optional<RefusedGroup>();
    TARN_TRY(call.engine.catch_up());
    RefusedSelection selection = refused_selection(asked);
    selection.group = call.arguments[0];
    TARN_ASSIGN(auto groups, refused_groups(call.engine, selection));
    if (groups.empty()) return std::optional<RefusedGroup>();
    return std::optional(std::move(groups.front()));
}

Result<net::Response> list_groups(Call& call) {
    TARN_TRY(call.parameters(filter_names));
    TARN_ASSIGN(const Asked asked, filters(call.engine, of_query(call)));
    TARN_ASSIGN(auto* processes, call.engine.processing().processes());
    TARN_ASSIGN(auto groups, processes->groups(asked.selection));
    if (asked.pattern) TARN_TRY(count_matching(*processes, asked, groups));
    codec::Json items = codec::Json::array();
    for (const auto& group : groups) items.push(group_json(call.engine, group));
    TARN_TRY(add_refused(call.engine, asked, items));
    return json_response(list_document(std::move(items)));
}

// ---- letters

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

codec::Json letter_json(Engine& engine, process::Processes& processes, const process::DeadLetter& letter) {
    auto shown = processes.document(letter);
    if (!shown) shown = fmt::format("cannot be read: {}", shown.error().text());
    codec::Json json = codec::Json::object({{"position", position_text(engine, letter.position)},
                                            {"subscription", letter.subscription},
                                            {"group", letter.group},
                                            {"error_type", letter.error_type},
                                            {"message", letter.error_message},
                                            {"first", format_rfc3339(Time{letter.first_us})},
                                            {"last", format_rfc3339(Time{letter.last_us})},
                                            {"edited", letter.edited.has_value()}});
    const auto correction = engine.lake().corrections().at(letter.position);
    json.set("correction", correction ? codec::Json("_tarn " + correction->event) : codec::Json());
    const bool asked_for = letter.redrive_us != 0;
    json.set("redrive", !asked_for              ? codec::Json()
                        : letter.redrive_us > 1 ? codec::Json(format_rfc3339(Time{letter.redrive_us}))
                                                : codec::Json("now"));
    return json.set("event", *shown).set("attempts", attempts_json(letter.attempts));
}

// "17 ledger": behind this one the next page begins.
Result<std::optional<process::DeadPlace>> place_after(const Call& call) {
    const auto text = call.request.parameter("after");
    if (!text) return std::optional<process::DeadPlace>();
    process::DeadPlace place;
    const std::size_t space = text->find(' ');
    const char* end = text->data() + std::min(space, text->size());
    const auto read = std::from_chars(text->data(), end, place.sequence);
    if (space == std::string::npos || read.ec != std::errc() || read.ptr != end)
        return fail(Code::bad_usage, fmt::format("after={}: expected `next` of the page before", *text));
    place.subscription = text->substr(space + 1);
    return std::optional(std::move(place));
}

Result<net::Response> show_letters(Call& call) {
    auto known = filter_names;
    known.insert(known.end(), {"limit", "after"});
    TARN_TRY(call.parameters(known));
    TARN_ASSIGN(const std::uint64_t limit, call.number("limit", 100));
    TARN_ASSIGN(Asked asked, filters(call.engine, of_query(call)));
    TARN_TRY(narrow(call, asked));
    TARN_ASSIGN(asked.selection.after, place_after(call));
    TARN_ASSIGN(const auto refused, refused_group(call, asked));
    if (refused) {
        codec::Json list = list_document(letters_json(call.engine, *refused, limit));
        return json_response(list.set("complete", refused->events.size() <= limit));
    }
    TARN_ASSIGN(auto* processes, call.engine.processing().processes());
    codec::Json items = codec::Json::array();
    process::DeadPlace last;
    bool complete = true;
    TARN_TRY(for_each_letter(*processes, asked, [&](const process::DeadLetter& letter) -> Result<bool> {
        if (items.size() == limit) return complete = false;
        items.push(letter_json(call.engine, *processes, letter));
        last = {letter.sequence, letter.subscription};
        return true;
    }));
    if (items.size() == 0 && limit > 0 && !asked.selection.after) return none_of(call);
    codec::Json list = list_document(std::move(items));
    list.set("complete", complete);
    if (!complete) list.set("next", fmt::format("{} {}", last.sequence, last.subscription));
    return json_response(std::move(list));
}

// ---- redrive, discard

struct Chosen {
    std::vector<process::DeadLetter> letters;
    codec::Json sample = codec::Json::array();
};

Result<Chosen> choose(Call& call, const codec::Json& body, process::Processes& processes) {
    TARN_ASSIGN(Asked asked, filters(call.engine, of_body(body)));
    TARN_TRY(narrow(call, asked));
    const std::uint64_t limit = body["limit"].is_null() ? UINT64_MAX : body["limit"].as_uint();
    Chosen chosen;
    TARN_TRY(for_each_letter(processes, asked, [&](const process::DeadLetter& letter) -> Result<bool> {
        if (chosen.letters.size() >= limit) return false;
        if (chosen.sample.size() < samples_shown)
            chosen.sample.push(codec::Json::object(
                {{"position", position_text(call.engine, letter.position)},
                 {"subscription", letter.subscription},
                 {"cause", fmt::format("{}: {}", letter.error_type, letter.error_message)},
                 {"edited", letter.edited.has_value()}}));
        chosen.letters.push_back(letter);
        chosen.letters.back().attempts.clear();  // long, and of no use here
        return true;
    }));
    if (chosen.letters.empty() && limit > 0) return none_of(call);
    return chosen;
}

using Act = std::function<Result<std::uint64_t>(Call&, const codec::Json& body, process::Processes&,
                                                const std::vector<process::DeadLetter>&)>;

// Redriving means applying again, with the declaration of today.
Result<net::Response> act_on_refused(Call& call, const codec::Json& body, const RefusedGroup& group,
                                     const std::string& done_word) {
    if (done_word != "redriven")
        return fail(
            Code::bad_usage,
            fmt::format("{} is what projection {} refused, which is not discarded: it stays out of the "
                        "tables, and is said",
                        group.group, group.projection),
            {.next =
                 fmt::format("correct the projection, tarn apply, then: tarn dlq redrive {}", group.group)});
    const bool dry = body["dry_run"].as_bool();
    AppliedAgain done{.applied = group.events.size()};
    if (!dry) {
        TARN_ASSIGN(done, apply_again(call.engine, group));
        TARN_TRY(call.engine.record("dead_letter.redriven", group.group,
                                    codec::Json::object({{"selection", group.group},
                                                         {"projection", group.projection},
                                                         {"count", done.applied},
                                                         {"refused", done.refused}})));
    }
    codec::Json answer = codec::Json::object({{"schema_version", 1}, {done_word, done.applied}});
    answer.set("passed_over", 0).set("refused", done.refused).set("dry_run", dry);
    answer.set("selection", group.group);
    return json_response(answer.set("sample", letters_json(call.engine, group, samples_shown)));
}

Route act_on_letters(std::string done_word, std::string event_type, std::vector<std::string> options,
                     Act act) {
    options.insert(options.end(), {"dry_run", "limit"});
    options.insert(options.end(), filter_names.begin(), filter_names.end());
    return [=](Call& call) -> Result<net::Response> {
        TARN_ASSIGN(const codec::Json body, call.json(options));
        TARN_ASSIGN(const Asked asked, filters(call.engine, of_body(body)));
        TARN_ASSIGN(const auto refused, refused_group(call, asked));
        if (refused) return act_on_refused(call, body, *refused, done_word);
        TARN_ASSIGN(auto* processes, call.engine.processing().processes());
        TARN_ASSIGN(const Chosen chosen, choose(call, body, *processes));
        if (!call.engine.processing().started() && done_word == "redriven")
            return fail(Code::bad_usage, "functions run only under tarn up: redrive needs a server",
                        {.next = "tarn up, then this command again"});
        std::uint64_t count = chosen.letters.size();
        const bool dry = body["dry_run"].as_bool();
        if (!dry) {
            TARN_ASSIGN(count, act(call, body, *processes, chosen.letters));
            TARN_TRY(call.engine.record(
                event_type, call.arguments[0],
                codec::Json::object({{"selection", call.arguments[0]}, {"asked", body}, {"count", count}})));
        }
        codec::Json answer = codec::Json::object({{"schema_version", 1}, {done_word, count}});
        answer.set("passed_over", chosen.letters.size() - count).set("dry_run", dry);
        return json_response(answer.set("selection", call.arguments[0]).set("sample", chosen.sample));
    };
}

// Edited ones are corrections from here on, before anything is sent.
Result<std::uint64_t> redrive(Call& call, const codec::Json& body, process::Processes& processes,
                              const std::vector<process::DeadLetter>& letters) {
    std::int64_t every_us = 0;
    if (!body["pace"].is_null()) {
        TARN_ASSIGN(const auto pace, replay::Pace::parse(body["pace"].as_string()));
        if (pace.kind == replay::Pace::Kind::events)
            every_us = static_cast<std::int64_t>(1e6 / pace.rate);
        else if (pace.kind != replay::Pace::Kind::max)
            return fail(Code::bad_usage,
                        fmt::format("pace {}: expected N/s or max", body["pace"].as_string()));
    }
    for (const auto& letter : letters)
        if (letter.edited) TARN_TRY(call.engine.correct(letter));
    const std::int64_t first_us = every_us == 0 ? 1 : call.engine.clock().now().us;
    return processes.redrive(letters, first_us, every_us);
}

Result<std::uint64_t> discard(Call&, const codec::Json&, process::Processes& processes,
                              const std::vector<process::DeadLetter>& letters) {
    return processes.discard(letters);
}

// ---- edit

// The changes of a JSON document by path, as people look at them. nullptr: it is not there.
void diff(const codec::Json* before, const codec::Json* after, const std::string& path,
          codec::Json& changes) {
    if (before != nullptr && after != nullptr) {
        if (*before == *after) return;
        if (before->is_object() && after->is_object()) {
            const std::string prefix = path.empty() ? "" : path + ".";
            for (const auto& [name, value] : before->members())
                diff(&value, after->has(name) ? &(*after)[name] : nullptr, prefix + name, changes);
            for (const auto& [name, value] : after->members())
                if (!before->has(name)) diff(nullptr, &value, prefix + name, changes);
            return;
        }
        if (before->is_array() && after->is_array() && before->size() == after->size()) {
            for (std::size_t i = 0; i < before->size(); ++i)
                diff(&before->elements()[i], &after->elements()[i], fmt::format("{}[{}]", path, i), changes);
            return;
        }
    }
    codec::Json change = codec::Json::object({{"path", path}});
    if (before != nullptr) change.set("before", *before);
    if (after != nullptr) change.set("after", *after);
    changes.push(std::move(change));
}

codec::Json changes_between(std::string_view before, std::string_view after) {
    codec::Json changes = codec::Json::array();
    const auto old = codec::Json::parse(before), fresh = codec::Json::parse(after);
    if (old && fresh)
        diff(&*old, &*fresh, "", changes);
    else if (before != after)
        changes.push(codec::Json::object({{"path", ""}, {"before", before}, {"after", after}}));
    return changes;
}

Result<net::Response> edit_letter(Call& call) {
    TARN_TRY(call.parameters({"subscription"}));
    TARN_ASSIGN(Asked asked, filters(call.engine, of_query(call)));
    TARN_TRY(narrow(call, asked));
    TARN_ASSIGN(auto* processes, call.engine.processing().processes());
    TARN_ASSIGN(const auto letters, processes->dead(asked.selection, 2));
    if (letters.empty()) return none_of(call);
    if (letters.size() > 1)
        return fail(
            Code::bad_usage, "one dead letter is edited at a time",
            {.next = "name its position: STREAM P:O; and with several subscriptions, --subscription"});
    const std::string& payload = call.request.body;
    TARN_ASSIGN(const auto original, call.engine.lake().get(letters[0].position));
    event::MetaReader reader;
    const bool must_be_json = reader.read(original.event, "").format != event::Format::bytes;
    const auto valid = codec::validate_json(payload);
    if (must_be_json && !valid) return fail(valid.error());
    TARN_ASSIGN(const std::string before, processes->document(letters[0]));
    TARN_TRY(processes->edit(letters[0], payload));
    auto corrected = letters[0];
    corrected.edited = payload;
    TARN_ASSIGN(const std::string after, processes->document(corrected));
    const std::string position = position_text(call.engine, letters[0].position);
    TARN_TRY(call.engine.record(
        "dead_letter.edited", position,
        codec::Json::object({{"position", position}, {"subscription", letters[0].subscription}})));
    return json_response(codec::Json::object({{"schema_version", 1},
                                              {"position", position},
                                              {"subscription", letters[0].subscription},
                                              {"changes", changes_between(original.payload, payload)},
                                              {"before", before},
                                              {"after", after}}));
}

}  // namespace

void Api::add_dead_letter_routes() {
    add("GET", "/v1/dead-letters", "read", list_groups);
    add("GET", "/v1/dead-letters/{}", "read", show_letters);
    add("POST", "/v1/dead-letters/{}/redrive", "operate",
        act_on_letters("redriven", "dead_letters.redriven", {"pace"}, redrive));
    add("POST", "/v1/dead-letters/{}/discard", "operate",
        act_on_letters("discarded", "dead_letters.discarded", {}, discard));
    add("PUT", "/v1/dead-letters/{}", "operate", edit_letter);
}

}  // namespace tarn::server
