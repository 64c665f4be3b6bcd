#include "netlink_events.hpp"

#include <linux/if.h>

namespace sipfront::kni::testing {
namespace {

std::uint8_t family_of(const IpAddress& a) { return a.is_v4() ? AF_INET : AF_INET6; }

}  // namespace

NetlinkRequest link_message(std::uint16_t type, InterfaceIndex index, std::string_view name, unsigned flags) {
    NetlinkRequest m{type, 0};
    auto& info = m.fixed<ifinfomsg>();
    info.ifi_family = AF_UNSPEC;
    info.ifi_index = core::raw(index);
    info.ifi_flags = flags;
    const std::string text{name};
    m.put(IFLA_IFNAME, text.c_str(), text.size() + 1);
    m.put(IFLA_MTU, std::uint32_t{1500});
    const auto own = mac(0x77);
    m.put(IFLA_ADDRESS, own.octets.data(), own.octets.size());
    return m;
}

NetlinkRequest address_message(std::uint16_t type, InterfaceIndex index, std::string_view address, std::uint8_t length) {
    NetlinkRequest m{type, 0};
    auto& info = m.fixed<ifaddrmsg>();
    const auto a = ip(address);
    info.ifa_family = family_of(a);
    info.ifa_prefixlen = length;
    info.ifa_index = static_cast<std::uint32_t>(core::raw(index));
    m.put(IFA_ADDRESS, a);
    if (a.is_v4()) m.put(IFA_LOCAL, a);
    return m;
}

NetlinkRequest neighbour_message(std::uint16_t type, InterfaceIndex index, std::string_view address, std::uint16_t state,
                                 const MacAddress* mac) {
    NetlinkRequest m{type, 0};
    auto& info = m.fixed<ndmsg>();
    const auto a = ip(address);
    info.ndm_family = family_of(a);
    info.ndm_ifindex = core::raw(index);
    info.ndm_state = state;
    m.put(NDA_DST, a);
    if (mac != nullptr) m.put(NDA_LLADDR, mac->octets.data(), mac->octets.size());
    return m;
}

NetlinkRequest route_message(std::uint16_t type, std::uint16_t flags, const RouteText& route) {
    NetlinkRequest m{type, flags};
    auto& info = m.fixed<rtmsg>();
    const auto destination = prefix(route.destination);
    info.rtm_family = family_of(destination.address);
    info.rtm_dst_len = destination.length;
    info.rtm_tos = route.tos;
    info.rtm_table = static_cast<std::uint8_t>(route.table);
    info.rtm_type = route.type;
    info.rtm_flags = route.hop_flags;
    m.put(RTA_TABLE, route.table);
    if (destination.length != 0) m.put(RTA_DST, destination.address);
    if (route.metric != 0) m.put(RTA_PRIORITY, route.metric);
    if (!route.gateway.empty()) {
        const auto gateway = ip(route.gateway);
        if (gateway.family() == destination.address.family()) {
            m.put(RTA_GATEWAY, gateway);
        } else {
            std::array<char, 18> via{};
            const std::uint16_t family = family_of(gateway);
            std::memcpy(via.data(), &family, sizeof family);
            std::memcpy(via.data() + 2, gateway.bytes().data(), gateway.bytes().size());
            m.put(RTA_VIA, via.data(), 2 + gateway.bytes().size());
        }
    }
    if (route.type == RTN_UNICAST) m.put(RTA_OIF, static_cast<std::uint32_t>(core::raw(route.device)));
    return m;
}

}  // namespace sipfront::kni::testing
