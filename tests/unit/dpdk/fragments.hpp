// A datagram cut into IP fragments for tests, written independently of the code under test.
#pragma once

#include <algorithm>
#include <vector>

#include "frames.hpp"

namespace sipfront::dpdk::test {

struct Cut {
    std::size_t offset, length;
    bool more;
};

// `octets` of IP payload in parts of `step` (a multiple of 8).
inline std::vector<Cut> cuts(std::size_t octets, std::size_t step) {
    std::vector<Cut> all;
    for (std::size_t at = 0; at < octets; at += step) all.push_back({at, std::min(step, octets - at), at + step < octets});
    return all;
}

// The frame of one part of `u`'s datagram. IPv6: `behind` are extension headers in the fragmentable part (first of type
// behind_header), of which the offsets count; u.extensions stand in front of the fragment header.
struct Fragmented {
    UdpFrame u;
    std::uint32_t id = 0x1234;
    Frame behind;
    std::uint8_t behind_header = 17;

    [[nodiscard]] Frame whole() const {
        auto packet = behind;
        put(packet, u.udp());
        return packet;
    }
    [[nodiscard]] Frame part(const Cut& c) const {
        auto packet = whole();
        packet.resize(std::max(packet.size(), c.offset + c.length));
        const auto from = packet.begin() + static_cast<std::ptrdiff_t>(c.offset);
        return with_data(c, Frame{from, from + static_cast<std::ptrdiff_t>(c.length)});
    }
    [[nodiscard]] Frame with_data(const Cut& c, const Frame& data) const {
        Frame f;
        put(f, u.to.octets);
        put(f, u.from.octets);
        for (const auto v : u.vlans) {
            put16(f, 0x8100);
            put16(f, v);
        }
        if (u.source.address.is_v4()) {
            put16(f, 0x0800);
            Frame h{static_cast<std::uint8_t>(0x45 + u.ipv4_options.size() / 4), 0};
            put16(h, 20 + u.ipv4_options.size() + data.size());
            put16(h, id);
            put16(h, (c.more ? 0x2000U : 0U) | c.offset / 8);
            h.insert(h.end(), {64, behind_header, 0, 0});
            put(h, u.source.address.bytes());
            put(h, u.destination.address.bytes());
            put(h, u.ipv4_options);
            const auto sum = reference_checksum(h);
            h[10] = static_cast<std::uint8_t>(sum >> 8);
            h[11] = static_cast<std::uint8_t>(sum);
            put(f, h);
        } else {
            put16(f, 0x86dd);
            f.insert(f.end(), {0x60, 0, 0, 0});
            put16(f, u.extensions.size() + 8 + data.size());
            f.insert(f.end(), {u.extensions.empty() ? std::uint8_t{44} : u.first_header, 64});
            put(f, u.source.address.bytes());
            put(f, u.destination.address.bytes());
            put(f, u.extensions);
            f.insert(f.end(), {behind_header, 0});
            put16(f, c.offset | (c.more ? 1U : 0U));
            put16(f, id >> 16);
            put16(f, id);
        }
        put(f, data);
        return f;
    }
    [[nodiscard]] std::vector<Frame> parts(std::size_t step) const {
        std::vector<Frame> all;
        for (const auto& c : cuts(whole().size(), step)) all.push_back(part(c));
        return all;
    }
};

inline std::string pattern(std::size_t length) {
    std::string text(length, ' ');
    for (std::size_t i = 0; i < length; ++i) text[i] = static_cast<char>('!' + (i * 7 + i / 251) % 90);
    return text;
}

}  // namespace sipfront::dpdk::test
