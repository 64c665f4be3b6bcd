#include "dpdk/waiting_room.hpp"

#include <vector>

#include <gtest/gtest.h>

#include "frames.hpp"

namespace sipfront::dpdk {
namespace {

using namespace test;
using namespace std::chrono_literals;

// Frames are opaque to the room: any distinct addresses do.
rte_mbuf* frame(std::size_t i) {
    static char bytes[256];
    return reinterpret_cast<rte_mbuf*>(bytes + i);
}

class WaitingRoomTest : public testing::Test {
protected:
    void sweep(const NextHops& hops, core::Tick now) {
        room.sweep(
            hops, now, [&](rte_mbuf* f, const MacAddress&) { sent.push_back(f); }, [&](rte_mbuf* f) { expired.push_back(f); });
    }
    static NextHops knowing(std::vector<Neighbour> neighbours) { return {{}, std::move(neighbours)}; }

    WaitingRoom room;
    core::Tick t{5s};
    std::vector<rte_mbuf*> sent, expired;
};

TEST_F(WaitingRoomTest, SendsInOrderWhenTheAddressIsKnown) {
    const auto nothing = knowing({});
    room.add(frame(1), ip("10.0.0.1"), t);
    room.add(frame(2), ip("10.0.0.2"), t);
    room.add(frame(3), ip("10.0.0.1"), t);
    sweep(nothing, t + 10ms);
    EXPECT_TRUE(sent.empty());
    sweep(knowing({{ip("10.0.0.1"), peer_mac}}), t + 20ms);
    EXPECT_EQ(sent, (std::vector{frame(1), frame(3)}));
    EXPECT_EQ(room.size(), 1U);
    EXPECT_TRUE(expired.empty());
}

TEST_F(WaitingRoomTest, GivesUpAfterASecond) {
    const auto nothing = knowing({});
    room.add(frame(1), ip("10.0.0.1"), t);
    room.add(frame(2), ip("10.0.0.1"), t + 500ms);
    sweep(nothing, t + 999ms);
    EXPECT_TRUE(expired.empty());
    sweep(nothing, t + 1s);
    EXPECT_EQ(expired, std::vector{frame(1)});
    sweep(nothing, t + 1500ms);
    EXPECT_EQ(expired, (std::vector{frame(1), frame(2)}));
    EXPECT_EQ(room.size(), 0U);
}

TEST_F(WaitingRoomTest, IsBoundedAndOneDeadHopCannotFillIt) {
    std::size_t of_one = 0;
    while (room.add(frame(of_one), ip("10.0.0.1"), t)) ++of_one;
    EXPECT_EQ(of_one, WaitingRoom::per_hop);
    for (std::uint32_t i = 0; i < 100; ++i) room.add(frame(i), core::IpAddress::v4(0x0b000000 + i), t);
    EXPECT_EQ(room.size(), WaitingRoom::capacity);
    EXPECT_FALSE(room.add(frame(0), ip("12.0.0.1"), t));
    room.clear([&](rte_mbuf* f) { expired.push_back(f); });
    EXPECT_EQ(expired.size(), WaitingRoom::capacity);
    EXPECT_EQ(room.size(), 0U);
}

TEST_F(WaitingRoomTest, AsksAgainOnlyAfterAWhile) {
    EXPECT_TRUE(room.should_ask(ip("10.0.0.1"), t));
    EXPECT_FALSE(room.should_ask(ip("10.0.0.1"), t + 249ms));
    EXPECT_TRUE(room.should_ask(ip("10.0.0.1"), t + 250ms));
    EXPECT_FALSE(room.should_ask(ip("10.0.0.1"), t + 499ms));
}

}  // namespace
}  // namespace sipfront::dpdk
