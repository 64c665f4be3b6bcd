#include <algorithm>

#include <gtest/gtest.h>

#include "kernel_fixture.hpp"
#include "kni/interface_setup.hpp"
#include "kni/netlink.hpp"
#include "netlink_events.hpp"

namespace sipfront::kni {
namespace {

using namespace testing;
using Kind = dpdk::NextHop::Kind;

class NetlinkMirrorTest : public NamespaceTest {
protected:
    void SetUp() override {
        NamespaceTest::SetUp();
        if (HasFatalFailure()) return;
        config_.addresses = {{ip("10.77.0.101"), 24}, {ip("fd77::101"), 64}};
        attach();
        open_mirror({.interface = "sf0"});
    }

    void attach() {
        tap_.emplace("sf0");
        auto setup = InterfaceSetup::open("sf0");
        ASSERT_TRUE(setup) << setup.error().what;
        setup_.emplace(std::move(setup).value());
        auto done = setup_->apply(config_, 1500, mac(0x42));
        ASSERT_TRUE(done) << done.error().what;
    }
    void open_mirror(const MirrorOptions& options) {
        auto mirror = NetlinkMirror::open(options);
        ASSERT_TRUE(mirror) << mirror.error().what;
        mirror_.emplace(std::move(mirror).value());
    }

    // Polls; true when there was a new snapshot.
    bool poll() {
        auto next = mirror_->poll();
        EXPECT_TRUE(next);
        if (!next || *next == nullptr) return false;
        hops_ = std::move(*next);
        return true;
    }
    dpdk::NextHop lookup(std::string_view address) { return hops_->lookup(ip(address)); }
    bool eventually(std::string_view address, Kind kind) {
        return until([&] {
            poll();
            return hops_ && lookup(address).kind == kind;
        });
    }
    int neighbour(std::uint16_t type, std::string_view address, std::uint16_t state, const MacAddress& m) {
        auto socket = NetlinkSocket::open();
        auto request = neighbour_message(type, setup_->index(), address, state, &m);
        request.header().nlmsg_flags = NLM_F_REQUEST | (type == RTM_NEWNEIGH ? NLM_F_CREATE | NLM_F_REPLACE : 0);
        return socket->request(request);
    }
    std::uint16_t state_of(std::string_view address) {
        poll();
        const auto at = mirror_->view().neighbours().find(ip(address));
        return at == mirror_->view().neighbours().end() ? std::uint16_t{NUD_NONE} : at->second.state;
    }
    // The kernel waits seconds by default before it probes and gives up.
    void hurry(std::string_view family) {
        const auto base = "/proc/sys/net/" + std::string{family} + "/neigh/sf0/";
        write_setting(base + "retrans_time_ms", "50");
        write_setting(base + "delay_first_probe_time", "1");
    }

