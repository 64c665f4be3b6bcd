#include "dpdk/neighbour_frames.hpp"

#include <cassert>
#include <cstring>

#include "dpdk/checksum.hpp"
#include "dpdk/headers.hpp"

namespace sipfront::dpdk {
namespace {

constexpr std::size_t arp_packet = 28;
constexpr std::uint16_t arp_request = 1;
constexpr std::uint16_t arp_reply = 2;
constexpr std::uint8_t neighbour_solicitation = 135;
constexpr std::uint8_t neighbour_advertisement = 136;
constexpr std::uint8_t source_link_layer = 1;
constexpr std::uint8_t target_link_layer = 2;

void put16(std::uint8_t* p, std::uint16_t v) noexcept {
    p[0] = static_cast<std::uint8_t>(v >> 8);
    p[1] = static_cast<std::uint8_t>(v);
}

void put_ethernet(std::uint8_t* frame, const MacAddress& to, const MacAddress& from, std::uint16_t ethertype) noexcept {
    std::memcpy(frame, to.octets.data(), 6);
    std::memcpy(frame + 6, from.octets.data(), 6);
    put16(frame + 12, ethertype);
}

std::size_t put_arp(std::uint8_t* frame, const MacAddress& mac, const core::IpAddress& sender, const core::IpAddress& target) noexcept {
    put_ethernet(frame, MacAddress::broadcast(), mac, ethertype_arp);
    auto* arp = frame + ethernet_header;
    std::memset(arp, 0, arp_packet);
    put16(arp, 1);
    put16(arp + 2, ethertype_ipv4);
    arp[4] = 6;
    arp[5] = 4;
    put16(arp + 6, arp_request);
    std::memcpy(arp + 8, mac.octets.data(), 6);
    if (sender) std::memcpy(arp + 14, sender.bytes().data(), 4);
    std::memcpy(arp + 24, target.bytes().data(), 4);
    return ethernet_header + arp_packet;
}

struct Discovery {
    std::uint8_t type;
    std::uint8_t flags;
    std::uint8_t option;  // link-layer address option, or 0
};

// Neighbour discovery messages have one shape: type, flags, the target, a link-layer address option.
std::size_t put_discovery(std::uint8_t* frame, const MacAddress& mac, const core::IpAddress& source, std::span<const std::uint8_t> group,
                          const core::IpAddress& target, const Discovery& d) noexcept {
    const std::size_t length = d.option != 0 ? 32 : 24;
    put_ethernet(frame, {{0x33, 0x33, group[12], group[13], group[14], group[15]}}, mac, ethertype_ipv6);
    auto* ip = frame + ethernet_header;
    std::memset(ip, 0, ipv6_header + length);
    ip[0] = 0x60;
    put16(ip + 4, static_cast<std::uint16_t>(length));
    ip[6] = protocol_icmpv6;
    ip[7] = 255;  // RFC 4861 7.1: anything less was forwarded and is refused
    if (source) std::memcpy(ip + 8, source.bytes().data(), 16);
    std::memcpy(ip + 24, group.data(), 16);
    auto* icmp = ip + ipv6_header;
    icmp[0] = d.type;
    icmp[4] = d.flags;
    std::memcpy(icmp + 8, target.bytes().data(), 16);
    if (d.option != 0) {
        icmp[24] = d.option;
        icmp[25] = 1;
        std::memcpy(icmp + 26, mac.octets.data(), 6);
    }
    const auto from = core::IpAddress::v6(std::span<const std::uint8_t, 16>{ip + 8, 16});
    const auto to = core::IpAddress::v6(std::span<const std::uint8_t, 16>{ip + 24, 16});
    const auto pseudo = pseudo_header_sum(from, to, static_cast<std::uint32_t>(length), protocol_icmpv6);
    put16(icmp + 2, ip_checksum(ones_sum({icmp, length}, pseudo)));
    return ethernet_header + ipv6_header + length;
}

}  // namespace

std::size_t write_announcement(std::span<std::uint8_t> out, const MacAddress& mac, const core::IpAddress& own) noexcept {
    assert(out.size() >= longest_neighbour_frame && own);
    if (own.is_v4()) return put_arp(out.data(), mac, own, own);
    static constexpr std::array<std::uint8_t, 16> all_nodes{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    constexpr std::uint8_t override_flag = 0x20;
    return put_discovery(out.data(), mac, own, all_nodes, own, {neighbour_advertisement, override_flag, target_link_layer});
}

std::size_t write_probe(std::span<std::uint8_t> out, const MacAddress& mac, const core::IpAddress& own,
                        const core::IpAddress& target) noexcept {
    assert(out.size() >= longest_neighbour_frame && target && (!own || own.family() == target.family()));
    if (target.is_v4()) return put_arp(out.data(), mac, own, target);
    const auto t = target.bytes();
    const std::array<std::uint8_t, 16> solicited_node{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, t[13], t[14], t[15]};
    // RFC 4861 4.3: no link-layer option from the unspecified address.
    return put_discovery(out.data(), mac, own, solicited_node, target,
                         {neighbour_solicitation, 0, own ? source_link_layer : std::uint8_t{0}});
}

std::optional<core::IpAddress> answered_address(std::span<const std::uint8_t> frame) noexcept {
    if (frame.size() < ethernet_header) return std::nullopt;
    const auto get16 = [&](std::size_t at) { return static_cast<std::uint16_t>((frame[at] << 8) | frame[at + 1]); };
    const auto ethertype = get16(12);
    if (ethertype == ethertype_arp) {
        if (frame.size() < ethernet_header + arp_packet || get16(20) != arp_reply || get16(16) != ethertype_ipv4) return std::nullopt;
        const auto* p = frame.data() + 28;
        return core::IpAddress::v4((std::uint32_t{p[0]} << 24) | (std::uint32_t{p[1]} << 16) | (std::uint32_t{p[2]} << 8) | p[3]);
    }
    if (ethertype == ethertype_ipv6) {
        if (frame.size() < ethernet_header + ipv6_header + 24 || frame[20] != protocol_icmpv6 || frame[21] != 255) return std::nullopt;
        if (frame[54] != neighbour_advertisement) return std::nullopt;
        return core::IpAddress::v6(frame.subspan<62, 16>());
    }
    return std::nullopt;
}

}  // namespace sipfront::dpdk
