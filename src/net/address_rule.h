// Which addresses a request may go to. Checked on the very address that is connected to, after the name was
// resolved, so that a name which resolves to something else the second time gains nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

struct sockaddr;

namespace tarn::net {

enum class AddressKind : std::uint8_t {
    outside,          // of the public network
    loopback,         //
    private_network,  // RFC 1918, shared (100.64/10), unique local (fc00::/7)
    special,          // unspecified, link-local with the metadata services, multicast, reserved
};

// IPv4 inside IPv6 (mapped, 6to4, NAT64) is judged as what it leads to.
AddressKind kind_of_address(const sockaddr* address);
// "127.0.0.1", "[::1]:80"; for messages.
std::string address_text(const sockaddr* address);

enum class AddressRule : std::uint8_t {
    any,                    // what the user himself points a command at
    no_private_networks,    // outside and loopback
    with_private_networks,  // these and private networks
};
bool allows(AddressRule rule, AddressKind kind);
// address_refused, and the next step.
Error refused_address_error(AddressKind kind, std::string_view url, std::string_view address);
// The same check on a URL whose host is an address as it is usually written; names pass.
Status check_address_in_url(AddressRule rule, std::string_view url);

}  // namespace tarn::net
