#include "core/endpoint.hpp"

#include <random>
#include <unordered_set>

#include <arpa/inet.h>
#include <gtest/gtest.h>

namespace sipfront::core {
namespace {

std::string canonical(std::string_view text) {
    const auto a = IpAddress::parse(text);
    return a ? a->to_string() : "not an address";
}

TEST(IpAddress, ParsesDottedQuads) {
    EXPECT_EQ(IpAddress::parse("10.77.0.1"), IpAddress::v4(0x0a4d0001));
    EXPECT_EQ(IpAddress::parse("0.0.0.0"), IpAddress::v4(0));
    EXPECT_EQ(IpAddress::parse("255.255.255.255"), IpAddress::v4(0xffffffff));
    EXPECT_EQ(IpAddress::v4(0x0a4d0001).v4_host_order(), 0x0a4d0001U);
}

TEST(IpAddress, WritesEveryOctetAsItReadsIt) {
    for (std::uint32_t n = 0; n < 256; ++n) {
        EXPECT_EQ(octet_text(static_cast<std::uint8_t>(n)), std::to_string(n));
        const auto text = std::to_string(n) + "." + std::to_string(255 - n) + ".0." + std::to_string(n);
        const auto a = IpAddress::parse(text);
        ASSERT_TRUE(a) << text;
        EXPECT_EQ(a->to_string(), text);
    }
}

TEST(Port, IsWrittenAsToStringWouldWriteIt) {
    for (std::uint32_t port = 0; port < 65536; ++port) {
        std::array<char, 5> text;
        const auto n = write_port(text.data(), static_cast<std::uint16_t>(port));
        ASSERT_EQ((std::string{text.data(), n}), std::to_string(port));
    }
}

TEST(IpAddress, RefusesWhatIsNoDottedQuad) {
    for (const auto* text : {"",         ".",         "1",         "1.2.3",      "1.2.3.",      ".1.2.3",      "1..2.3",
                             "1.2.3.4.", "1.2.3.4.5", "256.1.1.1", "1.2.3.1000", "01.2.3.4",    "1.2.3.04",    "1.2.3.4 ",
                             " 1.2.3.4", "1.2.3.a",   "+1.2.3.4",  "[1.2.3.4]",  "example.com", "1.2.3.4:5060"}) {
        EXPECT_FALSE(IpAddress::parse(text)) << text;
    }
}

TEST(IpAddress, ParsesIpv6WithAndWithoutBrackets_Rfc5118_4_1) {
    EXPECT_EQ(canonical("2001:db8::10"), "2001:db8::10");
    EXPECT_EQ(canonical("[2001:db8::10]"), "2001:db8::10");
    EXPECT_EQ(canonical("2001:DB8:0:0:0:0:0:10"), "2001:db8::10");
    EXPECT_EQ(canonical("::"), "::");
    EXPECT_EQ(canonical("::1"), "::1");
    EXPECT_EQ(canonical("fe80::"), "fe80::");
    EXPECT_EQ(canonical("1:2:3:4:5:6:7::"), "1:2:3:4:5:6:7:0");
    EXPECT_EQ(canonical("::2:3:4:5:6:7:8"), "0:2:3:4:5:6:7:8");
}

TEST(IpAddress, ADigitGroupBehindTheAddressIsNoPort_Rfc5118_4_3) { EXPECT_EQ(canonical("[2001:db8::10:5070]"), "2001:db8::10:5070"); }

TEST(IpAddress, ParsesIpv4MappedAsIpv6_Rfc5118_4_9) {
    const auto mapped = IpAddress::parse("::ffff:192.0.2.10");
    ASSERT_TRUE(mapped);
    EXPECT_TRUE(mapped->is_v6());
    EXPECT_EQ(mapped->to_string(), "::ffff:192.0.2.10");
    EXPECT_NE(mapped, IpAddress::parse("192.0.2.10"));
}

TEST(IpAddress, TwoColonsBeforeAnEmbeddedIpv4AreRightAndThreeAreNot_Rfc5118_4_10) {
    EXPECT_EQ(canonical("2001:db8::192.0.2.1"), "2001:db8::c000:201");
    EXPECT_FALSE(IpAddress::parse("2001:db8:::192.0.2.1"));
    EXPECT_FALSE(IpAddress::parse("[2001:db8:::192.0.2.1]"));
}

TEST(IpAddress, RefusesMalformedIpv6) {
    for (const auto* text : {":",
                             ":::",
                             "1::2::3",
                             "1:2:3:4:5:6:7",
                             "1:2:3:4:5:6:7:8:9",
                             "1:2:3:4:5:6:7:8::",
                             "::1:2:3:4:5:6:7:8",
                             "12345::",
                             "g::",
                             "1:2:3:4:5:6:7:",
                             ":1:2:3:4:5:6:7",
                             "::1.2.3",
                             "::1.2.3.4:5",
                             "1:2:3:4:5:6:7:1.2.3.4",
                             "::256.0.0.1",
                             "[::1",
                             "::1]",
                             "[]",
                             "[[::1]]",
                             "fe80::1%eth0",
                             "1.2.3.4::",
                             "::1 "}) {
        EXPECT_FALSE(IpAddress::parse(text)) << text;
    }
}

TEST(IpAddress, WritesTheShortestForm_Rfc5952_4) {
    EXPECT_EQ(canonical("2001:0db8:0000:0000:0001:0000:0000:0001"), "2001:db8::1:0:0:1");
    EXPECT_EQ(canonical("1:0:0:2:0:0:0:3"), "1:0:0:2::3");
    EXPECT_EQ(canonical("1:0:2:0:3:0:4:0"), "1:0:2:0:3:0:4:0");
    EXPECT_EQ(canonical("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255"), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    EXPECT_EQ(IpAddress{}.to_string(), "");
}

// The C library reads and writes the same language, apart from its dotted form of ::a.b.c.d.
TEST(IpAddress, AgreesWithTheCLibraryOnRandomAddresses) {
    std::mt19937_64 random{5952};
    for (int i = 0; i < 20000; ++i) {
        std::array<std::uint8_t, 16> octets{};
        const auto zeros = random();
        for (std::size_t b = 0; b < octets.size(); ++b) octets[b] = (zeros >> (b / 2)) & 1 ? 0 : static_cast<std::uint8_t>(random());
        const auto a = IpAddress::v6(octets);
        const auto text = a.to_string();
        ASSERT_LE(text.size(), IpAddress::max_text);
        ASSERT_EQ(IpAddress::parse(text), a) << text;
        std::array<std::uint8_t, 16> theirs{};
        ASSERT_EQ(::inet_pton(AF_INET6, text.c_str(), theirs.data()), 1) << text;
        ASSERT_EQ(theirs, octets) << text;
        std::array<char, INET6_ADDRSTRLEN> written{};
        ASSERT_NE(::inet_ntop(AF_INET6, octets.data(), written.data(), written.size()), nullptr);
        ASSERT_EQ(IpAddress::parse(written.data()), a) << written.data();
        if (std::string_view{written.data()}.find('.') == std::string_view::npos) {
            ASSERT_EQ(text, written.data());
        }
    }
}

TEST(IpAddress, AgreesWithTheCLibraryOnRandomText) {
    std::mt19937 random{4291};
    constexpr std::string_view alphabet = "0123:::fF.1";
    std::size_t accepted = 0;
    for (int i = 0; i < 200000; ++i) {
        std::string text(1 + random() % 14, ' ');
        for (auto& c : text) c = alphabet[random() % alphabet.size()];
        std::array<std::uint8_t, 16> octets{};
        const bool v6 = ::inet_pton(AF_INET6, text.c_str(), octets.data()) == 1;
        const bool v4 = ::inet_pton(AF_INET, text.c_str(), octets.data()) == 1;
        const auto ours = IpAddress::parse(text);
        ASSERT_EQ(ours.has_value(), v4 || v6) << text;
        if (!ours) continue;
        ++accepted;
        ASSERT_EQ(ours->is_v6(), v6) << text;
        ASSERT_EQ(std::memcmp(ours->bytes().data(), octets.data(), ours->bytes().size()), 0) << text;
    }
    EXPECT_GT(accepted, 100U);
}

TEST(IpAddress, EveryShapeOfDottedQuadsAndEveryOctetInIt) {
    const auto octet = [](std::string_view text) {
        const bool digits = !text.empty() && text.size() <= 3 && text.find_first_not_of("0123456789") == std::string_view::npos;
        return digits && (text[0] != '0' || text.size() == 1) && std::stoi(std::string{text}) <= 255;
    };
    const auto is_address = [&octet](std::string_view text) {
        for (int dots = 0; dots < 3; ++dots) {
            const auto dot = text.find('.');
            if (dot == std::string_view::npos || !octet(text.substr(0, dot))) return false;
            text.remove_prefix(dot + 1);
        }
        return octet(text);
    };
    constexpr std::string_view octets[] = {"0", "9", "10", "99", "100", "255", "256", "01", "00", "000", "300", "1000", ""};
    for (const auto a : octets)
        for (const auto b : octets)
            for (const auto c : octets)
                for (const auto d : octets) {
                    const auto text = std::string{a}.append(".").append(b).append(".").append(c).append(".").append(d);
                    const auto found = IpAddress::parse(text);
                    ASSERT_EQ(found.has_value(), is_address(text)) << text;
                    if (found.has_value()) {
                        ASSERT_EQ(found->to_string(), text);
                    }
                }
    for (const std::string_view good : {"1.2.3.4", "10.77.0.1", "10.77.0.100", "192.168.100.254"}) {
        for (std::size_t at = 0; at < good.size(); ++at) {
            for (int c = 0; c < 256; ++c) {
                std::string text{good};
                text[at] = static_cast<char>(c);
                ASSERT_EQ(IpAddress::parse(text).has_value(), is_address(text)) << text;
            }
        }
    }
}

TEST(IpAddress, KnowsMulticast) {
    EXPECT_TRUE(IpAddress::parse("224.0.1.75")->is_multicast());
    EXPECT_TRUE(IpAddress::parse("ff02::1")->is_multicast());
    EXPECT_FALSE(IpAddress::parse("10.0.0.1")->is_multicast());
    EXPECT_FALSE(IpAddress{}.is_multicast());
}

TEST(IpAddress, PrivateOnesMeanSomethingBehindANatOnly) {
    for (const auto* text : {"10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.5", "100.64.0.1", "169.254.3.3", "fd00::1", "fe80::1"})
        EXPECT_TRUE(IpAddress::parse(text)->is_private()) << text;
    for (const auto* text : {"11.0.0.1", "172.32.0.1", "192.169.0.1", "100.128.0.1", "198.51.100.7", "2001:db8::1", "ff02::1"})
        EXPECT_FALSE(IpAddress::parse(text)->is_private()) << text;
}

TEST(Endpoint, ParsesHostAndPort) {
    EXPECT_EQ(Endpoint::parse("10.77.0.1:5060"), (Endpoint{IpAddress::v4(0x0a4d0001), 5060}));
    EXPECT_EQ(Endpoint::parse("10.77.0.1", 5070)->port, 5070);
    EXPECT_EQ(Endpoint::parse("[fd77::1]:5061")->to_string(), "[fd77::1]:5061");
    EXPECT_EQ(Endpoint::parse("[fd77::1]", 5060)->to_string(), "[fd77::1]:5060");
    EXPECT_EQ(Endpoint::parse("fd77::1", 5060)->to_string(), "[fd77::1]:5060");
    EXPECT_EQ(Endpoint::parse("10.77.0.1:65535")->port, 65535);
}

TEST(Endpoint, RefusesBadPortsAndHosts) {
    for (const auto* text : {"10.0.0.1:", "10.0.0.1:x", "10.0.0.1:65536", "10.0.0.1:999999", "10.0.0.1:-1", "10.0.0.1:+5", ":5060",
                             "[::1]5060", "[::1]:", "[::1", "[10.0.0.1]:5060", "host:5060", ""}) {
        EXPECT_FALSE(Endpoint::parse(text, 5060)) << text;
    }
}

TEST(Endpoint, WritesAtMostMaxText) {
    const auto longest = Endpoint::parse("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
    ASSERT_TRUE(longest);
    std::array<char, Endpoint::max_text> out{};
    EXPECT_LE(longest->write(out.data()), out.size());
    EXPECT_EQ((Endpoint{IpAddress::v4(0x0a4d0001), 0}).to_string(), "10.77.0.1:0");
}

TEST(Prefix, ParsesAndClearsHostBits) {
    EXPECT_EQ(Prefix::parse("10.77.3.9/16")->to_string(), "10.77.0.0/16");
    EXPECT_EQ(Prefix::parse("fd77:1:2::9/33")->to_string(), "fd77:1::/33");
    EXPECT_EQ(Prefix::parse("10.0.0.1")->to_string(), "10.0.0.1/32");
    EXPECT_EQ(Prefix::parse("::1")->to_string(), "::1/128");
    EXPECT_EQ(Prefix::parse("1.2.3.4/0")->to_string(), "0.0.0.0/0");
    for (const auto* text : {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "::/129", "::/1280", "10.0.0.0/8/8", "host/8"})
        EXPECT_FALSE(Prefix::parse(text)) << text;
}

TEST(Prefix, ContainsExactlyTheAddressesOfItsBits) {
    std::mt19937_64 random{7};
    for (int i = 0; i < 20000; ++i) {
        std::array<std::uint8_t, 16> octets{};
        for (auto& o : octets) o = static_cast<std::uint8_t>(random());
        const bool v4 = i % 2 == 0;
        const auto address = [&] {
            return v4 ? IpAddress::v4((std::uint32_t{octets[0]} << 24) | (std::uint32_t{octets[1]} << 16) |
                                      (std::uint32_t{octets[2]} << 8) | octets[3])
                      : IpAddress::v6(octets);
        };
        const auto bits = v4 ? 32U : 128U;
        const auto length = static_cast<unsigned>(random() % (bits + 1));
        const auto prefix = Prefix::parse(address().to_string() + '/' + std::to_string(length));
        ASSERT_TRUE(prefix);
        ASSERT_TRUE(prefix->contains(address()));
        const auto flipped = static_cast<unsigned>(random() % bits);
        octets[flipped / 8] ^= static_cast<std::uint8_t>(0x80U >> (flipped % 8));
        ASSERT_EQ(prefix->contains(address()), flipped >= length) << prefix->to_string() << ' ' << flipped;
    }
    EXPECT_FALSE(Prefix::parse("0.0.0.0/0")->contains(*IpAddress::parse("::1")));
    EXPECT_FALSE(Prefix::parse("::/0")->contains(*IpAddress::parse("1.2.3.4")));
}

TEST(Transport, NamesRoundTripInAnyCase) {
    for (const auto t : {Transport::udp, Transport::tcp, Transport::tls}) {
        EXPECT_EQ(parse_transport(param_name(t)), t);
        EXPECT_EQ(parse_transport(via_name(t)), t);
    }
    EXPECT_EQ(parse_transport("TlS"), Transport::tls);
    for (const auto* text : {"", "sctp", "udpx", "ud", "ws"}) EXPECT_FALSE(parse_transport(text)) << text;
}

TEST(EndpointHash, SpreadsNeighbouringAddressesAndPorts) {
    std::unordered_set<std::size_t> hashes;
    std::array<int, 64> buckets{};
    const EndpointHash hash;
    for (std::uint32_t host = 0; host < 256; ++host) {
        for (std::uint16_t port = 5060; port < 5076; ++port) {
            const auto h = hash(Endpoint{IpAddress::v4(0x0a4d0000 + host), port});
            hashes.insert(h);
            ++buckets[h % 64];
        }
    }
    EXPECT_EQ(hashes.size(), 4096U);
    for (const auto n : buckets) EXPECT_NEAR(n, 64, 40);
    EXPECT_NE(hash(*IpAddress::parse("fd77::1")), hash(*IpAddress::parse("fd77::2")));
    EXPECT_NE(hash(*IpAddress::parse("fd77::1")), hash(*IpAddress::parse("fd78::1")));
    EXPECT_NE(hash(*IpAddress::parse("0.0.0.0")), hash(*IpAddress::parse("::")));
    EXPECT_EQ(hash(*Endpoint::parse("[fd77::1]:5060")), hash(*Endpoint::parse("[fd77:0::1]:5060")));
}

}  // namespace
}  // namespace sipfront::core
