// Raw slices of validated JSON text. Nothing here allocates unless a string has escapes.
#include <simdjson.h>
#include <charconv>

#include "codec/json.h"
#include "codec/json_scan.h"

namespace tarn::codec {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

void append_utf8(std::string& out, std::uint32_t point) {
    if (point < 0x80) {
        out += static_cast<char>(point);
    } else if (point < 0x800) {
        out += static_cast<char>(0xC0 | point >> 6);
        out += static_cast<char>(0x80 | (point & 0x3F));
    } else if (point < 0x1'0000) {
        out += static_cast<char>(0xE0 | point >> 12);
        out += static_cast<char>(0x80 | (point >> 6 & 0x3F));
        out += static_cast<char>(0x80 | (point & 0x3F));
    } else {
        out += static_cast<char>(0xF0 | point >> 18);
        out += static_cast<char>(0x80 | (point >> 12 & 0x3F));
        out += static_cast<char>(0x80 | (point >> 6 & 0x3F));
        out += static_cast<char>(0x80 | (point & 0x3F));
    }
}

// Four hex digits at the front of `text`.
std::optional<std::uint32_t> take_hex4(std::string_view& text) {
    if (text.size() < 4) return std::nullopt;
    std::uint32_t value = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + 4, value, 16);
    if (status != std::errc() || end != text.data() + 4) return std::nullopt;
    text.remove_prefix(4);
    return value;
}

// `text` stands after "\u".
void take_unicode_escape(std::string& out, std::string_view& text) {
    const auto unit = take_hex4(text);
    const bool high = unit && *unit >= 0xD800 && *unit < 0xDC00;
    if (!unit || (*unit >= 0xDC00 && *unit < 0xE000)) {
        out += replacement;
    } else if (!high) {
        append_utf8(out, *unit);
    } else {
        std::string_view rest = text;
        if (rest.starts_with("\\u")) {
            rest.remove_prefix(2);
            if (const auto low = take_hex4(rest); low && *low >= 0xDC00 && *low < 0xE000) {
                append_utf8(out, 0x1'0000 + ((*unit - 0xD800) << 10) + (*low - 0xDC00));
                text = rest;
                return;
            }
        }
        out += replacement;
    }
}

void take_escape(std::string& out, std::string_view& text) {
    const char c = text.front();
    text.remove_prefix(1);
    switch (c) {
        case 'b':
            out += '\b';
            break;
        case 'f':
            out += '\f';
            break;
        case 'n':
            out += '\n';
            break;
        case 'r':
            out += '\r';
            break;
        case 't':
            out += '\t';
            break;
        case 'u':
            take_unicode_escape(out, text);
            break;
        default:
            out += c;
            break;
    }
}

std::string_view without_quotes(std::string_view raw) {
    if (raw.size() >= 2 && raw.front() == '"' && raw.back() == '"') return raw.substr(1, raw.size() - 2);
    return raw;
}

bool key_equals(std::string_view raw_key, std::string_view key, std::string& scratch) {
    if (raw_key.find('\\') == std::string_view::npos) return raw_key == key;
    scratch.clear();
    append_unescaped(scratch, raw_key);
    return scratch == key;
}

}  // namespace

std::string_view trim_json(std::string_view text) {
    while (!text.empty() && scan::is_space(text.front())) text.remove_prefix(1);
    while (!text.empty() && scan::is_space(text.back())) text.remove_suffix(1);
    return text;
}

JsonType type_of(std::string_view value) {
    value = trim_json(value);
    if (value.empty()) return JsonType::null;
    switch (value.front()) {
        case '{':
            return JsonType::object;
        case '[':
            return JsonType::array;
        case '"':
            return JsonType::string;
        case 't':
        case 'f':
            return JsonType::boolean;
        case 'n':
            return JsonType::null;
        default:
            return JsonType::number;
    }
}

