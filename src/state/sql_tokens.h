// SQLite's SQL cut into tokens, as far as the rules need it: comments and white space dropped, strings
// unquoted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tarn::state {

struct SqlToken {
    enum class Kind : std::uint8_t { word, string, identifier, number, parameter, symbol };
    Kind kind = Kind::symbol;
    std::string text;    // words in lower case; strings and quoted identifiers without their quotes
    std::size_t at = 0;  // of its first byte in the SQL
    bool is_word(std::string_view lower) const { return kind == Kind::word && text == lower; }
    bool is_symbol(char c) const { return kind == Kind::symbol && text.size() == 1 && text[0] == c; }
};

std::vector<SqlToken> sql_tokens(std::string_view sql);

}  // namespace tarn::state
