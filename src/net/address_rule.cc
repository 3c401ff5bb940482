#include "net/address_rule.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace tarn::net {
namespace {

struct Network {
    std::uint32_t address;
    int bits;
    AddressKind kind;
};

constexpr std::uint32_t ipv4(unsigned a, unsigned b, unsigned c, unsigned d) {
    return a << 24 | b << 16 | c << 8 | d;
}

constexpr Network networks[] = {
    {ipv4(0, 0, 0, 0), 8, AddressKind::special},
    {ipv4(127, 0, 0, 0), 8, AddressKind::loopback},
    {ipv4(10, 0, 0, 0), 8, AddressKind::private_network},
    {ipv4(172, 16, 0, 0), 12, AddressKind::private_network},
    {ipv4(192, 168, 0, 0), 16, AddressKind::private_network},
    {ipv4(100, 64, 0, 0), 10, AddressKind::private_network},
    {ipv4(198, 18, 0, 0), 15, AddressKind::private_network},
    {ipv4(169, 254, 0, 0), 16, AddressKind::special},
    {ipv4(192, 0, 0, 0), 24, AddressKind::special},
    {ipv4(224, 0, 0, 0), 3, AddressKind::special},  // multicast, reserved, broadcast
};

AddressKind kind_of_ipv4(std::uint32_t address) {
    for (const Network& network : networks)
        if (address >> (32 - network.bits) == network.address >> (32 - network.bits)) return network.kind;
    return AddressKind::outside;
}

using Ipv6 = std::array<std::uint8_t, 16>;

std::uint32_t ipv4_at(const Ipv6& bytes, std::size_t at) {
    return ipv4(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]);
}

bool begins_with(const Ipv6& bytes, std::initializer_list<std::uint8_t> prefix) {
    return std::equal(prefix.begin(), prefix.end(), bytes.begin());
}

AddressKind kind_of_ipv6(const Ipv6& bytes) {
    if (begins_with(bytes, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}))
        return kind_of_ipv4(ipv4_at(bytes, 12));
    if (begins_with(bytes, {0, 0x64, 0xff, 0x9b})) return kind_of_ipv4(ipv4_at(bytes, 12));
    if (begins_with(bytes, {0x20, 0x02})) return kind_of_ipv4(ipv4_at(bytes, 2));
    if (begins_with(bytes, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1})) return AddressKind::loopback;
    // The metadata service of a cloud stands within its unique local network.
    if (begins_with(bytes, {0xfd, 0x00, 0x0e, 0xc2})) return AddressKind::special;
    if ((bytes[0] & 0xfe) == 0xfc) return AddressKind::private_network;
    // Only 2000::/3 is the public network; the rest is link-local, multicast or nobody's.
    return (bytes[0] & 0xe0) == 0x20 ? AddressKind::outside : AddressKind::special;
}

std::string_view name_of(AddressKind kind) {
    switch (kind) {
        case AddressKind::loopback:
            return "loopback";
        case AddressKind::private_network:
            return "private";
        case AddressKind::special:
            return "link-local, metadata or otherwise special";
        case AddressKind::outside:
            break;
    }
    return "public";
}

}  // namespace

AddressKind kind_of_address(const sockaddr* address) {
    if (address->sa_family == AF_INET) {
        sockaddr_in in{};
        std::memcpy(&in, address, sizeof in);
        return kind_of_ipv4(ntohl(in.sin_addr.s_addr));
    }
    if (address->sa_family != AF_INET6) return AddressKind::special;
    sockaddr_in6 in{};
    std::memcpy(&in, address, sizeof in);
    Ipv6 bytes{};
    std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
    return kind_of_ipv6(bytes);
}

std::string address_text(const sockaddr* address) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    const bool is_ipv6 = address->sa_family == AF_INET6;
    const char* const bytes = reinterpret_cast<const char*>(address) +
                              (is_ipv6 ? offsetof(sockaddr_in6, sin6_addr) : offsetof(sockaddr_in, sin_addr));
    ::inet_ntop(is_ipv6 ? AF_INET6 : AF_INET, bytes, text.data(), text.size());
    return text.data();
}

bool allows(AddressRule rule, AddressKind kind) {
    if (rule == AddressRule::any || kind == AddressKind::outside || kind == AddressKind::loopback)
        return true;
    return rule == AddressRule::with_private_networks && kind == AddressKind::private_network;
}

Error refused_address_error(AddressKind kind, std::string_view url, std::string_view address) {
    return make_error(
        Code::address_refused, fmt::format("{}: {} is a {} address", url, address, name_of(kind)),
        {.next = kind == AddressKind::private_network
                     ? "declare it in tarn.yaml: targets: {NAME: {url: …, allow_private: true}}, and send "
                       "to target:NAME"
                     : "name a host that has another address"});
}

Status check_address_in_url(AddressRule rule, std::string_view url) {
    std::string_view host = url.substr(url.find("://") + 3);
    host = host.substr(0, host.find_first_of("/?"));
    const bool is_bracketed = host.starts_with('[');
    const std::string name(is_bracketed ? host.substr(1, host.find(']') - 1)
                                        : host.substr(0, host.find(':')));
    sockaddr_in6 six{};
    sockaddr_in four{};
    six.sin6_family = AF_INET6;
    four.sin_family = AF_INET;
    const sockaddr* address = nullptr;
    if (is_bracketed && ::inet_pton(AF_INET6, name.c_str(), &six.sin6_addr) == 1)
        address = reinterpret_cast<const sockaddr*>(&six);
    if (!is_bracketed && ::inet_pton(AF_INET, name.c_str(), &four.sin_addr) == 1)
        address = reinterpret_cast<const sockaddr*>(&four);
    if (address == nullptr || allows(rule, kind_of_address(address))) return {};
    return fail(refused_address_error(kind_of_address(address), url, name));
}

}  // namespace tarn::net
