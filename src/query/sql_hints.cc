#include "query/sql_hints.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/nearest.h"
#include "query/named_streams.h"

namespace tarn::query {
namespace {

bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

struct Token {
    std::string text;      // of a quoted name without its quotes
    bool is_name = false;  // a bare word or a quoted name
    bool quoted = false;
};

// Close enough to SQL for hints: words, quoted names, texts, arrows, other characters; comments left out.
std::vector<Token> tokens_of(std::string_view sql) {
    std::vector<Token> tokens;
    for (std::size_t at = 0; at < sql.size();) {
        const std::string_view rest = sql.substr(at);
        if (rest.starts_with("--") || rest.starts_with("/*")) {
            const bool line = rest.starts_with("--");
            const std::size_t end = rest.find(line ? "\n" : "*/", 2);
            at = end == std::string_view::npos ? sql.size() : at + end + (line ? 1 : 2);
        } else if (rest[0] == '"' || rest[0] == '\'') {
            const std::size_t end = std::min(rest.find(rest[0], 1), rest.size());
            const bool name = rest[0] == '"';
            tokens.push_back(
                {std::string(name ? rest.substr(1, end - 1) : rest.substr(0, end + 1)), name, name});
            at += end + 1;
        } else if (is_word(rest[0])) {
            const auto end = static_cast<std::size_t>(std::ranges::find_if_not(rest, is_word) - rest.begin());
            tokens.push_back({std::string(rest.substr(0, end)), true, false});
            at += end;
        } else {
            const std::size_t length = rest.starts_with("->>") ? 3 : rest.starts_with("->") ? 2 : 1;
            if (rest[0] != ' ' && rest[0] != '\n' && rest[0] != '\t' && rest[0] != '\r')
                tokens.push_back({std::string(rest.substr(0, length)), false, false});
            at += length;
        }
    }
    return tokens;
}

bool is_keyword(const Token& token, std::string_view word) {
    return token.is_name && !token.quoted && lower_case(token.text) == word;
}

// `at` and `column` are columns of <stream>.quarantine and keywords of SQL.
std::string keyword_hint(const std::vector<Token>& tokens) {
    for (const std::string_view word : {"at", "column"}) {
        for (std::size_t i = 0; i < tokens.size(); ++i) {
            if (!is_keyword(tokens[i], word) || (i > 0 && tokens[i - 1].text == ".")) continue;
            return fmt::format(
                R"({} is a keyword of SQL: write "{}" in double quotes, or q.{} with FROM <stream>.quarantine q)",
                word, word, word);
        }
    }
    return "";
}

// In a = 1 AND data->>'x' = '1' the engine reads (a = 1 AND data) ->> ('x' = '1'). Gives the first arrow with
// its sides when it stands without brackets beside something else.
std::string arrow_hint(const std::vector<Token>& tokens) {
    for (std::size_t i = 1; i + 1 < tokens.size(); ++i) {
        if (tokens[i].text != "->>" && tokens[i].text != "->") continue;
        std::size_t first = i - 1, last = i + 1;
        while (first >= 2 && tokens[first - 1].text == "." && tokens[first - 2].is_name) first -= 2;
        while (last + 2 < tokens.size() && tokens[last + 1].text.starts_with("->")) last += 2;
        const bool opened = first > 0 && tokens[first - 1].text == "(";
        const bool closed = last + 1 < tokens.size() && tokens[last + 1].text == ")";
        if (opened && closed) {
            i = last;
            continue;
        }
        std::string operand;
        for (std::size_t k = first; k <= last; ++k) operand += tokens[k].text;
        return fmt::format("-> and ->> bind more weakly than =, AND and OR: put brackets around them, ({})",
                           operand);
    }
    return "";
}

bool is_about_json(std::string_view message) {
    const bool wrong_type = message.starts_with("Conversion Error") || message.starts_with("Binder Error");
    return wrong_type && (message.find("source column data") != message.npos ||
                          message.find("JSON") != message.npos || message.find("numerical") != message.npos);
}

// The name in `Table with name X does not exist`, with its schema when that is what is missing.
std::string missing_table(std::string_view message) {
    constexpr std::string_view start = "Catalog Error: Table with name ", end = " does not exist";
    if (!message.starts_with(start)) return "";
    std::string_view name = message.substr(start.size(), message.find(end) - start.size());
    if (name.starts_with('"') && name.ends_with('"') && name.size() > 1)
        name = name.substr(1, name.size() - 2);
    return std::string(name);
}

// The schema that stands before the table in the SQL, "" when there is none.
std::string schema_before(const std::vector<Token>& tokens, const std::string& table) {
    for (std::size_t i = 2; i < tokens.size(); ++i)
        if (tokens[i].is_name && lower_case(tokens[i].text) == lower_case(table) &&
            tokens[i - 1].text == "." && tokens[i - 2].is_name)
            return tokens[i - 2].text;
    return "";
}

// The engine guesses among its own tables, which mislead.
void drop_guess(Error& error) {
    const auto begin = error.message.find("\nDid you mean ");
    if (begin == std::string::npos) return;
    const auto end = error.message.find('\n', begin + 1);
    error.message.erase(begin, end == std::string::npos ? std::string::npos : end - begin);
}

std::string use_events(const std::string& stream, const std::string& type) {
    return fmt::format("ask {}.events WHERE type = '{}', with (data->>'…') for its fields", stream, type);
}

Error table_error(Error error, const StreamTypes& stream, const std::string& table) {
    std::vector<std::string> known = {"events", "quarantine"};
    for (const auto& type : stream.types) {
        if (table_of_type(type) == lower_case(table))
            return make_error(Code::not_built,
                              fmt::format("{}.{} would be a typed table, and these are not there yet in this "
                                          "version",
                                          stream.name, table),
                              {.next = use_events(stream.name, type)});
        known.push_back(table_of_type(type));
    }
    drop_guess(error);
    const std::string nearest = nearest_word(lower_case(table), known);
    if (nearest.empty())
        error.next = fmt::format("stream {} has the tables {}.events and {}.quarantine", stream.name,
                                 stream.name, stream.name);
    else if (nearest == "events" || nearest == "quarantine")
        error.next = fmt::format("did you mean {}.{}?", stream.name, nearest);
    for (const auto& type : stream.types)
        if (table_of_type(type) == nearest)
            error.next = fmt::format("did you mean {}? Typed tables are not there yet: {}", nearest,
                                     use_events(stream.name, type));
    return error;
}

Error unknown_table(Error error, const std::vector<Token>& tokens, const std::vector<StreamTypes>& streams) {
    std::string table = missing_table(error.message);
    std::string schema = schema_before(tokens, table);
    if (const auto dot = table.find('.'); dot != std::string::npos) {
        schema = table.substr(0, dot);
        table.erase(0, dot + 1);
    }
    std::vector<std::string> names;
    for (const auto& stream : streams) {
        names.push_back(stream.name);
        if (lower_case(stream.name) == lower_case(schema))
            return table_error(std::move(error), stream, table);
        if (!schema.empty() || lower_case(stream.name) != lower_case(table)) continue;
        drop_guess(error);
        error.next = fmt::format("{} is a stream: its events are {}.events, what was refused {}.quarantine",
                                 stream.name, stream.name, stream.name);
        return error;
    }
    drop_guess(error);
    const std::string nearest = nearest_word(schema.empty() ? table : schema, names);
    if (!nearest.empty())
        error.next = fmt::format("did you mean {}.{}?", nearest, schema.empty() ? "events" : table);
    return error;
}

}  // namespace

std::string table_of_type(std::string_view type) {
    std::string name = lower_case(type);
    std::ranges::replace_if(name, [](char c) { return !is_word(c); }, '_');
    return name;
}

Error with_sql_hint(Error error, std::string_view sql,
                    const std::function<std::vector<StreamTypes>()>& streams) {
    if (error.code != Code::sql_invalid) return error;
    const std::vector<Token> tokens = tokens_of(sql);
    if (!missing_table(error.message).empty()) return unknown_table(std::move(error), tokens, streams());
    std::string hint;
    if (error.message.starts_with("Parser Error")) hint = keyword_hint(tokens);
    if (is_about_json(error.message)) hint = arrow_hint(tokens);
    if (!hint.empty()) error.next = std::move(hint);
    if (error.next.empty() && error.message.starts_with("Binder Error: Referenced column"))
        error.next =
            "columns of <stream>.events: id source type subject time data tarn_partition tarn_offset "
            "tarn_seq "
            "tarn_ingested tarn_key tarn_hash; fields of an event: (data->>'…')";
    if (error.next.empty()) error.next = "correct the SQL; tables, columns and examples: tarn query --help";
    return error;
}

}  // namespace tarn::query
