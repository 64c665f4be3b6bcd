// ICMP errors (RFC 792, RFC 4443) and what they quote of the UDP datagram that met them. Pure; no DPDK type here.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "core/endpoint.hpp"
#include "dpdk/headers.hpp"

namespace sipfront::dpdk {

struct IcmpError {
    enum class Kind : std::uint8_t {
        unreachable,  // no way, host, protocol or port, forbidden, or a parameter problem: a transport error by RFC 3261 §18.4
        too_big,      // a router had to fragment and must not
    };
    Kind kind = Kind::unreachable;
    std::uint32_t mtu = 0;               // of a datagram too big: what the next link takes, as far as the router says
    std::uint32_t length = 0;            // of the quoted IP packet
    core::Endpoint source, destination;  // of the quoted datagram
    std::span<const std::uint8_t> text;  // its payload as far as quoted; part of the frame
};

// Of a frame with verdict icmp; never reads beyond it. nullopt: no such error (time exceeded and source quench are none either, RFC 3261
// §18.4), or the quote shows no UDP header: another protocol's, a later fragment's, garbage. Extension structures behind the quote are
// left out (RFC 4884). The checksum is not looked at.
std::optional<IcmpError> read_icmp_error(std::span<const std::uint8_t> frame, const Decoded& decoded) noexcept;

// Of a frame with verdict icmp.
bool icmp_checksum_ok(std::span<const std::uint8_t> frame, const Decoded& decoded) noexcept;

// Whether the error fits what it quotes: it goes to whom the quoted datagram came from, who could send it, and a datagram too big was.
bool plausible(const IcmpError& error, const Decoded& decoded) noexcept;

// The least that a path may be limited to. Every IPv6 link takes 1280 octets, and an error that says less is void (RFC 8201 §4); every
// IPv4 host takes 576, and routers may cut what is longer than a link further back, since our datagrams allow it.
constexpr std::uint16_t least_path_mtu(core::Family family) noexcept { return family == core::Family::ipv4 ? 576 : 1280; }

}  // namespace sipfront::dpdk
