#include "kni/netlink_message.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <optional>
#include <span>

#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>

namespace sipfront::kni {
namespace {

// One size for all messages: their largest attribute type is 61 (IFLA_MAX of Debian 12's kernel headers).
class Attributes {
public:
    Attributes(const nlmsghdr& message, std::size_t offset) {
        // A malformed tail ends the walk; what came before it stays.
        mnl_attr_parse(&message, static_cast<unsigned>(offset), keep, this);
    }
    Attributes(const void* data, std::size_t size) { mnl_attr_parse_payload(data, size, keep, this); }

    const nlattr* operator[](std::size_t type) const { return found_[type]; }

    [[nodiscard]] std::optional<std::uint32_t> number(std::size_t type) const {
        const auto* a = found_[type];
        if (a == nullptr || mnl_attr_get_payload_len(a) != sizeof(std::uint32_t)) return std::nullopt;
        return mnl_attr_get_u32(a);
    }
    [[nodiscard]] IpAddress address(std::size_t type) const {
        const auto* a = found_[type];
        return a == nullptr ? IpAddress{} : address_of(mnl_attr_get_payload(a), mnl_attr_get_payload_len(a));
    }
    [[nodiscard]] std::optional<MacAddress> mac(std::size_t type) const {
        const auto* a = found_[type];
        MacAddress m;
        if (a == nullptr || mnl_attr_get_payload_len(a) != m.octets.size()) return std::nullopt;
        std::memcpy(m.octets.data(), mnl_attr_get_payload(a), m.octets.size());
        return m;
    }

