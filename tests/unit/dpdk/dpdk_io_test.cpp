#include "dpdk/dpdk_io.hpp"

#include <gtest/gtest.h>

#include "fragments.hpp"
#include "ring_plane.hpp"

namespace sipfront::dpdk {
namespace {

using namespace test;
static_assert(core::PacketIo<DpdkIo>);

constexpr core::WorkerId worker_0{0};
constexpr core::WorkerId worker_1{1};

// Ring ports have the MAC address of zeros.
constexpr MacAddress port_mac{};

UdpFrame request() {
    UdpFrame u;
    u.to = port_mac;
    return u;
}

class DpdkIoTest : public testing::Test {
protected:
    void SetUp() override {
        bench.with_kernel(0);
        bench.publish_defaults();
        io = std::make_unique<DpdkIo>(worker_0, *bench.plane, clock);
        io->lend(out);
    }
    void TearDown() override {
        io->stop(out);
        for (auto* port : {&bench.wire, &bench.kernel}) (void)port->sent();
        EXPECT_EQ(bench.plane->pools().in_use(), 0U) << "every buffer must be back in its pool";
    }

    void inject(const Frame& f) { bench.wire.inject(f, bench.pool()); }
    std::size_t receive() { return io->receive(in); }
    void release(std::size_t n) { io->release(std::span{in}.first(n)); }
    void send(const std::string& text, std::string_view local, std::string_view remote, core::Transport transport = core::Transport::udp) {
        auto room = out.reserve(text.size());
        ASSERT_GE(room.size(), text.size());
        std::copy(text.begin(), text.end(), room.begin());
        core::Flow flow;
        flow.local = endpoint(local);
        flow.remote = endpoint(remote);
        flow.transport = transport;
        out.commit(text.size(), flow);
    }
    std::uint64_t dropped(Drop d) { return io->counters().drops[d].get(); }

