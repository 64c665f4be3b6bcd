#include <gtest/gtest.h>

#include "dpdk/dpdk_io.hpp"
#include "fragments.hpp"
#include "ring_plane.hpp"

namespace sipfront::dpdk {
namespace {

using namespace test;

constexpr core::WorkerId worker_0{0};
constexpr core::WorkerId worker_1{1};
using Frames = std::vector<Frame>;

Fragmented message(std::size_t length, std::string_view source = "10.77.0.2:5060", std::uint32_t id = 0x1234) {
    Fragmented m;
    m.u.to = MacAddress{};  // the ring port's
    m.u.source = endpoint(source);
    m.u.destination = endpoint(m.u.source.address.is_v4() ? "10.77.0.100:5060" : "[fd77::100]:5060");
    m.u.payload = pattern(length);
    m.id = id;
    return m;
}

class DpdkIoFragments : public testing::Test {
protected:
    void SetUp() override { start(1); }
    void TearDown() override {
        for (auto& w : workers) w.io->stop(w.out);
        for (auto* port : {&bench->wire, &bench->kernel}) (void)port->sent();
        EXPECT_EQ(bench->plane->pools().in_use(), 0U) << "every buffer must be back in its pool";
    }
    void start(std::uint32_t count, const DataPlaneConfig& config = {}) {
        for (auto& w : workers) w.io->stop(w.out);
        workers.clear();
        bench.reset();
        bench = std::make_unique<RingPlane>(count, 256, count, config);
        bench->with_kernel(0);
        bench->publish_defaults();
        workers = std::vector<Seat>(count);
        for (std::uint32_t i = 0; i < count; ++i)
            workers[i].io = std::make_unique<DpdkIo>(core::WorkerId{static_cast<std::uint8_t>(i)}, *bench->plane, clock);
    }
    void inject(const Frames& frames, std::size_t queue = 0) {
        for (const auto& f : frames) bench->wire.inject(f, bench->pool(), queue);
    }
    // The texts of one receive(), given back at once.
    std::vector<std::string> receive(std::size_t worker = 0, std::size_t room = 64) {
        auto& w = workers[worker];
        const auto n = w.io->receive(std::span{w.in}.first(room));
        std::vector<std::string> texts;
        for (std::size_t i = 0; i < n; ++i) texts.emplace_back(w.in[i].text());
        w.io->release(std::span{w.in}.first(n));
        return texts;
    }
    std::uint64_t dropped(Drop d) {
        std::uint64_t n = 0;
        for (const auto& w : workers) n += w.io->counters().drops[d].get();
        return n;
    }
    std::uint64_t total(core::Counter PortCounters::*field) {
        std::uint64_t n = 0;
        for (const auto& w : workers) n += (w.io->counters().*field).get();
        return n;
    }