    static IpAddress address_of(const void* data, std::size_t size) {
        std::array<std::uint8_t, 16> bytes{};
        if (size != 4 && size != 16) return {};
        std::memcpy(bytes.data(), data, size);
        if (size == 16) return IpAddress::v6(bytes);
        return IpAddress::v4((std::uint32_t{bytes[0]} << 24) | (std::uint32_t{bytes[1]} << 16) | (std::uint32_t{bytes[2]} << 8) | bytes[3]);
    }

private:
    static int keep(const nlattr* attribute, void* self) {
        const auto type = mnl_attr_get_type(attribute);
        if (type < most) static_cast<Attributes*>(self)->found_[type] = attribute;
        return MNL_CB_OK;
    }
    static constexpr std::size_t most = 64;
    std::array<const nlattr*, most> found_{};
};

template <class Fixed>
const Fixed* fixed_part(const nlmsghdr& message) {
    return mnl_nlmsg_get_payload_len(&message) < sizeof(Fixed) ? nullptr : static_cast<const Fixed*>(mnl_nlmsg_get_payload(&message));
}

NetlinkEvent parse_link(const nlmsghdr& message) {
    const auto* info = fixed_part<ifinfomsg>(message);
    // AF_BRIDGE and AF_INET6 repeat a link with other attributes.
    if (info == nullptr || info->ifi_family != AF_UNSPEC) return {};
    const Attributes attributes{message, sizeof(ifinfomsg)};
    LinkEvent link;
    link.deleted = message.nlmsg_type == RTM_DELLINK;
    link.index = InterfaceIndex{info->ifi_index};
    if (const auto* name = attributes[IFLA_IFNAME]; name != nullptr) {
        const auto* text = mnl_attr_get_str(name);
        link.name.assign(text, strnlen(text, mnl_attr_get_payload_len(name)));
    }
    link.up = (info->ifi_flags & IFF_UP) != 0;
    link.carrier = (info->ifi_flags & IFF_RUNNING) != 0;
    link.mtu = attributes.number(IFLA_MTU).value_or(0);
    link.mac = attributes.mac(IFLA_ADDRESS).value_or(MacAddress{});
    return link;
}

NetlinkEvent parse_address(const nlmsghdr& message) {
    const auto* info = fixed_part<ifaddrmsg>(message);
    if (info == nullptr) return {};
    const Attributes attributes{message, sizeof(ifaddrmsg)};
    AddressEvent event;
    event.deleted = message.nlmsg_type == RTM_DELADDR;
    event.index = InterfaceIndex{static_cast<int>(info->ifa_index)};
    // On a point-to-point link IFA_ADDRESS is the peer, IFA_LOCAL ours; IPv6 has only the former.
    auto address = attributes.address(IFA_LOCAL);
    if (!address) address = attributes.address(IFA_ADDRESS);
    if (!address) return {};
    event.address = {address, info->ifa_prefixlen};
    return event;
}

IpAddress gateway_of(const nlattr* gateway, const nlattr* via) {
    if (gateway != nullptr) return Attributes::address_of(mnl_attr_get_payload(gateway), mnl_attr_get_payload_len(gateway));
    // RFC 5549: an IPv4 route over an IPv6 neighbour comes as struct rtvia, family and octets.
    if (via == nullptr || mnl_attr_get_payload_len(via) <= sizeof(rtvia)) return {};
    const auto* bytes = static_cast<const char*>(mnl_attr_get_payload(via));
    return Attributes::address_of(bytes + sizeof(rtvia), mnl_attr_get_payload_len(via) - sizeof(rtvia));
}

std::vector<Hop> multipath(const nlattr* attribute) {
    std::vector<Hop> hops;
    const auto* at = static_cast<const char*>(mnl_attr_get_payload(attribute));
    std::size_t left = mnl_attr_get_payload_len(attribute);
    while (left >= sizeof(rtnexthop)) {
        rtnexthop next;
        std::memcpy(&next, at, sizeof next);
        if (next.rtnh_len < sizeof next || next.rtnh_len > left) break;
        const Attributes attributes{at + sizeof next, next.rtnh_len - sizeof next};
        hops.push_back({InterfaceIndex{next.rtnh_ifindex}, gateway_of(attributes[RTA_GATEWAY], attributes[RTA_VIA]),
                        (next.rtnh_flags & RTNH_F_DEAD) != 0});
        const auto step = std::min<std::size_t>(RTNH_ALIGN(next.rtnh_len), left);
        at += step;
        left -= step;
    }
    return hops;
}

bool is_blocking(std::uint8_t type) {
    return type == RTN_BLACKHOLE || type == RTN_UNREACHABLE || type == RTN_PROHIBIT || type == RTN_THROW;
}

NetlinkEvent parse_route(const nlmsghdr& message) {
    const auto* info = fixed_part<rtmsg>(message);
    if (info == nullptr || (info->rtm_family != AF_INET && info->rtm_family != AF_INET6)) return {};
    const Attributes attributes{message, sizeof(rtmsg)};
    const auto blocked = is_blocking(info->rtm_type);
    if (attributes.number(RTA_TABLE).value_or(info->rtm_table) != RT_TABLE_MAIN || (info->rtm_flags & RTM_F_CLONED) != 0 ||
        info->rtm_tos != 0 || info->rtm_src_len != 0 || (info->rtm_type != RTN_UNICAST && !blocked))
        return {};
    RouteEvent route;
    route.deleted = message.nlmsg_type == RTM_DELROUTE;
    route.replaces = (message.nlmsg_flags & NLM_F_REPLACE) != 0;
    // An entry of a dump comes in the order of precedence.
    route.appends = (message.nlmsg_flags & (NLM_F_APPEND | NLM_F_MULTI)) != 0;
    route.blocked = blocked;
    auto destination = attributes.address(RTA_DST);
    const std::array<std::uint8_t, 16> zero{};
    if (!destination) destination = info->rtm_family == AF_INET ? IpAddress::v4(0) : IpAddress::v6(zero);
    route.key = {{destination, info->rtm_dst_len}, attributes.number(RTA_PRIORITY).value_or(0)};
    if (attributes[RTA_MULTIPATH] != nullptr) {
        route.hops = multipath(attributes[RTA_MULTIPATH]);
    } else if (!blocked) {
        route.hops.push_back({InterfaceIndex{static_cast<int>(attributes.number(RTA_OIF).value_or(0))},
                              gateway_of(attributes[RTA_GATEWAY], attributes[RTA_VIA]), (info->rtm_flags & RTNH_F_DEAD) != 0});
    }
    return route;
}

NetlinkEvent parse_neighbour(const nlmsghdr& message) {
    const auto* info = fixed_part<ndmsg>(message);
    if (info == nullptr || (info->ndm_family != AF_INET && info->ndm_family != AF_INET6) || (info->ndm_flags & NTF_PROXY) != 0) return {};
    const Attributes attributes{message, sizeof(ndmsg)};
    NeighbourEvent event;
    event.deleted = message.nlmsg_type == RTM_DELNEIGH;
    event.index = InterfaceIndex{info->ndm_ifindex};
    event.address = attributes.address(NDA_DST);
    if (!event.address || event.address.is_multicast()) return {};
    event.state = info->ndm_state;
    if (const auto mac = attributes.mac(NDA_LLADDR)) event.mac = *mac;
    return event;
}

std::uint8_t family_number(const IpAddress& address) { return address.is_v4() ? AF_INET : AF_INET6; }

}  // namespace

NetlinkEvent parse(const nlmsghdr& message) {
    switch (message.nlmsg_type) {
        case RTM_NEWLINK:
        case RTM_DELLINK:
            return parse_link(message);
        case RTM_NEWADDR:
        case RTM_DELADDR:
            return parse_address(message);
        case RTM_NEWROUTE:
        case RTM_DELROUTE:
            return parse_route(message);
        case RTM_NEWNEIGH:
        case RTM_DELNEIGH:
            return parse_neighbour(message);
        default:
            return {};
    }
}

NetlinkRequest::NetlinkRequest(std::uint16_t type, std::uint16_t flags) {
    auto* h = mnl_nlmsg_put_header(bytes_.data());
    h->nlmsg_type = type;
    h->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
}

nlmsghdr& NetlinkRequest::header() noexcept { return *reinterpret_cast<nlmsghdr*>(bytes_.data()); }
const nlmsghdr& NetlinkRequest::header() const noexcept { return *reinterpret_cast<const nlmsghdr*>(bytes_.data()); }

void* NetlinkRequest::extend(std::size_t size) {
    assert(header().nlmsg_len + MNL_ALIGN(size) <= bytes_.size());
    return mnl_nlmsg_put_extra_header(&header(), size);
}

void NetlinkRequest::put(std::uint16_t attribute, const void* data, std::size_t size) {
    const auto fits = mnl_attr_put_check(&header(), bytes_.size(), attribute, size, data);
    assert(fits);
    static_cast<void>(fits);
}

void NetlinkRequest::put(std::uint16_t attribute, std::uint32_t number) { put(attribute, &number, sizeof number); }
void NetlinkRequest::put(std::uint16_t attribute, const IpAddress& address) {
    put(attribute, address.bytes().data(), address.bytes().size());
}

NetlinkRequest dump_request(std::uint16_t type, std::uint8_t family) {
    NetlinkRequest request{type, NLM_F_DUMP};
    // Every family's fixed part starts with the family; the longest of them is ifinfomsg.
    request.fixed<ifinfomsg>().ifi_family = family;
    return request;
}

NetlinkRequest set_link_request(InterfaceIndex index, std::uint32_t mtu, const MacAddress* mac) {
    NetlinkRequest request{RTM_NEWLINK, 0};
    auto& info = request.fixed<ifinfomsg>();
    info.ifi_family = AF_UNSPEC;
    info.ifi_index = core::raw(index);
    info.ifi_flags = IFF_UP;
    info.ifi_change = IFF_UP;
    if (mtu != 0) request.put(IFLA_MTU, mtu);
    if (mac != nullptr) request.put(IFLA_ADDRESS, mac->octets.data(), mac->octets.size());
    return request;
}

namespace {

NetlinkRequest address_request(std::uint16_t type, std::uint16_t flags, InterfaceIndex index, const KernelConfig::Address& address) {
    NetlinkRequest request{type, flags};
    auto& info = request.fixed<ifaddrmsg>();
    info.ifa_family = family_number(address.address);
    info.ifa_prefixlen = address.length;
    info.ifa_scope = RT_SCOPE_UNIVERSE;
    info.ifa_index = static_cast<std::uint32_t>(core::raw(index));
    request.put(IFA_LOCAL, address.address);
    request.put(IFA_ADDRESS, address.address);
    return request;
}

NetlinkRequest route_request(std::uint16_t type, std::uint16_t flags, InterfaceIndex index, const Gateway& gateway) {
    NetlinkRequest request{type, flags};
    auto& info = request.fixed<rtmsg>();
    info.rtm_family = family_number(gateway.destination.address);
    info.rtm_dst_len = gateway.destination.length;
    info.rtm_table = RT_TABLE_MAIN;
    info.rtm_protocol = type == RTM_NEWROUTE ? RTPROT_STATIC : RTPROT_UNSPEC;
    info.rtm_scope = type == RTM_NEWROUTE ? RT_SCOPE_UNIVERSE : RT_SCOPE_NOWHERE;
    info.rtm_type = RTN_UNICAST;
    if (gateway.destination.length != 0) request.put(RTA_DST, gateway.destination.address);
    request.put(RTA_GATEWAY, gateway.via);
    request.put(RTA_OIF, static_cast<std::uint32_t>(core::raw(index)));
    if (gateway.metric != 0) request.put(RTA_PRIORITY, gateway.metric);
    return request;
}

}  // namespace

NetlinkRequest add_address_request(InterfaceIndex index, const KernelConfig::Address& address, AddressUse use) {
    auto request = address_request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, index, address);
    if (address.address.is_v6()) {
        // Without NODAD the address would be unusable for the second or so that duplicate detection takes (RFC 4862 5.4).
        request.put(IFA_FLAGS, std::uint32_t{IFA_F_NODAD});
        // Deprecated addresses are valid but never a source of the kernel's choice (RFC 6724 5, rule 3).
        const ifa_cacheinfo lifetime{.ifa_prefered = use == AddressUse::virtual_ip ? 0U : ~0U, .ifa_valid = ~0U, .cstamp = 0, .tstamp = 0};
        request.put(IFA_CACHEINFO, &lifetime, sizeof lifetime);
    }
    return request;
}

NetlinkRequest delete_address_request(InterfaceIndex index, const KernelConfig::Address& address) {
    return address_request(RTM_DELADDR, 0, index, address);
}

NetlinkRequest add_route_request(InterfaceIndex index, const Gateway& gateway) {
    return route_request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, index, gateway);
}

NetlinkRequest delete_route_request(InterfaceIndex index, const Gateway& gateway) { return route_request(RTM_DELROUTE, 0, index, gateway); }

NetlinkRequest use_neighbour_request(InterfaceIndex index, const IpAddress& address) {
    NetlinkRequest request{RTM_NEWNEIGH, NLM_F_CREATE};
    auto& info = request.fixed<ndmsg>();
    info.ndm_family = family_number(address);
    info.ndm_ifindex = core::raw(index);
    info.ndm_state = NUD_NONE;
    info.ndm_flags = NTF_USE;
    request.put(NDA_DST, address);
    return request;
}

}  // namespace sipfront::kni
