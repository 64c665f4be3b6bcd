// Frames for tests, written byte by byte and independently of the code under test.
#pragma once

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include "core/endpoint.hpp"
#include "dpdk/next_hops.hpp"

namespace sipfront::dpdk::test {

using Frame = std::vector<std::uint8_t>;

inline core::IpAddress ip(std::string_view text) { return core::IpAddress::parse(text).value(); }
inline core::Endpoint endpoint(std::string_view text) { return core::Endpoint::parse(text).value(); }

inline constexpr MacAddress our_mac{{0x02, 0, 0, 0, 0, 0x01}};
inline constexpr MacAddress peer_mac{{0x02, 0, 0, 0, 0, 0x02}};

inline void put16(Frame& f, std::size_t v) {
    f.push_back(static_cast<std::uint8_t>(v >> 8));
    f.push_back(static_cast<std::uint8_t>(v));
}
inline void put(Frame& f, std::span<const std::uint8_t> bytes) { f.insert(f.end(), bytes.begin(), bytes.end()); }

// The plain sum of RFC 1071, word by word.
inline std::uint16_t reference_checksum(const Frame& bytes) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < bytes.size(); i += 2) {
        sum += static_cast<std::uint32_t>(bytes[i] << 8) | (i + 1 < bytes.size() ? bytes[i + 1] : 0U);
    }
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(~sum);
}

struct UdpFrame {
    MacAddress to = our_mac, from = peer_mac;
    core::Endpoint source = endpoint("10.77.0.2:5060");
    core::Endpoint destination = endpoint("10.77.0.100:5060");
    std::string payload = "OPTIONS sip:a SIP/2.0\r\n\r\n";
    std::vector<std::uint16_t> vlans;
    Frame ipv4_options;  // a multiple of 4 octets
    Frame extensions;    // IPv6: whole extension headers; the first one's type is first_header
    std::uint8_t first_header = 17;
    bool checksum = true;
    std::size_t padding = 0;

    [[nodiscard]] Frame udp() const {
        Frame u;
        put16(u, source.port);
        put16(u, destination.port);
        put16(u, payload.size() + 8);
        put16(u, 0);
        u.insert(u.end(), payload.begin(), payload.end());
        if (checksum) {
            Frame pseudo;
            put(pseudo, source.address.bytes());
            put(pseudo, destination.address.bytes());
            put16(pseudo, 0);
            put16(pseudo, 17);
            put16(pseudo, u.size());
            put(pseudo, u);
            const auto sum = reference_checksum(pseudo);
            u[6] = static_cast<std::uint8_t>((sum == 0 ? 0xffff : sum) >> 8);
            u[7] = static_cast<std::uint8_t>(sum == 0 ? 0xff : sum);
        }
        return u;
    }

    [[nodiscard]] Frame build() const {
        Frame f;
        put(f, to.octets);
        put(f, from.octets);
        for (std::size_t i = 0; i < vlans.size(); ++i) {
            put16(f, vlans.size() > 1 && i == 0 ? 0x88a8 : 0x8100);
            put16(f, vlans[i]);
        }
        const auto body = udp();
        if (source.address.is_v4()) {
            put16(f, 0x0800);
            Frame h{static_cast<std::uint8_t>(0x45 + ipv4_options.size() / 4), 0};
            put16(h, 20 + ipv4_options.size() + body.size());
            put16(h, 0x1234);
            put16(h, 0);
            h.insert(h.end(), {64, 17, 0, 0});
            put(h, source.address.bytes());
            put(h, destination.address.bytes());
            put(h, ipv4_options);
            const auto sum = reference_checksum(h);
            h[10] = static_cast<std::uint8_t>(sum >> 8);
            h[11] = static_cast<std::uint8_t>(sum);
            put(f, h);
        } else {
            put16(f, 0x86dd);
            f.insert(f.end(), {0x60, 0, 0, 0});
            put16(f, extensions.size() + body.size());
            f.insert(f.end(), {first_header, 64});
            put(f, source.address.bytes());
            put(f, destination.address.bytes());
            put(f, extensions);
        }
        put(f, body);
        f.insert(f.end(), padding, 0);
        return f;
    }
};

// A copy of bytes flush against a page that cannot be touched: reading one octet too far crashes.
class Guarded {
public:
    explicit Guarded(std::span<const std::uint8_t> bytes) : size_{bytes.size()} {
        const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
        body_ = (bytes.size() + page - 1) / page * page;
        map_ = static_cast<std::uint8_t*>(mmap(nullptr, body_ + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        mapped_ = body_ + page;
        mprotect(map_ + body_, page, PROT_NONE);
        if (!bytes.empty()) std::memcpy(map_ + body_ - size_, bytes.data(), size_);
    }
    Guarded(const Guarded&) = delete;
    Guarded& operator=(const Guarded&) = delete;
    ~Guarded() { munmap(map_, mapped_); }
    [[nodiscard]] std::span<const std::uint8_t> bytes() const { return {map_ + body_ - size_, size_}; }

private:
    std::uint8_t* map_;
    std::size_t size_, body_, mapped_ = 0;
};

}  // namespace sipfront::dpdk::test
