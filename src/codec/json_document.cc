// Owned documents: parsing, access, writing.
#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "codec/json.h"
#include "codec/json_scan.h"

namespace tarn::codec {
namespace {

// Builds a document from text that validate_json has accepted; its depth limit bounds the recursion.
class Builder {
public:
    explicit Builder(std::string_view text) : p_(text.data()), end_(p_ + text.size()) {}

    Json value() {
        p_ = scan::skip_space(p_, end_);
        switch (*p_) {
            case '{':
                return object();
            case '[':
                return array();
            case '"':
                return Json(string());
            case 't':
                p_ += 4;
                return Json(true);
            case 'f':
                p_ += 5;
                return Json(false);
            case 'n':
                p_ += 4;
                return Json();
            default:
                break;
        }
        const char* const from = p_;
        p_ = scan::literal_end(p_, end_);
        return Json::number_text(std::string(from, p_));
    }

private:
    // Takes `c` when it comes next.
    bool take(char c) {
        p_ = scan::skip_space(p_, end_);
        if (*p_ != c) return false;
        ++p_;
        return true;
    }

    std::string string() {
        const char* const from = ++p_;
        p_ = scan::string_end(p_, end_);
        std::string out;
        append_unescaped(out, scan::slice(from, p_));
        ++p_;
        return out;
    }

    Json object() {
        ++p_;
        std::vector<Json::Member> members;
        while (!take('}')) {
            take(',');
            p_ = scan::skip_space(p_, end_);
            std::string key = string();
            take(':');
            members.emplace_back(std::move(key), value());
        }
        return Json::object(std::move(members));
    }

    Json array() {
        ++p_;
        std::vector<Json> elements;
        while (!take(']')) {
            take(',');
            elements.push_back(value());
        }
        return Json::array(std::move(elements));
    }

    const char* p_;
    const char* end_;
};

const Json& shared_null() {
    static const Json null;
    return null;
}

template <typename T>
T number_or(const std::string& text, T otherwise) {
    T value{};
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
    return status == std::errc() && end == text.data() + text.size() ? value : otherwise;
}

void append_pretty(std::string& out, const Json& json, int depth) {
    const auto new_line = [&](int level) {
        out.append("\n").append(2 * static_cast<std::size_t>(level), ' ');
    };
    if (json.size() == 0) return json.append_to(out);
    out += json.is_array() ? '[' : '{';
    bool first = true;
    const auto begin = [&] {
        if (!first) out += ',';
        first = false;
        new_line(depth + 1);
    };
    for (const Json& element : json.elements()) {
        begin();
        append_pretty(out, element, depth + 1);
    }
    for (const auto& [key, value] : json.members()) {
        begin();
        append_quoted(out, key);
        out += ": ";
        append_pretty(out, value, depth + 1);
    }
    new_line(depth);
    out += json.is_array() ? ']' : '}';
}

}  // namespace

// JSON knows no infinities and no NaN: null stands for them.
Json::Json(double value) {
    std::string text = fmt::format("{}", value);
    if (text.find_first_of("in") != std::string::npos) return;
    type_ = JsonType::number;
    text_ = std::move(text);
}

Json Json::object(std::vector<Member> members) {
    Json json;
    json.type_ = JsonType::object;
    json.members_ = std::move(members);
    return json;
}

Json Json::array(std::vector<Json> elements) {
    Json json;
    json.type_ = JsonType::array;
    json.elements_ = std::move(elements);
    return json;
}

Json Json::number_text(std::string text) {
    Json json;
    json.type_ = JsonType::number;
    json.text_ = std::move(text);
    return json;
}

Result<Json> Json::parse(std::string_view text) {
    constexpr JsonLimits limits{.max_bytes = 64u << 20, .max_depth = 128};
    TARN_TRY(validate_json(text, limits));
    return Builder(text).value();
}

std::int64_t Json::as_int(std::int64_t otherwise) const {
    return is_number() ? number_or(text_, otherwise) : otherwise;
}

std::uint64_t Json::as_uint(std::uint64_t otherwise) const {
    return is_number() ? number_or(text_, otherwise) : otherwise;
}

double Json::as_double(double otherwise) const {
    return is_number() ? number_or(text_, otherwise) : otherwise;
}

const std::string& Json::as_string() const { return text_; }

const Json& Json::operator[](std::string_view key) const {
    for (auto member = members_.rbegin(); member != members_.rend(); ++member)
        if (member->first == key) return member->second;
    return shared_null();
}

bool Json::has(std::string_view key) const {
    return std::ranges::any_of(members_, [&](const Member& member) { return member.first == key; });
}

Json& Json::set(std::string_view key, Json value) {
    if (is_null()) type_ = JsonType::object;
    for (auto member = members_.rbegin(); member != members_.rend(); ++member) {
        if (member->first != key) continue;
        member->second = std::move(value);
        return *this;
    }
    if (is_object()) members_.emplace_back(std::string(key), std::move(value));
    return *this;
}

Json& Json::push(Json value) {
    if (is_null()) type_ = JsonType::array;
    if (is_array()) elements_.push_back(std::move(value));
    return *this;
}

void Json::append_to(std::string& out) const {
    switch (type_) {
        case JsonType::null:
            out += "null";
            return;
        case JsonType::boolean:
            out += flag_ ? "true" : "false";
            return;
        case JsonType::number:
            out += text_;
            return;
        case JsonType::string:
            append_quoted(out, text_);
            return;
        case JsonType::array:
        case JsonType::object:
            break;
    }
    const std::size_t start = out.size();
    out += is_array() ? '[' : '{';
    for (const Json& element : elements_) {
        if (out.size() > start + 1) out += ',';
        element.append_to(out);
    }
    for (const auto& [key, value] : members_) {
        if (out.size() > start + 1) out += ',';
        append_quoted(out, key);
        out += ':';
        value.append_to(out);
    }
    out += is_array() ? ']' : '}';
}

std::string Json::dump() const {
    std::string out;
    append_to(out);
    return out;
}

std::string Json::dump_pretty() const {
    std::string out;
    append_pretty(out, *this, 0);
    out += '\n';
    return out;
}

}  // namespace tarn::codec
