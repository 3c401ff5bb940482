#include "state/sql_rules.h"

#include <fmt/core.h>
#include <sqlite3.h>
#include <strings.h>

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <optional>

#include "state/damage.h"
#include "state/sql_tokens.h"

namespace tarn::state {

void StatementCloser::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

namespace {

using Tokens = std::vector<SqlToken>;

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> names) {
    return std::find(names.begin(), names.end(), text) != names.end();
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
    return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

bool is_tarn_table(const char* name) { return name != nullptr && strncasecmp(name, "tarn_", 5) == 0; }

// Tables that tell of the machine or the file: a rebuild elsewhere would find something else there.
bool is_about_the_file(SqlUse use, const char* name) {
    if (name == nullptr) return false;
    if (strncasecmp(name, "pragma_", 7) == 0 || strcasecmp(name, "dbstat") == 0) return true;
    return use == SqlUse::event && strncasecmp(name, "sqlite_", 7) == 0;  // CREATE writes sqlite_schema
}

bool is_clock_word(const SqlToken& token) {
    return token.kind == SqlToken::Kind::word &&
           is_one_of(token.text, {"current_timestamp", "current_date", "current_time"});
}

// Strings that SQLite's date functions read as "ask the machine": its clock, or its time zone.
bool is_clock_string(const SqlToken& token) {
    if (token.kind != SqlToken::Kind::string) return false;
    return equals_ignoring_case(token.text, "now") || equals_ignoring_case(token.text, "localtime") ||
           equals_ignoring_case(token.text, "utc");
}

// date() and strftime('%s') without a time mean now.
bool is_clock_call(const Tokens& tokens, std::size_t i) {
    const auto& token = tokens[i];
    const bool named = token.kind == SqlToken::Kind::word || token.kind == SqlToken::Kind::identifier;
    if (!named || i + 2 >= tokens.size() || !tokens[i + 1].is_symbol('(')) return false;
    if (is_one_of(token.text, {"date", "time", "datetime", "julianday", "unixepoch"}))
        return tokens[i + 2].is_symbol(')');
    return token.text == "strftime" && i + 3 < tokens.size() && tokens[i + 3].is_symbol(')');
}

// OR ROLLBACK, ON CONFLICT FAIL, RAISE(ROLLBACK, …): they end or keep half of what the event's transaction
// did.
bool is_conflict_escape(const Tokens& tokens, std::size_t i) {
    if (!tokens[i].is_word("rollback") && !tokens[i].is_word("fail")) return false;
    if (i == 0) return true;
    if (tokens[i - 1].is_word("or") || tokens[i - 1].is_word("conflict")) return true;
    return i >= 2 && tokens[i - 1].is_symbol('(') && tokens[i - 2].is_word("raise");
}

// Why this token is refused, "" when it is not.
std::string why_forbidden(const Tokens& tokens, std::size_t i) {
    const auto& token = tokens[i];
    if (is_clock_word(token)) return fmt::format("{} depends on the clock; use :time", token.text);
    if (is_clock_string(token))
        return fmt::format("'{}' depends on the machine's clock or zone; use :time", token.text);
    if (is_clock_call(tokens, i))
        return fmt::format("{}(…) without a time depends on the clock; use :time", token.text);
    if (is_conflict_escape(tokens, i))
        return fmt::format(
            "the conflict clause {} breaks the event's transaction; use ABORT, IGNORE or DO UPDATE",
            token.text);
    return "";
}

bool is_unrepeatable_function(const char* name) {
    static constexpr std::string_view names[] = {"random",
                                                 "randomblob",
                                                 "changes",
                                                 "total_changes",
                                                 "last_insert_rowid",
                                                 "load_extension",
                                                 "sqlite_version",
                                                 "sqlite_source_id",
                                                 "sqlite_compileoption_get",
                                                 "sqlite_compileoption_used",
                                                 "sqlite_offset",
                                                 "current_timestamp",
                                                 "current_date",
                                                 "current_time"};
    return name != nullptr && std::any_of(std::begin(names), std::end(names), [name](std::string_view n) {
               return equals_ignoring_case(n, name);
           });
}

struct Guard {
    SqlUse use = SqlUse::event;
    std::string reason;  // why the authorizer said no
    std::string name;    // what it said no to
};

std::optional<std::string> why_denied(SqlUse use, int action, const char* first, const char* second) {
    switch (action) {
        case SQLITE_SELECT:
        case SQLITE_RECURSIVE:
            return std::nullopt;
        case SQLITE_FUNCTION:
            if (!is_unrepeatable_function(second)) return std::nullopt;
            return fmt::format("{}() gives another answer each time; a rebuild could not repeat it", second);
        case SQLITE_READ:
        case SQLITE_INSERT:
        case SQLITE_UPDATE:
        case SQLITE_DELETE:
            if (is_about_the_file(use, first))
                return fmt::format("{} tells of the file, not of the events", first);
            if (!is_tarn_table(first)) return std::nullopt;
            return fmt::format("table {} belongs to Tarn", first);
        case SQLITE_CREATE_TABLE:
        case SQLITE_CREATE_VIEW:
            if (use != SqlUse::schema) return "tables are made in the projection's schema";
            if (is_tarn_table(first)) return "names beginning with tarn_ belong to Tarn";
            return std::nullopt;
        case SQLITE_CREATE_INDEX:
        case SQLITE_CREATE_TRIGGER:
            if (use != SqlUse::schema) return "indexes and triggers are made in the projection's schema";
            if (is_tarn_table(first) || is_tarn_table(second))
                return "names beginning with tarn_ belong to Tarn";
            return std::nullopt;
        case SQLITE_REINDEX:  // part of CREATE INDEX
            if (use == SqlUse::schema) return std::nullopt;
            return "it does not belong into a projection";
        default:
            return "it reaches outside the projection's own tables";
    }
}

int authorize_projection(void* data, int action, const char* first, const char* second, const char*,
                         const char*) {
    auto* guard = static_cast<Guard*>(data);
    auto reason = why_denied(guard->use, action, first, second);
    if (!reason) return SQLITE_OK;
    if (guard->reason.empty()) {
        guard->reason = std::move(*reason);
        const char* name = action == SQLITE_FUNCTION ? second : first;
        guard->name = name != nullptr ? name : "";
    }
    return SQLITE_DENY;
}

class AuthorizerScope {
public:
    AuthorizerScope(sqlite3* handle,
                    int (*authorizer)(void*, int, const char*, const char*, const char*, const char*),
                    void* data)
        : handle_(handle) {
        sqlite3_set_authorizer(handle_, authorizer, data);
    }
    ~AuthorizerScope() { sqlite3_set_authorizer(handle_, nullptr, nullptr); }
    AuthorizerScope(const AuthorizerScope&) = delete;
    AuthorizerScope& operator=(const AuthorizerScope&) = delete;

private:
    sqlite3* handle_;
};

// One SQL text of a projection, which may hold several statements.
struct SqlText {
    std::string_view where;  // "projection balances, on 1"
    const std::string& sql;

    // `at`: the byte that is refused; the excerpt begins with the statement it stands in.
    Failure refused(std::string_view why, std::size_t statement, std::size_t at) const;
    Failure refused(std::string_view why, std::size_t statement) const {
        return refused(why, statement, statement);
    }
};

std::string_view trimmed(std::string_view sql) {
    const auto first = sql.find_first_not_of(" \t\r\n;");
    if (first == std::string_view::npos) return {};
    const auto last = sql.find_last_not_of(" \t\r\n;");
    return sql.substr(first, last - first + 1);
}

Failure SqlText::refused(std::string_view why, std::size_t statement, std::size_t at) const {
    const auto before = std::string_view(sql).substr(0, at);
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    const auto column = at - (before.rfind('\n') + 1) + 1;  // npos + 1 is 0
    return fail(Code::projection_sql, fmt::format("{}, line {}, column {}: {}", where, line, column, why),
                {.next = "correct the projection and run tarn apply again",
                 .excerpt = std::string(trimmed(std::string_view(sql).substr(statement)))});
}

bool may_begin(SqlUse use, const Tokens& tokens) {
    if (tokens.empty() || tokens[0].kind != SqlToken::Kind::word) return false;
    const auto& word = tokens[0].text;
    if (use == SqlUse::schema) return is_one_of(word, {"create", "insert", "replace", "with"});
    return is_one_of(word, {"insert", "replace", "update", "delete", "with"});
}

bool has_word(const Tokens& tokens, std::string_view word) {
    return std::any_of(tokens.begin(), tokens.end(),
                       [&](const SqlToken& token) { return token.is_word(word); });
}

// "VALUES (…), (…)": more than one row.
bool has_several_rows(const Tokens& tokens) {
    for (std::size_t i = 0; i + 2 < tokens.size(); i++)
        if (tokens[i].is_symbol(')') && tokens[i + 1].is_symbol(',') && tokens[i + 2].is_symbol('('))
            return true;
    return false;
}

bool is_single_row_insert(const Tokens& tokens) {
    return !tokens.empty() && tokens[0].is_word("insert") && !has_word(tokens, "select") &&
           !has_word(tokens, "replace") && !has_several_rows(tokens);
}

// Where `name` first stands in the statement, else where the statement begins.
std::size_t place_of(std::string_view name, const SqlText& text, std::size_t statement) {
    for (const auto& token : sql_tokens(std::string_view(text.sql).substr(statement)))
        if (equals_ignoring_case(token.text, name)) return statement + token.at;
    return statement;
}

// What SQLite or the authorizer refused, at its place. SQLite tells the place of most mistakes; of the
// others its message ends with the name: "no such column: amont".
Failure not_prepared(sqlite3* database, const SqlText& text, const Guard& guard, std::size_t statement) {
    if (!guard.reason.empty())
        return text.refused(guard.reason, statement, place_of(guard.name, text, statement));
    const std::string_view message = sqlite3_errmsg(database);
    if (const int offset = sqlite3_error_offset(database); offset >= 0)
        return text.refused(message, statement, statement + static_cast<std::size_t>(offset));
    return text.refused(message, statement,
                        place_of(message.substr(message.rfind(' ') + 1), text, statement));
}

Status check_text(const SqlText& text, SqlUse use, std::size_t statement, const Tokens& tokens) {
    if (!may_begin(use, tokens))
        return text.refused(use == SqlUse::schema ? "a schema holds CREATE and INSERT statements"
                                                  : "a projection's statement is an INSERT, UPDATE or DELETE",
                            statement);
    for (std::size_t i = 0; i < tokens.size(); i++)
        if (const auto why = why_forbidden(tokens, i); !why.empty())
            return text.refused(why, statement, statement + tokens[i].at);
    return {};
}

std::size_t skip_space(const std::string& sql, std::size_t from) {
    return std::min(sql.find_first_not_of(" \t\r\n;", from), sql.size());
}

// Walks the statements of a text; `take` gets each prepared one with where it begins, its text and its
// tokens.
template <typename Take>
Status for_each_statement(sqlite::Database& database, SqlUse use, const SqlText& text, Take&& take) {
    const auto& sql = text.sql;
    if (const auto nul = sql.find('\0'); nul != std::string::npos)
        return text.refused("the SQL holds a NUL character", 0, nul);
    for (std::size_t at = skip_space(sql, 0); at < sql.size(); at = skip_space(sql, at)) {
        Guard guard{use, {}, {}};
        sqlite3_stmt* raw = nullptr;
        const char* tail = nullptr;
        int code = SQLITE_OK;
        {
            AuthorizerScope scope(database.handle(), authorize_projection, &guard);
            code = sqlite3_prepare_v3(database.handle(), sql.c_str() + at, -1, SQLITE_PREPARE_PERSISTENT,
                                      &raw, &tail);
        }
        StatementHandle handle(raw);
        if (is_damage(code)) return damaged_database(database);
        if (code != SQLITE_OK) return not_prepared(database.handle(), text, guard, at);
        const auto begin = at;
        at = static_cast<std::size_t>(tail - sql.c_str());
        if (handle == nullptr) continue;  // a comment
        const auto statement = trimmed(std::string_view(sql).substr(begin, at - begin));
        const auto tokens = sql_tokens(statement);
        TARN_TRY(check_text(text, use, begin, tokens));
        TARN_TRY(take(std::move(handle), begin, statement, tokens));
    }
    return {};
}

int authorize_reading(void*, int action, const char*, const char* second, const char*, const char*) {
    if (action == SQLITE_SELECT || action == SQLITE_READ || action == SQLITE_RECURSIVE) return SQLITE_OK;
    if (action == SQLITE_FUNCTION)
        return second != nullptr && equals_ignoring_case(second, "load_extension") ? SQLITE_DENY : SQLITE_OK;
    return SQLITE_DENY;
}

}  // namespace

Status run_schema(sqlite::Database& database, const std::string& sql, std::string_view where) {
    const SqlText text{where, sql};
    const auto run = [&](StatementHandle handle, std::size_t at, std::string_view, const Tokens&) -> Status {
        int code = SQLITE_ROW;
        while (code == SQLITE_ROW) code = sqlite3_step(handle.get());
        if (is_damage(code)) return damaged_database(database);
        if (code != SQLITE_DONE) return text.refused(sqlite3_errmsg(database.handle()), at);
        return {};
    };
    return for_each_statement(database, SqlUse::schema, text, run);
}

Result<std::vector<UserStatement>> prepare_for_events(sqlite::Database& database, const std::string& sql,
                                                      std::string_view where) {
    const SqlText text{where, sql};
    std::vector<UserStatement> statements;
    const auto keep = [&](StatementHandle handle, std::size_t at, std::string_view statement,
                          const Tokens& tokens) -> Status {
        if (sqlite3_stmt_readonly(handle.get()) != 0)
            return text.refused("the statement changes nothing", at);
        statements.push_back({std::move(handle), std::string(statement), !is_single_row_insert(tokens)});
        return {};
    };
    TARN_TRY(for_each_statement(database, SqlUse::event, text, keep));
    if (statements.empty()) return text.refused("there is no statement", 0);
    return statements;
}

Result<StatementHandle> prepare_select(sqlite::Database& database, const std::string& sql) {
    if (trimmed(sql).empty()) return fail(Code::sql_invalid, "the query is empty");
    sqlite3_stmt* raw = nullptr;
    const char* tail = nullptr;
    AuthorizerScope scope(database.handle(), authorize_reading, nullptr);
    const int code = sqlite3_prepare_v2(database.handle(), sql.c_str(), -1, &raw, &tail);
    StatementHandle handle(raw);
    if (is_damage(code)) return damaged_database(database);
    if (code == SQLITE_AUTH)
        return fail(Code::sql_not_select,
                    fmt::format("only one SELECT is allowed: {}", sqlite3_errmsg(database.handle())),
                    {.excerpt = sql});
    if (code != SQLITE_OK)
        return fail(Code::sql_invalid, sqlite3_errmsg(database.handle()), {.excerpt = sql});
    if (handle == nullptr || sqlite3_stmt_readonly(raw) == 0 || sqlite3_column_count(raw) == 0)
        return fail(Code::sql_not_select, "only one SELECT is allowed", {.excerpt = sql});
    if (!sql_tokens(trimmed(tail)).empty())
        return fail(Code::sql_not_select, "only one statement is allowed", {.excerpt = sql});
    return handle;
}

}  // namespace tarn::state
