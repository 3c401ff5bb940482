#include "duck/statement.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

namespace tarn::duck {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

// Cuts white space and comments off the front.
void skip_blank(std::string_view& sql) {
    while (!sql.empty()) {
        if (is_space(sql.front())) {
            sql.remove_prefix(1);
        } else if (sql.starts_with("--")) {
            const auto end = sql.find('\n');
            sql.remove_prefix(end == sql.npos ? sql.size() : end + 1);
        } else if (sql.starts_with("/*")) {
            const auto end = sql.find("*/", 2);
            sql.remove_prefix(end == sql.npos ? sql.size() : end + 2);
        } else {
            return;
        }
    }
}

void skip_blank_and_parentheses(std::string_view& sql) {
    skip_blank(sql);
    while (!sql.empty() && sql.front() == '(') {
        sql.remove_prefix(1);
        skip_blank(sql);
    }
}

// Cuts a word off the front; "" when there is none.
std::string take_word(std::string_view& sql) {
    const auto end = std::ranges::find_if_not(sql, is_letter);
    std::string word(sql.begin(), end);
    sql.remove_prefix(word.size());
    std::ranges::transform(word, word.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
    return word;
}

bool begins_select(std::string_view word) {
    static constexpr std::array<std::string_view, 5> words = {"select", "with", "from", "values", "table"};
    return std::ranges::find(words, word) != words.end();
}

Failure refuse(std::string message) {
    return fail(Code::sql_not_select, std::move(message),
                {.next = "ask with one SELECT; what tables there are: tarn stream list"});
}

}  // namespace

Result<Statement> read_statement(std::string_view sql) {
    if (sql.find('\0') != sql.npos) return refuse("the SQL contains a NUL byte");
    Statement statement;
    skip_blank(sql);
    std::string_view rest = sql;
    if (take_word(rest) == "explain") {
        statement.explain = true;
        skip_blank(rest);
        sql = rest;
    }
    statement.select = sql;
    skip_blank_and_parentheses(sql);
    const std::string word = take_word(sql);
    if (begins_select(word)) return statement;
    if (statement.explain && word == "analyze")
        return refuse("EXPLAIN ANALYZE runs what it explains; use EXPLAIN");
    if (word.empty()) return refuse("there is no SELECT in the SQL");
    return refuse(
        fmt::format("the SQL begins with {}: only one SELECT, or EXPLAIN of one, is allowed", word));
}

}  // namespace tarn::duck
