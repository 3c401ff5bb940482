#include "cli/pattern_explain.h"

#include <fmt/core.h>

#include <algorithm>

#include "cli/text_argument.h"
#include "pattern/compile.h"
#include "pattern/explain.h"

namespace tarn::cli {
namespace {

using codec::Json;

Failure as_usage(Error error) {
    error.kind = ErrorKind::usage;  // the contract: 2 for a bad pattern or unreadable input
    return fail(std::move(error));
}

Result<std::string> text_of(Context& context, std::string_view name) {
    auto text = text_argument(context.arguments.get_or(name, "-"));
    if (!text) return as_usage(std::move(text.error()));
    return std::move(*text);
}

// ---- the event

// One event of a stream, in the shape that patterns see.
Result<std::string> stream_event(Context& context, const std::string& stream, const std::string& position) {
    TARN_ASSIGN(Client * client, context.client());
    net::Request request =
        make_request("GET", fmt::format("/v1/streams/{}/events", net::percent_encode(stream)));
    request.query = {{"from", position}, {"limit", "1"}, {"shape", "cloudevents"}, {"envelope", "true"}};
    std::string body;
    TARN_TRY(client->stream(std::move(request), [&](std::string_view piece) {
        body.append(piece);
        return true;
    }));
    const std::string_view line = std::string_view(body).substr(0, body.find('\n'));
    const auto event = codec::find_member(line, "event");
    const auto at = codec::find_member(line, "position");
    if (!event || !at || codec::scalar_text(*at) != position)
        return fail(Code::unknown_position, fmt::format("stream {} has no event at {}", stream, position),
                    {.next = fmt::format("tarn tail {} --positions --limit 5", stream)});
    return std::string(*event);
}

Result<std::string> event_of(Context& context) {
    if (const auto position = context.arguments.get("P:O"))
        return stream_event(context, context.arguments.get_or("EVENT", ""), *position);
    TARN_ASSIGN(std::string text, text_of(context, "EVENT"));
    const auto facts = codec::validate_json(text, {.max_bytes = 64u << 20});
    if (!facts) {
        Error error = facts.error();
        error.place.source = "event";
        return as_usage(std::move(error));
    }
    if (facts->type != codec::JsonType::object)
        return as_usage(make_error(Code::bad_usage, "the event is not a JSON object",
                                   {.next = "give one event such as '{\"type\":\"cash_deposit\"}'"}));
    return text;
}

// ---- the rules

struct NamedRules {
    std::vector<std::string> names;
    std::vector<pattern::Rule> rules;

