#include "codec/json_scanner.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <deque>

#include "codec/json_keys.h"
#include "codec/json_scan.h"

namespace tarn::codec {
namespace {

// What is kept between documents of a thread, so that nothing is allocated for the usual ones.
struct Scratch {
    struct Open {
        bool object;
        std::size_t keys_start;
    };
    std::vector<Open> open;
    KeyStack keys;
    std::deque<std::string> unescaped;  // keys that had escapes
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

// The length of the UTF-8 sequence at p, 0 when there is none (Unicode 15, table 3-7).
int utf8_length(const char* p, const char* end) {
    const auto at = [&](int i) { return static_cast<unsigned char>(end - p > i ? p[i] : 0); };
    const auto tail = [&](int i) { return (at(i) & 0xC0) == 0x80; };
    const unsigned char lead = at(0);
    if (lead < 0x80) return 1;
    if (lead < 0xC2 || lead > 0xF4) return 0;
    if (lead < 0xE0) return tail(1) ? 2 : 0;
    if (lead < 0xF0) {
        const bool bad = (lead == 0xE0 && at(1) < 0xA0) || (lead == 0xED && at(1) > 0x9F);
        return !bad && tail(1) && tail(2) ? 3 : 0;
    }
    const bool bad = (lead == 0xF0 && at(1) < 0x90) || (lead == 0xF4 && at(1) > 0x8F);
    return !bad && tail(1) && tail(2) && tail(3) ? 4 : 0;
}

// At most `most` bytes of text for a message: whole characters, nothing unprintable.
std::string printable(std::string_view text, std::size_t most) {
    std::string out;
    const char* p = text.data();
    const char* const end = p + text.size();
    while (p != end) {
        const int length = utf8_length(p, end);
        if (out.size() + static_cast<std::size_t>(std::max(length, 1)) > most) return out + "…";
        if (length == 0 || (length == 1 && (*p < 0x20 || *p == 0x7F))) {
            out += *p == '\t' ? ' ' : '?';
            ++p;
        } else {
            out.append(p, static_cast<std::size_t>(length));
            p += length;
        }
    }
    return out;
}

class Scanner {
public:
    Scanner(std::string_view text, int max_depth, Scratch& scratch)
        : begin_(text.data()),
          p_(begin_),
          end_(begin_ + text.size()),
          max_depth_(max_depth),
          scratch_(scratch) {
        scratch_.open.clear();
        scratch_.keys.clear();
        scratch_.unescaped.clear();
    }

    Result<JsonFacts> run();

private:
    enum class Expect : std::uint8_t { value, value_or_close, key, key_or_close, colon, comma_or_close, end };

    // Each consumes one token, sets what is expected next, and gives false after keeping an error.
    bool step();
    bool value();
    bool open(bool object);
    bool close(bool object);
    bool key();
    bool separator();

    bool literal(std::string_view name);
    bool number();
    bool digits();
    bool string();
    bool escape();

    void after_value() { expect_ = scratch_.open.empty() ? Expect::end : Expect::comma_or_close; }
    bool in_object() const { return !scratch_.open.empty() && scratch_.open.back().object; }

    bool fail_expected();
    bool fail_at(const char* at, Code code, std::string message);
    std::string expectation() const;
    std::string after() const;

