#include "kni/interface_setup.hpp"

#include <algorithm>

#include <gtest/gtest.h>
#include <linux/if_addr.h>
#include <net/if.h>

#include "kernel_fixture.hpp"
#include "kni/netlink.hpp"
#include "netlink_events.hpp"

namespace sipfront::kni {
namespace {

using namespace testing;

class InterfaceSetupTest : public NamespaceTest {
protected:
    void SetUp() override {
        NamespaceTest::SetUp();
        if (HasFatalFailure()) return;
        tap_.emplace("sf0");
        config_.addresses = {{ip("10.77.0.101"), 24}, {ip("fd77::101"), 64}};
        config_.routes = {{prefix("0.0.0.0/0"), ip("10.77.0.1"), 0}, {prefix("::/0"), ip("fd77::1"), 0}};
        auto setup = InterfaceSetup::open("sf0");
        ASSERT_TRUE(setup) << setup.error().what;
        setup_.emplace(std::move(setup).value());
    }

    KernelView view() {
        auto mirror = NetlinkMirror::open({.interface = "sf0"});
        EXPECT_TRUE(mirror);
        EXPECT_TRUE(mirror->poll());
        return mirror->view();
    }
    std::uint32_t mtu() {
        std::uint32_t result = 0;
        auto socket = NetlinkSocket::open();
        EXPECT_TRUE(socket);
        EXPECT_EQ(socket->dump(dump_request(RTM_GETLINK, AF_UNSPEC),
                               [&](const nlmsghdr& message) {
                                   const auto event = parse(message);
                                   const auto* link = std::get_if<LinkEvent>(&event);
                                   if (link != nullptr && link->index == setup_->index()) result = link->mtu;
                               }),
                  0);
        return result;
    }
    bool has_address(std::string_view text, std::uint8_t length) {
        const auto v = view();
        return std::ranges::find(v.addresses(), KernelConfig::Address{ip(text), length}) != v.addresses().end();
    }