    struct Seat {
        std::unique_ptr<DpdkIo> io;
        core::Outbox out;
        std::array<core::Inbound, 64> in{};
    };
    // Needs the environment, which the first plane would bring up too late.
    TscClock clock = (static_cast<void>(test::environment()), TscClock{});
    std::unique_ptr<RingPlane> bench;
    std::vector<Seat> workers;
};

TEST_F(DpdkIoFragments, AFragmentedMessageArrivesLikeAnyOther) {
    for (const auto* source : {"10.77.0.2:5060", "[fd77::2]:5062"}) {
        for (const std::size_t length : {1'500U, 2'168U, 2'169U, 4'001U, 65'507U}) {
            const auto m = message(length, source);
            auto frames = m.parts(1480);
            std::ranges::reverse(frames);
            inject(frames);
            auto& w = workers[0];
            ASSERT_EQ(w.io->receive(w.in), 1U) << length;
            EXPECT_EQ(w.in[0].text(), m.u.payload);
            EXPECT_EQ(w.in[0].flow.remote, m.u.source);
            EXPECT_EQ(w.in[0].flow.local, m.u.destination);
            EXPECT_EQ(w.in[0].flow.listener, core::ListenerId{m.u.source.address.is_v4() ? std::uint8_t{4} : std::uint8_t{6}});
            EXPECT_EQ(w.io->last_activity(), frames.size());
            w.io->release(std::span{w.in}.first(1));
        }
    }
    EXPECT_EQ(total(&PortCounters::reassembled), 10U);
    EXPECT_EQ(total(&PortCounters::rx_packets), 10U);
    EXPECT_GT(total(&PortCounters::rx_fragments), 100U);
    EXPECT_TRUE(bench->kernel.sent().empty());
}

TEST_F(DpdkIoFragments, TheSenderOfALargeMessageIsAnswered) {
    auto m = message(3000, "10.77.0.50:5060");
    m.u.from = {{2, 0, 0, 0, 0, 50}};
    inject(m.parts(1480));
    ASSERT_EQ(receive().size(), 1U);
    auto& w = workers[0];
    w.io->lend(w.out);
    const auto room = w.out.reserve(3);
    std::copy_n("SIP", 3, room.begin());
    core::Flow flow;
    flow.local = m.u.destination;
    flow.remote = m.u.source;
    w.out.commit(3, flow);
    w.io->transmit(w.out);
    const auto sent = bench->wire.sent();
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(decode(sent[0], {}).ethernet_destination, m.u.from) << "learned from the first fragment";
}

TEST_F(DpdkIoFragments, ManyLargeMessagesComeInOneBurst) {
    Frames frames;
    for (std::uint32_t id = 0; id < 20; ++id)
        for (const auto& f : message(4'000 + id, "10.77.0.2:5060", id).parts(1480)) frames.push_back(f);
    ASSERT_EQ(frames.size(), 60U);
    inject(frames);
    EXPECT_EQ(receive().size(), 20U);
}

TEST_F(DpdkIoFragments, TheChecksumOfTheWholeIsVerified) {
    const auto m = message(4'000);
    auto frames = m.parts(1480);
    frames[1].back() ^= 1;
    inject(frames);
    auto v6 = message(4'000, "[fd77::2]:5060");
    v6.u.checksum = false;
    inject(v6.parts(1480));
    EXPECT_TRUE(receive().empty());
    EXPECT_EQ(dropped(Drop::udp_checksum), 2U);
    // None at all is allowed in IPv4 (RFC 768).
    auto none = m;
    none.u.checksum = false;
    inject(none.parts(1480));
    EXPECT_EQ(receive(), std::vector{m.u.payload});
    EXPECT_EQ(total(&PortCounters::reassembled), 1U);
}

TEST_F(DpdkIoFragments, AWrongUdpLengthOrSourceIsDropped) {
    auto longer = message(2'000);
    const auto cut = longer.whole();
    inject({longer.part({0, 1480, true}), longer.part({1480, 520, false})});  // eight octets short
    EXPECT_TRUE(receive().empty());
    EXPECT_EQ(dropped(Drop::udp_length), 1U);
    inject(message(2'000, "10.77.0.2:0").parts(1480));
    EXPECT_TRUE(receive().empty());
    EXPECT_EQ(dropped(Drop::source), 1U);
    // What lies behind the datagram's own length is nobody's.
    inject({longer.part({0, 1480, true}), longer.part({1480, cut.size() + 5 - 1480, false})});
    EXPECT_EQ(receive(), std::vector{longer.u.payload});
}

TEST_F(DpdkIoFragments, AFragmentWithABadHeaderChecksumIsDropped) {
    auto frames = message(2'000).parts(1480);
    frames[0][24] ^= 1;
    inject(frames);
    EXPECT_TRUE(receive().empty());
    EXPECT_EQ(dropped(Drop::ip_checksum), 1U);
}

TEST_F(DpdkIoFragments, ForeignFragmentsReachTheKernelUnchanged) {
    auto other_port = message(4'000);
    other_port.u.destination.port = 53;
    auto tcp = message(4'000, "10.77.0.2:5060", 2);
    tcp.behind_header = 6;
    auto v6 = message(4'000, "[fd77::2]:5060", 3);
    v6.behind_header = 58;
    auto tagged = message(4'000, "10.77.0.2:5060", 4);
    tagged.u.vlans = {7};
    Frames frames;
    for (const auto* m : {&other_port, &tcp, &v6, &tagged})
        for (const auto& f : m->parts(1480)) frames.push_back(f);
    inject(frames);
    EXPECT_TRUE(receive().empty());
    EXPECT_EQ(bench->kernel.sent(), frames);
    EXPECT_EQ(total(&PortCounters::fragments_to_kernel), 9U);
    EXPECT_EQ(total(&PortCounters::rx_fragments), 9U);

    // Out of order: nothing moves before the first fragment names the port; then all, in the order of arrival.
    const auto f = other_port.parts(1480);
    inject({f[2], f[1]});
    EXPECT_TRUE(receive().empty());
    EXPECT_TRUE(bench->kernel.sent().empty());
    inject({f[0]});
    EXPECT_TRUE(receive().empty());
    EXPECT_EQ(bench->kernel.sent(), (Frames{f[2], f[1], f[0]}));
}

TEST_F(DpdkIoFragments, WithoutAKernelForeignFragmentsAreCounted) {
    auto m = message(4'000);
    m.u.destination.port = 53;
    for (auto& w : workers) w.io->stop(w.out);
    bench->plane->attach_kernel(nullptr);
    workers[0].io = std::make_unique<DpdkIo>(worker_0, *bench->plane, clock);
    inject(m.parts(1480));
    EXPECT_TRUE(receive().empty());
    EXPECT_EQ(dropped(Drop::kernel_full), 3U);
}

TEST_F(DpdkIoFragments, TimeIsUpForWhatNeverComes) {
    DataPlaneConfig config;
    config.reassembly_timeout_ms = 10;
    start(1, config);
    const auto f = message(4'000).parts(1480);
    inject({f[0], f[1]});
    auto unknown = message(4'000, "10.77.0.2:5060", 9).parts(1480);
    inject({unknown[1]});
    while (dropped(Drop::fragment_timeout) < 2 || total(&PortCounters::reassembly_timeouts) < 2) EXPECT_TRUE(receive().empty());
    EXPECT_EQ(bench->kernel.sent(), Frames{unknown[1]});
}

TEST_F(DpdkIoFragments, WithoutALargeBufferTheMessageIsCounted) {
    std::vector<rte_mbuf*> all;
    while (auto* m = rte_pktmbuf_alloc(bench->plane->pools().large(worker_0))) all.push_back(m);
    inject(message(4'000).parts(1480));
    EXPECT_TRUE(receive().empty());
    EXPECT_EQ(dropped(Drop::no_mbuf), 1U);
    inject(message(1'600).parts(1480));
    EXPECT_EQ(receive().size(), 1U) << "a packet-sized buffer has the room";
    for (auto* m : all) rte_pktmbuf_free(m);
}

class DpdkIoTwoQueues : public DpdkIoFragments {
protected:
    void SetUp() override {
        start(2);
        ASSERT_EQ(bench->plane->wire().queues(), 2);
    }
    core::WorkerId owner(const Fragmented& m) {
        const auto f = m.parts(1480)[0];
        auto& lanes = bench->plane->fragments();
        return lanes.owner(lanes.hash(read_fragment(f, decode(f, {}))));
    }
    // Of which `w` is the owner.
    Fragmented message_of(core::WorkerId w, std::size_t length = 4'000) {
        for (std::uint32_t id = next_id;; ++id) {
            auto m = message(length, id % 2 == 0 ? "10.77.0.2:5060" : "[fd77::2]:5060", id);
            if (owner(m) != w) continue;
            next_id = id + 1;
            return m;
        }
    }
    std::uint32_t next_id = 1;
};

TEST_F(DpdkIoTwoQueues, FragmentsOverBothQueuesMeetAtTheOwner) {
    for (const auto w : {worker_0, worker_1}) {
        const auto index = std::size_t{core::raw(w)};
        for (int round = 0; round < 6; ++round) {
            const auto m = message_of(w);
            const auto f = m.parts(1480);
            inject({f[round % 3]}, 0);
            inject({f[(round + 1) % 3]}, 1);
            inject({f[(round + 2) % 3]}, round % 2);
            EXPECT_TRUE(receive(1 - index).empty());
            EXPECT_EQ(receive(index), std::vector{m.u.payload});
        }
    }
    // One whole datagram on the wrong queue.
    const auto m = message_of(worker_1);
    inject(m.parts(1480), 0);
    EXPECT_TRUE(receive(0).empty());
    EXPECT_EQ(receive(1), std::vector{m.u.payload});
    EXPECT_EQ(workers[1].io->last_activity(), 3U);
}

TEST_F(DpdkIoTwoQueues, AForeignDatagramGoesToTheKernelByItsOwner) {
    for (const auto w : {worker_0, worker_1}) {
        auto m = message_of(w);
        m.u.destination.port = 53;
        const auto f = m.parts(1480);
        inject({f[1]}, 0);
        EXPECT_TRUE(receive(0).empty());
        EXPECT_TRUE(receive(1).empty());
        inject({f[0], f[2]}, 1);
        EXPECT_TRUE(receive(1).empty());
        EXPECT_TRUE(receive(0).empty());
        EXPECT_TRUE(receive(0).empty());  // takes over what worker 1 has for the kernel
        EXPECT_EQ(bench->kernel.sent(), (Frames{f[1], f[0], f[2]}));
    }
}

TEST_F(DpdkIoTwoQueues, SteeredFragmentsNeverExceedTheRoom) {
    std::vector<std::string> expected, got;
    for (int i = 0; i < 30; ++i) {
        const auto m = message_of(worker_1, 1'600);
        expected.push_back(m.u.payload);
        const auto f = m.parts(1480);
        inject({f[0], f[1]}, 0);
        // A datagram of worker 1's own besides.
        auto u = m.u;
        u.source = endpoint("10.77.0.2:5060");
        u.destination = endpoint("10.77.0.100:5060");
        u.payload = "OPTIONS sip:b SIP/2.0\r\n\r\n";
        inject({u.build()}, 1);
    }
    EXPECT_TRUE(receive(0).empty());
    std::size_t small = 0;
    for (int polls = 0; polls < 100; ++polls)
        for (auto& text : receive(1, 7)) text.size() == 1'600 ? got.push_back(std::move(text)) : static_cast<void>(++small);
    EXPECT_EQ(got, expected);
    EXPECT_EQ(small, 30U);
}

TEST_F(DpdkIoTwoQueues, AFullMailboxIsCountedAndWhatIsInItIsGivenBackAtTheEnd) {
    for (int i = 0; i < 100; ++i) {
        inject(message_of(worker_1).parts(1480), 0);
        EXPECT_TRUE(receive(0).empty());
    }
    EXPECT_EQ(dropped(Drop::fragment_steering), 300U - FragmentLanes::Lane::capacity());
}

}  // namespace
}  // namespace sipfront::dpdk
