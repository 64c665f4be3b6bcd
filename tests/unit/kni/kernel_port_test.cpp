#include "kni/kernel_port.hpp"

#include <gtest/gtest.h>

#include "kernel_fixture.hpp"
#include "netlink_events.hpp"

namespace sipfront::kni {
namespace {

TEST(KernelPort, AutomaticTakesVirtioUserWhereVhostNetIsUsable) {
    EXPECT_EQ(choose_device(DeviceKind::automatic, true), DeviceKind::virtio_user);
    EXPECT_EQ(choose_device(DeviceKind::automatic, false), DeviceKind::tap);
    EXPECT_EQ(choose_device(DeviceKind::tap, true), DeviceKind::tap);
    EXPECT_EQ(choose_device(DeviceKind::virtio_user, false), DeviceKind::virtio_user);
}

TEST(KernelPort, TapArgumentsCarryTheWiresMac) {
    EXPECT_EQ(device_arguments(DeviceKind::tap, "sf0", testing::mac(5), 4), "net_tap_sf0,iface=sf0,mac=02:00:00:00:00:05");
}

TEST(KernelPort, VirtioUserArgumentsHaveAQueuePairPerWorkerUpToTheDriversLimit) {
    const auto args = device_arguments(DeviceKind::virtio_user, "sf0", testing::mac(5), 4);
    EXPECT_NE(args.find("path=/dev/vhost-net"), std::string::npos);
    EXPECT_NE(args.find(",queues=4,"), std::string::npos);
    EXPECT_NE(device_arguments(DeviceKind::virtio_user, "sf0", testing::mac(5), 64).find(",queues=8,"), std::string::npos);
}

class KernelPortCheck : public testing::NamespaceTest {};

TEST_F(KernelPortCheck, AcceptsAFreeNameAndRefusesATakenOne) {
    KernelConfig config;
    config.device = DeviceKind::tap;
    const auto free = check_kernel_port(config);
    EXPECT_TRUE(free) << (free ? "" : free.error().what);
    const testing::TestTap taken{config.interface};
    const auto refused = check_kernel_port(config);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().what.find("exists already"), std::string::npos) << refused.error().what;
}

// The name becomes part of a device argument string, where these characters separate.
TEST_F(KernelPortCheck, RefusesNamesThatAreNone) {
    for (const auto* name : {"", "a,mac=fixed", "x/y", "sixteen-letters-", "a b"}) {
        KernelConfig config;
        config.interface = name;
        EXPECT_FALSE(check_kernel_port(config)) << name;
    }
}

}  // namespace
}  // namespace sipfront::kni
