// A data plane over net_ring ports whose far ends a test holds in its hands: no NIC, no kernel, no other thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rte_eth_ring.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "dpdk/data_plane.hpp"
#include "dpdk/dpdk_io.hpp"
#include "dpdk/eal.hpp"
#include "frames.hpp"

namespace sipfront::dpdk::test {

// The far end of a port.
class RingPort {
public:
    explicit RingPort(const std::string& name, unsigned size = 256, unsigned queues = 1) : name_{"net_ring_" + name} {
        for (unsigned q = 0; q < queues; ++q) {
            const auto stem = name + "-" + std::to_string(q);
            rx_.push_back(rte_ring_create((stem + "-rx").c_str(), size, 0, RING_F_SP_ENQ | RING_F_SC_DEQ));
            tx_.push_back(rte_ring_create((stem + "-tx").c_str(), size, 0, RING_F_SP_ENQ | RING_F_SC_DEQ));
        }
        port_ = rte_eth_from_rings(name.c_str(), rx_.data(), queues, tx_.data(), queues, 0);
    }
    [[nodiscard]] bool ok() const { return port_ >= 0; }
    [[nodiscard]] const std::string& device() const { return name_; }

    // To the port, in a buffer of `pool`.
    void inject(const Frame& frame, rte_mempool* pool, std::size_t queue = 0) {
        auto* m = rte_pktmbuf_alloc(pool);
        ASSERT_NE(m, nullptr);
        auto* to = rte_pktmbuf_append(m, static_cast<std::uint16_t>(frame.size()));
        ASSERT_NE(to, nullptr);
        std::copy(frame.begin(), frame.end(), reinterpret_cast<std::uint8_t*>(to));
        ASSERT_EQ(rte_ring_enqueue(rx_[queue], m), 0);
    }
    // What the port has sent.
    std::vector<Frame> sent() {
        std::vector<Frame> frames;
        void* p = nullptr;
        for (auto* tx : tx_) {
            while (rte_ring_dequeue(tx, &p) == 0) {
                auto* m = static_cast<rte_mbuf*>(p);
                const auto* bytes = rte_pktmbuf_mtod(m, const std::uint8_t*);
                frames.emplace_back(bytes, bytes + rte_pktmbuf_data_len(m));
                rte_pktmbuf_free(m);
            }
        }
        return frames;
    }

private:
    std::string name_;
    std::vector<rte_ring*> rx_, tx_;  // by queue
    int port_ = -1;
};

// The environment comes up once per process and stays.
inline Eal& environment() {
    static auto eal = [] {
        DataPlaneConfig c;
        c.huge_pages = false;
        c.memory_mb = 128;
        c.workers = 2;
        c.file_prefix = "sipfront-unit";
        return Eal::init(c);
    }();
    if (!eal) throw std::runtime_error{eal.error().what};
    return *eal;
}

class RingPlane {
public:
    // `config`: what a test wants otherwise; ports, workers and sizes are set here.
    explicit RingPlane(std::uint32_t workers = 1, unsigned ring_size = 256, unsigned queues = 1, DataPlaneConfig c = {})
        : wire{unique("wire"), ring_size, queues}, kernel{unique("kern"), 256} {
        c.ports = {{wire.device()}};
        c.workers = workers;
        c.rx_descriptors = c.tx_descriptors = 64;
        c.mbufs = 4096;
        auto opened = DataPlane::open(c);
        if (!opened) throw std::runtime_error{opened.error().what};
        plane = std::move(opened).value();
    }
    void with_kernel(std::uint32_t rate) {
        KernelLinkOptions o;
        o.workers = plane->workers();
        o.exception_rate = rate;
        auto link = KernelLink::open(kernel.device(), o, plane->pools());
        if (!link) throw std::runtime_error{link.error().what};
        plane->attach_kernel(std::move(link).value());
    }
    // A listener at 10.77.0.100:5060 and [fd77::100]:5060, the network on the link, one neighbour.
    void publish_defaults() {
        plane->listeners().publish(std::make_unique<const ListenerTable>(std::vector<Listener>{
            {endpoint("10.77.0.100:5060"), core::ListenerId{4}}, {endpoint("[fd77::100]:5060"), core::ListenerId{6}}}));
        publish_neighbours({{ip("10.77.0.2"), peer_mac}});
    }
    void publish_neighbours(std::vector<Neighbour> neighbours) {
        const auto on_link = [](std::string_view p) { return Route{core::Prefix::parse(p).value(), {}, false}; };
        plane->next_hops().publish(
            std::make_unique<const NextHops>(std::vector{on_link("10.77.0.0/24"), on_link("fd77::/64")}, std::move(neighbours)));
    }
    [[nodiscard]] rte_mempool* pool() const { return plane->pools().small(core::WorkerId{0}); }

    Eal& eal = environment();
    RingPort wire, kernel;
    std::unique_ptr<DataPlane> plane;

private:
    static std::string unique(const std::string& stem) {
        static int count = 0;
        (void)environment();
        return stem + std::to_string(count++);
    }
};

}  // namespace sipfront::dpdk::test
