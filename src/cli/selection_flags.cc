#include "cli/selection_flags.h"

#include <fmt/core.h>

#include "cli/text_argument.h"
#include "event/event.h"
#include "os/real_file_system.h"

namespace tarn::cli {
namespace {

using codec::Json;

Json lines_of(std::string_view text) {
    Json lines = Json::array();
    while (!text.empty()) {
        const auto end = text.find('\n');
        std::string_view line = text.substr(0, end);
        text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (!line.empty()) lines.push(line);
    }
    return lines;
}

Result<Json> ids_of(const std::string& file) {
    const auto fs = os::make_real_file_system();
    TARN_ASSIGN(const std::string text, os::read_file(*fs, file));
    return lines_of(text);
}

// Each is a file with one key a line, or, where there is no such file, a key itself.
Result<Json> keys_of(const std::vector<std::string>& given) {
    const auto fs = os::make_real_file_system();
    Json keys = Json::array();
    for (const std::string& each : given) {
        TARN_ASSIGN(const auto there, fs->stat(each));
        if (!there) {
            keys.push(each);
            continue;
        }
        TARN_ASSIGN(const Json lines, ids_of(each));
        for (const Json& line : lines.elements()) keys.push(line);
    }
    return keys;
}

Json split(std::string_view list) {
    Json parts = Json::array();
    while (!list.empty()) {
        const auto comma = list.find(',');
        if (comma != 0) parts.push(list.substr(0, comma));
        list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
    }
    return parts;
}

Result<std::string> since_event(const Arguments& given) {
    const auto event = given.get("--since-event"), position = given.get("--since-position");
    if (event && position)
        return fail(Code::bad_selection, "--since-event and --since-position both say where to begin",
                    {.next = "give one of them"});
    if (!position) return event.value_or("");
    const std::size_t space = position->rfind(' ');
    const std::string place = space == std::string::npos ? *position : position->substr(space + 1);
    TARN_TRY(event::parse_position(StreamId{}, place));
    return *position;
}

// What is taken away: each option a selection of its own.
Result<Json> except_given(const Arguments& given) {
    Json except = Json::array();
    const auto add = [&except](const char* member, Json value) {
        except.push(Json::object().set(member, std::move(value)));
    };
    for (const std::string& name : given.all("--except")) {
        constexpr std::string_view prefix = "selection:";
        Json names = Json::array();
        names.push(name.starts_with(prefix) ? name.substr(prefix.size()) : name);
        add("selections", std::move(names));
    }
    for (const std::string& file : given.all("--except-ids")) {
        TARN_ASSIGN(Json ids, ids_of(file));
        add("ids", std::move(ids));
    }
    if (const auto keys = given.all("--except-keys"); !keys.empty()) {
        TARN_ASSIGN(Json list, keys_of(keys));
        add("keys", std::move(list));
    }
    for (const std::string& pattern : given.all("--except-pattern")) {
        TARN_ASSIGN(std::string text, text_argument(pattern));
        add("pattern", std::move(text));
    }
    for (const std::string& where : given.all("--except-where")) add("where", where);
    return except;
}

}  // namespace

std::vector<Option> selection_options() {
    return {
        {"--since", "T", "event time from (inclusive)"},
        {"--until", "T", "event time to (exclusive)"},
        {"--ingested", "", "--since and --until mean ingest time"},
        {"--since-event", "ID", "from this event on, by id or position P:O, in the total order"},
        {"--since-position", "P:O", "the same, a position only"},
        {"--since-snapshot", "S", "what the snapshot's store had not taken in"},
        {"--pattern", "JSON|FILE", "events that match"},
        {"--where", "SQL", "a condition over the columns of <stream>.events"},
        {"--sql", "SQL", "a SELECT that gives tarn_partition and tarn_offset, or id"},
        {"--ids", "FILE", "event ids or positions P:O, one a line; each must exist"},
        {"--keys", "KEY|FILE", "events of these keys; a file has one a line", true},
        {"--dead-letters", "GROUP", "the events of a group of dead letters, such as dg-4f2a"},
        {"--failed-of", "RUN", "what failed, is held or unknown in an earlier run"},
        {"--outcomes", "LIST", "with --failed-of: other outcomes, such as unknown or failed,remaining"},
        {"--selection", "NAME", "what a saved selection selects", true},
        {"--except", "NAME", "without what a saved selection selects", true},
        {"--except-ids", "FILE", "without these events", true},
        {"--except-keys", "KEY|FILE", "without events of these keys", true},
        {"--except-pattern", "JSON|FILE", "without events that match", true},
        {"--except-where", "SQL", "without events for which the condition holds", true},
        {"--all", "", "everything, said explicitly"},
    };
}

Result<Json> selection_given(const Arguments& given) {
    Json body = Json::object();
    std::string streams;
    for (const std::string& stream : given.all("STREAM")) streams += (streams.empty() ? "" : ",") + stream;
    if (!streams.empty()) body.set("stream", streams);
    const std::pair<const char*, const char*> plain[] = {
        {"--since", "since"},         {"--until", "until"}, {"--since-snapshot", "since_snapshot"},
        {"--where", "where"},         {"--sql", "sql"},     {"--dead-letters", "dead_letters"},
        {"--failed-of", "failed_of"},
    };
    for (const auto& [option, member] : plain)
        if (const auto value = given.get(option)) body.set(member, *value);
    for (const auto& [option, member] : {std::pair{"--all", "all"}, {"--ingested", "ingested"}})
        if (given.flag(option)) body.set(member, true);
    TARN_ASSIGN(const std::string event, since_event(given));
    if (!event.empty()) body.set("since_event", event);
    if (const auto pattern = given.get("--pattern")) {
        TARN_ASSIGN(std::string text, text_argument(*pattern));
        body.set("pattern", std::move(text));
    }
    if (const auto ids = given.get("--ids")) {
        TARN_ASSIGN(Json list, ids_of(*ids));
        body.set("ids", std::move(list));
    }
    if (const auto keys = given.all("--keys"); !keys.empty()) {
        TARN_ASSIGN(Json list, keys_of(keys));
        body.set("keys", std::move(list));
    }
    if (const auto outcomes = given.get("--outcomes")) body.set("outcomes", split(*outcomes));
    Json names = Json::array();
    for (const std::string& name : given.all("--selection")) names.push(name);
    if (names.size() > 0) body.set("selections", std::move(names));
    TARN_ASSIGN(Json except, except_given(given));
    if (except.size() > 0) body.set("except", std::move(except));
    return body;
}

}  // namespace tarn::cli
