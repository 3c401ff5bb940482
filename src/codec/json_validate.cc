#include <fmt/core.h>
#include <simdjson.h>

#include <cstring>

#include "codec/json.h"
#include "codec/json_keys.h"
#include "codec/json_scanner.h"

namespace tarn::codec {
namespace {

// What simdjson's tape (its doc/tape.md) says beyond validity. A word is a type letter and 56 bits; numbers
// take a second word; an opening brace or bracket holds the index after its end; a string holds the place of
// its length and bytes.
class TapeFacts {
public:
    TapeFacts(const simdjson::dom::document& document, KeyStack& keys)
        : tape_(document.tape.get()), strings_(document.string_buf.get()), keys_(keys) {}

    // False when the document is nested deeper than `max_depth`.
    bool read(int max_depth, JsonFacts& facts) {
        const std::uint64_t end = payload(0);
        facts.type = root_type(letter(1));
        int depth = 0;
        for (std::uint64_t i = 1; i < end; ++i) {
            switch (letter(i)) {
                case '{':
                    if (!facts.duplicate_keys) facts.duplicate_keys = repeats_key(i);
                    [[fallthrough]];
                case '[':
                    if (++depth > max_depth) return false;
                    break;
                case '}':
                case ']':
                    --depth;
                    break;
                case 'l':
                case 'u':
                case 'd':
                    ++i;
                    break;
                default:
                    break;
            }
        }
        return true;
    }

private:
    char letter(std::uint64_t i) const { return static_cast<char>(tape_[i] >> 56); }
    std::uint64_t payload(std::uint64_t i) const { return tape_[i] & 0x00FF'FFFF'FFFF'FFFF; }
    std::uint64_t after_container(std::uint64_t i) const { return tape_[i] & 0xFFFF'FFFF; }

    // The tape's letters are the first characters of JSON's values; numbers have others.
    static JsonType root_type(char letter) { return type_of({&letter, 1}); }

    std::string_view string_at(std::uint64_t i) const {
        const std::uint8_t* const at = strings_ + payload(i);
        std::uint32_t length = 0;
        std::memcpy(&length, at, sizeof length);
        return {reinterpret_cast<const char*>(at) + sizeof length, length};
    }

    std::uint64_t after_value(std::uint64_t i) const {
        switch (letter(i)) {
            case '{':
            case '[':
                return after_container(i);
            case 'l':
            case 'u':
            case 'd':
                return i + 2;
            default:
                return i + 1;
        }
    }

    bool repeats_key(std::uint64_t object) {
        for (std::uint64_t i = object + 1; letter(i) == '"'; i = after_value(i + 1)) keys_.push(string_at(i));
        return keys_.close(0);
    }

    const std::uint64_t* tape_;
    const std::uint8_t* strings_;
    KeyStack& keys_;
};

// The fast way to a yes. Anything but a clear yes is left to the scanner: it alone words errors, and it
// accepts what simdjson cannot represent although RFC 8259 allows it (1e400, very long integers, lone
// surrogates in escapes).
std::optional<JsonFacts> quick_facts(std::string_view text, const JsonLimits& limits) {
    thread_local simdjson::dom::parser parser;
    thread_local KeyStack keys;
    // The parser keeps the memory of the largest document it has seen: big ones go the slower way.
    constexpr std::size_t most = 1u << 20;
    if (text.size() > most) return std::nullopt;
    if (parser.parse(text.data(), text.size()).error() != simdjson::SUCCESS) return std::nullopt;
    JsonFacts facts;
    keys.clear();
    if (!TapeFacts(parser.doc, keys).read(limits.max_depth, facts)) return std::nullopt;
    facts.has_newline = std::memchr(text.data(), '\n', text.size()) != nullptr ||
                        std::memchr(text.data(), '\r', text.size()) != nullptr;
    return facts;
}

}  // namespace

Result<JsonFacts> validate_json(std::string_view text, const JsonLimits& limits) {
    if (text.size() > limits.max_bytes)
        return fail(Code::too_large,
                    fmt::format("{} bytes of JSON: the limit is {}", text.size(), limits.max_bytes));
    if (trim_json(text).empty()) return fail(Code::empty_body, "expected JSON, but there is nothing");
    if (const auto facts = quick_facts(text, limits)) return *facts;
    return scan_json(text, limits);
}

}  // namespace tarn::codec
