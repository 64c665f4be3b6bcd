#include "kni/netlink_message.hpp"

#include <cstring>
#include <vector>

#include <gtest/gtest.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_addr.h>

#include "netlink_events.hpp"

namespace sipfront::kni {
namespace {

using namespace testing;

template <class Event>
Event parsed(const NetlinkRequest& message) {
    const auto event = parse(message.header());
    EXPECT_TRUE(std::holds_alternative<Event>(event));
    return std::get<Event>(event);
}

TEST(NetlinkMessage, LinkFlagsNameAndMac) {
    const auto link = parsed<LinkEvent>(link_message(RTM_NEWLINK, sf0, "sf0", IFF_UP));
    EXPECT_EQ(link.name, "sf0");
    EXPECT_EQ(link.index, sf0);
    EXPECT_TRUE(link.up);
    EXPECT_FALSE(link.carrier);
    EXPECT_EQ(link.mac, mac(0x77));
    EXPECT_EQ(link.mtu, 1500U);
}

TEST(NetlinkMessage, NeighbourWithoutLinkAddressHasNone) {
    const auto n = parsed<NeighbourEvent>(neighbour_message(RTM_NEWNEIGH, sf0, "fd77::1", NUD_INCOMPLETE, nullptr));
    EXPECT_EQ(n.address, ip("fd77::1"));
    EXPECT_EQ(n.mac, MacAddress{});
}

TEST(NetlinkMessage, MulticastNeighboursAndProxiesAreSkipped) {
    const auto m = mac(1);
    EXPECT_TRUE(std::holds_alternative<std::monostate>(parse(neighbour_message(RTM_NEWNEIGH, sf0, "ff02::1", NUD_NOARP, &m).header())));
    auto proxy = neighbour_message(RTM_NEWNEIGH, sf0, "10.77.0.5", NUD_REACHABLE, &m);
    static_cast<ndmsg*>(mnl_nlmsg_get_payload(&proxy.header()))->ndm_flags = NTF_PROXY;
    EXPECT_TRUE(std::holds_alternative<std::monostate>(parse(proxy.header())));
}

// RTA_MULTIPATH is a list of struct rtnexthop, each with attributes of its own.
TEST(NetlinkMessage, MultipathRouteGivesItsHopsInOrder) {
    auto message = route_message(RTM_NEWROUTE, 0, {.destination = "0.0.0.0/0", .gateway = "", .type = RTN_UNICAST});
    std::vector<char> list;
    for (const auto& [device, gateway, flags] :
         {std::tuple{sf0, ip("10.77.0.1"), 0}, std::tuple{eth0, ip("10.99.0.1"), int{RTNH_F_DEAD}}}) {
        rtnexthop hop{};
        rtattr attribute{};
        hop.rtnh_len = sizeof hop + sizeof attribute + 4;
        hop.rtnh_ifindex = core::raw(device);
        hop.rtnh_flags = static_cast<unsigned char>(flags);
        attribute.rta_len = sizeof attribute + 4;
        attribute.rta_type = RTA_GATEWAY;
        const auto append = [&](const void* data, std::size_t size) {
            list.insert(list.end(), static_cast<const char*>(data), static_cast<const char*>(data) + size);
        };
        append(&hop, sizeof hop);
        append(&attribute, sizeof attribute);
        append(gateway.bytes().data(), 4);
    }
    message.put(RTA_MULTIPATH, list.data(), list.size());
    const auto route = parsed<RouteEvent>(message);
    ASSERT_EQ(route.hops.size(), 2U);
    EXPECT_EQ(route.hops[0], (Hop{sf0, ip("10.77.0.1"), false}));
    EXPECT_EQ(route.hops[1], (Hop{eth0, ip("10.99.0.1"), true}));
}

TEST(NetlinkMessage, TruncatedMultipathStopsAtTheLastWholeHop) {
    auto message = route_message(RTM_NEWROUTE, 0, {.destination = "0.0.0.0/0", .gateway = ""});
    rtnexthop hop{};
    hop.rtnh_len = 200;
    hop.rtnh_ifindex = core::raw(sf0);
    message.put(RTA_MULTIPATH, &hop, sizeof hop);
    EXPECT_TRUE(parsed<RouteEvent>(message).hops.empty());
}

TEST(NetlinkMessage, MessagesShorterThanTheirFixedPartAreSkipped) {
    for (const std::uint16_t type : {RTM_NEWLINK, RTM_NEWADDR, RTM_NEWROUTE, RTM_NEWNEIGH, RTM_DELROUTE}) {
        const NetlinkRequest empty{type, 0};
        EXPECT_TRUE(std::holds_alternative<std::monostate>(parse(empty.header()))) << type;
    }
}

// An attribute of a wrong size is as good as absent.
TEST(NetlinkMessage, AttributesOfWrongSizeAreIgnored) {
    NetlinkRequest message{RTM_NEWNEIGH, 0};
    auto& info = message.fixed<ndmsg>();
    info.ndm_family = AF_INET;
    info.ndm_ifindex = core::raw(sf0);
    info.ndm_state = NUD_REACHABLE;
    message.put(NDA_DST, ip("10.77.0.1"));
    message.put(NDA_LLADDR, "abc", 3);
    EXPECT_EQ(parsed<NeighbourEvent>(message).mac, MacAddress{});
}

TEST(NetlinkMessage, VirtualIpv6AddressIsUsableAtOnceAndNeverASource) {
    const auto request = add_address_request(sf0, {ip("fd77::100"), 64}, AddressUse::virtual_ip);
    const nlattr* flags = nullptr;
    const nlattr* lifetime = nullptr;
    for (const auto* a = static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(&request.header(), sizeof(ifaddrmsg)));
         static_cast<const char*>(mnl_nlmsg_get_payload_tail(&request.header())) > reinterpret_cast<const char*>(a); a = mnl_attr_next(a)) {
        if (mnl_attr_get_type(a) == IFA_FLAGS) flags = a;
        if (mnl_attr_get_type(a) == IFA_CACHEINFO) lifetime = a;
    }
    ASSERT_NE(flags, nullptr);
    ASSERT_NE(lifetime, nullptr);
    EXPECT_EQ(mnl_attr_get_u32(flags), std::uint32_t{IFA_F_NODAD});
    ifa_cacheinfo info{};
    std::memcpy(&info, mnl_attr_get_payload(lifetime), sizeof info);
    EXPECT_EQ(info.ifa_prefered, 0U);
    EXPECT_EQ(info.ifa_valid, ~0U);
}

}  // namespace
}  // namespace sipfront::kni