    Status add(std::string name, std::string_view text) {
        auto rule = pattern::compile_rule(text);
        if (!rule) {
            rule.error().place.source = name;
            return as_usage(std::move(rule.error()));
        }
        names.push_back(std::move(name));
        rules.push_back(std::move(*rule));
        return {};
    }
};

std::vector<std::string_view> filled_lines(std::string_view text) {
    std::vector<std::string_view> lines;
    while (!text.empty()) {
        const auto end = text.find('\n');
        const std::string_view line = text.substr(0, end);
        lines.push_back(line.find_first_not_of(" \t\r") == std::string_view::npos ? std::string_view()
                                                                                  : line);
        text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    }
    return lines;
}

// One pattern a line: more than one line, and the first is a whole document.
bool is_one_a_line(std::string_view text) {
    const auto lines = filled_lines(text);
    const auto filled = std::ranges::count_if(lines, [](std::string_view line) { return !line.empty(); });
    const auto first = std::ranges::find_if(lines, [](std::string_view line) { return !line.empty(); });
    return filled > 1 && codec::validate_json(*first).has_value();
}

Status add_lines(std::string_view text, NamedRules& rules) {
    std::size_t number = 0;
    for (const std::string_view line : filled_lines(text)) {
        ++number;
        if (!line.empty()) TARN_TRY(rules.add(fmt::format("line {}", number), line));
    }
    return {};
}

Status add_members(std::string_view text, NamedRules& rules) {
    const auto facts = codec::validate_json(text, {.max_bytes = 64u << 20});
    if (!facts) return as_usage(facts.error());
    Status status;
    codec::for_each_member(text, [&](std::string_view name, std::string_view value) {
        status = rules.add(std::string(name), value);
        return status.has_value();
    });
    return status;
}

// ---- what people read

std::string shortened(std::string text) {
    constexpr std::size_t longest = 200;
    if (text.size() <= longest) return printable(text);
    std::size_t cut = longest;
    while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80) --cut;
    return printable(text.substr(0, cut)) + "…";
}

std::string joined(const std::vector<std::string>& parts, std::string_view between) {
    std::string all;
    for (const std::string& part : parts) all += (all.empty() ? "" : std::string(between)) + part;
    return all;
}

std::string found_text(const pattern::FieldReport& field) {
    constexpr std::size_t most = 5;
    if (field.found.empty()) return "nothing";
    std::vector<std::string> values;
    for (const auto& value : field.found) {
        if (values.size() == most) break;
        const bool plain = value.where == field.path;
        values.push_back(shortened(value.raw) + (plain ? "" : " at " + printable(value.where)));
    }
    std::string text = joined(values, ", ");
    if (field.found_total > most) text += fmt::format(" and {} more", field.found_total - most);
    return text;
}

void print_field(Output& out, const pattern::FieldReport& field) {
    out.line(fmt::format("  {}  {}", field.holds ? "holds" : "FAILS", printable(field.path)));
    out.line(fmt::format("         asked    {}", shortened(joined(field.asked, " or "))));
    out.line(fmt::format("         found    {}", found_text(field)));
    if (field.holds) return;
    out.line(fmt::format("         why      {}", shortened(field.why)));
    if (!field.instead.empty()) out.line(fmt::format("         instead  {}", shortened(field.instead)));
}

std::string failing(const pattern::AlternativeReport& report) {
    std::vector<std::string> paths;
    for (const auto& field : report.fields)
        if (!field.holds) paths.push_back(printable(field.path));
    return joined(paths, ", ");
}

void print_explanation(Output& out, const pattern::Explanation& explanation) {
    constexpr std::size_t most = 20;
    const auto& nearest = explanation.alternatives[explanation.nearest];
    const std::size_t count = explanation.alternatives.size();
    const std::string which =
        count == 1 ? "" : fmt::format(" · alternative {} of {}", explanation.nearest + 1, count);
    out.line(explanation.matches
                 ? "match" + which
                 : fmt::format("no match{} · {} of {} {} not hold", which, nearest.failed,
                               nearest.fields.size(), nearest.failed == 1 ? "fields does" : "fields do"));
    for (const auto& field : nearest.fields) print_field(out, field);
    if (explanation.matches || count == 1) return;
    for (std::size_t i = 0; i < count && i < most; ++i)
        if (i != explanation.nearest)
            out.line(
                fmt::format("  alternative {} fails in {}", i + 1, failing(explanation.alternatives[i])));
    if (count > most) out.line(fmt::format("  and {} more alternatives", count - most));
}

// ---- what programs read

Json value_of(const std::string& raw) {
    auto value = Json::parse(raw);
    return value ? std::move(*value) : Json(raw);
}

Json field_document(const pattern::FieldReport& field) {
    Json asked = Json::array(), found = Json::array(), json;
    for (const auto& test : field.asked) asked.push(value_of(test));
    for (const auto& value : field.found)
        found.push(Json::object({{"at", value.where}, {"value", value_of(value.raw)}, {"fits", value.fits}}));
    json.set("field", field.path).set("holds", field.holds).set("asked", std::move(asked));
    json.set("found", std::move(found)).set("found_total", field.found_total);
    if (!field.holds) json.set("why", field.why).set("instead", field.instead);
    return json;
}

Json explanation_document(const pattern::Explanation& explanation) {
    Json alternatives = Json::array();
    for (const auto& report : explanation.alternatives) {
        Json fields = Json::array(), json;
        for (const auto& field : report.fields) fields.push(field_document(field));
        alternatives.push(json.set("matches", report.matches)
                              .set("failed", report.failed)
                              .set("fields", std::move(fields)));
    }
    Json json;
    json.set("schema_version", 1).set("matches", explanation.matches);
    return json.set("nearest", explanation.nearest).set("alternatives", std::move(alternatives));
}

bool wants_document(const Output& out) {
    return out.format() == Format::json || out.format() == Format::ndjson;
}

// ---- one rule, or many

int explain_one(Context& context, const pattern::Rule& rule, std::string_view event) {
    const auto explanation = pattern::explain(rule, event);
    if (wants_document(context.out))
        context.out.line(explanation_document(explanation).dump());
    else
        print_explanation(context.out, explanation);
    return explanation.matches ? 0 : 1;
}

int explain_many(Context& context, const NamedRules& rules, std::string_view event) {
    const auto outcomes = pattern::explain_set(rules.rules, event);
    Json matched = Json::array(), nearly = Json::array(), json;
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
        if (outcomes[i].matches)
            matched.push(rules.names[i]);
        else if (!outcomes[i].failed_by.empty())
            nearly.push(Json::object({{"rule", rules.names[i]}, {"field", outcomes[i].failed_by}}));
    }
    const std::size_t others = outcomes.size() - matched.size() - nearly.size();
    const int code = matched.size() > 0 ? 0 : 1;
    if (wants_document(context.out)) {
        json.set("schema_version", 1).set("rules", outcomes.size()).set("matched", std::move(matched));
        json.set("failed_by_one", std::move(nearly)).set("failed_by_more", others);
        context.out.line(json.dump());
        return code;
    }
    context.out.line(fmt::format("{} of {} rules match", matched.size(), outcomes.size()));
    for (const Json& name : matched.elements()) context.out.line("  matches  " + shortened(name.as_string()));
    for (const Json& one : nearly.elements())
        context.out.line(fmt::format("  fails    {} by one field: {}", shortened(one["rule"].as_string()),
                                     shortened(one["field"].as_string())));
    if (others > 0) context.out.line(fmt::format("  {} others fail by more than one field", others));
    return code;
}

