// The exchange of frames with the Linux kernel: an Ethernet device of DPDK (virtio-user over vhost-net, or TAP) whose other end is
// a network interface. Everything that is not fast-path SIP passes through it, rate limited towards the kernel.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "core/result.hpp"
#include "core/tick.hpp"
#include "core/types.hpp"
#include "dpdk/mempool.hpp"
#include "dpdk/port.hpp"
#include "dpdk/port_counters.hpp"

struct rte_mbuf;

namespace sipfront::dpdk {

// Frames per second over all workers (GCRA). Touched once per burst that holds frames for the kernel.
class RateLimit {
public:
    // 0: unlimited. `burst`: frames that may come at once after a silence.
    RateLimit(std::uint32_t per_second, std::uint32_t burst) noexcept;
    // How many of `wanted` frames may pass now. Any worker.
    std::uint32_t take(core::Tick now, std::uint32_t wanted) noexcept;

private:
    core::Duration per_frame_;
    core::Duration burst_;
    std::atomic<core::Duration::rep> due_{0};  // theoretical arrival time of the next frame
};

struct KernelLinkOptions {
    std::uint32_t workers = 1;
    std::uint16_t descriptors = 256;
    std::uint16_t mtu = 1500;
    std::uint32_t exception_rate = 20'000;  // frames a second towards the kernel; 0: unlimited
};

// Opened by control (kni/) before the workers start and closed after they stopped. Workers call to_kernel() and from_kernel().
// One queue pair per worker where the device has them; else worker 0 polls, and the others hand frames to it through a ring.
class KernelLink {
public:
    // `devargs`: a vdev as the EAL takes it, such as "net_tap0,iface=sf0,mac=02:00:00:00:00:01" or "virtio_user0,path=/dev/vhost-net,...".
    static core::Result<std::unique_ptr<KernelLink>> open(const std::string& devargs, const KernelLinkOptions& options, const Pools& pools);

    [[nodiscard]] std::uint16_t port() const noexcept { return port_.id(); }
    [[nodiscard]] std::uint16_t queues() const noexcept { return port_.queues(); }
    [[nodiscard]] MacAddress mac() const noexcept { return port_.mac(); }

    // --- worker side ---
    // Takes all the frames: what exceeds the rate or the device's queue is freed and counted.
    void to_kernel(core::WorkerId worker, rte_mbuf** frames, std::uint16_t count, core::Tick now, PortCounters& counters) noexcept;
    // Frames that the kernel sends; they belong to the caller. Also does worker 0's share of relaying.
    std::uint16_t from_kernel(core::WorkerId worker, rte_mbuf** frames, std::uint16_t count, PortCounters& counters) noexcept;

private:
    KernelLink(Port port, const KernelLinkOptions& options);

    Port port_;
    std::array<Lane, core::max_workers> lanes_{};
    RateLimit limit_;
};

}  // namespace sipfront::dpdk
