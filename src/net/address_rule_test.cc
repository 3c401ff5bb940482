#include "net/address_rule.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

namespace tarn::net {
namespace {

AddressKind kind_of(const char* text) {
    sockaddr_in four{};
    four.sin_family = AF_INET;
    if (::inet_pton(AF_INET, text, &four.sin_addr) == 1)
        return kind_of_address(reinterpret_cast<const sockaddr*>(&four));
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6;
    EXPECT_EQ(::inet_pton(AF_INET6, text, &six.sin6_addr), 1) << text;
    return kind_of_address(reinterpret_cast<const sockaddr*>(&six));
}

TEST(AddressKinds, AreKnown) {
    for (const char* text :
         {"8.8.8.8", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "192.169.0.1",
          "223.255.255.255", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"})
        EXPECT_EQ(kind_of(text), AddressKind::outside) << text;
    for (const char* text : {"127.0.0.1", "127.255.0.1", "::1", "::ffff:127.0.0.1"})
        EXPECT_EQ(kind_of(text), AddressKind::loopback) << text;
    for (const char* text :
         {"10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1", "100.100.100.200",
          "198.18.0.1", "fc00::1", "fdff::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::1"})
        EXPECT_EQ(kind_of(text), AddressKind::private_network) << text;
    for (const char* text :
         {"0.0.0.0", "0.1.2.3", "169.254.169.254", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.0.1",
          "::", "fe80::1", "ff02::1", "fd00:ec2::254", "::ffff:169.254.169.254", "100::1"})
        EXPECT_EQ(kind_of(text), AddressKind::special) << text;
}

TEST(AddressRules, AllowWhatTheySay) {
    for (const AddressKind kind : {AddressKind::outside, AddressKind::loopback})
        for (const AddressRule rule :
             {AddressRule::any, AddressRule::no_private_networks, AddressRule::with_private_networks})
            EXPECT_TRUE(allows(rule, kind));
    EXPECT_FALSE(allows(AddressRule::no_private_networks, AddressKind::private_network));
    EXPECT_TRUE(allows(AddressRule::with_private_networks, AddressKind::private_network));
    EXPECT_FALSE(allows(AddressRule::with_private_networks, AddressKind::special));
    EXPECT_TRUE(allows(AddressRule::any, AddressKind::special));
}

TEST(AddressRules, LookAtAUrlsHost) {
    const auto refuses = [](const char* url) {
        const Status checked = check_address_in_url(AddressRule::no_private_networks, url);
        return !checked && checked.error().code == Code::address_refused;
    };
    for (const char* url : {"http://10.0.0.1", "https://10.0.0.1:8443/x", "http://[fd12::1]/",
                            "http://[fe80::1]:80", "http://169.254.169.254?x=1"})
        EXPECT_TRUE(refuses(url)) << url;
    for (const char* url : {"http://127.0.0.1:80/", "http://[::1]/", "https://example.org/10.0.0.1",
                            "http://8.8.8.8", "http://name.10.0.0.1.example/"})
        EXPECT_FALSE(refuses(url)) << url;
}

}  // namespace
}  // namespace tarn::net
