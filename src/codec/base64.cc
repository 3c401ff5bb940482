#include "codec/base64.h"

#include <array>
#include <cstdint>

namespace tarn::codec {
namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t bad = 0xFF;

constexpr std::array<std::uint8_t, 256> make_reverse() {
    std::array<std::uint8_t, 256> table{};
    table.fill(bad);
    for (std::size_t i = 0; i < alphabet.size(); ++i)
        table[static_cast<std::uint8_t>(alphabet[i])] = static_cast<std::uint8_t>(i);
    return table;
}
constexpr auto reverse_table = make_reverse();

std::uint32_t byte_at(std::string_view bytes, std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); }

// The value of one digit, or a number with bit 8 or higher set.
std::uint32_t digit_at(std::string_view text, std::size_t i) {
    const std::uint32_t value = reverse_table[byte_at(text, i)];
    return value == bad ? 0x8000'0000 : value;
}

// One or two bytes at the end and their padding. The bits that the padding leaves over must be zero, so that
// each byte sequence has one text.
bool decode_tail(std::string_view quad, std::string& out) {
    const std::uint32_t a = digit_at(quad, 0);
    const std::uint32_t b = digit_at(quad, 1);
    if (quad[2] == '=') {
        if (((a | b) >> 31) != 0 || (b & 0xF) != 0) return false;
        out += static_cast<char>(a << 2 | b >> 4);
        return true;
    }
    const std::uint32_t c = digit_at(quad, 2);
    if (((a | b | c) >> 31) != 0 || (c & 3) != 0) return false;
    out += static_cast<char>(a << 2 | b >> 4);
    out += static_cast<char>(b << 4 | c >> 2);
    return true;
}

}  // namespace

void append_base64(std::string& out, std::string_view bytes) {
    const std::size_t start = out.size();
    out.resize(start + (bytes.size() + 2) / 3 * 4);
    char* to = out.data() + start;
    std::size_t i = 0;
    for (; i + 3 <= bytes.size(); i += 3) {
        const std::uint32_t group =
            byte_at(bytes, i) << 16 | byte_at(bytes, i + 1) << 8 | byte_at(bytes, i + 2);
        *to++ = alphabet[group >> 18];
        *to++ = alphabet[group >> 12 & 63];
        *to++ = alphabet[group >> 6 & 63];
        *to++ = alphabet[group & 63];
    }
    const std::size_t left = bytes.size() - i;
    if (left == 0) return;
    const std::uint32_t group = byte_at(bytes, i) << 16 | (left == 2 ? byte_at(bytes, i + 1) << 8 : 0);
    *to++ = alphabet[group >> 18];
    *to++ = alphabet[group >> 12 & 63];
    *to++ = left == 2 ? alphabet[group >> 6 & 63] : '=';
    *to = '=';
}

std::string base64_encode(std::string_view bytes) {
    std::string out;
    append_base64(out, bytes);
    return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
    if (text.size() % 4 != 0) return std::nullopt;
    std::string out;
    if (text.empty()) return out;
    out.reserve(text.size() / 4 * 3);
    const bool padded = text.back() == '=';
    const std::size_t whole = text.size() - (padded ? 4 : 0);
    for (std::size_t i = 0; i < whole; i += 4) {
        const std::uint32_t a = digit_at(text, i), b = digit_at(text, i + 1);
        const std::uint32_t c = digit_at(text, i + 2), d = digit_at(text, i + 3);
        if (((a | b | c | d) >> 31) != 0) return std::nullopt;
        const std::uint32_t group = a << 18 | b << 12 | c << 6 | d;
        out += static_cast<char>(group >> 16);
        out += static_cast<char>(group >> 8);
        out += static_cast<char>(group);
    }
    if (padded && !decode_tail(text.substr(whole), out)) return std::nullopt;
    return out;
}

}  // namespace tarn::codec
