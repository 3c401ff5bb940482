// The text of a pattern while it is compiled, and the refusals about it.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "codec/json.h"

namespace tarn::pattern {

// Event Ruler reads a pattern in its current grammar; when that refuses, it tries the older one, in which $or
// is the name of a field like others. What it says in the end is what the older one says.
enum class Grammar : std::uint8_t { current, older };

// `text` is validated JSON and must outlive this; tokens are slices of it.
class Source {
public:
    Source(std::string_view text, Grammar grammar) : text_(text), grammar_(grammar) {}

    Grammar grammar() const { return grammar_; }
    std::size_t byte_of(std::string_view token) const {
        return static_cast<std::size_t>(token.data() - text_.data());
    }
    // `message` is Event Ruler's, `next` says what would be accepted.
    Failure refuse(std::string_view token, std::string message, std::string next) const {
        return fail(
            codec::error_at(text_, byte_of(token), Code::bad_pattern, std::move(message), std::move(next)));
    }
    // A refusal after which Event Ruler does not try the older grammar.
    Failure refuse_for_good(std::string_view token, std::string message, std::string next) {
        do_not_try_older();
        return refuse(token, std::move(message), std::move(next));
    }
    void do_not_try_older() { for_good_ = true; }
    bool refused_for_good() const { return for_good_; }

private:
    std::string_view text_;
    Grammar grammar_;
    bool for_good_ = false;
};

// A key's text, escapes resolved; `raw` is without quotes.
inline std::string key_text(std::string_view raw) {
    std::string text;
    codec::append_unescaped(text, raw);
    return text;
}
// The token of a key, with its quotes.
inline std::string_view key_token(std::string_view raw) { return {raw.data() - 1, raw.size() + 2}; }
// The closing bracket of an array or object.
inline std::string_view closing(std::string_view container) { return container.substr(container.size() - 1); }

inline bool is_string(std::string_view raw) { return codec::type_of(raw) == codec::JsonType::string; }
inline bool is_number(std::string_view raw) { return codec::type_of(raw) == codec::JsonType::number; }
inline bool is_array(std::string_view raw) { return codec::type_of(raw) == codec::JsonType::array; }
inline bool is_object(std::string_view raw) { return codec::type_of(raw) == codec::JsonType::object; }

}  // namespace tarn::pattern
