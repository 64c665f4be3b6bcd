// The Internet checksum (RFC 1071) on raw bytes, and the pseudo-header of UDP (RFC 768, RFC 8200 8.1). Pure.
#pragma once

#include <cstdint>
#include <span>

#include "core/endpoint.hpp"

namespace sipfront::dpdk {

// One's complement sum of 16-bit words in network order, folded to 16 bits, continuing from `start`. Only the last piece of a sum may
// have an odd length.
std::uint16_t ones_sum(std::span<const std::uint8_t> bytes, std::uint32_t start = 0) noexcept;
// Of an address as part of a header; not folded.
std::uint32_t address_sum(const core::IpAddress& address) noexcept;
// Sum over the pseudo-header of a UDP datagram of `udp_length` octets, header included.
std::uint16_t pseudo_header_sum(const core::IpAddress& source, const core::IpAddress& destination, std::uint32_t udp_length,
                                std::uint8_t protocol = 17) noexcept;
// What goes into the header's field.
constexpr std::uint16_t ip_checksum(std::uint16_t sum) noexcept { return static_cast<std::uint16_t>(~sum); }
// UDP sends a computed zero as all ones, since zero means "none".
constexpr std::uint16_t udp_checksum(std::uint16_t sum) noexcept { return sum == 0xffff ? sum : static_cast<std::uint16_t>(~sum); }

}  // namespace sipfront::dpdk
