// ICMP errors for tests, written independently of the code under test.
#pragma once

#include "frames.hpp"

namespace sipfront::dpdk::test {

// About a datagram that we have sent. `quote` is the IP packet as the router saw it.
struct IcmpFrame {
    MacAddress to = our_mac;
    core::IpAddress router = ip("10.77.0.2");
    core::IpAddress receiver = ip("10.77.0.100");
    std::uint8_t type = 3, code = 3;
    std::uint32_t rest = 0;  // octets 4 to 7: the MTU, a pointer, the length of the quote
    Frame quote;
    Frame extension;      // behind the quote (RFC 4884)
    bool spoilt = false;  // the checksum is wrong

    [[nodiscard]] Frame build() const {
        Frame icmp{type, code, 0, 0};
        put16(icmp, rest >> 16);
        put16(icmp, rest & 0xffff);
        put(icmp, quote);
        put(icmp, extension);
        Frame summed;
        if (receiver.is_v6()) {
            put(summed, router.bytes());
            put(summed, receiver.bytes());
            put16(summed, 0);
            put16(summed, icmp.size());
            put16(summed, 0);
            put16(summed, 58);
        }
        put(summed, icmp);
        const auto sum = static_cast<std::uint16_t>(reference_checksum(summed) + (spoilt ? 1 : 0));
        icmp[2] = static_cast<std::uint8_t>(sum >> 8);
        icmp[3] = static_cast<std::uint8_t>(sum);

        Frame f;
        put(f, to.octets);
        put(f, peer_mac.octets);
        if (receiver.is_v4()) {
            put16(f, 0x0800);
            Frame h{0x45, 0xc0};
            put16(h, 20 + icmp.size());
            put16(h, 0x4321);
            put16(h, 0);
            h.insert(h.end(), {64, 1, 0, 0});
            put(h, router.bytes());
            put(h, receiver.bytes());
            const auto header_sum = reference_checksum(h);
            h[10] = static_cast<std::uint8_t>(header_sum >> 8);
            h[11] = static_cast<std::uint8_t>(header_sum);
            put(f, h);
        } else {
            put16(f, 0x86dd);
            f.insert(f.end(), {0x60, 0, 0, 0});
            put16(f, icmp.size());
            f.insert(f.end(), {58, 64});
            put(f, router.bytes());
            put(f, receiver.bytes());
        }
        put(f, icmp);
        return f;
    }
};

// The IP packet in a frame, of which a router quotes the first octets.
inline Frame quote_of(const Frame& frame, std::size_t octets = 548) {
    const auto begin = frame.begin() + 14;
    return {begin, begin + static_cast<std::ptrdiff_t>(std::min(octets, frame.size() - 14))};
}

// A datagram that we have sent, as a router sees it.
inline UdpFrame our_datagram(std::string payload = "INVITE sip:a SIP/2.0\r\n\r\n", bool v6 = false) {
    UdpFrame u;
    u.source = endpoint(v6 ? "[fd77::100]:5060" : "10.77.0.100:5060");
    u.destination = endpoint(v6 ? "[fd77::103]:5060" : "10.77.0.103:5062");
    u.payload = std::move(payload);
    return u;
}

inline IcmpFrame error_about(const UdpFrame& u) {
    IcmpFrame e;
    e.receiver = u.source.address;
    e.router = u.source.address.is_v4() ? ip("10.77.0.2") : ip("fd77::2");
    if (u.source.address.is_v6()) e.type = 1, e.code = 4;
    e.quote = quote_of(u.build(), u.source.address.is_v4() ? 548 : 1232);
    return e;
}

// The same of a datagram that the router cannot pass on.
inline IcmpFrame too_big(const UdpFrame& u, std::uint32_t mtu) {
    auto e = error_about(u);
    if (u.source.address.is_v4()) {
        e.code = 4;
    } else {
        e.type = 2, e.code = 0;
    }
    e.rest = mtu;
    return e;
}

}  // namespace sipfront::dpdk::test
