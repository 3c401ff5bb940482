#include "report/html_escape.h"

#include "codec/json.h"

namespace tarn::report {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

std::size_t sequence_length(unsigned char lead) {
    if (lead < 0x80) return 1;
    if (lead >= 0xF0) return 4;
    if (lead >= 0xE0) return 3;
    return 2;
}

void append_ascii(std::string& out, char c) {
    switch (c) {
        case '&':
            out += "&amp;";
            return;
        case '<':
            out += "&lt;";
            return;
        case '>':
            out += "&gt;";
            return;
        case '"':
            out += "&quot;";
            return;
        case '\'':
            out += "&#39;";
            return;
        case '\n':
        case '\t':
            out += c;
            return;
        default:
            break;
    }
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
        out += replacement;
    else
        out += c;
}

}  // namespace

std::string escape_html(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size();) {
        const std::size_t length = sequence_length(static_cast<unsigned char>(text[i]));
        const std::string_view piece = text.substr(i, length);
        if (length == 1) {
            append_ascii(out, text[i]);
            ++i;
        } else if (piece.size() == length && codec::is_valid_utf8(piece)) {
            out += piece;
            i += length;
        } else {
            out += replacement;
            ++i;
        }
    }
    return out;
}

}  // namespace tarn::report
