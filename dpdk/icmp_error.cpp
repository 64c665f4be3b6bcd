#include "dpdk/icmp_error.hpp"

#include <algorithm>
#include <cassert>

#include "dpdk/checksum.hpp"

namespace sipfront::dpdk {
namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::size_t icmp_header = 8;

std::uint16_t get16(const std::uint8_t* p) noexcept { return static_cast<std::uint16_t>((p[0] << 8) | p[1]); }
std::uint32_t get32(const std::uint8_t* p) noexcept { return (std::uint32_t{get16(p)} << 16) | get16(p + 2); }

// What is quoted, without an extension structure: a length of 0 means that there is none. `unit`: of the length field.
Bytes quoted(Bytes icmp, std::uint8_t length, std::size_t unit) noexcept {
    const auto all = icmp.subspan(icmp_header);
    return length == 0 ? all : all.first(std::min(all.size(), length * unit));
}

// `udp`: the rest of the quote, from the UDP header on.
bool read_udp(IcmpError& e, Bytes udp) noexcept {
    if (udp.size() < udp_header) return false;
    const std::size_t length = get16(udp.data() + 4);
    if (length < udp_header) return false;
    e.source.port = get16(udp.data());
    e.destination.port = get16(udp.data() + 2);
    e.text = udp.first(std::min(udp.size(), length)).subspan(udp_header);
    return true;
}

bool read_quoted_ipv4(IcmpError& e, Bytes quote) noexcept {
    if (quote.size() < ipv4_header) return false;
    const auto* ip = quote.data();
    const std::size_t header = std::size_t{ip[0] & 0x0fU} * 4;
    e.length = get16(ip + 2);
    if ((ip[0] >> 4) != 4 || header < ipv4_header || header > quote.size() || e.length < header + udp_header) return false;
    constexpr std::uint16_t offset = 0x1fff;
    if ((get16(ip + 6) & offset) != 0 || ip[9] != protocol_udp) return false;
    e.source.address = core::IpAddress::v4(get32(ip + 12));
    e.destination.address = core::IpAddress::v4(get32(ip + 16));
    return read_udp(e, quote.first(std::min<std::size_t>(quote.size(), e.length)).subspan(header));
}

// Nothing that we send has extension headers but the fragment header.
bool read_quoted_ipv6(IcmpError& e, Bytes quote) noexcept {
    if (quote.size() < ipv6_header) return false;
    const auto* ip = quote.data();
    if ((ip[0] >> 4) != 6) return false;
    e.length = std::uint32_t{get16(ip + 4)} + std::uint32_t{ipv6_header};
    e.source.address = core::IpAddress::v6(std::span<const std::uint8_t, 16>{ip + 8, 16});
    e.destination.address = core::IpAddress::v6(std::span<const std::uint8_t, 16>{ip + 24, 16});
    const auto rest = quote.first(std::min<std::size_t>(quote.size(), e.length)).subspan(ipv6_header);
    if (ip[6] == protocol_udp) return read_udp(e, rest);
    constexpr std::uint8_t fragment = 44;
    constexpr std::uint16_t offset = 0xfff8;
    if (ip[6] != fragment || rest.size() < ipv6_fragment_header || rest[0] != protocol_udp) return false;
    return (get16(rest.data() + 2) & offset) == 0 && read_udp(e, rest.subspan(ipv6_fragment_header));
}

std::optional<IcmpError> read_v4(Bytes icmp) noexcept {
    constexpr std::uint8_t unreachable = 3, parameter_problem = 12, fragmentation_needed = 4;
    if (icmp[0] != unreachable && icmp[0] != parameter_problem) return std::nullopt;
    IcmpError e;
    if (icmp[0] == unreachable && icmp[1] == fragmentation_needed) {
        e.kind = IcmpError::Kind::too_big;
        e.mtu = get16(icmp.data() + 6);  // RFC 1191 §4; 0 from a router that is older
    }
    return read_quoted_ipv4(e, quoted(icmp, icmp[5], 4)) ? std::optional{e} : std::nullopt;
}

std::optional<IcmpError> read_v6(Bytes icmp) noexcept {
    constexpr std::uint8_t unreachable = 1, packet_too_big = 2, parameter_problem = 4;
    if (icmp[0] != unreachable && icmp[0] != packet_too_big && icmp[0] != parameter_problem) return std::nullopt;
    IcmpError e;
    if (icmp[0] == packet_too_big) {
        e.kind = IcmpError::Kind::too_big;
        e.mtu = get32(icmp.data() + 4);
    }
    return read_quoted_ipv6(e, quoted(icmp, icmp[0] == unreachable ? icmp[4] : std::uint8_t{0}, 8)) ? std::optional{e} : std::nullopt;
}

}  // namespace

std::optional<IcmpError> read_icmp_error(Bytes frame, const Decoded& d) noexcept {
    assert(d.verdict == Decoded::Verdict::icmp);
    const auto icmp = frame.subspan(d.payload_offset, d.payload_length);
    if (icmp.size() < icmp_header) return std::nullopt;
    return d.destination.address.is_v4() ? read_v4(icmp) : read_v6(icmp);
}

bool icmp_checksum_ok(Bytes frame, const Decoded& d) noexcept {
    assert(d.verdict == Decoded::Verdict::icmp);
    const auto icmp = frame.subspan(d.payload_offset, d.payload_length);
    // Only the IPv6 one covers a pseudo-header (RFC 4443 §2.3).
    const auto start = d.destination.address.is_v4()
                           ? std::uint16_t{0}
                           : pseudo_header_sum(d.source.address, d.destination.address, d.payload_length, protocol_icmpv6);
    return ones_sum(icmp, start) == 0xffff;
}

bool plausible(const IcmpError& e, const Decoded& d) noexcept {
    if (e.source.address != d.destination.address || !answerable(e.destination) || e.source.address == e.destination.address) return false;
    if (e.kind != IcmpError::Kind::too_big) return true;
    if (e.source.address.is_v6() && e.mtu < least_path_mtu(core::Family::ipv6)) return false;
    return e.mtu < e.length && e.length > least_path_mtu(e.source.address.family());
}

}  // namespace sipfront::dpdk
