// The kernel interface: the device through which everything that is not fast-path SIP meets the Linux network stack; and the
// resolver of host names, whose queries go through that stack.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "core/endpoint.hpp"

namespace sipfront::kni {

// automatic: virtio_user where /dev/vhost-net exists, else tap.
enum class DeviceKind : std::uint8_t { automatic, tap, virtio_user };

struct Gateway {
    core::Prefix destination;  // 0.0.0.0/0
    core::IpAddress via;
    std::uint32_t metric = 0;  // 0: the kernel's default (0 for IPv4, 1024 for IPv6)
};

struct KernelConfig {
    std::string interface = "sf0";
    DeviceKind device = DeviceKind::automatic;
    // The node's own addresses with their prefix lengths ("10.77.0.101/24"), set on the interface at start. Host bits are kept.
    struct Address {
        core::IpAddress address;
        std::uint8_t length = 0;

        friend bool operator==(const Address&, const Address&) = default;
    };
    std::vector<Address> addresses;
    std::vector<Address> virtual_addresses;  // the VIP: set while this node is active
    std::vector<Gateway> routes;
    std::uint32_t exception_rate = 20'000;  // frames a second towards the kernel; 0: unlimited
    std::uint32_t probe_rate = 200;         // neighbours a second that the kernel is asked to resolve or to confirm
};

struct ResolverConfig {
    std::vector<core::Endpoint> servers;       // empty: those of /etc/resolv.conf
    std::chrono::milliseconds timeout{1'000};  // of the first try; c-ares doubles it once every server was tried
    int tries = 2;                             // of each server
    std::uint32_t max_names = 1'024;           // known or asked for
    std::chrono::seconds max_ttl{3'600};       // the longest that an answer is believed
    std::chrono::seconds negative_ttl{30};     // likewise that there is none
    std::chrono::seconds failure_ttl{5};       // how long a name is not asked for again after the servers failed
};

}  // namespace sipfront::kni
