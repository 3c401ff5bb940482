// JSON in three strengths:
//  - validate_json: strict RFC 8259 check of hostile bytes (simdjson DOM), with line, column and byte of the
//  first error;
//  - raw slices (find_member, for_each_member, …): find the bytes of a part inside *validated* text without
//  changing them;
//  - Json: a small owned document for configuration, plans, reports and HTTP bodies. Not for event payloads,
//  which are
//    never re-serialised.
// All functions are pure and thread-safe.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tarn::codec {

struct JsonLimits {
    std::size_t max_bytes = 1 << 20;
    int max_depth = 128;
};

enum class JsonType : std::uint8_t { null, boolean, number, string, array, object };

struct JsonFacts {
    JsonType type = JsonType::null;  // of the root
    bool duplicate_keys = false;     // some object names a key twice: legal, kept, flagged
    bool has_newline = false;  // LF or CR stands somewhere in the text, so that it cannot stand on one line
};

// Whole text is exactly one JSON value (white space around it allowed, no BOM). Accepts all that RFC 8259
// allows, also what many parsers cannot represent: 1e400, integers of any length, lone surrogates in escapes.
// Errors: json_syntax, json_depth, not_utf8, too_large, empty_body; their place has line, column (bytes) and
// byte within `text`, and their excerpt is the line (cut to a terminal's width) with a second line that has a
// caret below the place.
Result<JsonFacts> validate_json(std::string_view text, const JsonLimits& limits = {});
// The same place and excerpt for an error that the reader of valid JSON finds at a byte of it.
Place place_at(std::string_view text, std::size_t byte);
Error error_at(std::string_view text, std::size_t byte, Code code, std::string message, std::string next);

// ---- raw slices; `text` must have passed validate_json
// ----------------------------------------------------------------

std::string_view trim_json(std::string_view text);  // without white space around it
JsonType type_of(std::string_view value);
// Calls fn(key, value) for each member in order; key is unescaped, value raw. Stops early when fn returns
// false.
void for_each_member(std::string_view object,
                     const std::function<bool(std::string_view key, std::string_view value)>& fn);
void for_each_element(std::string_view array, const std::function<bool(std::string_view value)>& fn);
// The raw value of the last member of that name (as most parsers see duplicates), or nullopt.
std::optional<std::string_view> find_member(std::string_view object, std::string_view key);
// The same along a dotted path "a.b.c"; array elements by number. nullopt when any step is missing.
std::optional<std::string_view> find_path(std::string_view value, std::string_view path);
// The text of a JSON string value, without quotes and escapes. Lone surrogates become U+FFFD.
std::string unescape(std::string_view raw_string);
// Appends what the text between the quotes of a JSON string means.
void append_unescaped(std::string& out, std::string_view without_quotes);
// String → its text; number, true, false → as written; null, object, array → nullopt.
std::optional<std::string> scalar_text(std::string_view value);
// Appends `text` as a quoted JSON string. `text` must be valid UTF-8.
void append_quoted(std::string& out, std::string_view text);
std::string quoted(std::string_view text);
bool is_valid_utf8(std::string_view text);

// Splits the bytes of one huge JSON array, or of an array at a dotted path inside a document, into its
// elements while it is being read, so that memory stays bounded by one element. Used by import.
class JsonArraySplitter {
public:
    // `path` empty: the document itself is the array. Else members leading to it, as "Records" or "a.b".
    JsonArraySplitter(std::string path, std::size_t max_element_bytes);
    // Elements are cut out by brackets and quotes and are not validated: a bad one costs only itself. One
    // larger than the limit is too_large. After an error the splitter is used up. Feeds the next bytes; calls
    // fn(element_bytes, byte_offset_in_document) for each completed element.
    Status feed(std::string_view bytes, const std::function<Status(std::string_view, std::uint64_t)>& fn);
    // The document has ended: error (truncated_archive / json_syntax / no_records) when the array was not
    // found or not closed.
    Status finish();

private:
    struct State;
    std::shared_ptr<State> state_;
};

// ---- owned documents
// --------------------------------------------------------------------------------------------------

// Numbers keep their text, so that 64-bit integers and decimals survive. Objects keep their order.
class Json {
public:
    using Member = std::pair<std::string, Json>;

    Json() = default;  // null
    Json(std::nullptr_t) {}
    Json(bool value) : type_(JsonType::boolean), flag_(value) {}
    template <typename T>
        requires(std::integral<T> && !std::same_as<T, bool>)
    Json(T value) : type_(JsonType::number), text_(std::to_string(value)) {}
    Json(double value);
    Json(std::string text) : type_(JsonType::string), text_(std::move(text)) {}
    Json(std::string_view text) : Json(std::string(text)) {}
    Json(const char* text) : Json(std::string(text)) {}

    static Json object(std::vector<Member> members = {});
    static Json array(std::vector<Json> elements = {});
    static Json number_text(std::string text);  // a number exactly as written

    // Strict; limits default to 64 MiB and depth 128.
    static Result<Json> parse(std::string_view text);

    JsonType type() const { return type_; }
    bool is_null() const { return type_ == JsonType::null; }
    bool is_object() const { return type_ == JsonType::object; }
    bool is_array() const { return type_ == JsonType::array; }
    bool is_string() const { return type_ == JsonType::string; }
    bool is_number() const { return type_ == JsonType::number; }

    // Readers never fail: the wrong type gives the default.
    bool as_bool(bool otherwise = false) const { return type_ == JsonType::boolean ? flag_ : otherwise; }
    std::int64_t as_int(std::int64_t otherwise = 0) const;
    std::uint64_t as_uint(std::uint64_t otherwise = 0) const;
    double as_double(double otherwise = 0) const;
    const std::string& as_string() const;  // "" unless a string; a number's text when a number
    const std::vector<Json>& elements() const { return elements_; }  // empty unless an array
    const std::vector<Member>& members() const { return members_; }  // empty unless an object
    std::size_t size() const { return is_array() ? elements_.size() : members_.size(); }

    // A shared null when absent.
    const Json& operator[](std::string_view key) const;
    bool has(std::string_view key) const;
    Json& set(std::string_view key,
              Json value);   // makes a null an object; replaces or appends; returns *this
    Json& push(Json value);  // makes a null an array; returns *this

    std::string dump() const;         // one line, no spaces
    std::string dump_pretty() const;  // two spaces, LF at the end
    void append_to(std::string& out) const;

    bool operator==(const Json&) const = default;

private:
    JsonType type_ = JsonType::null;
    bool flag_ = false;
    std::string text_;
    std::vector<Json> elements_;
    std::vector<Member> members_;
};

}  // namespace tarn::codec
