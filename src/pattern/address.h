// IP addresses in the spellings that Event Ruler takes for one, and CIDR ranges of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "pattern/rule.h"

namespace tarn::pattern {

// Four decimal numbers with dots, or groups of hexadecimal digits with colons, the longest run of zeros as
// "::" or not. "::ffff:102:304" is the IPv4 address 1.2.3.4.
std::optional<Address> parse_address(std::string_view text);
// Has the characters of an address, though it may be none ("08:23").
bool looks_like_address(std::string_view text);
// First and last address of the network that `address` is in, `bits` being less than its width.
Address network_first(Address address, int bits);
Address network_last(Address address, int bits);

}  // namespace tarn::pattern