    KernelConfig config_;
    std::optional<TestTap> tap_;
    std::optional<InterfaceSetup> setup_;
    std::optional<NetlinkMirror> mirror_;
    std::unique_ptr<const dpdk::NextHops> hops_;
};

TEST_F(NetlinkMirrorTest, FirstPollGivesWhatIsThereAndTheNextNothing) {
    ASSERT_TRUE(poll());
    EXPECT_TRUE(hops_->on_link(ip("10.77.0.7")));
    EXPECT_TRUE(hops_->on_link(ip("fd77::7")));
    EXPECT_EQ(lookup("192.0.2.1").kind, Kind::no_route);
    // The kernel may still be busy with the link-local address of a fresh interface.
    EXPECT_TRUE(until([&] { return !poll(); }));
}

TEST_F(NetlinkMirrorTest, RoutesComeAndGo) {
    poll();
    const Gateway gateway{prefix("0.0.0.0/0"), ip("10.77.0.1"), 0};
    const Gateway narrower{prefix("192.0.2.0/24"), ip("10.77.0.2"), 10};
    ASSERT_TRUE(setup_->add_route(gateway));
    ASSERT_TRUE(eventually("192.0.2.1", Kind::unresolved));
    EXPECT_EQ(lookup("192.0.2.1").address, ip("10.77.0.1"));
    ASSERT_TRUE(setup_->add_route(narrower));
    ASSERT_TRUE(until([&] { return poll() && lookup("192.0.2.1").address == ip("10.77.0.2"); }));
    ASSERT_TRUE(setup_->del_route(narrower));
    ASSERT_TRUE(setup_->del_route(gateway));
    EXPECT_TRUE(eventually("192.0.2.1", Kind::no_route));
}

TEST_F(NetlinkMirrorTest, NeighboursComeChangeAndGo) {
    poll();
    ASSERT_EQ(neighbour(RTM_NEWNEIGH, "10.77.0.103", NUD_PERMANENT, mac(3)), 0);
    ASSERT_TRUE(eventually("10.77.0.103", Kind::resolved));
    EXPECT_EQ(lookup("10.77.0.103").mac, mac(3));
    ASSERT_EQ(neighbour(RTM_NEWNEIGH, "10.77.0.103", NUD_PERMANENT, mac(4)), 0);
    ASSERT_TRUE(until([&] { return poll() && lookup("10.77.0.103").mac == mac(4); }));
    ASSERT_EQ(neighbour(RTM_DELNEIGH, "10.77.0.103", NUD_NONE, mac(4)), 0);
    EXPECT_TRUE(eventually("10.77.0.103", Kind::unresolved));
}

TEST_F(NetlinkMirrorTest, ResolveMakesTheKernelAskOnTheLink) {
    poll();
    ASSERT_EQ(lookup("10.77.0.104").kind, Kind::unresolved);
    ASSERT_EQ(lookup("fd77::104").kind, Kind::unresolved);
    mirror_->resolve(ip("10.77.0.104"), now());
    mirror_->resolve(ip("fd77::104"), now());
    const std::vector<core::IpAddress> theirs{ip("10.77.0.104"), ip("fd77::104")};
    EXPECT_TRUE(until([&] {
        tap_->answer(theirs, mac(4));
        poll();
        return lookup("10.77.0.104").kind == Kind::resolved && lookup("fd77::104").kind == Kind::resolved;
    }));
    EXPECT_EQ(lookup("10.77.0.104").mac, mac(4));
    EXPECT_EQ(lookup("fd77::104").mac, mac(4));
    EXPECT_EQ(mirror_->counters().resolves.get(), 2U);
}

TEST_F(NetlinkMirrorTest, ResolveOfAFarAddressAsksForItsGateway) {
    ASSERT_TRUE(setup_->add_route({prefix("0.0.0.0/0"), ip("10.77.0.1"), 0}));
    poll();
    mirror_->resolve(ip("198.51.100.77"), now());
    ASSERT_TRUE(until([&] {
        tap_->answer({ip("10.77.0.1")}, mac(1));
        poll();
        return lookup("198.51.100.77").kind == Kind::resolved;
    }));
    EXPECT_EQ(lookup("198.51.100.77").mac, mac(1));
}

TEST_F(NetlinkMirrorTest, GatewaysAreResolvedBeforeTheyAreNeeded) {
    ASSERT_TRUE(setup_->add_route({prefix("0.0.0.0/0"), ip("10.77.0.1"), 0}));
    poll();
    mirror_->refresh(now());
    EXPECT_TRUE(until([&] {
        tap_->answer({ip("10.77.0.1")}, mac(1));
        poll();
        return lookup("198.51.100.77").kind == Kind::resolved;
    }));
}

TEST_F(NetlinkMirrorTest, ResolveOfUnroutedAndMulticastAddressesAsksNobody) {
    poll();
    mirror_->resolve(ip("192.0.2.1"), now());
    mirror_->resolve(ip("239.1.1.1"), now());
    EXPECT_EQ(mirror_->counters().resolves.get(), 0U);
}

TEST_F(NetlinkMirrorTest, StaleNeighbourIsConfirmedWithoutTraffic) {
    hurry("ipv4");
    poll();
    ASSERT_EQ(neighbour(RTM_NEWNEIGH, "10.77.0.105", NUD_STALE, mac(5)), 0);
    ASSERT_TRUE(eventually("10.77.0.105", Kind::resolved));
    ASSERT_EQ(state_of("10.77.0.105"), NUD_STALE);
    mirror_->refresh(now());
    EXPECT_EQ(mirror_->counters().confirms.get(), 1U);
    EXPECT_TRUE(until([&] {
        tap_->answer({ip("10.77.0.105")}, mac(5));
        return state_of("10.77.0.105") == NUD_REACHABLE;
    }));
}

TEST_F(NetlinkMirrorTest, StaleNeighbourThatIsSilentDisappears) {
    hurry("ipv4");
    poll();
    ASSERT_EQ(neighbour(RTM_NEWNEIGH, "10.77.0.106", NUD_STALE, mac(6)), 0);
    ASSERT_TRUE(eventually("10.77.0.106", Kind::resolved));
    mirror_->refresh(now());
    EXPECT_TRUE(eventually("10.77.0.106", Kind::unresolved));
    // The fast path's next packet starts it all over.
    mirror_->resolve(ip("10.77.0.106"), now());
    EXPECT_TRUE(until([&] {
        tap_->answer({ip("10.77.0.106")}, mac(7));
        poll();
        return lookup("10.77.0.106").kind == Kind::resolved;
    }));
}

TEST_F(NetlinkMirrorTest, ConfirmingIsBounded) {
    constexpr std::uint32_t rate = 5;
    open_mirror({.interface = "sf0", .probe_rate = rate});
    for (int i = 1; i <= 20; ++i)
        ASSERT_EQ(neighbour(RTM_NEWNEIGH, "10.77.0." + std::to_string(i), NUD_STALE, mac(static_cast<std::uint8_t>(i))), 0);
    ASSERT_TRUE(until([&] {
        poll();
        return hops_->neighbours() >= 20;
    }));
    const auto start = now();
    mirror_->refresh(start);
    EXPECT_EQ(mirror_->counters().confirms.get(), rate);
    mirror_->refresh(start + std::chrono::milliseconds{500});
    EXPECT_EQ(mirror_->counters().confirms.get(), rate);
    poll();
    mirror_->refresh(start + std::chrono::seconds{1});
    EXPECT_EQ(mirror_->counters().confirms.get(), 2 * rate) << "and each time the ones that still wait";
}

TEST_F(NetlinkMirrorTest, PermanentNeighbourStaysPermanent) {
    poll();
    ASSERT_EQ(neighbour(RTM_NEWNEIGH, "10.77.0.103", NUD_PERMANENT, mac(3)), 0);
    ASSERT_TRUE(eventually("10.77.0.103", Kind::resolved));
    mirror_->refresh(now());
    mirror_->resolve(ip("10.77.0.103"), now());
    poll();
    EXPECT_EQ(state_of("10.77.0.103"), NUD_PERMANENT);
}

TEST_F(NetlinkMirrorTest, LostEventsEndInAFullResync) {
    // Room for a handful of messages, and hundreds of them before the first poll.
    open_mirror({.interface = "sf0", .event_buffer = 4096});
    poll();
    for (int i = 1; i <= 200; ++i)
        ASSERT_EQ(neighbour(RTM_NEWNEIGH, "10.77.0." + std::to_string(i), NUD_PERMANENT, mac(static_cast<std::uint8_t>(i))), 0);
    ASSERT_EQ(neighbour(RTM_DELNEIGH, "10.77.0.1", NUD_NONE, mac(1)), 0);
    ASSERT_TRUE(poll());
    EXPECT_GE(mirror_->counters().overruns.get(), 1U);
    EXPECT_EQ(lookup("10.77.0.1").kind, Kind::unresolved);
    for (int i = 2; i <= 200; ++i) ASSERT_EQ(lookup("10.77.0." + std::to_string(i)).kind, Kind::resolved) << i;
}

TEST_F(NetlinkMirrorTest, RoutesThatVanishSilentlyWithTheirAddressAreNoticed) {
    ASSERT_TRUE(setup_->add_route({prefix("0.0.0.0/0"), ip("10.77.0.1"), 0}));
    poll();
    ASSERT_EQ(lookup("192.0.2.1").kind, Kind::unresolved);
    ASSERT_TRUE(setup_->del_address({ip("10.77.0.101"), 24}));
    EXPECT_TRUE(eventually("192.0.2.1", Kind::no_route));
    EXPECT_EQ(lookup("10.77.0.9").kind, Kind::no_route);
}

TEST_F(NetlinkMirrorTest, InterfaceThatVanishesAndComesBackIsFollowed) {
    poll();
    ASSERT_TRUE(hops_->on_link(ip("10.77.0.9")));
    tap_.reset();
    ASSERT_TRUE(eventually("10.77.0.9", Kind::no_route));
    EXPECT_FALSE(mirror_->view().index());
    attach();
    EXPECT_TRUE(eventually("10.77.0.9", Kind::unresolved));
    EXPECT_EQ(mirror_->view().index(), setup_->index());
}

TEST_F(NetlinkMirrorTest, MirrorOfAMissingInterfaceWaitsForIt) {
    open_mirror({.interface = "sf1"});
    ASSERT_TRUE(poll());
    EXPECT_EQ(lookup("10.77.0.9").kind, Kind::no_route);
}

}  // namespace
}  // namespace sipfront::kni
