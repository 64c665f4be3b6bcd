#include "dpdk/kernel_link.hpp"

#include <algorithm>
#include <utility>

#include <rte_mbuf.h>

namespace sipfront::dpdk {

RateLimit::RateLimit(std::uint32_t per_second, std::uint32_t burst) noexcept
    : per_frame_{per_second == 0 ? core::Duration::zero() : core::Duration{std::chrono::seconds{1}} / per_second},
      burst_{per_frame_ * burst} {}

std::uint32_t RateLimit::take(core::Tick now, std::uint32_t wanted) noexcept {
    if (per_frame_ == core::Duration::zero()) return wanted;
    const auto at = now.time_since_epoch().count();
    auto due = due_.load(std::memory_order_relaxed);
    while (true) {
        const auto from = std::max(due, at);
        const auto room = at + burst_.count() - from;
        const auto granted = static_cast<std::uint32_t>(std::clamp<core::Duration::rep>(room / per_frame_.count(), 0, wanted));
        if (granted == 0) return 0;
        if (due_.compare_exchange_weak(due, from + granted * per_frame_.count(), std::memory_order_relaxed)) return granted;
    }
}

core::Result<std::unique_ptr<KernelLink>> KernelLink::open(const std::string& devargs, const KernelLinkOptions& options,
                                                           const Pools& pools) {
    auto id = Port::probe(devargs);
    if (!id) return id.error();
    // No checksum offload: the kernel then hands over finished frames, which leave by the wire as they are.
    PortOptions port_options;
    port_options.workers = options.workers;
    port_options.rx_descriptors = port_options.tx_descriptors = options.descriptors;
    port_options.mtu = options.mtu;
    port_options.checksum_offload = false;
    auto port = Port::start(*id, devargs.substr(0, devargs.find(',')), port_options, pools);
    if (!port) return port.error();
    return std::unique_ptr<KernelLink>{new KernelLink{std::move(port).value(), options}};
}

// A tenth of a second's frames may come at once: ARP and routing protocols are bursty.
KernelLink::KernelLink(Port port, const KernelLinkOptions& options)
    : port_{std::move(port)}, limit_{options.exception_rate, std::max(options.exception_rate / 10, 64U)} {
    for (std::uint32_t w = 0; w < options.workers; ++w) lanes_[w] = port_.lane(core::WorkerId{static_cast<std::uint8_t>(w)});
}

void KernelLink::to_kernel(core::WorkerId worker, rte_mbuf** frames, std::uint16_t count, core::Tick now, PortCounters& counters) noexcept {
    if (count == 0) return;
    const auto allowed = static_cast<std::uint16_t>(limit_.take(now, count));
    const auto sent = allowed > 0 ? lanes_[core::raw(worker)].send(frames, allowed) : std::uint16_t{0};
    counters.to_kernel.add(sent);
    counters.drops[Drop::kernel_full].add(static_cast<std::uint64_t>(allowed - sent));
    counters.drops[Drop::kernel_rate].add(static_cast<std::uint64_t>(count - allowed));
    rte_pktmbuf_free_bulk(frames + sent, static_cast<unsigned>(count - sent));
}

std::uint16_t KernelLink::from_kernel(core::WorkerId worker, rte_mbuf** frames, std::uint16_t count, PortCounters& counters) noexcept {
    auto& lane = lanes_[core::raw(worker)];
    std::uint64_t dropped = 0;
    (void)lane.relay(dropped);
    counters.drops[Drop::kernel_full].add(dropped);
    const auto received = lane.receive(frames, count);
    counters.from_kernel.add(received);
    return received;
}

}  // namespace sipfront::dpdk
