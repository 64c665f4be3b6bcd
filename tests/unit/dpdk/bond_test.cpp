#include "dpdk/bond.hpp"

#include <thread>

#include <gtest/gtest.h>

#include "dpdk/link_monitor.hpp"
#include "ring_plane.hpp"

namespace sipfront::dpdk {
namespace {

using namespace test;

DataPlaneConfig bonded(const std::string& first, const std::string& second) {
    (void)environment();
    DataPlaneConfig c;
    c.ports = {{first}, {second}};
    c.bond.mode = BondMode::active_backup;
    c.rx_descriptors = c.tx_descriptors = 64;
    c.mbufs = 4096;
    return c;
}

// The bonding PMD learns of a member's link by a timer of its own, so the first attempts may be refused.
bool activated(Bond& bond, std::size_t member) {
    for (int i = 0; i < 10'000'000; ++i) {
        if (bond.activate(member)) return true;
        std::this_thread::yield();
    }
    return false;
}

TEST(Bond, MovesTheTrafficAndKeepsItsMacAddress) {
    auto config = bonded("net_null_a,no-rx=1", "net_null_b,no-rx=1");
    config.bond.primary = config.ports[1].device;
    auto opened = DataPlane::open(config);
    ASSERT_TRUE(opened) << opened.error().what;
    auto& plane = **opened;
    ASSERT_NE(plane.bond(), nullptr);
    auto& bond = *plane.bond();
    EXPECT_EQ(bond.preferred(), 1U);
    EXPECT_EQ(bond.active(), 1U);
    EXPECT_TRUE(bond.carrier(0));
    const auto mac = plane.wire().mac();
    ASSERT_TRUE(activated(bond, 0));
    EXPECT_EQ(bond.active(), 0U);
    EXPECT_EQ(plane.wire().mac(), mac);

    // The monitor brings it back to the preferred member, says so and announces the addresses.
    BondMonitor monitor{plane, config.bond, {}, core::Tick{}};
    monitor.set_announced({ip("10.77.0.100")});
    std::optional<BondMonitor::Event> event;
    core::Tick now{};
    for (int i = 0; i < 10'000'000 && !event; ++i) event = monitor.poll(now += std::chrono::milliseconds{100});
    ASSERT_TRUE(event);
    EXPECT_EQ(event->from, 0U);
    EXPECT_EQ(event->to, 1U);
    EXPECT_EQ(bond.active(), 1U);
    EXPECT_EQ(plane.orders().depth(), 1U);
    EXPECT_EQ(monitor.switches().get(), 1U);
}

TEST(Bond, SaysWhichDeviceCannotBeAMember) {
    const auto config = bonded("net_null_c,no-rx=1", "net_memif_d,role=server,socket=@sipfront-unit,socket-abstract=yes");
    const auto refused = DataPlane::open(config);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().what.find("net_memif_d"), std::string::npos);
}

}  // namespace
}  // namespace sipfront::dpdk