void append_unescaped(std::string& out, std::string_view text) {
    while (!text.empty()) {
        const std::size_t plain = text.find('\\');
        out.append(text.substr(0, plain));
        if (plain == std::string_view::npos) return;
        text.remove_prefix(plain + 1);
        if (text.empty()) return;
        take_escape(out, text);
    }
}

std::string unescape(std::string_view raw_string) {
    std::string out;
    append_unescaped(out, without_quotes(trim_json(raw_string)));
    return out;
}

void for_each_member(std::string_view object,
                     const std::function<bool(std::string_view key, std::string_view value)>& fn) {
    std::string_view key, value;
    std::string scratch;
    for (scan::Members members(object); members.next(key, value);) {
        if (key.find('\\') != std::string_view::npos) {
            scratch.clear();
            append_unescaped(scratch, key);
            key = scratch;
        }
        if (!fn(key, value)) return;
    }
}

void for_each_element(std::string_view array, const std::function<bool(std::string_view value)>& fn) {
    std::string_view value;
    for (scan::Elements elements(array); elements.next(value);)
        if (!fn(value)) return;
}

std::optional<std::string_view> find_member(std::string_view object, std::string_view key) {
    if (type_of(object) != JsonType::object) return std::nullopt;
    std::optional<std::string_view> found;
    std::string_view raw_key, value;
    std::string scratch;
    for (scan::Members members(object); members.next(raw_key, value);)
        if (key_equals(raw_key, key, scratch)) found = value;
    return found;
}

namespace {

std::optional<std::string_view> find_element(std::string_view array, std::string_view number) {
    std::size_t index = 0;
    const auto [end, status] = std::from_chars(number.data(), number.data() + number.size(), index);
    if (status != std::errc() || end != number.data() + number.size()) return std::nullopt;
    std::string_view value;
    for (scan::Elements elements(array); elements.next(value);)
        if (index-- == 0) return value;
    return std::nullopt;
}

}  // namespace

std::optional<std::string_view> find_path(std::string_view value, std::string_view path) {
    std::optional<std::string_view> at = trim_json(value);
    for (std::size_t from = 0; at && from <= path.size();) {
        const std::size_t dot = std::min(path.find('.', from), path.size());
        const std::string_view step = path.substr(from, dot - from);
        at = type_of(*at) == JsonType::array ? find_element(*at, step) : find_member(*at, step);
        from = dot + 1;
    }
    return at;
}

std::optional<std::string> scalar_text(std::string_view value) {
    value = trim_json(value);
    switch (type_of(value)) {
        case JsonType::string:
            return unescape(value);
        case JsonType::number:
        case JsonType::boolean:
            return std::string(value);
        default:
            return std::nullopt;
    }
}

namespace {

void append_escape(std::string& out, char c) {
    constexpr std::string_view digits = "0123456789abcdef";
    switch (c) {
        case '"':
            out += "\\\"";
            return;
        case '\\':
            out += "\\\\";
            return;
        case '\n':
            out += "\\n";
            return;
        case '\r':
            out += "\\r";
            return;
        case '\t':
            out += "\\t";
            return;
        default:
            break;
    }
    out += "\\u00";
    out += digits[static_cast<unsigned char>(c) >> 4];
    out += digits[c & 15];
}

}  // namespace

void append_quoted(std::string& out, std::string_view text) {
    out += '"';
    const char* p = text.data();
    const char* const end = p + text.size();
    const char* plain = p;
    while ((p = scan::plain_end(p, end)) != end) {
        if (static_cast<signed char>(*p) < 0) {  // not ASCII: stands as it is
            ++p;
            continue;
        }
        out.append(plain, p);
        append_escape(out, *p);
        plain = ++p;
    }
    out.append(plain, end);
    out += '"';
}

std::string quoted(std::string_view text) {
    std::string out;
    out.reserve(text.size() + 2);
    append_quoted(out, text);
    return out;
}

bool is_valid_utf8(std::string_view text) { return simdjson::validate_utf8(text.data(), text.size()); }

}  // namespace tarn::codec
