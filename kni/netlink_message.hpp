// rtnetlink messages as values (rtnetlink(7)): parsing what the kernel tells, building what we ask. Pure: no sockets here, so
// tests feed bytes. Message buffers are aligned to 4 octets, as libmnl wants them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "core/endpoint.hpp"
#include "core/types.hpp"
#include "dpdk/next_hops.hpp"
#include "kni/config.hpp"

namespace sipfront::kni {

using core::IpAddress;
using dpdk::MacAddress;

// The kernel's number of an interface; it changes when a device vanishes and comes back.
enum class InterfaceIndex : int {};

struct LinkEvent {
    bool deleted = false;
    InterfaceIndex index{};
    std::string name;
    bool up = false;  // administratively
    bool carrier = false;
    std::uint32_t mtu = 0;
    MacAddress mac;
};

struct AddressEvent {
    bool deleted = false;
    InterfaceIndex index{};
    KernelConfig::Address address;
};

// One next hop of a route.
struct Hop {
    InterfaceIndex device{};
    IpAddress gateway;  // none: on the link
    bool dead = false;

    friend bool operator==(const Hop&, const Hop&) = default;
};

// What the kernel takes for the identity of a route in table main.
struct RouteKey {
    core::Prefix prefix;
    std::uint32_t metric = 0;

    friend auto operator<=>(const RouteKey&, const RouteKey&) = default;
};

struct RouteEvent {
    bool deleted = false;
    bool replaces = false;  // the routes that had this key are gone
    bool appends = false;   // after the routes that have this key, else before them
    bool blocked = false;   // blackhole, unreachable, prohibit, throw
    RouteKey key;
    std::vector<Hop> hops;
};

struct NeighbourEvent {
    bool deleted = false;
    InterfaceIndex index{};
    IpAddress address;
    MacAddress mac;
    std::uint16_t state = 0;  // NUD_*
};

// monostate: not for us (other tables and types, proxies, cloned routes, multicast) or malformed.
using NetlinkEvent = std::variant<std::monostate, LinkEvent, AddressEvent, RouteEvent, NeighbourEvent>;

[[nodiscard]] NetlinkEvent parse(const nlmsghdr& message);

// A request under construction or ready to be sent; the kernel's answer is matched by the sequence number the socket gives it.
class NetlinkRequest {
public:
    NetlinkRequest(std::uint16_t type, std::uint16_t flags);

    [[nodiscard]] nlmsghdr& header() noexcept;
    [[nodiscard]] const nlmsghdr& header() const noexcept;
    template <class Fixed>
    Fixed& fixed() {
        return *static_cast<Fixed*>(extend(sizeof(Fixed)));
    }
    void put(std::uint16_t attribute, const IpAddress& address);
    void put(std::uint16_t attribute, std::uint32_t number);
    void put(std::uint16_t attribute, const void* data, std::size_t size);

private:
    void* extend(std::size_t size);

    alignas(nlmsghdr) std::array<char, 512> bytes_{};
};

// Which use an address has decides whether the kernel may pick it as the source of what it sends.
enum class AddressUse : std::uint8_t { own, virtual_ip };

[[nodiscard]] NetlinkRequest dump_request(std::uint16_t type, std::uint8_t family);
[[nodiscard]] NetlinkRequest set_link_request(InterfaceIndex index, std::uint32_t mtu, const MacAddress* mac);
[[nodiscard]] NetlinkRequest add_address_request(InterfaceIndex index, const KernelConfig::Address& address, AddressUse use);
[[nodiscard]] NetlinkRequest delete_address_request(InterfaceIndex index, const KernelConfig::Address& address);
[[nodiscard]] NetlinkRequest add_route_request(InterfaceIndex index, const Gateway& gateway);
[[nodiscard]] NetlinkRequest delete_route_request(InterfaceIndex index, const Gateway& gateway);
// Asks the kernel to find or to confirm the neighbour as if it had a packet for it (NTF_USE). Not for permanent entries: the
// kernel would take their permanence away.
[[nodiscard]] NetlinkRequest use_neighbour_request(InterfaceIndex index, const IpAddress& address);

}  // namespace sipfront::kni
