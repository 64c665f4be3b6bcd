// rtnetlink messages as the kernel sends them, for tests without a socket.
#pragma once

#include <string_view>

#include "kni/netlink_message.hpp"

namespace sipfront::kni::testing {

inline constexpr InterfaceIndex sf0{7};
inline constexpr InterfaceIndex eth0{2};

inline IpAddress ip(std::string_view text) { return *core::IpAddress::parse(text); }
inline core::Prefix prefix(std::string_view text) { return *core::Prefix::parse(text); }
inline MacAddress mac(std::uint8_t last) { return {{0x02, 0, 0, 0, 0, last}}; }

NetlinkRequest link_message(std::uint16_t type, InterfaceIndex index, std::string_view name, unsigned flags);
NetlinkRequest address_message(std::uint16_t type, InterfaceIndex index, std::string_view address, std::uint8_t length);
NetlinkRequest neighbour_message(std::uint16_t type, InterfaceIndex index, std::string_view address, std::uint16_t state,
                                 const MacAddress* mac);

struct RouteText {
    std::string_view destination;  // "0.0.0.0/0"
    std::string_view gateway;      // "" for on-link
    InterfaceIndex device = sf0;
    std::uint32_t metric = 0;
    std::uint8_t type = RTN_UNICAST;
    std::uint32_t table = RT_TABLE_MAIN;
    std::uint32_t hop_flags = 0;
    std::uint8_t tos = 0;
};
NetlinkRequest route_message(std::uint16_t type, std::uint16_t flags, const RouteText& route);

}  // namespace sipfront::kni::testing
