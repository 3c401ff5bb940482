#include "pattern/wildcard.h"

#include <fmt/core.h>

namespace tarn::pattern {

std::expected<std::vector<std::string>, std::string> parse_wildcard(std::string_view text) {
    std::vector<std::string> parts(1);
    for (std::size_t i = 0; i < text.size(); ++i) {
        const std::size_t position = i + 1;  // counted in bytes, from the quote before the text
        const char next = i + 1 < text.size() ? text[i + 1] : '\0';
        if (text[i] == '*') {
            if (next == '*')
                return std::unexpected(fmt::format("Consecutive wildcard characters at pos {}", position));
            parts.emplace_back();
        } else if (text[i] == '\\') {
            if (next != '*' && next != '\\')
                return std::unexpected(fmt::format("Invalid escape character at pos {}", position));
            parts.back() += next;
            ++i;
        } else {
            parts.back() += text[i];
        }
    }
    return parts;
}

}  // namespace tarn::pattern
