#include "dpdk/headers.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "dpdk/checksum.hpp"

namespace sipfront::dpdk {
namespace {

using Bytes = std::span<const std::uint8_t>;
using core::Family;
using core::IpAddress;

constexpr std::uint8_t protocol_hop_by_hop = 0;
constexpr std::uint8_t protocol_fragment = 44;
constexpr std::uint8_t protocol_destination_options = 60;
// More than any sane packet has: each one costs us time.
constexpr int most_extension_headers = 8;

std::uint16_t get16(const std::uint8_t* p) noexcept { return static_cast<std::uint16_t>((p[0] << 8) | p[1]); }
void put16(std::uint8_t* p, std::uint32_t v) noexcept {
    p[0] = static_cast<std::uint8_t>(v >> 8);
    p[1] = static_cast<std::uint8_t>(v);
}
void put32(std::uint8_t* p, std::uint32_t v) noexcept {
    put16(p, v >> 16);
    put16(p + 2, v);
}

// Filled where it stays, by all of these: a copy would wait for what has just been written.
void bad(Decoded& d, Drop reason) noexcept {
    d.verdict = Decoded::Verdict::bad;
    d.reason = reason;
}

// `length`: from the UDP header to the end of the IP packet.
void decode_udp(Decoded& d, Bytes frame, std::size_t at, std::size_t length) noexcept {
    if (length < udp_header) return bad(d, Drop::truncated);
    const auto* udp = frame.data() + at;
    const std::size_t udp_length = get16(udp + 4);
    if (udp_length < udp_header || udp_length > length) return bad(d, Drop::udp_length);
    d.source.port = get16(udp);
    d.destination.port = get16(udp + 2);
    d.udp_offset = static_cast<std::uint16_t>(at);
    d.payload_offset = static_cast<std::uint16_t>(at + udp_header);
    d.payload_length = static_cast<std::uint16_t>(udp_length - udp_header);
    d.verdict = Decoded::Verdict::udp;
}

void decode_icmp(Decoded& d, std::size_t at, std::size_t length) noexcept {
    d.payload_offset = static_cast<std::uint16_t>(at);
    d.payload_length = static_cast<std::uint16_t>(length);
    d.verdict = Decoded::Verdict::icmp;
}

// `header` tells which part it is, of `length` octets.
void decode_part(Decoded& d, std::size_t header, std::size_t at, std::size_t length) noexcept {
    d.udp_offset = static_cast<std::uint16_t>(header);
    d.payload_offset = static_cast<std::uint16_t>(at);
    d.payload_length = static_cast<std::uint16_t>(length);
    d.verdict = Decoded::Verdict::fragment;
}

void decode_ipv4(Decoded& d, Bytes frame, std::size_t at, const DecodeOptions& options) noexcept {
    const auto available = frame.size() - at;
    if (available < ipv4_header) return bad(d, Drop::truncated);
    const auto* ip = frame.data() + at;
    const std::size_t header = std::size_t{ip[0] & 0x0fU} * 4;
    if ((ip[0] >> 4) != 4 || header < ipv4_header) return bad(d, Drop::ip_header);
    const std::size_t total = get16(ip + 2);
    if (total < header) return bad(d, Drop::ip_header);
    if (total > available) return bad(d, Drop::truncated);
    if (options.verify_ip_checksum && ones_sum({ip, header}) != 0xffff) return bad(d, Drop::ip_checksum);

    const auto address = [](const std::uint8_t* p) { return IpAddress::v4((std::uint32_t{get16(p)} << 16) | get16(p + 2)); };
    d.source.address = address(ip + 12);
    d.destination.address = address(ip + 16);
    d.hops = ip[8];
    constexpr std::uint16_t more_or_offset = 0x3fff;
    if ((get16(ip + 6) & more_or_offset) != 0) return decode_part(d, at, at + header, total - header);
    if (ip[9] == protocol_udp) return decode_udp(d, frame, at + header, total - header);
    if (ip[9] == protocol_icmp) decode_icmp(d, at + header, total - header);
}

void decode_ipv6(Decoded& d, Bytes frame, std::size_t at) noexcept {
    if (frame.size() - at < ipv6_header) return bad(d, Drop::truncated);
    const auto* ip = frame.data() + at;
    if ((ip[0] >> 4) != 6) return bad(d, Drop::ip_header);
    d.source.address = IpAddress::v6(std::span<const std::uint8_t, 16>{ip + 8, 16});
    d.destination.address = IpAddress::v6(std::span<const std::uint8_t, 16>{ip + 24, 16});
    d.hops = ip[7];
    std::size_t left = get16(ip + 4);
    if (left > frame.size() - at - ipv6_header) return bad(d, Drop::truncated);

    auto next = ip[6];
    at += ipv6_header;
    for (int seen = 0; seen < most_extension_headers; ++seen) {
        if (next == protocol_udp) return decode_udp(d, frame, at, left);
        if (next == protocol_icmpv6) return decode_icmp(d, at, left);
        if (next != protocol_fragment && next != protocol_destination_options && next != protocol_hop_by_hop) return;
        if (next == protocol_hop_by_hop && seen != 0) return bad(d, Drop::ip_header);  // RFC 8200 4.1: first or not at all
        if (left < 8) return bad(d, Drop::truncated);
        const auto* extension = frame.data() + at;
        std::size_t length = 8;
        if (next == protocol_fragment) {
            constexpr std::uint16_t offset_or_more = 0xfff9;
            if ((get16(extension + 2) & offset_or_more) != 0) return decode_part(d, at, at + length, left - length);
        } else {
            length = (std::size_t{extension[1]} + 1) * 8;
            if (length > left) return bad(d, Drop::truncated);
        }
        next = extension[0];
        at += length;
        left -= length;
    }
    return bad(d, Drop::ip_header);
}

MacAddress mac_at(const std::uint8_t* p) noexcept {
    MacAddress mac;
    std::memcpy(mac.octets.data(), p, mac.octets.size());
    return mac;
}

void decode_ethernet(Decoded& d, Bytes frame, const DecodeOptions& options) noexcept {
    if (frame.size() < ethernet_header) return bad(d, Drop::truncated);
    d.ethernet_destination = mac_at(frame.data());
    d.ethernet_source = mac_at(frame.data() + 6);
    std::size_t at = ethernet_header;
    d.ethertype = get16(frame.data() + 12);
    for (int tags = 0; tags < 2 && (d.ethertype == ethertype_vlan || d.ethertype == ethertype_qinq); ++tags) {
        if (frame.size() - at < vlan_tag) return bad(d, Drop::truncated);
        const auto id = static_cast<std::uint16_t>(get16(frame.data() + at) & 0x0fff);
        if (d.vlan == 0) d.vlan = id;
        d.ethertype = get16(frame.data() + at + 2);
        at += vlan_tag;
    }
    if (d.ethertype == ethertype_ipv4) return decode_ipv4(d, frame, at, options);
    if (d.ethertype == ethertype_ipv6) decode_ipv6(d, frame, at);
}

// IPv4 header of a packet with `payload` octets behind it; `flags`: DF, MF and the offset in units of 8.
void put_ipv4(std::uint8_t* ip, const FrameAddresses& a, std::size_t payload, std::uint16_t id, std::uint16_t flags, std::uint8_t hops,
              bool offload) noexcept {
    assert(payload + ipv4_header <= 0xffff);
    ip[0] = 0x45;
    ip[1] = 0;
    put16(ip + 2, static_cast<std::uint32_t>(payload + ipv4_header));
    put16(ip + 4, id);
    put16(ip + 6, flags);
    ip[8] = hops;
    ip[9] = protocol_udp;
    put32(ip + 12, a.source.address.v4_host_order());
    put32(ip + 16, a.destination.address.v4_host_order());
    // From the fields: read back, the header would have to leave the core first.
    const auto fields = 0x4500 + static_cast<std::uint32_t>(payload + ipv4_header) + id + flags + (std::uint32_t{hops} << 8) +
                        protocol_udp + address_sum(a.source.address) + address_sum(a.destination.address);
    put16(ip + 10, offload ? 0 : ip_checksum(ones_sum({}, fields)));
}

void put_ipv6(std::uint8_t* ip, const FrameAddresses& a, std::size_t payload, std::uint8_t next, std::uint8_t hops) noexcept {
    assert(payload <= 0xffff);
    put32(ip, 0x60000000);
    put16(ip + 4, static_cast<std::uint32_t>(payload));
    ip[6] = next;
    ip[7] = hops;
    std::memcpy(ip + 8, a.source.address.bytes().data(), 16);
    std::memcpy(ip + 24, a.destination.address.bytes().data(), 16);
}

void put_ethernet(std::uint8_t* frame, const FrameAddresses& a) noexcept {
    std::memcpy(frame, a.destination_mac.octets.data(), 6);
    std::memcpy(frame + 6, a.source_mac.octets.data(), 6);
    put16(frame + 12, a.source.address.is_v4() ? ethertype_ipv4 : ethertype_ipv6);
}

std::uint8_t* put_udp(std::span<std::uint8_t> payload, const core::Endpoint& source, const core::Endpoint& destination,
                      bool offload) noexcept {
    auto* udp = payload.data() - udp_header;
    const auto length = static_cast<std::uint32_t>(payload.size() + udp_header);
    put16(udp, source.port);
    put16(udp + 2, destination.port);
    put16(udp + 4, length);
    const std::uint32_t pseudo = pseudo_header_sum(source.address, destination.address, length);
    put16(udp + 6, offload ? pseudo : udp_checksum(ones_sum(payload, pseudo + source.port + destination.port + length)));
    return udp;
}

}  // namespace

Decoded decode(std::span<const std::uint8_t> frame, const DecodeOptions& options) noexcept {
    Decoded d;
    decode_ethernet(d, frame, options);
    return d;
}

Fragment read_fragment(std::span<const std::uint8_t> frame, const Decoded& d) noexcept {
    assert(d.verdict == Decoded::Verdict::fragment);
    Fragment f;
    f.source = d.source.address;
    f.destination = d.destination.address;
    f.data = frame.subspan(d.payload_offset, d.payload_length);
    const auto* header = frame.data() + d.udp_offset;
    if (f.source.is_v4()) {
        f.id = get16(header + 4);
        f.protocol = header[9];
        f.more = (header[6] & 0x20) != 0;
        f.offset = (get16(header + 6) & 0x1fffU) * 8;
        f.headers = static_cast<std::uint32_t>(d.payload_offset - d.udp_offset);
        return f;
    }
    f.id = (std::uint32_t{get16(header + 4)} << 16) | get16(header + 6);
    f.protocol = header[0];
    f.more = (header[3] & 1) != 0;
    f.offset = get16(header + 2) & 0xfff8U;
    // Between the IPv6 header and the fragment header. The frame's tags are in front of both.
    std::size_t at = ethernet_header;
    for (int tags = 0; tags < 2 && get16(frame.data() + at - 2) != ethertype_ipv6; ++tags) at += vlan_tag;
    f.headers = static_cast<std::uint32_t>(d.udp_offset - at - ipv6_header);
    return f;
}

std::optional<std::uint32_t> udp_within(const Fragment& first) noexcept {
    auto next = first.protocol;
    std::size_t at = 0;
    for (int seen = 0; seen < most_extension_headers && at + udp_header <= first.data.size(); ++seen) {
        if (next == protocol_udp) return static_cast<std::uint32_t>(at);
        if (first.source.is_v4() || next != protocol_destination_options) return std::nullopt;
        next = first.data[at];
        at += (std::size_t{first.data[at + 1]} + 1) * 8;
    }
    return std::nullopt;
}

std::uint16_t destination_port(std::span<const std::uint8_t> udp) noexcept { return get16(udp.data() + 2); }

Decoded decode_datagram(std::span<const std::uint8_t> udp, const core::IpAddress& source, const core::IpAddress& destination) noexcept {
    Decoded d;
    d.source.address = source;
    d.destination.address = destination;
    decode_udp(d, udp, 0, udp.size());
    return d;
}

bool answerable(const core::Endpoint& source) noexcept {
    if (source.port == 0) return false;
    if (source.address.is_v4()) {
        const auto v = source.address.v4_host_order();
        return (v >> 24) != 0 && (v >> 24) != 127 && v < 0xe0000000;  // class D and E begin at 224
    }
    const auto b = source.address.bytes();
    const bool low = std::all_of(b.begin(), b.begin() + 15, [](std::uint8_t o) { return o == 0; }) && b[15] <= 1;
    return !source.address.is_multicast() && !low;  // neither :: nor ::1
}

bool udp_checksum_ok(std::span<const std::uint8_t> frame, const Decoded& d) noexcept {
    assert(d.verdict == Decoded::Verdict::udp);
    const auto udp = frame.subspan(d.udp_offset, udp_header + d.payload_length);
    if (get16(udp.data() + 6) == 0) return d.source.address.is_v4();
    const auto pseudo = pseudo_header_sum(d.source.address, d.destination.address, static_cast<std::uint32_t>(udp.size()));
    return ones_sum(udp, pseudo) == 0xffff;
}

std::size_t encode_headers(std::span<std::uint8_t> payload, const FrameAddresses& a, const EncodeOptions& options) noexcept {
    assert(a.source.address.family() == a.destination.address.family());
    auto* udp = put_udp(payload, a.source, a.destination, options.checksum_offload);
    const auto udp_length = payload.size() + udp_header;
    const auto family = a.source.address.family();
    auto* ip = udp - ip_header_length(family);
    if (family == Family::ipv4) {
        constexpr std::uint16_t dont_fragment = 0x4000;
        put_ipv4(ip, a, udp_length, options.ip_id, options.dont_fragment ? dont_fragment : 0, options.hops, options.checksum_offload);
    } else {
        put_ipv6(ip, a, udp_length, protocol_udp, options.hops);
    }
    put_ethernet(ip - ethernet_header, a);
    return ethernet_header + ip_header_length(family) + udp_header;
}

std::size_t encode_udp(std::span<std::uint8_t> payload, const core::Endpoint& source, const core::Endpoint& destination) noexcept {
    put_udp(payload, source, destination, false);
    return udp_header;
}

Fragmenter::Fragmenter(core::Family family, std::uint32_t total, std::uint16_t mtu) noexcept : total_{total} {
    const std::uint32_t headers =
        family == Family::ipv4 ? std::uint32_t{ipv4_header} : std::uint32_t{ipv6_header} + std::uint32_t{ipv6_fragment_header};
    assert(mtu >= headers + 8);
    step_ = (mtu - headers) & ~std::uint32_t{7};
}

bool Fragmenter::next(Piece& piece) noexcept {
    if (offset_ >= total_) return false;
    piece.offset = offset_;
    piece.length = std::min(step_, total_ - offset_);
    offset_ += piece.length;
    piece.more = offset_ < total_;
    return true;
}

std::size_t encode_fragment(std::span<std::uint8_t> bytes, const Piece& piece, const FrameAddresses& a, std::uint32_t id,
                            std::uint8_t hops) noexcept {
    assert(piece.offset % 8 == 0 && bytes.size() == piece.length);
    const auto family = a.source.address.family();
    auto* front = bytes.data();
    if (family == Family::ipv4) {
        constexpr std::uint32_t more_fragments = 0x2000;
        front -= ipv4_header;
        put_ipv4(front, a, piece.length, static_cast<std::uint16_t>(id),
                 static_cast<std::uint16_t>((piece.more ? more_fragments : 0) | (piece.offset / 8)), hops, false);
    } else {
        front -= ipv6_fragment_header;
        front[0] = protocol_udp;
        front[1] = 0;
        put16(front + 2, piece.offset | (piece.more ? 1U : 0U));
        put32(front + 4, id);
        front -= ipv6_header;
        put_ipv6(front, a, piece.length + ipv6_fragment_header, protocol_fragment, hops);
    }
    front -= ethernet_header;
    put_ethernet(front, a);
    return static_cast<std::size_t>(bytes.data() - front);
}

void set_destination_mac(std::uint8_t* frame, const MacAddress& mac) noexcept { std::memcpy(frame, mac.octets.data(), 6); }

}  // namespace sipfront::dpdk