    std::optional<TestTap> tap_;
    KernelConfig config_;
    std::optional<InterfaceSetup> setup_;
};

TEST_F(InterfaceSetupTest, GivesLinkMacMtuAddressesAndRoutes) {
    auto done = setup_->apply(config_, 1400, mac(0x42));
    ASSERT_TRUE(done) << done.error().what;
    const auto v = view();
    EXPECT_TRUE(v.up());
    EXPECT_EQ(v.mac(), mac(0x42));
    EXPECT_TRUE(has_address("10.77.0.101", 24));
    EXPECT_TRUE(has_address("fd77::101", 64));
    EXPECT_EQ(mtu(), 1400U);
    auto snapshot = KernelView{v}.snapshot();
    EXPECT_EQ(snapshot->lookup(ip("192.0.2.1")).address, ip("10.77.0.1"));
    EXPECT_EQ(snapshot->lookup(ip("2001:db8::1")).address, ip("fd77::1"));
    EXPECT_TRUE(snapshot->on_link(ip("10.77.0.55")));
}

TEST_F(InterfaceSetupTest, IsIdempotent) {
    for (int i = 0; i < 3; ++i) {
        auto done = setup_->apply(config_, 1500, mac(0x42));
        ASSERT_TRUE(done) << done.error().what;
    }
    EXPECT_EQ(std::ranges::count_if(view().addresses(), [](const auto& a) { return a.address == ip("10.77.0.101"); }), 1);
}

TEST_F(InterfaceSetupTest, SettingsLetAVirtualAddressAnswerAtOnce) {
    ASSERT_TRUE(setup_->set_kernel_options());
    EXPECT_EQ(read_setting("/proc/sys/net/ipv4/conf/sf0/rp_filter"), "2");
    EXPECT_EQ(read_setting("/proc/sys/net/ipv4/conf/sf0/arp_ignore"), "1");
    EXPECT_EQ(read_setting("/proc/sys/net/ipv6/conf/sf0/accept_dad"), "0");
}

TEST_F(InterfaceSetupTest, VirtualAddressesComeAndGoWithTheRole) {
    ASSERT_TRUE(setup_->apply(config_, 1500, mac(0x42)));
    for (const KernelConfig::Address& vip : {KernelConfig::Address{ip("10.77.0.100"), 24}, KernelConfig::Address{ip("fd77::100"), 64}}) {
        const auto text = vip.address.to_string();
        ASSERT_TRUE(setup_->add_address(vip, AddressUse::virtual_ip));
        ASSERT_TRUE(setup_->add_address(vip, AddressUse::virtual_ip)) << "again";
        EXPECT_TRUE(has_address(text, vip.length));
        ASSERT_TRUE(setup_->del_address(vip));
        EXPECT_FALSE(has_address(text, vip.length));
        ASSERT_TRUE(setup_->del_address(vip)) << "again";
    }
    EXPECT_TRUE(has_address("10.77.0.101", 24));
    EXPECT_TRUE(has_address("fd77::101", 64));
}

TEST_F(InterfaceSetupTest, VirtualAddressOutlivesTheNodesOwn) {
    ASSERT_TRUE(setup_->apply(config_, 1500, mac(0x42)));
    ASSERT_TRUE(setup_->add_address({ip("10.77.0.100"), 24}, AddressUse::virtual_ip));
    ASSERT_TRUE(setup_->del_address({ip("10.77.0.101"), 24}));
    EXPECT_TRUE(has_address("10.77.0.100", 24));
}

TEST_F(InterfaceSetupTest, KernelAnswersArpForTheVirtualAddressWithTheGivenMac) {
    ASSERT_TRUE(setup_->apply(config_, 1500, mac(0x42)));
    ASSERT_TRUE(setup_->add_address({ip("10.77.0.100"), 24}, AddressUse::virtual_ip));
    Frame request{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0,  0,  0, 0, 9, 8, 6, 0, 1, 8, 0,  6,  4, 0,
                  1,    2,    0,    0,    0,    0,    9, 10, 77, 0, 9, 0, 0, 0, 0, 0, 0, 10, 77, 0, 100};
    tap_->send(request);
    Frame reply;
    ASSERT_TRUE(until([&] {
        for (auto& frame : tap_->receive())
            if (frame[12] == 8 && frame[13] == 6 && frame[21] == 2) reply = frame;
        return !reply.empty();
    }));
    const auto expected = mac(0x42);
    EXPECT_TRUE(std::equal(expected.octets.begin(), expected.octets.end(), reply.begin() + 22));
}

TEST_F(InterfaceSetupTest, RouteOfAnotherInterfaceIsNotReplaced) {
    TestTap management{"mgmt0"};
    auto other = InterfaceSetup::open("mgmt0");
    ASSERT_TRUE(other);
    KernelConfig theirs;
    theirs.addresses = {{ip("10.99.0.9"), 24}};
    theirs.routes = {{prefix("0.0.0.0/0"), ip("10.99.0.1"), 0}};
    ASSERT_TRUE(other->apply(theirs, 1500, mac(0x43)));
    config_.routes = {{prefix("0.0.0.0/0"), ip("10.77.0.1"), 0}};
    const auto refused = setup_->apply(config_, 1500, mac(0x42));
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().what.find("metric"), std::string::npos) << refused.error().what;
    config_.routes[0].metric = 300;
    EXPECT_TRUE(setup_->apply(config_, 1500, mac(0x42)));
    auto v = view();
    // The kernel's own traffic still goes by the management interface, the workers' by theirs.
    EXPECT_EQ(v.snapshot()->lookup(ip("192.0.2.1")).address, ip("10.77.0.1"));
}

TEST_F(InterfaceSetupTest, GatewayOutsideOfTheSubnetIsExplained) {
    config_.routes = {{prefix("0.0.0.0/0"), ip("10.88.0.1"), 0}};
    const auto refused = setup_->apply(config_, 1500, mac(0x42));
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().what.find("subnet"), std::string::npos) << refused.error().what;
}

TEST_F(InterfaceSetupTest, MissingInterfaceIsNamed) {
    const auto missing = InterfaceSetup::open("nosuch0");
    ASSERT_FALSE(missing);
    EXPECT_NE(missing.error().what.find("nosuch0"), std::string::npos);
}

TEST_F(InterfaceSetupTest, AddressOfAVanishedInterfaceCountsAsRemoved) {
    ASSERT_TRUE(setup_->apply(config_, 1500, mac(0x42)));
    tap_.reset();
    EXPECT_TRUE(setup_->del_address(config_.addresses[0]));
    EXPECT_TRUE(setup_->del_route(config_.routes[0]));
}

}  // namespace
}  // namespace sipfront::kni
