// ARP (RFC 826, 5227) and Neighbour Discovery (RFC 4861) frames that the data plane itself sends and reads: announcements after a
// switch of bond member or a takeover, and the link monitor's probes. Everything else of ARP and ND is the kernel's. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "core/endpoint.hpp"
#include "dpdk/next_hops.hpp"

namespace sipfront::dpdk {

inline constexpr std::size_t longest_neighbour_frame = 14 + 40 + 32;

// Gratuitous ARP request (RFC 5227 2.3) or unsolicited neighbour advertisement with the override flag (RFC 4861 7.2.6).
// `out` has longest_neighbour_frame octets; returns the frame's length.
std::size_t write_announcement(std::span<std::uint8_t> out, const MacAddress& mac, const core::IpAddress& own) noexcept;
// ARP request or multicast neighbour solicitation for `target`. `own` is of the same family, or none: then the sender stays unspecified.
std::size_t write_probe(std::span<std::uint8_t> out, const MacAddress& mac, const core::IpAddress& own,
                        const core::IpAddress& target) noexcept;

// The address that an ARP reply or a neighbour advertisement speaks for; none for any other frame.
std::optional<core::IpAddress> answered_address(std::span<const std::uint8_t> frame) noexcept;

}  // namespace sipfront::dpdk
