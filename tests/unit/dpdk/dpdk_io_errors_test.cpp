// ICMP errors through a whole DpdkIo: what reaches the worker, and how long packets are afterwards.
#include <gtest/gtest.h>

#include "dpdk/dpdk_io.hpp"
#include "fragments.hpp"
#include "icmp.hpp"
#include "ring_plane.hpp"

namespace sipfront::dpdk {
namespace {

using namespace test;

class DpdkIoErrors : public testing::Test {
protected:
    void SetUp() override {
        bench.with_kernel(0);
        bench.publish_defaults();
        bench.publish_neighbours({{ip("10.77.0.103"), peer_mac}, {ip("fd77::103"), peer_mac}});
        io = std::make_unique<DpdkIo>(core::WorkerId{0}, *bench.plane, clock);
        io->lend(out);
    }
    void TearDown() override {
        io->stop(out);
        for (auto* port : {&bench.wire, &bench.kernel}) (void)port->sent();
        EXPECT_EQ(bench.plane->pools().in_use(), 0U) << "every buffer must be back in its pool";
    }
    void inject(IcmpFrame f) {
        f.to = MacAddress{};  // the ring port's
        bench.wire.inject(f.build(), bench.pool());
    }
    // The errors of one receive(), given back at once.
    std::vector<core::Undelivered> receive(std::vector<std::string>* texts = nullptr) {
        std::array<core::Inbound, 64> in{};
        EXPECT_EQ(io->receive(in), 0U);
        std::vector<core::Undelivered> errors(32);
        errors.resize(io->undelivered(errors));
        for (const auto& e : errors) {
            if (texts != nullptr) texts->emplace_back(e.quote.text());
            io->release({&e.quote, 1});
        }
        return errors;
    }
    std::uint64_t counted(IcmpReport r) { return io->counters().icmp_errors[r].get(); }
    // The frames of one message.
    std::vector<Frame> send(std::size_t octets, const UdpFrame& like) {
        const auto text = pattern(octets);
        auto room = out.reserve(text.size());
        EXPECT_GE(room.size(), text.size());
        std::copy(text.begin(), text.end(), room.begin());
        core::Flow flow;
        flow.local = like.source;
        flow.remote = like.destination;
        out.commit(text.size(), flow);
        io->transmit(out);
        io->lend(out);
        return bench.wire.sent();
    }

