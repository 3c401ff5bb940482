#include "pattern/address.h"

#include <algorithm>
#include <charconv>

namespace tarn::pattern {
namespace {

constexpr int kV4Bits = 32, kV6Bits = 128;
constexpr std::size_t kV4First = 12;  // where an IPv4 address begins among the 16 bytes

bool is_digit(char c) { return c >= '0' && c <= '9'; }

int hex_value(char c) {
    if (is_digit(c)) return c - '0';
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool looks_v4(std::string_view text) {
    int dots = 0;
    char before = '.';
    for (const char c : text) {
        if (c == '.' ? before == '.' || ++dots > 3 : !is_digit(c)) return false;
        before = c;
    }
    return dots == 3 && before != '.';
}

bool looks_v6(std::string_view text) {
    return text.find(':') != text.npos &&
           std::ranges::all_of(text, [](char c) { return c == ':' || hex_value(c) >= 0; });
}

// Leading zeros are no octal; the text has 15 characters at most.
std::optional<Address> parse_v4(std::string_view text) {
    constexpr std::size_t kLongest = 15;
    if (text.size() > kLongest) return std::nullopt;
    Address address;
    for (std::size_t i = kV4First; i < address.bytes.size(); ++i) {
        const auto end = std::min(text.find('.'), text.size());
        unsigned part = 0;
        std::from_chars(text.data(), text.data() + end, part);
        if (part > 255) return std::nullopt;
        address.bytes[i] = static_cast<std::uint8_t>(part);
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return address;
}

// The number of a group of hexadecimal digits, however many of them are leading zeros.
std::optional<unsigned> parse_group(std::string_view digits) {
    unsigned value = 0;
    for (const char c : digits) {
        value = value << 4 | static_cast<unsigned>(hex_value(c));
        if (value > 0xFFFF) return std::nullopt;
    }
    return value;
}

// Appends groups parted by single colons; false when one is empty, too large, or there is no room.
bool append_groups(std::string_view text, std::array<std::uint8_t, 16>& bytes, std::size_t& used) {
    while (!text.empty()) {
        const auto end = std::min(text.find(':'), text.size());
        const auto group = parse_group(text.substr(0, end));
        if (end == 0 || !group || used == bytes.size()) return false;
        bytes[used++] = static_cast<std::uint8_t>(*group >> 8);
        bytes[used++] = static_cast<std::uint8_t>(*group & 0xFF);
        if (end + 1 == text.size()) return false;  // ends with a colon
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return true;
}

// ::ffff:0:0/96 holds the IPv4 addresses.
void unmap(Address& address) {
    const auto& bytes = address.bytes;
    const bool zeros = std::all_of(bytes.begin(), bytes.begin() + 10, [](auto byte) { return byte == 0; });
    if (!zeros || bytes[10] != 0xFF || bytes[11] != 0xFF) return;
    std::fill_n(address.bytes.begin(), kV4First, std::uint8_t{0});
    address.v6 = false;
}

std::optional<Address> parse_v6(std::string_view text) {
    Address address{.v6 = true};
    std::array<std::uint8_t, 16> tail{};
    std::size_t used = 0, in_tail = 0;
    const auto gap = text.find("::");
    if (!append_groups(text.substr(0, gap), address.bytes, used)) return std::nullopt;
    if (gap == text.npos) {
        if (used != address.bytes.size()) return std::nullopt;
    } else {
        if (!append_groups(text.substr(gap + 2), tail, in_tail)) return std::nullopt;
        if (used + in_tail >= address.bytes.size()) return std::nullopt;
        std::copy_n(tail.begin(), in_tail, address.bytes.end() - static_cast<std::ptrdiff_t>(in_tail));
    }
    unmap(address);
    return address;
}

// Sets the bits from `bits` on to zero or one.
Address with_host_bits(Address address, int bits, bool ones) {
    const int first = (address.v6 ? 0 : kV6Bits - kV4Bits) + bits;
    for (int bit = first; bit < kV6Bits; ++bit) {
        const auto mask = static_cast<std::uint8_t>(0x80u >> (bit % 8));
        auto& byte = address.bytes[static_cast<std::size_t>(bit / 8)];
        byte = static_cast<std::uint8_t>(ones ? byte | mask : byte & ~mask);
    }
    return address;
}

}  // namespace

bool looks_like_address(std::string_view text) { return looks_v4(text) || looks_v6(text); }

std::optional<Address> parse_address(std::string_view text) {
    if (looks_v4(text)) return parse_v4(text);
    if (looks_v6(text)) return parse_v6(text);
    return std::nullopt;
}

Address network_first(Address address, int bits) { return with_host_bits(address, bits, false); }

Address network_last(Address address, int bits) { return with_host_bits(address, bits, true); }

}  // namespace tarn::pattern
