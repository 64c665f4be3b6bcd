// Where a datagram goes next: the kernel's routes and neighbours as an immutable snapshot. The control thread builds one from its
// netlink mirror and publishes it (core::Published<NextHops>); workers only look up. No DPDK type here.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/endpoint.hpp"
#include "core/mailbox.hpp"

namespace sipfront::dpdk {

struct MacAddress {
    std::array<std::uint8_t, 6> octets{};

    static constexpr MacAddress broadcast() noexcept { return {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}; }
    // Group addresses: multicast and broadcast.
    [[nodiscard]] constexpr bool is_group() const noexcept { return (octets[0] & 1) != 0; }
    // "02:00:00:00:00:01"
    [[nodiscard]] std::string to_string() const;

    friend constexpr auto operator<=>(const MacAddress&, const MacAddress&) = default;
};

// A worker that misses the MAC address of a next hop posts its address; control makes the kernel resolve it and publishes the
// answer with the next snapshot. One per worker: the worker produces, control consumes.
using UnresolvedQueue = core::Mailbox<core::IpAddress, 256>;

struct Route {
    core::Prefix prefix;
    core::IpAddress gateway;  // none: the destination itself is on the link
    bool blocked = false;     // unreachable, prohibit, blackhole: a match means "no route"

    friend bool operator==(const Route&, const Route&) = default;
};

// Only entries whose address may be used (reachable, stale, delay, probe, permanent).
struct Neighbour {
    core::IpAddress address;
    MacAddress mac;

    friend bool operator==(const Neighbour&, const Neighbour&) = default;
};

struct NextHop {
    enum class Kind : std::uint8_t { no_route, unresolved, resolved };

    Kind kind = Kind::no_route;
    core::IpAddress address;  // the gateway or the destination itself
    MacAddress mac;           // valid when resolved
};

// Built by control, read by any number of workers.
class NextHops {
public:
    NextHops() : NextHops({}, {}) {}
    // Of routes with the same prefix the first wins: the caller orders them by metric.
    NextHops(std::vector<Route> routes, const std::vector<Neighbour>& neighbours);

    // Longest prefix match, then the neighbour. Multicast destinations resolve by rule (RFC 1112 6.4, RFC 2464 7).
    [[nodiscard]] NextHop lookup(const core::IpAddress& destination) const noexcept;
    // The destination is reached without a gateway.
    [[nodiscard]] bool on_link(const core::IpAddress& destination) const noexcept;
    // The address belongs to a neighbour that some route names as its gateway.
    [[nodiscard]] bool is_gateway(const MacAddress& mac) const noexcept;
    [[nodiscard]] const MacAddress* neighbour(const core::IpAddress& address) const noexcept;

    // Distinct for every snapshot of the process: caches of look-ups compare it.
    [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }
    [[nodiscard]] std::span<const Route> routes() const noexcept { return routes_; }
    [[nodiscard]] std::size_t neighbours() const noexcept { return neighbour_count_; }

private:
    // Routes of one family and prefix length: routes_[first, last), sorted by address.
    struct Level {
        core::Family family;
        std::uint8_t length;
        std::uint32_t first, last;
    };

    [[nodiscard]] const Route* match(const core::IpAddress& destination) const noexcept;

    std::vector<Route> routes_;
    std::vector<Level> levels_;     // longest first
    std::vector<Neighbour> table_;  // open addressing, power of two, at most half full
    std::vector<MacAddress> gateways_;
    std::size_t neighbour_count_ = 0;
    std::uint64_t generation_;
};

}  // namespace sipfront::dpdk
