#include "query/engine_json.h"

#include <charconv>
#include <cstdint>

namespace tarn::query {
namespace {

constexpr std::size_t escape_bytes = 6;  // \uXXXX

enum class Half { none, high, low };

// What kind of surrogate the escape at `at` stands for.
Half half_at(std::string_view json, std::size_t at) {
    if (at + escape_bytes > json.size() || json[at] != '\\' || json[at + 1] != 'u') return Half::none;
    std::uint32_t unit = 0;
    std::from_chars(json.data() + at + 2, json.data() + at + escape_bytes, unit, 16);
    if (unit >= 0xd800 && unit < 0xdc00) return Half::high;
    if (unit >= 0xdc00 && unit < 0xe000) return Half::low;
    return Half::none;
}

// The first unpaired half at or after `at`, npos when there is none. Backslashes stand only in strings, where
// each begins an escape of two bytes or of six.
std::size_t find_unpaired(std::string_view json, std::size_t at) {
    for (at = json.find('\\', at); at != json.npos; at = json.find('\\', at)) {
        const Half half = half_at(json, at);
        if (half == Half::none) {
            at += 2;
        } else if (half == Half::high && half_at(json, at + escape_bytes) == Half::low) {
            at += 2 * escape_bytes;
        } else {
            return at;
        }
    }
    return json.npos;
}

}  // namespace

std::string_view engine_json(std::string_view json, std::string& scratch) {
    std::size_t at = find_unpaired(json, 0);
    if (at == json.npos) return json;
    scratch = json;
    for (; at != std::string::npos; at = find_unpaired(scratch, at + escape_bytes))
        scratch.replace(at, escape_bytes, "\\ufffd");
    return scratch;
}

}  // namespace tarn::query
