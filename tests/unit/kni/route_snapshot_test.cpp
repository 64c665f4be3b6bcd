#include "kni/route_snapshot.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/if.h>

#include "netlink_events.hpp"

namespace sipfront::kni {
namespace {

using namespace testing;
using Kind = dpdk::NextHop::Kind;

class KernelViewTest : public ::testing::Test {
protected:
    KernelViewTest() {
        feed(link_message(RTM_NEWLINK, sf0, "sf0", IFF_UP | IFF_RUNNING));
        feed(address_message(RTM_NEWADDR, sf0, "10.77.0.101", 24));
        add_route({"10.77.0.0/24", ""});
        add_neighbour("10.77.0.1", 1);
        static_cast<void>(view_.snapshot());
    }

    void feed(const NetlinkRequest& message) { view_.apply(parse(message.header())); }
    void add_route(const RouteText& r, std::uint16_t flags = NLM_F_CREATE | NLM_F_EXCL) { feed(route_message(RTM_NEWROUTE, flags, r)); }
    void del_route(const RouteText& r) { feed(route_message(RTM_DELROUTE, 0, r)); }
    void add_neighbour(std::string_view address, std::uint8_t last, std::uint16_t state = NUD_REACHABLE, InterfaceIndex index = sf0) {
        const auto m = mac(last);
        feed(neighbour_message(RTM_NEWNEIGH, index, address, state, &m));
    }
    dpdk::NextHop lookup(std::string_view destination) { return view_.snapshot()->lookup(ip(destination)); }