Result<int> explain(Context& context) {
    TARN_ASSIGN(const std::string text, text_of(context, "PATTERN"));
    const bool named = context.arguments.flag("--set");
    NamedRules rules;
    if (named) {
        TARN_TRY(add_members(text, rules));
    } else if (is_one_a_line(text)) {
        TARN_TRY(add_lines(text, rules));
    } else {
        TARN_TRY(rules.add("pattern", text));
    }
    TARN_ASSIGN(const std::string event, event_of(context));
    if (named || rules.rules.size() > 1) return explain_many(context, rules, event);
    return explain_one(context, rules.rules.front(), event);
}

}  // namespace

Command pattern_explain_command() {
    return {"pattern explain",
            "why does it not match?",
            {{"PATTERN", "JSON, a file with it, or -; a file may hold one pattern a line"},
             {"EVENT", "JSON, a file with it, or - (default); or a stream, when a position follows", false},
             {"P:O", "partition and offset of an event of that stream", false}},
            {{"--set", "", "PATTERN is an object of patterns by name"}},
            "Examples:\n  tarn pattern explain '{\"type\":[\"deposit\"]}' '{\"type\":\"Deposit\"}'\n  tarn "
            "pattern "
            "explain rules.ndjson event.json\n  tarn pattern explain '{\"type\":[\"cash_deposit\"]}' bank "
            "0:41\n\nFor "
            "each field: what was asked, what was there, why it does not hold, and what would. For many "
            "patterns: "
            "which match, and which fail by one field only.\n\nExit codes: 0 match (of a set: some do), 1 no "
            "match, 2 "
            "bad pattern or unreadable input",
            explain};
}

}  // namespace tarn::cli
