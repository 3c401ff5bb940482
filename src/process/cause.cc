#include "process/cause.h"

#include <fmt/core.h>

#include <cctype>

#include "codec/hash.h"
#include "codec/json.h"

namespace tarn::process {
namespace {

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_'; }

bool has_digit(std::string_view word) { return word.find_first_of("0123456789") != std::string_view::npos; }

// Where the error came from: the last frame of the stack, which names file and line.
std::string site_of(const std::string& stack) {
    const auto frames = codec::Json::parse(stack);
    if (!frames || frames->size() == 0) return "";
    const codec::Json& last = frames->elements().back();
    return last.is_string() ? last.as_string() : last.dump();
}

}  // namespace

std::string without_particulars(std::string_view message) {
    std::string out;
    for (std::size_t at = 0; at < message.size();) {
        const char c = message[at];
        if (c == '\'' || c == '"') {
            const std::size_t end = message.find(c, at + 1);
            if (end != std::string_view::npos) {
                out += '*';
                at = end + 1;
                continue;
            }
        }
        if (!is_word(c)) {
            out += c;
            ++at;
            continue;
        }
        std::size_t end = at;
        while (end < message.size() && is_word(message[end])) ++end;
        const std::string_view word = message.substr(at, end - at);
        if (has_digit(word))
            out += '*';
        else
            out += word;
        at = end;
    }
    return out;
}

std::string cause_of(std::string_view subscription, const Attempt& attempt) {
    const std::string text =
        fmt::format("{}\n{}\n{}\n{}\n{}", subscription, attempt.error_type, attempt.version,
                    site_of(attempt.stack), without_particulars(attempt.message));
    return "dg-" + codec::sha256_hex(text).substr(0, 8);
}

}  // namespace tarn::process
