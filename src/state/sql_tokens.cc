#include "state/sql_tokens.h"

namespace tarn::state {
namespace {

bool is_word_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           static_cast<unsigned char>(c) >= 0x80;
}
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word_part(char c) { return is_word_start(c) || is_digit(c) || c == '$'; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

class Cutter {
public:
    explicit Cutter(std::string_view sql) : sql_(sql) {}

    std::vector<SqlToken> run() {
        while (at_ < sql_.size()) step();
        return std::move(tokens_);
    }

private:
    char peek(std::size_t ahead) const { return at_ + ahead < sql_.size() ? sql_[at_ + ahead] : '\0'; }

    void step() {
        const char c = sql_[at_];
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f') return void(at_++);
        if (c == '-' && peek(1) == '-') return skip_to("\n", 2);
        if (c == '/' && peek(1) == '*') return skip_to("*/", 2);
        if (c == '\'') return quoted(SqlToken::Kind::string, '\'');
        if (c == '"' || c == '`') return quoted(SqlToken::Kind::identifier, c);
        if (c == '[') return quoted(SqlToken::Kind::identifier, ']');
        if (is_word_start(c)) return taken(SqlToken::Kind::word, 0);
        if (is_digit(c)) return taken(SqlToken::Kind::number, 0);
        if (c == ':' || c == '@' || c == '$' || c == '?') return taken(SqlToken::Kind::parameter, 1);
        tokens_.push_back({SqlToken::Kind::symbol, std::string(1, c), at_});
        at_++;
    }

    void skip_to(std::string_view end, std::size_t from) {
        const auto found = sql_.find(end, at_ + from);
        at_ = found == std::string_view::npos ? sql_.size() : found + end.size();
    }

    // A doubled closing quote stands for itself (not within brackets).
    void quoted(SqlToken::Kind kind, char close) {
        SqlToken token{kind, {}, at_};
        for (at_++; at_ < sql_.size(); at_++) {
            if (sql_[at_] != close) {
                token.text += sql_[at_];
            } else if (close != ']' && peek(1) == close) {
                token.text += close;
                at_++;
            } else {
                break;
            }
        }
        if (at_ < sql_.size()) at_++;
        tokens_.push_back(std::move(token));
    }

    void taken(SqlToken::Kind kind, std::size_t prefix) {
        SqlToken token{kind, std::string(sql_.substr(at_, prefix)), at_};
        for (at_ += prefix; at_ < sql_.size() && is_word_part(sql_[at_]); at_++)
            token.text += kind == SqlToken::Kind::word ? lower(sql_[at_]) : sql_[at_];
        tokens_.push_back(std::move(token));
    }

    std::string_view sql_;
    std::size_t at_ = 0;
    std::vector<SqlToken> tokens_;
};

}  // namespace

std::vector<SqlToken> sql_tokens(std::string_view sql) { return Cutter(sql).run(); }

}  // namespace tarn::state