    RingPlane bench;
    TscClock clock;
    core::Outbox out;
    std::unique_ptr<DpdkIo> io;
    std::array<core::Inbound, 64> in{};
};

TEST_F(DpdkIoTest, HandsOverASipDatagramWithItsFlowAndSendsTheAnswer) {
    const auto u = request();
    inject(u.build());
    ASSERT_EQ(receive(), 1U);
    EXPECT_EQ(in[0].text(), u.payload);
    EXPECT_EQ(in[0].flow.remote, u.source);
    EXPECT_EQ(in[0].flow.local, u.destination);
    EXPECT_EQ(in[0].flow.listener, core::ListenerId{4});
    EXPECT_EQ(io->last_activity(), 1U);

    send("SIP/2.0 200 OK\r\n\r\n", "10.77.0.100:5060", "10.77.0.2:5060");
    io->transmit(out);
    release(1);
    const auto sent = bench.wire.sent();
    ASSERT_EQ(sent.size(), 1U);
    const auto d = decode(sent[0], {});
    ASSERT_EQ(d.verdict, Decoded::Verdict::udp);
    EXPECT_EQ(d.ethernet_destination, peer_mac);
    EXPECT_EQ(d.source, u.destination);
    EXPECT_EQ(d.destination, u.source);
    EXPECT_TRUE(udp_checksum_ok(sent[0], d));
    EXPECT_EQ(io->counters().rx_packets.get(), 1U);
    EXPECT_EQ(io->counters().tx_packets.get(), 1U);
}

TEST_F(DpdkIoTest, ABurstOfAnySizeComesBackWhole) {
    for (int round = 0; round < 20; ++round) {
        for (int i = 0; i < 64; ++i) {
            auto u = request();
            u.source.port = static_cast<std::uint16_t>(10'000 + i);
            inject(u.build());
        }
        ASSERT_EQ(receive(), 64U);
        for (int i = 0; i < 64; ++i) {
            EXPECT_EQ(in[static_cast<std::size_t>(i)].flow.remote.port, 10'000 + i);
            send("SIP/2.0 100 Trying\r\n\r\n", "10.77.0.100:5060", "10.77.0.2:5060");
        }
        io->transmit(out);
        io->lend(out);
        release(64);
        EXPECT_EQ(bench.wire.sent().size(), 64U);
    }
}

TEST_F(DpdkIoTest, EverythingElseGoesToTheKernelUnchanged) {
    auto other_port = request();
    other_port.destination.port = 5061;
    auto tagged = request();
    tagged.vlans = {7};
    auto discover = request();
    discover.to = MacAddress::broadcast();
    discover.source = endpoint("0.0.0.0:68");
    discover.destination = endpoint("255.255.255.255:67");
    auto nobodys = request();
    nobodys.destination.address = ip("10.77.0.200");
    const auto fragment = Fragmented{nobodys}.part({0, 24, true});
    Frame arp(60, 0);
    std::fill_n(arp.begin(), 6, 0xff);
    std::copy(peer_mac.octets.begin(), peer_mac.octets.end(), arp.begin() + 6);
    arp[12] = 8;
    arp[13] = 6;
    const std::vector<Frame> frames{other_port.build(), tagged.build(), discover.build(), fragment, arp};
    for (const auto& f : frames) inject(f);
    EXPECT_EQ(receive(), 0U);
    EXPECT_EQ(bench.kernel.sent(), frames);
    EXPECT_EQ(io->counters().to_kernel.get(), 5U);
    EXPECT_EQ(io->counters().rx_fragments.get(), 0U) << "only those to a listener's address are looked at";
}

TEST_F(DpdkIoTest, TheKernelsFramesLeaveByTheWireUnchanged) {
    const auto f = request().build();
    bench.kernel.inject(f, bench.pool());
    EXPECT_EQ(receive(), 0U);
    EXPECT_EQ(bench.wire.sent(), (std::vector<Frame>{f}));
    EXPECT_EQ(io->counters().from_kernel.get(), 1U);
    EXPECT_EQ(io->last_activity(), 1U);
}

TEST_F(DpdkIoTest, DropsAndCountsWhatNobodyShouldSee) {
    auto corrupt = request().build();
    corrupt.back() ^= 1;
    inject(corrupt);
    auto strange = request();
    strange.to = {{2, 9, 9, 9, 9, 9}};
    inject(strange.build());
    auto own = request();
    own.to = MacAddress::broadcast();
    own.from = port_mac;
    inject(own.build());
    auto unanswerable = request();
    unanswerable.source = endpoint("0.0.0.0:68");
    inject(unanswerable.build());
    EXPECT_EQ(receive(), 0U);
    EXPECT_EQ(dropped(Drop::source), 1U);
    EXPECT_EQ(dropped(Drop::udp_checksum), 1U);
    EXPECT_EQ(dropped(Drop::not_for_us), 1U);
    EXPECT_EQ(dropped(Drop::own_frame), 1U);
    EXPECT_TRUE(bench.kernel.sent().empty());
}

TEST_F(DpdkIoTest, ADatagramWaitsForItsNextHopAndControlIsAsked) {
    send("INVITE sip:x SIP/2.0\r\n\r\n", "10.77.0.100:5060", "10.77.0.103:5060");
    send("INVITE sip:y SIP/2.0\r\n\r\n", "10.77.0.100:5060", "10.77.0.103:5060");
    io->transmit(out);
    EXPECT_TRUE(bench.wire.sent().empty());
    std::array<core::IpAddress, 4> asked;
    ASSERT_EQ(bench.plane->unresolved(worker_0).drain(asked), 1U);
    EXPECT_EQ(asked[0], ip("10.77.0.103"));

    bench.publish_neighbours({{ip("10.77.0.103"), {{2, 0, 0, 0, 0, 103}}}});
    receive();
    const auto sent = bench.wire.sent();
    ASSERT_EQ(sent.size(), 2U);
    for (const auto& f : sent) {
        EXPECT_EQ(decode(f, {}).ethernet_destination, (MacAddress{{2, 0, 0, 0, 0, 103}}));
        EXPECT_TRUE(udp_checksum_ok(f, decode(f, {})));
    }
    EXPECT_EQ(io->counters().waited.get(), 2U);
}

TEST_F(DpdkIoTest, WaitingFramesAreBounded) {
    for (int i = 0; i < 60; ++i) send("x", "10.77.0.100:5060", "10.77.0.103:5060");
    io->transmit(out);
    EXPECT_EQ(dropped(Drop::unresolved), 60U - WaitingRoom::per_hop);
}

TEST_F(DpdkIoTest, AnswersAnOnLinkClientThatTheKernelHasNeverSeen) {
    auto u = request();
    u.source = endpoint("10.77.0.50:5060");
    u.from = {{2, 0, 0, 0, 0, 50}};
    inject(u.build());
    ASSERT_EQ(receive(), 1U);
    send("SIP/2.0 200 OK\r\n\r\n", "10.77.0.100:5060", "10.77.0.50:5060");
    io->transmit(out);
    release(1);
    const auto sent = bench.wire.sent();
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(decode(sent[0], {}).ethernet_destination, u.from);
    EXPECT_EQ(io->counters().learned_hops.get(), 1U);
    EXPECT_EQ(bench.plane->unresolved(worker_0).depth(), 1U);
}

TEST_F(DpdkIoTest, WithoutARouteOrWithTheWrongTransportADatagramIsCounted) {
    send("x", "10.77.0.100:5060", "192.0.2.1:5060");
    send("x", "10.77.0.100:5060", "[fd77::2]:5060");
    send("x", "10.77.0.100:5060", "10.77.0.2:5060", core::Transport::tcp);
    io->transmit(out);
    EXPECT_EQ(dropped(Drop::no_route), 2U);
    EXPECT_EQ(dropped(Drop::not_sent), 1U);
    EXPECT_TRUE(bench.wire.sent().empty());
}

TEST_F(DpdkIoTest, ALargeMessageLeavesInFragmentsThatMakeItUp) {
    std::string text(60'000, 'x');
    for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('A' + i % 50);
    send(text, "10.77.0.100:5060", "10.77.0.2:5060");
    send(text.substr(0, 1473), "10.77.0.100:5060", "10.77.0.2:5060");
    send(text.substr(0, 1472), "10.77.0.100:5060", "10.77.0.2:5060");
    io->transmit(out);
    const auto sent = bench.wire.sent();
    ASSERT_EQ(sent.size(), 41U + 2U + 1U);
    std::string udp;
    for (std::size_t i = 0; i < 41; ++i) {
        EXPECT_EQ(decode(sent[i], {}).verdict, Decoded::Verdict::fragment);
        EXPECT_LE(sent[i].size(), 1514U);
        udp.append(sent[i].begin() + 34, sent[i].end());
    }
    EXPECT_EQ(udp.substr(8), text);
    EXPECT_EQ(decode(sent[43], {}).verdict, Decoded::Verdict::udp);
    EXPECT_EQ(io->counters().tx_fragmented.get(), 2U);
}

TEST_F(DpdkIoTest, TheLongestDatagramLeavesInFragments_Rfc3261_18_1_1) {
    std::string text(Pools::large_room, 'x');
    for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('A' + i % 50);
    send(text, "10.77.0.100:5060", "10.77.0.2:5060");
    io->transmit(out);
    std::string udp;
    for (const auto& piece : bench.wire.sent()) udp.append(piece.begin() + 34, piece.end());
    EXPECT_EQ(udp.substr(8), text);
    io->lend(out);
    EXPECT_TRUE(out.reserve(Pools::large_room + 1).empty());
}

TEST_F(DpdkIoTest, AShortMessageInALargeBufferLeavesInOnePacket) {
    const auto room = out.reserve(3000);
    ASSERT_GE(room.size(), 3000U);
    std::fill_n(room.begin(), 100, 'x');
    out.commit(100, {.local = endpoint("10.77.0.100:5060"), .remote = endpoint("10.77.0.2:5060")});
    io->transmit(out);
    const auto sent = bench.wire.sent();
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_TRUE(udp_checksum_ok(sent[0], decode(sent[0], {})));
    EXPECT_EQ(std::string(sent[0].begin() + 42, sent[0].end()), std::string(100, 'x'));
}

TEST_F(DpdkIoTest, ReadsAndSendsIpv6) {
    bench.publish_neighbours({{ip("fd77::2"), peer_mac}});
    auto u = request();
    u.source = endpoint("[fd77::2]:5062");
    u.destination = endpoint("[fd77::100]:5060");
    inject(u.build());
    ASSERT_EQ(receive(), 1U);
    EXPECT_EQ(in[0].flow.listener, core::ListenerId{6});
    send(std::string(3000, 'y'), "[fd77::100]:5060", "[fd77::2]:5062");
    send("z", "[fd77::100]:5060", "[fd77::2]:5062");
    io->transmit(out);
    release(1);
    const auto sent = bench.wire.sent();
    ASSERT_EQ(sent.size(), 4U);
    EXPECT_EQ(decode(sent[0], {}).verdict, Decoded::Verdict::fragment);
    EXPECT_TRUE(udp_checksum_ok(sent[3], decode(sent[3], {})));
}

TEST_F(DpdkIoTest, AFullPortIsCountedAndCostsNoBuffer) {
    // The ring behind the port takes 255 frames.
    for (int i = 0; i < 5; ++i) {
        for (int k = 0; k < 64; ++k) send("x", "10.77.0.100:5060", "10.77.0.2:5060");
        io->transmit(out);
        io->lend(out);
    }
    EXPECT_EQ(io->counters().tx_packets.get(), 255U);
    EXPECT_EQ(dropped(Drop::tx_full), 65U);
}

TEST_F(DpdkIoTest, AnnouncesAndProbesAtControlsOrder) {
    const std::array own{ip("10.77.0.100"), ip("fd77::100")};
    ASSERT_TRUE(bench.plane->announce(own));
    ASSERT_TRUE(bench.plane->probe(ip("10.77.0.101"), ip("10.77.0.1")));
    receive();
    const auto sent = bench.wire.sent();
    ASSERT_EQ(sent.size(), 3U);
    EXPECT_EQ(sent[0].size(), 42U);
    EXPECT_EQ(sent[1].size(), 86U);
    EXPECT_EQ(sent[2][41], 1);
}

TEST_F(DpdkIoTest, CountsTheAnswersOfWatchedTargets) {
    const std::array targets{ip("10.77.0.1")};
    bench.plane->watch_answers_of(targets);
    for (const std::uint8_t sender : {std::uint8_t{1}, std::uint8_t{9}}) {
        Frame reply(port_mac.octets.begin(), port_mac.octets.end());
        put(reply, peer_mac.octets);
        put(reply, Frame{8, 6, 0, 1, 8, 0, 6, 4, 0, 2, 2, 0, 0, 0, 0, 2, 10, 77, 0, sender, 0, 0, 0, 0, 0, 0, 10, 77, 0, 101});
        inject(reply);
    }
    receive();
    EXPECT_EQ(bench.plane->answers(), 1U);
    EXPECT_EQ(bench.kernel.sent().size(), 2U);
}

TEST(DpdkIoKernelRate, FramesOverTheRateAreDroppedAndCounted) {
    RingPlane bench;
    bench.with_kernel(1);  // one a second, bursts of 64
    bench.publish_defaults();
    const TscClock clock;
    DpdkIo io{worker_0, *bench.plane, clock};
    core::Outbox out;
    std::array<core::Inbound, 64> in;
    auto u = request();
    u.destination.port = 9;
    for (int i = 0; i < 100; ++i) bench.wire.inject(u.build(), bench.pool());
    EXPECT_EQ(io.receive(in), 0U);
    EXPECT_EQ(io.receive(in), 0U);
    EXPECT_GE(io.counters().drops[Drop::kernel_rate].get(), 30U);
    EXPECT_EQ(io.counters().to_kernel.get() + io.counters().drops[Drop::kernel_rate].get(), 100U);
    io.stop(out);
    (void)bench.kernel.sent();
    EXPECT_EQ(bench.plane->pools().in_use(), 0U);
}

TEST(DpdkIoWithoutKernel, FramesForItAreCounted) {
    RingPlane bench;
    bench.publish_defaults();
    const TscClock clock;
    DpdkIo io{worker_0, *bench.plane, clock};
    core::Outbox out;
    std::array<core::Inbound, 64> in;
    auto u = request();
    u.destination.port = 9;
    bench.wire.inject(u.build(), bench.pool());
    EXPECT_EQ(io.receive(in), 0U);
    EXPECT_EQ(io.counters().drops[Drop::kernel_full].get(), 1U);
    io.stop(out);
    EXPECT_EQ(bench.plane->pools().in_use(), 0U);
}

TEST(DpdkIoSharedQueue, AWorkerWithoutAQueueSendsThroughWorker0) {
    RingPlane bench{2};
    bench.with_kernel(0);
    bench.publish_defaults();
    ASSERT_EQ(bench.plane->wire().queues(), 1);
    const TscClock clock;
    DpdkIo first{worker_0, *bench.plane, clock};
    DpdkIo second{worker_1, *bench.plane, clock};
    core::Outbox out, none;
    second.lend(out);
    std::array<core::Inbound, 64> in;
    bench.wire.inject(request().build(), bench.pool());
    EXPECT_EQ(second.receive(in), 0U);
    ASSERT_EQ(first.receive(in), 1U);

    // The message crosses to the second worker, which answers it and gives the buffer back.
    auto room = out.reserve(3);
    std::copy_n("SIP", 3, room.begin());
    core::Flow flow = in[0].flow;
    out.commit(3, flow);
    second.transmit(out);
    second.release(std::span{in}.first(1));
    EXPECT_TRUE(bench.wire.sent().empty());
    first.receive(in);
    const auto sent = bench.wire.sent();
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(decode(sent[0], {}).destination, flow.remote);
    first.stop(none);
    second.stop(out);
    EXPECT_EQ(bench.plane->pools().in_use(), 0U);
}

TEST(Eal, RunsEveryWorkerOnItsOwnLcore) {
    auto& eal = environment();
    std::array<std::atomic<int>, 2> ran{};
    const std::function<void(core::WorkerId)> entry = [&](core::WorkerId w) { ++ran[core::raw(w)]; };
    ASSERT_TRUE(eal.launch_on_workers(2, entry));
    eal.wait_all();
    EXPECT_EQ(ran[0], 1);
    EXPECT_EQ(ran[1], 1);
}

TEST(DataPlane, ExplainsWhatIsWrongWithItsConfiguration) {
    (void)environment();
    DataPlaneConfig c;
    EXPECT_FALSE(DataPlane::open(c));
    c.ports = {{"net_null0"}, {"net_null1"}};
    EXPECT_FALSE(DataPlane::open(c));
    c.ports = {{"net_af_packet9,iface=there-is-none"}};
    c.reassembly_buffers = 255;
    const auto few = DataPlane::open(c);
    ASSERT_FALSE(few);
    EXPECT_NE(few.error().what.find("reassembly"), std::string::npos);
    c.reassembly_buffers = 256;
    c.mbufs = 1024;
    const auto missing = DataPlane::open(c);
    ASSERT_FALSE(missing);
    EXPECT_NE(missing.error().what.find("there-is-none"), std::string::npos);
}

}  // namespace
}  // namespace sipfront::dpdk
