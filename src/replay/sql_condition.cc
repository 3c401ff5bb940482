#include "replay/sql_condition.h"

#include <fmt/core.h>

namespace tarn::replay {
namespace {

bool is_word(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (c & 0x80) != 0;
}

// Follows the engine's lexical rules (PostgreSQL's), as far as they hide parentheses.
class ConditionScanner {
public:
    explicit ConditionScanner(std::string_view text) : text_(text) {}

    Status check() {
        while (at_ < text_.size()) TARN_TRY(step());
        if (depth_ > 0) return bad(opened_, "this parenthesis is not closed");
        return {};
    }

private:
    char here(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

    Failure bad(std::size_t at, std::string_view what) const {
        std::uint64_t line = 1, column = 1;
        for (std::size_t i = 0; i < at && i < text_.size(); ++i, ++column)
            if (text_[i] == '\n') {
                ++line;
                column = 0;
            }
        return fail(Code::bad_selection, fmt::format("{} in the condition", what),
                    {.place = {.source = "--where", .line = line, .column = column, .byte = at},
                     .next = "--where takes one condition, as it would stand behind WHERE"});
    }

    Status step() {
        const char c = here();
        if (c == '\0') return bad(at_, "a NUL character");
        if (c == ';') return bad(at_, "a semicolon");
        if (c == '\'') return quoted('\'', false);
        if (c == '"') return quoted('"', false);
        if (c == '-' && here(1) == '-') return line_comment();
        if (c == '/' && here(1) == '*') return block_comment();
        if (c == '$' && starts_dollar_quote()) return dollar_quoted();
        if (is_word(c)) return word();
        if (c == '(') {
            if (depth_++ == 0) opened_ = at_;
        } else if (c == ')' && --depth_ < 0) {
            return bad(at_, "a closing parenthesis without an opening one");
        }
        ++at_;
        return {};
    }

    // E'…' knows backslash escapes; other prefixes change nothing about where a string ends.
    Status word() {
        const std::size_t begin = at_;
        while (is_word(here()) || here() == '$') ++at_;
        const std::string_view word = text_.substr(begin, at_ - begin);
        if ((word == "e" || word == "E") && here() == '\'') return quoted('\'', true);
        return {};
    }

    Status quoted(char quote, bool with_escapes) {
        const std::size_t begin = at_++;
        for (; at_ < text_.size(); ++at_) {
            if (with_escapes && here() == '\\') {
                ++at_;
                continue;
            }
            if (here() != quote) continue;
            ++at_;
            if (here() != quote) return {};
        }
        return bad(begin, "this quote is not closed");
    }

    Status line_comment() {
        while (at_ < text_.size() && here() != '\n' && here() != '\r') ++at_;
        return {};
    }

    Status block_comment() {
        const std::size_t begin = at_;
        int depth = 0;
        while (at_ < text_.size()) {
            if (here() == '/' && here(1) == '*') {
                ++depth;
                at_ += 2;
            } else if (here() == '*' && here(1) == '/') {
                --depth;
                at_ += 2;
                if (depth == 0) return {};
            } else {
                ++at_;
            }
        }
        return bad(begin, "this comment is not closed");
    }

    // $$ or $tag$; $1 is a parameter.
    bool starts_dollar_quote() const {
        std::size_t i = at_ + 1;
        if (i < text_.size() && text_[i] >= '0' && text_[i] <= '9') return false;
        while (i < text_.size() && is_word(text_[i])) ++i;
        return i < text_.size() && text_[i] == '$';
    }

    Status dollar_quoted() {
        const std::size_t begin = at_;
        const std::string_view tag = text_.substr(at_, text_.find('$', at_ + 1) + 1 - at_);
        const std::size_t end = text_.find(tag, at_ + tag.size());
        if (end == std::string_view::npos) return bad(begin, "this dollar quote is not closed");
        at_ = end + tag.size();
        return {};
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::size_t opened_ = 0;
    int depth_ = 0;
};

}  // namespace

Status check_sql_condition(std::string_view text) {
    if (text.find_first_not_of(" \t\r\n") == std::string_view::npos)
        return fail(Code::bad_selection, "--where is empty", {.next = "say --all for everything"});
    return ConditionScanner(text).check();
}

}  // namespace tarn::replay
