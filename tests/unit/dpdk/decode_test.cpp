#include <gtest/gtest.h>

#include "dpdk/headers.hpp"
#include "frames.hpp"

namespace sipfront::dpdk {
namespace {

using namespace test;
using Verdict = Decoded::Verdict;

Decoded decode_frame(const Frame& f) { return decode(f, {}); }

std::string_view payload(const Frame& f, const Decoded& d) {
    return {reinterpret_cast<const char*>(f.data()) + d.payload_offset, d.payload_length};
}

UdpFrame ipv6_frame() {
    UdpFrame f;
    f.source = endpoint("[fd77::2]:5062");
    f.destination = endpoint("[fd77::100]:5060");
    return f;
}

TEST(Decode, ReadsIpv4Udp) {
    const UdpFrame u;
    const auto f = u.build();
    const auto d = decode_frame(f);
    ASSERT_EQ(d.verdict, Verdict::udp);
    EXPECT_EQ(d.source, u.source);
    EXPECT_EQ(d.destination, u.destination);
    EXPECT_EQ(d.ethernet_source, peer_mac);
    EXPECT_EQ(d.ethernet_destination, our_mac);
    EXPECT_EQ(d.hops, 64);
    EXPECT_EQ(payload(f, d), u.payload);
    EXPECT_TRUE(udp_checksum_ok(f, d));
}

TEST(Decode, ReadsIpv6Udp) {
    const auto u = ipv6_frame();
    const auto f = u.build();
    const auto d = decode_frame(f);
    ASSERT_EQ(d.verdict, Verdict::udp);
    EXPECT_EQ(d.source, u.source);
    EXPECT_EQ(d.destination, u.destination);
    EXPECT_EQ(payload(f, d), u.payload);
    EXPECT_TRUE(udp_checksum_ok(f, d));
}

TEST(Decode, ToleratesPaddingBehindTheIpPacket) {
    UdpFrame u;
    u.payload = "\r\n\r\n";
    u.padding = 14;
    const auto f = u.build();
    const auto d = decode_frame(f);
    ASSERT_EQ(d.verdict, Verdict::udp);
    EXPECT_EQ(payload(f, d), "\r\n\r\n");
}

TEST(Decode, SkipsIpv4Options_Rfc791_3_1) {
    UdpFrame u;
    u.ipv4_options = {0x94, 0x04, 0, 0, 1, 1, 1, 0};  // router alert, padding
    const auto f = u.build();
    const auto d = decode_frame(f);
    ASSERT_EQ(d.verdict, Verdict::udp);
    EXPECT_EQ(payload(f, d), u.payload);
    EXPECT_TRUE(udp_checksum_ok(f, d));
}

TEST(Decode, UnderstandsVlanTagsUpToTwo) {
    UdpFrame u;
    u.vlans = {100};
    auto d = decode_frame(u.build());
    EXPECT_EQ(d.verdict, Verdict::udp);
    EXPECT_EQ(d.vlan, 100);
    u.vlans = {0x6000};  // priority 3, VLAN 0: no VLAN
    EXPECT_EQ(decode_frame(u.build()).vlan, 0);
    u.vlans = {200, 100};
    d = decode_frame(u.build());
    EXPECT_EQ(d.verdict, Verdict::udp);
    EXPECT_EQ(d.vlan, 200);
    u.vlans = {1, 2, 3};
    EXPECT_EQ(decode_frame(u.build()).verdict, Verdict::other);
}

TEST(Decode, WalksIpv6ExtensionHeaders_Rfc8200_4) {
    auto u = ipv6_frame();
    u.first_header = 0;                                                // hop-by-hop
    u.extensions = {60, 0, 1, 4,  0, 0, 0, 0,                          // hop-by-hop -> destination options
                    44, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  // destination options, 16 octets -> fragment
                    17, 0, 0, 0,  0, 0, 0, 9};                         // atomic fragment (RFC 6946) -> UDP
    const auto f = u.build();
    const auto d = decode_frame(f);
    ASSERT_EQ(d.verdict, Verdict::udp);
    EXPECT_EQ(payload(f, d), u.payload);
    EXPECT_TRUE(udp_checksum_ok(f, d));
}

TEST(Decode, RefusesHopByHopThatIsNotFirst_Rfc8200_4_1) {
    auto u = ipv6_frame();
    u.first_header = 60;
    u.extensions = {0, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0};
    const auto d = decode_frame(u.build());
    EXPECT_EQ(d.verdict, Verdict::bad);
    EXPECT_EQ(d.reason, Drop::ip_header);
}

TEST(Decode, BoundsTheNumberOfExtensionHeaders) {
    auto u = ipv6_frame();
    u.first_header = 60;
    for (int i = 0; i < 9; ++i) put(u.extensions, Frame{static_cast<std::uint8_t>(i < 8 ? 60 : 17), 0, 1, 4, 0, 0, 0, 0});
    EXPECT_EQ(decode_frame(u.build()).verdict, Verdict::bad);
}

TEST(Decode, LeavesOtherExtensionHeadersAlone) {
    auto u = ipv6_frame();
    u.first_header = 43;  // routing
    u.extensions = {17, 0, 4, 0, 0, 0, 0, 0};
    EXPECT_EQ(decode_frame(u.build()).verdict, Verdict::other);
}

TEST(Decode, TellsIpv4Fragments) {
    for (const auto flags : {std::uint8_t{0x20}, std::uint8_t{0}}) {
        auto f = UdpFrame{}.build();
        f[20] = flags;
        f[21] = flags == 0 ? 0xb9 : 0;
        const auto d = decode(f, {.verify_ip_checksum = false});
        EXPECT_EQ(d.verdict, Verdict::fragment);
        EXPECT_EQ(d.destination.address, ip("10.77.0.100"));
        EXPECT_EQ(d.destination.port, 0);
    }
    auto f = UdpFrame{}.build();
    f[20] = 0x40;  // only "don't fragment"
    EXPECT_EQ(decode(f, {.verify_ip_checksum = false}).verdict, Verdict::udp);
}

TEST(Decode, TellsIpv6Fragments) {
    auto u = ipv6_frame();
    u.first_header = 44;
    u.extensions = {17, 0, 0, 1, 0, 0, 0, 9};  // offset 0, more
    EXPECT_EQ(decode_frame(u.build()).verdict, Verdict::fragment);
    u.extensions[3] = 8;  // offset 1, last
    EXPECT_EQ(decode_frame(u.build()).verdict, Verdict::fragment);
}

TEST(Decode, LeavesArpTcpAndTunnelsToTheKernel) {
    Frame arp;
    put(arp, MacAddress::broadcast().octets);
    put(arp, peer_mac.octets);
    put16(arp, 0x0806);
    arp.resize(60);
    EXPECT_EQ(decode_frame(arp).verdict, Verdict::other);
    for (const auto protocol : {std::uint8_t{2}, std::uint8_t{6}, std::uint8_t{47}, std::uint8_t{58}}) {
        auto f = UdpFrame{}.build();
        f[23] = protocol;
        EXPECT_EQ(decode(f, {.verify_ip_checksum = false}).verdict, Verdict::other);
    }
}

TEST(Decode, CountsWhyAFrameIsBad) {
    const auto reason_with = [](std::size_t at, std::uint8_t value, bool verify = false) {
        auto f = UdpFrame{}.build();
        f[at] = value;
        const auto d = decode(f, {.verify_ip_checksum = verify});
        EXPECT_EQ(d.verdict, Verdict::bad);
        return d.reason;
    };
    EXPECT_EQ(reason_with(14, 0x65), Drop::ip_header);        // version 6 in an IPv4 frame
    EXPECT_EQ(reason_with(14, 0x44), Drop::ip_header);        // header of 16 octets
    EXPECT_EQ(reason_with(16, 0x40), Drop::truncated);        // total length beyond the frame
    EXPECT_EQ(reason_with(17, 19), Drop::ip_header);          // total length below the header's
    EXPECT_EQ(reason_with(22, 63, true), Drop::ip_checksum);  // TTL changed
    EXPECT_EQ(reason_with(38, 0x40), Drop::udp_length);       // UDP length beyond the packet
    EXPECT_EQ(reason_with(39, 7), Drop::udp_length);          // and below its header
}

TEST(Answerable, RefusesSourcesThatNoAnswerReaches_Rfc1122_3_2_1_3) {
    for (const auto* source : {"0.1.2.3:5060", "127.0.0.1:5060", "224.0.0.1:5060", "255.255.255.255:5060", "10.77.0.2:0", "[::]:5060",
                               "[::1]:5060", "[ff02::1]:5060"}) {
        EXPECT_FALSE(answerable(endpoint(source))) << source;
    }
    for (const auto* source : {"10.77.0.2:5060", "223.255.255.255:1", "[fd77::2]:65535", "[::2]:5060"}) {
        EXPECT_TRUE(answerable(endpoint(source))) << source;
    }
}

TEST(Decode, NoPrefixOfAFrameIsReadBeyondItsEndOrTakenForWhole) {
    auto v6 = ipv6_frame();
    v6.first_header = 0;
    v6.extensions = {17, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    UdpFrame tagged;
    tagged.vlans = {5, 6};
    tagged.ipv4_options = {1, 1, 1, 0};
    for (const auto& u : {UdpFrame{}, tagged, v6}) {
        const auto f = u.build();
        for (std::size_t n = 0; n < f.size(); ++n) {
            const Guarded cut{std::span{f}.first(n)};
            EXPECT_NE(decode(cut.bytes(), {}).verdict, Verdict::udp) << n;
        }
        const Guarded whole{f};
        const auto d = decode(whole.bytes(), {});
        ASSERT_EQ(d.verdict, Verdict::udp);
        EXPECT_TRUE(udp_checksum_ok(whole.bytes(), d));
    }
}

TEST(Decode, AnyOctetMayBeAnything) {
    // Every octet of a guarded frame takes every value: the result stays within the frame.
    for (const auto& u : {UdpFrame{}, ipv6_frame()}) {
        auto f = u.build();
        for (std::size_t at = 0; at < 62; ++at) {
            const auto saved = f[at];
            for (int value = 0; value < 256; ++value) {
                f[at] = static_cast<std::uint8_t>(value);
                const Guarded g{f};
                const auto d = decode(g.bytes(), {.verify_ip_checksum = false});
                if (d.verdict != Verdict::udp) continue;
                ASSERT_LE(std::size_t{d.payload_offset} + d.payload_length, f.size());
                (void)udp_checksum_ok(g.bytes(), d);
            }
            f[at] = saved;
        }
    }
}

TEST(UdpChecksum, DetectsAnyChangedOctet) {
    auto f = UdpFrame{}.build();
    const auto d = decode_frame(f);
    for (std::size_t at = d.payload_offset; at < f.size(); ++at) {
        f[at] ^= 0x10;
        EXPECT_FALSE(udp_checksum_ok(f, d)) << at;
        f[at] ^= 0x10;
    }
}

TEST(UdpChecksum, MayBeAbsentInIpv4Only_Rfc8200_8_1) {
    UdpFrame u;
    u.checksum = false;
    auto f = u.build();
    EXPECT_TRUE(udp_checksum_ok(f, decode_frame(f)));
    auto v6 = ipv6_frame();
    v6.checksum = false;
    f = v6.build();
    EXPECT_FALSE(udp_checksum_ok(f, decode_frame(f)));
}

}  // namespace
}  // namespace sipfront::dpdk