    const char* begin_;
    const char* p_;
    const char* end_;
    int max_depth_;
    Scratch& scratch_;
    Expect expect_ = Expect::value;
    const char* token_ = nullptr;  // where the last complete token began; a key and its colon count as one
    JsonFacts facts_;
    std::optional<Error> error_;
};

Result<JsonFacts> Scanner::run() {
    p_ = scan::skip_space(p_, end_);
    if (p_ != end_) facts_.type = type_of(std::string_view(p_, 1));
    while (p_ != end_) {
        if (!step()) return fail(std::move(*error_));
        p_ = scan::skip_space(p_, end_);
    }
    if (expect_ == Expect::end) return facts_;
    fail_at(p_, Code::json_syntax, fmt::format("unexpected end of text: expected {}", expectation()));
    return fail(std::move(*error_));
}

bool Scanner::step() {
    switch (expect_) {
        case Expect::value_or_close:
            if (*p_ == ']') return close(false);
            [[fallthrough]];
        case Expect::value:
            return value();
        case Expect::key_or_close:
            if (*p_ == '}') return close(true);
            [[fallthrough]];
        case Expect::key:
            return key();
        case Expect::colon:
            if (*p_ != ':') return fail_expected();
            ++p_;
            expect_ = Expect::value;
            return true;
        case Expect::comma_or_close:
            return separator();
        case Expect::end:
            break;
    }
    return fail_expected();
}

bool Scanner::separator() {
    if (*p_ == '}' && in_object()) return close(true);
    if (*p_ == ']' && !in_object()) return close(false);
    if (*p_ != ',') return fail_expected();
    token_ = p_++;
    expect_ = in_object() ? Expect::key : Expect::value;
    return true;
}

bool Scanner::value() {
    const char* const from = p_;
    switch (*p_) {
        case '{':
            return open(true);
        case '[':
            return open(false);
        case '"':
            if (!string()) return false;
            break;
        case 't':
            if (!literal("true")) return fail_expected();
            break;
        case 'f':
            if (!literal("false")) return fail_expected();
            break;
        case 'n':
            if (!literal("null")) return fail_expected();
            break;
        default:
            if (*p_ != '-' && !is_digit(*p_)) return fail_expected();
            if (!number()) return false;
    }
    token_ = from;
    after_value();
    return true;
}

bool Scanner::open(bool object) {
    if (static_cast<int>(scratch_.open.size()) >= max_depth_)
        return fail_at(p_, Code::json_depth, fmt::format("nested more than {} levels deep", max_depth_));
    scratch_.open.push_back({object, scratch_.keys.size()});
    token_ = p_++;
    expect_ = object ? Expect::key_or_close : Expect::value_or_close;
    return true;
}

bool Scanner::close(bool object) {
    if (object && scratch_.keys.close(scratch_.open.back().keys_start)) facts_.duplicate_keys = true;
    scratch_.open.pop_back();
    token_ = p_++;
    after_value();
    return true;
}

bool Scanner::key() {
    if (*p_ != '"') return fail_expected();
    const char* const from = p_;
    if (!string()) return false;
    std::string_view name = scan::slice(from + 1, p_ - 1);
    if (name.find('\\') != std::string_view::npos) {
        append_unescaped(scratch_.unescaped.emplace_back(), name);
        name = scratch_.unescaped.back();
    }
    scratch_.keys.push(name);
    token_ = from;
    expect_ = Expect::colon;
    return true;
}

bool Scanner::literal(std::string_view name) {
    if (!scan::slice(p_, end_).starts_with(name)) return false;
    const char* const after = p_ + name.size();
    // "nullx" is one wrong word, not null and something behind it.
    if (after != end_ && (is_digit(*after) || ((*after | 0x20) >= 'a' && (*after | 0x20) <= 'z')))
        return false;
    p_ = after;
    return true;
}

bool Scanner::digits() {
    if (p_ != end_ && is_digit(*p_)) {
        while (p_ != end_ && is_digit(*p_)) ++p_;
        return true;
    }
    return false;
}

bool Scanner::number() {
    const char* const from = p_;
    const auto missing_digit = [&] {
        return fail_at(p_, Code::json_syntax,
                       fmt::format("expected a digit after {}", printable(scan::slice(from, p_), 40)));
    };
    if (*p_ == '-') ++p_;
    if (p_ != end_ && *p_ == '0') {
        ++p_;
        if (p_ != end_ && is_digit(*p_))
            return fail_at(p_, Code::json_syntax, "a number must not begin with 0");
    } else if (!digits()) {
        return missing_digit();
    }
    if (p_ != end_ && *p_ == '.') {
        ++p_;
        if (!digits()) return missing_digit();
    }
    if (p_ != end_ && (*p_ == 'e' || *p_ == 'E')) {
        ++p_;
        if (p_ != end_ && (*p_ == '+' || *p_ == '-')) ++p_;
        if (!digits()) return missing_digit();
    }
    return true;
}

bool Scanner::string() {
    const char* const from = p_++;
    for (;;) {
        p_ = scan::plain_end(p_, end_);
        if (p_ == end_)
            return fail_at(p_, Code::json_syntax,
                           fmt::format("unexpected end of text: expected a closing '\"' for {}",
                                       printable(scan::slice(from, end_), 40)));
        if (*p_ == '"') {
            ++p_;
            return true;
        }
        if (*p_ == '\\') {
            if (!escape()) return false;
        } else if (static_cast<signed char>(*p_) >= 0) {
            return fail_at(
                p_, Code::json_syntax,
                fmt::format("a control character (0x{0:02x}) stands in a string: expected \\u{0:04x}",
                            static_cast<unsigned>(*p_)));
        } else if (const int length = utf8_length(p_, end_); length > 0) {
            p_ += length;
        } else {
            return fail_at(
                p_, Code::not_utf8,
                fmt::format("not UTF-8: byte 0x{:02x} in a string", static_cast<unsigned char>(*p_)));
        }
    }
}

bool Scanner::escape() {
    const char* const from = p_++;
    if (p_ == end_) return true;  // the caller reports the end
    const char c = *p_;
    if (c == 'u') {
        ++p_;
        for (int i = 0; i < 4; ++i, ++p_) {
            if (p_ == end_) return true;
            if (!is_hex(*p_))
                return fail_at(p_, Code::json_syntax, "expected four hexadecimal digits after \\u");
        }
        return true;
    }
    if (std::strchr("\"\\/bfnrt", c) == nullptr || c == '\0')
        return fail_at(
            from, Code::json_syntax,
            fmt::format("'{}' is not an escape: expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX",
                        printable(scan::slice(from, p_ + std::max(1, utf8_length(p_, end_))), 8)));
    ++p_;
    return true;
}

std::string Scanner::expectation() const {
    switch (expect_) {
        case Expect::value:
            return "a value";
        case Expect::value_or_close:
            return "a value or ']'";
        case Expect::key:
            return "a key in quotes";
        case Expect::key_or_close:
            return "a key in quotes or '}'";
        case Expect::colon:
            return "':'";
        case Expect::comma_or_close:
            return in_object() ? "',' or '}'" : "',' or ']'";
        case Expect::end:
            return "nothing more";
    }
    return {};
}

// " after "Amount":", "" at the beginning.
std::string Scanner::after() const {
    if (token_ == nullptr) return {};
    const std::string_view token = trim_json(scan::slice(token_, p_));
    if (token.size() == 1 && !is_digit(token.front())) return fmt::format(" after '{}'", token);
    return fmt::format(" after {}", printable(token, 60));
}

bool Scanner::fail_expected() {
    if (p_ == begin_ && scan::slice(p_, end_).starts_with("\xEF\xBB\xBF"))
        return fail_at(p_, Code::json_syntax, "expected a value: a byte order mark stands before it");
    return fail_at(p_, Code::json_syntax, fmt::format("expected {}{}", expectation(), after()));
}

// The line around `at` and a caret below it, cut to what fits a terminal.
std::string excerpt(const char* line, const char* at, const char* end) {
    constexpr std::ptrdiff_t before = 60, most = 110;
    const char* from = at - line > before ? at - before : line;
    while (from != at && (*from & 0xC0) == 0x80) ++from;  // not within a character
    const auto* const stop =
        static_cast<const char*>(std::memchr(at, '\n', static_cast<std::size_t>(end - at)));
    const std::string_view shown =
        scan::slice(from, std::min(stop == nullptr ? end : stop, from + std::min(most, end - from)));
    const std::string head = printable(scan::slice(from, at), 1000);
    const std::string tail = printable(trim_json(shown.substr(static_cast<std::size_t>(at - from))), 1000);
    const auto width = std::ranges::count_if(head, [](char c) { return (c & 0xC0) != 0x80; });
    return head + tail + "\n" + std::string(static_cast<std::size_t>(width), ' ') + "^";
}

bool Scanner::fail_at(const char* at, Code code, std::string message) {
    if (code == Code::json_syntax) message.insert(0, "not JSON: ");
    error_ = error_at(scan::slice(begin_, end_), static_cast<std::size_t>(at - begin_), code,
                      std::move(message), {});
    return false;
}

}  // namespace

Place place_at(std::string_view text, std::size_t byte) {
    const std::string_view before = text.substr(0, byte);
    Place place;
    place.line = static_cast<std::uint64_t>(std::ranges::count(before, '\n')) + 1;
    place.column = byte - (before.rfind('\n') + 1) + 1;  // npos + 1 is 0
    place.byte = byte;
    return place;
}

Error error_at(std::string_view text, std::size_t byte, Code code, std::string message, std::string next) {
    Place place = place_at(text, byte);
    const char* const at = text.data() + byte;
    std::string shown = excerpt(at - (place.column - 1), at, text.data() + text.size());
    return make_error(code, std::move(message),
                      {.place = std::move(place), .next = std::move(next), .excerpt = std::move(shown)});
}

Result<JsonFacts> scan_json(std::string_view text, const JsonLimits& limits) {
    thread_local Scratch scratch;
    auto facts = Scanner(text, limits.max_depth, scratch).run();
    if (facts)
        facts->has_newline = std::memchr(text.data(), '\n', text.size()) != nullptr ||
                             std::memchr(text.data(), '\r', text.size()) != nullptr;
    return facts;
}

}  // namespace tarn::codec