    KernelView view_{"sf0"};
};

TEST_F(KernelViewTest, ConnectedNetworkResolvesToTheDestinationItself) {
    const auto hop = lookup("10.77.0.1");
    EXPECT_EQ(hop.kind, Kind::resolved);
    EXPECT_EQ(hop.mac, mac(1));
    EXPECT_EQ(lookup("10.77.0.9").kind, Kind::unresolved);
    EXPECT_EQ(lookup("10.78.0.1").kind, Kind::no_route);
}

TEST_F(KernelViewTest, DefaultRouteResolvesToItsGateway) {
    add_route({"0.0.0.0/0", "10.77.0.1"});
    EXPECT_TRUE(view_.changed());
    const auto hop = lookup("192.0.2.33");
    EXPECT_EQ(hop.kind, Kind::resolved);
    EXPECT_EQ(hop.address, ip("10.77.0.1"));
    EXPECT_THAT(view_.gateways(), ::testing::ElementsAre(ip("10.77.0.1")));
    del_route({"0.0.0.0/0", "10.77.0.1"});
    EXPECT_EQ(lookup("192.0.2.33").kind, Kind::no_route);
}

TEST_F(KernelViewTest, LongestPrefixWins) {
    add_route({"0.0.0.0/0", "10.77.0.1"});
    add_route({"192.0.2.0/24", "10.77.0.2"});
    add_route({"192.0.2.128/25", "10.77.0.3"});
    EXPECT_EQ(lookup("192.0.2.200").address, ip("10.77.0.3"));
    EXPECT_EQ(lookup("192.0.2.5").address, ip("10.77.0.2"));
    EXPECT_EQ(lookup("203.0.113.5").address, ip("10.77.0.1"));
}

TEST_F(KernelViewTest, LowestMetricWinsAndTheNextTakesOver) {
    add_route({.destination = "0.0.0.0/0", .gateway = "10.77.0.2", .metric = 200});
    add_route({.destination = "0.0.0.0/0", .gateway = "10.77.0.1", .metric = 100});
    EXPECT_EQ(lookup("192.0.2.1").address, ip("10.77.0.1"));
    del_route({.destination = "0.0.0.0/0", .gateway = "10.77.0.1", .metric = 100});
    EXPECT_EQ(lookup("192.0.2.1").address, ip("10.77.0.2"));
}

TEST_F(KernelViewTest, ReplaceTakesTheOldGatewayAway) {
    add_route({"0.0.0.0/0", "10.77.0.1"});
    add_route({"0.0.0.0/0", "10.77.0.2"}, NLM_F_REPLACE);
    EXPECT_EQ(lookup("192.0.2.1").address, ip("10.77.0.2"));
    // Replaced by a route of another device: none of ours is left.
    add_route({.destination = "0.0.0.0/0", .gateway = "10.99.0.1", .device = eth0}, NLM_F_REPLACE);
    EXPECT_EQ(lookup("192.0.2.1").kind, Kind::no_route);
}

TEST_F(KernelViewTest, ReplaceOfOneOfSeveralRoutesAsksForAResync) {
    view_.compare_with(KernelView{view_});
    add_route({"0.0.0.0/0", "10.77.0.1"});
    add_route({"0.0.0.0/0", "10.77.0.2"}, NLM_F_APPEND);
    EXPECT_EQ(lookup("192.0.2.1").address, ip("10.77.0.1"));
    EXPECT_FALSE(view_.needs_resync());
    add_route({"0.0.0.0/0", "10.77.0.3"}, NLM_F_REPLACE);
    EXPECT_TRUE(view_.needs_resync());
}

TEST_F(KernelViewTest, AppendedAndPrependedRoutesKeepTheKernelsOrder) {
    add_route({"0.0.0.0/0", "10.77.0.2"});
    add_route({"0.0.0.0/0", "10.77.0.3"}, NLM_F_APPEND);
    EXPECT_EQ(lookup("192.0.2.1").address, ip("10.77.0.2"));
    add_route({"0.0.0.0/0", "10.77.0.1"}, NLM_F_CREATE);
    EXPECT_EQ(lookup("192.0.2.1").address, ip("10.77.0.1"));
    del_route({"0.0.0.0/0", "10.77.0.1"});
    del_route({"0.0.0.0/0", "10.77.0.2"});
    EXPECT_EQ(lookup("192.0.2.1").address, ip("10.77.0.3"));
}

TEST_F(KernelViewTest, BlockedPrefixIsNoRouteWithinAWiderOne) {
    add_route({"0.0.0.0/0", "10.77.0.1"});
    for (const std::uint8_t type : {RTN_BLACKHOLE, RTN_UNREACHABLE, RTN_PROHIBIT}) {
        add_route({.destination = "192.0.2.0/24", .gateway = "", .type = type});
        EXPECT_EQ(lookup("192.0.2.1").kind, Kind::no_route) << int{type};
        EXPECT_EQ(lookup("192.0.3.1").kind, Kind::resolved);
        del_route({.destination = "192.0.2.0/24", .gateway = "", .type = type});
        EXPECT_EQ(lookup("192.0.2.1").kind, Kind::resolved) << int{type};
    }
}

TEST_F(KernelViewTest, OtherDevicesTablesTypesAndTosAreNotOurs) {
    add_route({.destination = "0.0.0.0/0", .gateway = "10.99.0.1", .device = eth0});
    add_route({.destination = "0.0.0.0/0", .gateway = "10.77.0.1", .table = 100});
    add_route({.destination = "0.0.0.0/0", .gateway = "10.77.0.1", .tos = 16});
    add_route({.destination = "192.0.2.0/24", .gateway = "", .type = RTN_LOCAL});
    EXPECT_FALSE(view_.changed());
    EXPECT_EQ(lookup("192.0.2.1").kind, Kind::no_route);
}

TEST_F(KernelViewTest, DeadHopIsSkipped) {
    add_route({.destination = "0.0.0.0/0", .gateway = "10.77.0.1", .hop_flags = RTNH_F_DEAD});
    EXPECT_EQ(lookup("192.0.2.1").kind, Kind::no_route);
    add_route({.destination = "0.0.0.0/0", .gateway = "10.77.0.1"}, 0);
    EXPECT_EQ(lookup("192.0.2.1").kind, Kind::resolved);
}

TEST_F(KernelViewTest, MultipathTakesTheFirstLiveHopOfOurDevice) {
    const std::vector<Hop> hops{{eth0, ip("10.99.0.1"), false}, {sf0, ip("10.77.0.2"), true}, {sf0, ip("10.77.0.1"), false}};
    const RouteEvent route{.appends = true, .key = {prefix("0.0.0.0/0"), 0}, .hops = hops};
    view_.apply(route);
    EXPECT_EQ(lookup("192.0.2.1").address, ip("10.77.0.1"));
    view_.apply(RouteEvent{.deleted = true, .key = route.key, .hops = hops});
    EXPECT_EQ(lookup("192.0.2.1").kind, Kind::no_route);
}

TEST_F(KernelViewTest, Ipv6RoutesAndNeighbours) {
    add_route({.destination = "fd77::/64", .gateway = "", .metric = 256});
    add_route({.destination = "::/0", .gateway = "fe80::1", .metric = 1024});
    add_route({.destination = "fe80::/64", .gateway = "", .metric = 256});
    add_neighbour("fe80::1", 9);
    add_neighbour("fd77::103", 10);
    EXPECT_EQ(lookup("fd77::103").mac, mac(10));
    EXPECT_EQ(lookup("2001:db8::1").mac, mac(9));
    EXPECT_EQ(lookup("2001:db8::1").address, ip("fe80::1"));
}

TEST_F(KernelViewTest, Ipv4RouteOverIpv6Gateway_Rfc5549) {
    add_neighbour("fe80::1", 9);
    add_route({"198.51.100.0/24", "fe80::1"});
    EXPECT_EQ(lookup("198.51.100.1").mac, mac(9));
}

TEST_F(KernelViewTest, EveryStateWithAnAddressIsUsable) {
    for (const int state : {NUD_REACHABLE, NUD_STALE, NUD_DELAY, NUD_PROBE, NUD_PERMANENT, NUD_NOARP}) {
        add_neighbour("10.77.0.50", 50, static_cast<std::uint16_t>(state));
        EXPECT_EQ(lookup("10.77.0.50").kind, Kind::resolved) << state;
    }
    for (const int state : {NUD_INCOMPLETE, NUD_FAILED, NUD_NONE}) {
        add_neighbour("10.77.0.50", 50, NUD_REACHABLE);
        feed(neighbour_message(RTM_NEWNEIGH, sf0, "10.77.0.50", static_cast<std::uint16_t>(state), nullptr));
        EXPECT_TRUE(view_.changed());
        EXPECT_EQ(lookup("10.77.0.50").kind, Kind::unresolved) << state;
    }
}

TEST_F(KernelViewTest, OnlyWhatWorkersSeeIsAChange) {
    add_neighbour("10.77.0.1", 1, NUD_STALE);
    add_neighbour("10.77.0.1", 1, NUD_PROBE);
    add_neighbour("10.77.0.60", 60, NUD_REACHABLE, eth0);
    add_route({"10.77.0.0/24", ""});
    EXPECT_FALSE(view_.changed());
    add_neighbour("10.77.0.1", 2);
    EXPECT_TRUE(view_.changed());
    EXPECT_EQ(lookup("10.77.0.1").mac, mac(2));
}

TEST_F(KernelViewTest, DeletedNeighbourDisappears) {
    feed(neighbour_message(RTM_DELNEIGH, sf0, "10.77.0.1", NUD_FAILED, nullptr));
    EXPECT_TRUE(view_.changed());
    EXPECT_EQ(lookup("10.77.0.1").kind, Kind::unresolved);
}

TEST_F(KernelViewTest, BroadcastEntryIsNoNeighbour) {
    const auto broadcast = MacAddress::broadcast();
    feed(neighbour_message(RTM_NEWNEIGH, sf0, "10.77.0.255", NUD_NOARP, &broadcast));
    EXPECT_FALSE(view_.changed());
}

TEST_F(KernelViewTest, LostAddressAsksForAResync_ItsRoutesVanishSilently) {
    view_.compare_with(KernelView{view_});
    ASSERT_FALSE(view_.needs_resync());
    feed(address_message(RTM_DELADDR, eth0, "10.99.0.9", 24));
    EXPECT_FALSE(view_.needs_resync());
    feed(address_message(RTM_DELADDR, sf0, "10.77.0.101", 24));
    EXPECT_TRUE(view_.needs_resync());
    EXPECT_TRUE(view_.addresses().empty());
}

TEST_F(KernelViewTest, LinkDownAsksForAResync) {
    view_.compare_with(KernelView{view_});
    feed(link_message(RTM_NEWLINK, eth0, "eth0", 0));
    EXPECT_FALSE(view_.needs_resync());
    feed(link_message(RTM_NEWLINK, sf0, "sf0", 0));
    EXPECT_TRUE(view_.needs_resync());
    EXPECT_FALSE(view_.up());
}

TEST_F(KernelViewTest, VanishedInterfaceLeavesNothing) {
    add_route({"0.0.0.0/0", "10.77.0.1"});
    feed(link_message(RTM_DELLINK, sf0, "sf0", 0));
    EXPECT_FALSE(view_.index());
    EXPECT_TRUE(view_.changed());
    EXPECT_EQ(lookup("10.77.0.1").kind, Kind::no_route);
    EXPECT_TRUE(view_.addresses().empty());
    // The same name with a new number.
    feed(link_message(RTM_NEWLINK, InterfaceIndex{9}, "sf0", IFF_UP));
    EXPECT_EQ(view_.index(), InterfaceIndex{9});
    EXPECT_TRUE(view_.needs_resync());
}

TEST_F(KernelViewTest, RenamedAwayInterfaceIsNoLongerOurs) {
    feed(link_message(RTM_NEWLINK, sf0, "sf9", IFF_UP));
    EXPECT_FALSE(view_.index());
}

TEST_F(KernelViewTest, ResyncWithTheSameContentIsNoChange) {
    KernelView fresh{"sf0"};
    const auto m = mac(1);
    fresh.apply(parse(link_message(RTM_NEWLINK, sf0, "sf0", IFF_UP | IFF_RUNNING).header()));
    fresh.apply(parse(route_message(RTM_NEWROUTE, NLM_F_MULTI, {"10.77.0.0/24", ""}).header()));
    fresh.apply(parse(neighbour_message(RTM_NEWNEIGH, sf0, "10.77.0.1", NUD_STALE, &m).header()));
    auto more = fresh;
    fresh.compare_with(view_);
    EXPECT_FALSE(fresh.changed());
    EXPECT_FALSE(fresh.needs_resync());
    more.apply(parse(route_message(RTM_NEWROUTE, NLM_F_MULTI, {"0.0.0.0/0", "10.77.0.1"}).header()));
    more.compare_with(view_);
    EXPECT_TRUE(more.changed());
}

TEST_F(KernelViewTest, ResyncKeepsAChangeThatNobodyHasSeenYet) {
    add_neighbour("10.77.0.70", 70);
    ASSERT_TRUE(view_.changed());
    auto fresh = view_;
    fresh.compare_with(view_);
    EXPECT_TRUE(fresh.changed());
}

}  // namespace
}  // namespace sipfront::kni