    RingPlane bench;
    TscClock clock;
    core::Outbox out;
    std::unique_ptr<DpdkIo> io;
};

TEST_F(DpdkIoErrors, OneAboutOurDatagramReachesWorkerAndKernel) {
    for (const bool v6 : {false, true}) {
        const auto u = our_datagram("INVITE sip:a SIP/2.0\r\n\r\n", v6);
        auto f = error_about(u);
        inject(f);
        std::vector<std::string> texts;
        const auto errors = receive(&texts);
        ASSERT_EQ(errors.size(), 1U);
        EXPECT_EQ(texts[0], u.payload);
        EXPECT_EQ(errors[0].path_mtu, 0);
        EXPECT_EQ(errors[0].quote.flow.local, u.source);
        EXPECT_EQ(errors[0].quote.flow.remote, u.destination);
        EXPECT_EQ(errors[0].quote.flow.listener, core::ListenerId{static_cast<std::uint8_t>(v6 ? 6 : 4)});
        f.to = MacAddress{};
        EXPECT_EQ(bench.kernel.sent(), (std::vector<Frame>{f.build()})) << "the kernel keeps paths of its own";
    }
    EXPECT_EQ(counted(IcmpReport::unreachable), 2U);
}

TEST_F(DpdkIoErrors, WhatIsNotAboutOurSocketsIsTheKernelsAlone) {
    auto u = our_datagram();
    u.source.port = 5070;
    inject(error_about(u));
    auto echo = error_about(our_datagram());
    echo.type = 8;
    inject(echo);
    EXPECT_TRUE(receive().empty());
    EXPECT_EQ(bench.kernel.sent().size(), 2U);
    for (std::size_t i = 0; i < core::CounterArray<IcmpReport>::size; ++i) EXPECT_EQ(counted(static_cast<IcmpReport>(i)), 0U) << i;
}

TEST_F(DpdkIoErrors, SpoiltAndImpossibleOnesAreCountedAndStillTheKernels) {
    auto spoilt = error_about(our_datagram());
    spoilt.spoilt = true;
    inject(spoilt);
    auto impossible = error_about(our_datagram());
    impossible.receiver = ip("10.77.0.101");
    inject(impossible);
    EXPECT_TRUE(receive().empty());
    EXPECT_EQ(counted(IcmpReport::checksum), 1U);
    EXPECT_EQ(counted(IcmpReport::implausible), 1U);
    EXPECT_EQ(bench.kernel.sent().size(), 2U);
}

TEST_F(DpdkIoErrors, AFloodReachesTheWorkerInBoundedNumbers) {
    std::size_t taken = 0;
    for (int round = 0; round < 10; ++round) {
        for (int i = 0; i < 40; ++i) inject(error_about(our_datagram()));
        taken += receive().size();
        (void)bench.kernel.sent();
    }
    EXPECT_GE(taken, 16U);
    EXPECT_LE(taken, 160U) << "of one receive() sixteen";
    EXPECT_EQ(counted(IcmpReport::unreachable), taken);
    EXPECT_EQ(counted(IcmpReport::limited), 400U - taken);
}

TEST_F(DpdkIoErrors, ThoseThatNobodyAsksForAreGivenBack) {
    std::array<core::Inbound, 64> in{};
    for (int i = 0; i < 3; ++i) {
        inject(error_about(our_datagram()));
        EXPECT_EQ(io->receive(in), 0U);
    }
}

TEST_F(DpdkIoErrors, APathThatTakesLessGetsSmallerFragments) {
    for (const bool v6 : {false, true}) {
        const auto u = our_datagram(pattern(1400), v6);
        EXPECT_EQ(send(1400, u).size(), 1U);
        inject(too_big(u, 1300));
        const auto errors = receive();
        ASSERT_EQ(errors.size(), 1U);
        ASSERT_EQ(errors[0].path_mtu, 1300);
        EXPECT_EQ(send(1400, u).size(), 1U) << "the worker has not said that it believes it";
        io->limit_path(u.destination.address, errors[0].path_mtu);
        const auto frames = send(1400, u);
        ASSERT_EQ(frames.size(), 2U);
        for (const auto& f : frames) EXPECT_LE(f.size(), 14U + 1300U);
        EXPECT_EQ(decode(frames[0], {}).verdict, Decoded::Verdict::fragment);
        EXPECT_EQ(send(1200, u).size(), 1U) << "what fits goes as it is";
        auto other = u;
        other.destination = endpoint(v6 ? "[fd77::104]:5060" : "10.77.0.104:5060");
        bench.publish_neighbours(
            {{ip("10.77.0.103"), peer_mac}, {ip("fd77::103"), peer_mac}, {ip("10.77.0.104"), peer_mac}, {ip("fd77::104"), peer_mac}});
        EXPECT_TRUE(receive().empty());
        EXPECT_EQ(send(1400, other).size(), 1U) << "the others' paths are as they were";
    }
    EXPECT_EQ(io->counters().path_mtus.get(), 2U);
    EXPECT_EQ(counted(IcmpReport::packet_too_big), 2U);
}

TEST_F(DpdkIoErrors, NoPathIsMadeNarrowerThanEveryPathIs) {
    const auto u = our_datagram(pattern(1400));
    inject(too_big(u, 68));
    const auto errors = receive();
    ASSERT_EQ(errors.size(), 1U);
    EXPECT_EQ(errors[0].path_mtu, 576);
    io->limit_path(u.destination.address, 68);
    for (const auto& f : send(1400, u)) EXPECT_LE(f.size(), 14U + 576U);
    EXPECT_EQ(send(548, u).size(), 1U);
    // About the longest datagram, in the smallest pieces.
    std::size_t octets = 0, count = 0;
    for (const auto& f : send(65'000, u)) {
        octets += f.size() - 14 - 20;
        ++count;
    }
    EXPECT_EQ(octets, 65'008U);
    EXPECT_EQ(count, 118U);
    io->limit_path(u.destination.address, 9000);
    EXPECT_EQ(send(548, u).size(), 1U);
    EXPECT_GT(send(1400, u).size(), 1U) << "what the link does not take says nothing";
}

}  // namespace
}  // namespace sipfront::dpdk
