#include "dpdk/next_hops.hpp"

#include <gtest/gtest.h>

#include "dpdk/hop_cache.hpp"
#include "frames.hpp"

namespace sipfront::dpdk {
namespace {

using namespace test;
using Kind = NextHop::Kind;

core::Prefix prefix(std::string_view text) { return core::Prefix::parse(text).value(); }
MacAddress mac(std::uint8_t last) { return {{2, 0, 0, 0, 0, last}}; }

NextHops office() {
    return {{{prefix("0.0.0.0/0"), ip("10.77.0.1"), false},
             {prefix("10.77.0.0/24"), {}, false},
             {prefix("192.168.0.0/16"), ip("10.77.0.9"), false},
             {prefix("192.168.7.0/24"), ip("10.77.0.8"), false},
             {prefix("192.168.7.66/32"), ip("10.77.0.7"), false},
             {prefix("172.16.0.0/12"), {}, true},
             {prefix("fd77::/64"), {}, false},
             {prefix("::/0"), ip("fd77::1"), false}},
            {{ip("10.77.0.1"), mac(1)},
             {ip("10.77.0.9"), mac(9)},
             {ip("10.77.0.8"), mac(8)},
             {ip("10.77.0.103"), mac(103)},
             {ip("fd77::1"), mac(0x61)}}};
}

TEST(NextHops, LongestPrefixWins) {
    const auto hops = office();
    EXPECT_EQ(hops.lookup(ip("10.77.0.103")).mac, mac(103));
    EXPECT_EQ(hops.lookup(ip("8.8.8.8")).mac, mac(1));
    EXPECT_EQ(hops.lookup(ip("192.168.1.1")).mac, mac(9));
    EXPECT_EQ(hops.lookup(ip("192.168.7.1")).mac, mac(8));
    EXPECT_EQ(hops.lookup(ip("192.168.7.66")).address, ip("10.77.0.7"));
    EXPECT_EQ(hops.lookup(ip("2001:db8::5")).mac, mac(0x61));
}

TEST(NextHops, TellsUnresolvedFromNoRoute) {
    const auto hops = office();
    const auto on_link = hops.lookup(ip("10.77.0.50"));
    EXPECT_EQ(on_link.kind, Kind::unresolved);
    EXPECT_EQ(on_link.address, ip("10.77.0.50"));
    const auto behind = hops.lookup(ip("192.168.7.66"));
    EXPECT_EQ(behind.kind, Kind::unresolved);
    EXPECT_EQ(behind.address, ip("10.77.0.7"));
    EXPECT_EQ(hops.lookup(ip("172.17.0.1")).kind, Kind::no_route);
    EXPECT_EQ(NextHops{}.lookup(ip("10.77.0.1")).kind, Kind::no_route);
    EXPECT_EQ(hops.lookup({}).kind, Kind::no_route);
}

TEST(NextHops, FamiliesDoNotMix) {
    const NextHops v4_only{{{prefix("0.0.0.0/0"), ip("10.0.0.1"), false}}, {{ip("10.0.0.1"), mac(1)}}};
    EXPECT_EQ(v4_only.lookup(ip("fd77::1")).kind, Kind::no_route);
}

TEST(NextHops, FirstRouteOfAPrefixWins) {
    const NextHops hops{{{prefix("0.0.0.0/0"), ip("10.0.0.1"), false}, {prefix("0.0.0.0/0"), ip("10.0.0.2"), false}}, {}};
    EXPECT_EQ(hops.lookup(ip("8.8.8.8")).address, ip("10.0.0.1"));
}

TEST(NextHops, MulticastResolvesByRule_Rfc1112_6_4) {
    EXPECT_EQ(office().lookup(ip("224.128.1.75")).mac, (MacAddress{{1, 0, 0x5e, 0, 1, 75}}));
    EXPECT_EQ(office().lookup(ip("ff02::1:ff00:1234")).mac, (MacAddress{{0x33, 0x33, 0xff, 0, 0x12, 0x34}}));
}

TEST(NextHops, AgreesWithALinearSearchOverManyRoutes) {
    std::vector<Route> routes;
    std::uint32_t seed = 12345;
    const auto random = [&] { return seed = seed * 1664525 + 1013904223; };
    for (int i = 0; i < 500; ++i) {
        const auto length = static_cast<std::uint8_t>(random() >> 27);
        const auto p = prefix(core::IpAddress::v4(random() & 0x0f00ffff).to_string() + "/" + std::to_string(length));
        routes.push_back({p, core::IpAddress::v4(0x0a000000U + static_cast<std::uint32_t>(i)), false});
    }
    const NextHops hops{routes, {}};
    for (int i = 0; i < 2000; ++i) {
        const auto a = core::IpAddress::v4(random() & 0x0f00ffff);
        const Route* best = nullptr;
        for (const auto& r : routes) {
            if (r.prefix.contains(a) && (best == nullptr || r.prefix.length > best->prefix.length)) best = &r;
        }
        ASSERT_EQ(hops.lookup(a).address, best != nullptr ? best->gateway : core::IpAddress{}) << a.to_string();
    }
}

TEST(NextHops, FindsEveryNeighbour) {
    std::vector<Neighbour> all;
    for (std::uint32_t i = 0; i < 1000; ++i) all.push_back({core::IpAddress::v4(0x0a000000 + i), mac(static_cast<std::uint8_t>(i))});
    const NextHops hops{{}, all};
    for (const auto& n : all) {
        ASSERT_NE(hops.neighbour(n.address), nullptr);
        EXPECT_EQ(*hops.neighbour(n.address), n.mac);
    }
    EXPECT_EQ(hops.neighbour(ip("11.0.0.0")), nullptr);
    EXPECT_EQ(hops.neighbours(), 1000U);
}

TEST(HopCache, EntriesOfAnOlderSnapshotMiss) {
    const auto first = office();
    const auto second = office();
    EXPECT_NE(first.generation(), second.generation());
    HopCache cache;
    cache.keep(ip("8.8.8.8"), first.generation(), first.lookup(ip("8.8.8.8")));
    ASSERT_NE(cache.find(ip("8.8.8.8"), first.generation()), nullptr);
    EXPECT_EQ(cache.find(ip("8.8.8.8"), first.generation())->mac, mac(1));
    EXPECT_EQ(cache.find(ip("8.8.8.8"), second.generation()), nullptr);
    EXPECT_EQ(cache.find(ip("8.8.4.4"), first.generation()), nullptr);
}

TEST(LearnedHops, OnlyUnknownOnLinkSourcesThatComeFromNoGateway) {
    const auto hops = office();
    EXPECT_TRUE(may_learn(hops, ip("10.77.0.50"), mac(50)));
    EXPECT_FALSE(may_learn(hops, ip("10.77.0.103"), mac(66)));  // the kernel knows better
    EXPECT_FALSE(may_learn(hops, ip("8.8.8.8"), mac(50)));      // not on the link
    EXPECT_FALSE(may_learn(hops, ip("10.77.0.50"), mac(1)));    // forged behind the gateway
    EXPECT_FALSE(may_learn(hops, ip("10.77.0.50"), MacAddress::broadcast()));
}

TEST(LearnedHops, Expire) {
    LearnedHops learned;
    const core::Tick now{std::chrono::seconds{100}};
    learned.learn(ip("10.77.0.50"), mac(50), now);
    ASSERT_NE(learned.find(ip("10.77.0.50"), now + std::chrono::seconds{4}), nullptr);
    EXPECT_EQ(*learned.find(ip("10.77.0.50"), now), mac(50));
    EXPECT_EQ(learned.find(ip("10.77.0.51"), now), nullptr);
    EXPECT_EQ(learned.find(ip("10.77.0.50"), now + LearnedHops::lifetime), nullptr);
}

TEST(MacAddress, PrintsItself) { EXPECT_EQ((MacAddress{{2, 0xab, 0, 0x10, 9, 0xff}}.to_string()), "02:ab:00:10:09:ff"); }

}  // namespace
}  // namespace sipfront::dpdk
