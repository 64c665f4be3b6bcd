// Ethernet, 802.1Q, IPv4 (RFC 791), IPv6 (RFC 8200) and UDP (RFC 768) on raw bytes: what a received frame is, and the headers of one
// to send. Pure; no DPDK type here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "core/endpoint.hpp"
#include "dpdk/next_hops.hpp"
#include "dpdk/port_counters.hpp"

namespace sipfront::dpdk {

inline constexpr std::size_t ethernet_header = 14;
inline constexpr std::size_t vlan_tag = 4;
inline constexpr std::size_t ipv4_header = 20;
inline constexpr std::size_t ipv6_header = 40;
inline constexpr std::size_t ipv6_fragment_header = 8;
inline constexpr std::size_t udp_header = 8;
// Room that encode_*() may take in front of the payload.
inline constexpr std::size_t longest_headers = ethernet_header + ipv6_header + ipv6_fragment_header + udp_header;

inline constexpr std::uint16_t ethertype_ipv4 = 0x0800;
inline constexpr std::uint16_t ethertype_arp = 0x0806;
inline constexpr std::uint16_t ethertype_vlan = 0x8100;
inline constexpr std::uint16_t ethertype_qinq = 0x88a8;
inline constexpr std::uint16_t ethertype_ipv6 = 0x86dd;
inline constexpr std::uint8_t protocol_icmp = 1;
inline constexpr std::uint8_t protocol_udp = 17;
inline constexpr std::uint8_t protocol_icmpv6 = 58;

struct DecodeOptions {
    bool verify_ip_checksum = true;  // false: the device did
};

struct Decoded {
    enum class Verdict : std::uint8_t {
        udp,       // a whole UDP datagram; source, destination, payload are set
        fragment,  // part of an IP datagram; addresses and payload (its part) are set, ports are 0
        icmp,      // an ICMP message; addresses and payload (its whole) are set, ports are 0
        other,     // not for this decoder: ARP, TCP, tunnels, unknown protocols
        bad,       // reason is set
    };

    Verdict verdict = Verdict::other;
    Drop reason{};
    MacAddress ethernet_source, ethernet_destination;
    std::uint16_t ethertype = 0;   // behind the tags
    std::uint16_t vlan = 0;        // outermost VLAN id; 0: untagged or priority-tagged
    std::uint8_t hops = 0;         // TTL or hop limit
    std::uint16_t udp_offset = 0;  // of the UDP header in the frame; of a fragment: of its IPv4 or IPv6 fragment header
    std::uint16_t payload_offset = 0;
    std::uint16_t payload_length = 0;
    core::Endpoint source, destination;
};

// Never reads beyond the frame. Padding behind the IP packet is tolerated, and so are IPv4 options, up to two VLAN tags, and the
// extension headers that RFC 8200 lets precede UDP (hop-by-hop, destination options, an atomic fragment header per RFC 6946).
// Neither the UDP checksum nor the source is looked at.
Decoded decode(std::span<const std::uint8_t> frame, const DecodeOptions& options) noexcept;

// What the headers of a fragment say. `data` is the frame's, as long as that lives.
struct Fragment {
    core::IpAddress source, destination;
    std::uint32_t id = 0;
    std::uint8_t protocol = 0;  // of the data; in IPv6 only the first fragment's counts (RFC 8200 4.5)
    bool more = false;
    std::uint32_t offset = 0;   // of the data in the packet, octets
    std::uint32_t headers = 0;  // octets that the whole packet's length field counts besides
    std::span<const std::uint8_t> data;
};
// Of a frame with verdict fragment.
Fragment read_fragment(std::span<const std::uint8_t> frame, const Decoded& decoded) noexcept;
// Where the UDP header begins in the data of a packet's first fragment, behind destination options of IPv6. None when the packet is
// not UDP or that fragment does not hold all headers (RFC 7112).
std::optional<std::uint32_t> udp_within(const Fragment& first) noexcept;
// `udp`: at least the UDP header.
std::uint16_t destination_port(std::span<const std::uint8_t> udp) noexcept;
// A UDP datagram without its IP header, in a buffer of its own.
Decoded decode_datagram(std::span<const std::uint8_t> udp, const core::IpAddress& source, const core::IpAddress& destination) noexcept;

// Whether an answer could ever reach that source: not multicast, broadcast, unspecified, loopback or port 0 (RFC 1122 3.2.1.3).
bool answerable(const core::Endpoint& source) noexcept;

// Of a frame with verdict udp. Zero means "none", which IPv4 alone allows (RFC 8200 8.1).
bool udp_checksum_ok(std::span<const std::uint8_t> frame, const Decoded& decoded) noexcept;

// The lower layers of what we send.
struct FrameAddresses {
    MacAddress source_mac, destination_mac;
    core::Endpoint source, destination;  // of one family
};
struct EncodeOptions {
    bool checksum_offload = false;  // leave the IPv4 checksum 0 and the UDP one to the device, which wants the pseudo-header's sum there
    bool dont_fragment = false;
    std::uint8_t hops = 64;
    std::uint16_t ip_id = 0;
};

// Ethernet, IP and UDP headers right in front of the payload, which has longest_headers octets of room there. Returns their length.
// The payload has at most 65,507 octets (IPv4; IPv6: 65,527).
std::size_t encode_headers(std::span<std::uint8_t> payload, const FrameAddresses& addresses, const EncodeOptions& options) noexcept;

// Only the UDP header, checksum included, for a datagram that will leave in fragments. Returns its length.
std::size_t encode_udp(std::span<std::uint8_t> payload, const core::Endpoint& source, const core::Endpoint& destination) noexcept;

constexpr std::size_t ip_header_length(core::Family family) noexcept { return family == core::Family::ipv4 ? ipv4_header : ipv6_header; }

// One piece of an IP payload that does not fit the MTU.
struct Piece {
    std::uint32_t offset = 0;  // into the IP payload, a multiple of 8
    std::uint32_t length = 0;
    bool more = false;  // others follow
};

// Cuts an IP payload of `total` octets into pieces that fit `mtu` with their headers (RFC 791 3.2, RFC 8200 4.5).
class Fragmenter {
public:
    // `mtu`: at least 68 (IPv4) or 1280 (IPv6).
    Fragmenter(core::Family family, std::uint32_t total, std::uint16_t mtu) noexcept;
    bool next(Piece& piece) noexcept;

private:
    std::uint32_t total_;
    std::uint32_t step_;
    std::uint32_t offset_ = 0;
};

// Ethernet and IP headers (and IPv6's fragment header) right in front of one piece of UDP. Returns their length.
std::size_t encode_fragment(std::span<std::uint8_t> piece_bytes, const Piece& piece, const FrameAddresses& addresses, std::uint32_t id,
                            std::uint8_t hops = 64) noexcept;

// The destination MAC address of a frame that was encoded before the next hop was resolved.
void set_destination_mac(std::uint8_t* frame, const MacAddress& mac) noexcept;

}  // namespace sipfront::dpdk
