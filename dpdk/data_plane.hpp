// What the workers' ports have in common: buffers, the wire port (single or bonded), the kernel link, the published tables, and the
// mailboxes between control and workers. Made and destroyed by the control thread while no worker runs.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/mailbox.hpp"
#include "core/published.hpp"
#include "core/result.hpp"
#include "dpdk/bond.hpp"
#include "dpdk/classify.hpp"
#include "dpdk/config.hpp"
#include "dpdk/fragment_lanes.hpp"
#include "dpdk/kernel_link.hpp"
#include "dpdk/mempool.hpp"
#include "dpdk/next_hops.hpp"
#include "dpdk/port.hpp"
#include "dpdk/port_counters.hpp"
#include "dpdk/reassembly.hpp"

namespace sipfront::dpdk {

// A frame that control wants sent out of the wire port; worker 0 builds and sends it.
struct FrameOrder {
    enum class Kind : std::uint8_t {
        announce,  // gratuitous ARP (RFC 5227 2.3) or unsolicited neighbour advertisement (RFC 4861 7.2.6) for `own`
        probe,     // ARP request or neighbour solicitation for `target`, asked by `own`
    };
    Kind kind = Kind::announce;
    core::IpAddress own;  // none in a probe: an ARP probe without a sender (RFC 5227 2.1.1)
    core::IpAddress target;
};
using OrderQueue = core::Mailbox<FrameOrder, 256>;

class DataPlane {
public:
    // Opens pools and wire port. The EAL must be up (eal.hpp).
    static core::Result<std::unique_ptr<DataPlane>> open(const DataPlaneConfig& config);
    DataPlane(const DataPlane&) = delete;
    DataPlane& operator=(const DataPlane&) = delete;
    ~DataPlane();

    [[nodiscard]] std::uint32_t workers() const noexcept { return workers_; }
    [[nodiscard]] const Pools& pools() const noexcept { return pools_; }
    [[nodiscard]] const Port& wire() const noexcept { return *wire_; }
    [[nodiscard]] Bond* bond() noexcept { return bond_ ? &*bond_ : nullptr; }

    // --- control, before the workers start ---
    void attach_kernel(std::unique_ptr<KernelLink> link) noexcept { kernel_ = std::move(link); }
    [[nodiscard]] KernelLink* kernel() const noexcept { return kernel_.get(); }
    // Addresses whose ARP or ND answers count as proof of a working link (PortCounters::arp_answers).
    void watch_answers_of(std::span<const core::IpAddress> targets) { answer_targets_.assign(targets.begin(), targets.end()); }
    [[nodiscard]] std::span<const core::IpAddress> answer_targets() const noexcept { return answer_targets_; }

    // --- control, at any time ---
    [[nodiscard]] core::Published<NextHops>& next_hops() noexcept { return next_hops_; }
    [[nodiscard]] core::Published<ListenerTable>& listeners() noexcept { return listeners_; }
    // Next hops that a worker could not resolve; control drains it.
    [[nodiscard]] UnresolvedQueue& unresolved(core::WorkerId w) noexcept { return *unresolved_[core::raw(w)]; }
    // Makes worker 0 announce the addresses out of the (active member of the) wire port. False when the mailbox is full.
    bool announce(std::span<const core::IpAddress> own);
    bool probe(const core::IpAddress& own, const core::IpAddress& target);
    [[nodiscard]] const PortCounters& counters(core::WorkerId w) const noexcept { return (*counters_)[core::raw(w)]; }
    // Sum over the workers of the answers of the watched addresses.
    [[nodiscard]] std::uint64_t answers() const noexcept;

    // --- for DpdkIo ---
    [[nodiscard]] PortCounters& counters(core::WorkerId w) noexcept { return (*counters_)[core::raw(w)]; }
    [[nodiscard]] OrderQueue& orders() noexcept { return *orders_; }
    [[nodiscard]] FragmentLanes& fragments() noexcept { return fragments_; }
    [[nodiscard]] const ReassemblyLimits& reassembly() const noexcept { return reassembly_; }

private:
    DataPlane(Pools pools, const DataPlaneConfig& config);

    std::uint32_t workers_;
    Pools pools_;
    std::optional<Bond> bond_;  // before wire_: the members outlive the bonded port
    std::optional<Port> wire_;
    std::unique_ptr<KernelLink> kernel_;
    core::Published<NextHops> next_hops_;
    core::Published<ListenerTable> listeners_;
    std::vector<std::unique_ptr<UnresolvedQueue>> unresolved_;
    std::unique_ptr<OrderQueue> orders_;
    ReassemblyLimits reassembly_;
    FragmentLanes fragments_;
    std::unique_ptr<std::array<PortCounters, core::max_workers>> counters_;
    std::vector<core::IpAddress> answer_targets_;
};

}  // namespace sipfront::dpdk
