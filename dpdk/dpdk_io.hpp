// One worker's I/O over DPDK: the instance of core::PacketIo. Receives SIP datagrams, passes everything else to the kernel and the
// kernel's frames to the wire, and sends the worker's datagrams with their UDP, IP and Ethernet headers.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "core/flow.hpp"
#include "core/outbox.hpp"
#include "core/tick.hpp"
#include "core/types.hpp"
#include "dpdk/data_plane.hpp"
#include "dpdk/headers.hpp"
#include "dpdk/hop_cache.hpp"
#include "dpdk/icmp_error.hpp"
#include "dpdk/lcore.hpp"
#include "dpdk/path_mtu.hpp"
#include "dpdk/reassembly.hpp"
#include "dpdk/waiting_room.hpp"

struct rte_mbuf;

namespace sipfront::dpdk {

// Used by its worker's thread only, from construction on (make it on the worker, or before the worker starts).
class DpdkIo final : private Reassembler::Sink {
public:
    // `plane` outlives the DpdkIo. `clock` is read once per receive(): rate limits and waiting packets go by it.
    DpdkIo(core::WorkerId worker, DataPlane& plane, const TscClock& clock);
    DpdkIo(const DpdkIo&) = delete;
    DpdkIo& operator=(const DpdkIo&) = delete;

    // One rx burst of the wire and one of the kernel. Call it at least every 100 ms, also when idle. SIP datagrams come back with
    // flow.zone as Zone::outside; the worker decides the zone.
    std::size_t receive(std::span<core::Inbound> in) noexcept;
    // The last receive() took as many frames as it asked for: more may wait. Few drivers tell how many (a bond's does not).
    [[nodiscard]] bool backlogged() const noexcept { return backlogged_; }
    void release(std::span<const core::Inbound> done) noexcept;
    void lend(core::Outbox& out) noexcept;
    // Datagrams whose flow is not UDP are dropped and counted (Drop::not_sent): another transport must have taken them out before.
    void transmit(core::Outbox& out) noexcept;
    // ICMP errors about datagrams from our listeners, which any worker may have sent; they went on to the kernel as well.
    std::size_t undelivered(std::span<core::Undelivered> errors) noexcept;
    // `mtu` below what every path takes counts as that, and what the link does not take anyway as nothing.
    void limit_path(const core::IpAddress& destination, std::uint16_t mtu) noexcept;

    // Frames handled in the last receive(), of either side: 0 means there was nothing to do.
    [[nodiscard]] std::size_t last_activity() const noexcept { return activity_; }
    [[nodiscard]] const PortCounters& counters() const noexcept { return counters_; }

    // The worker stops: gives back waiting frames and the outbox's buffers, leaves the published tables. After the last receive() of all
    // workers.
    void stop(core::Outbox& out) noexcept;

private:
    static constexpr std::uint16_t burst = 64;
    // ICMP errors that are looked at, of one receive() and in a second: hosts and routers send few (RFC 1812 4.3.2.8).
    static constexpr std::size_t most_errors = 16;
    static constexpr std::uint32_t errors_per_second = 512;

    void poll_kernel() noexcept;
    void serve_orders() noexcept;
    void retry_waiting() noexcept;
    bool accept(rte_mbuf* m, core::Inbound& in) noexcept;
    void note_answer(std::span<const std::uint8_t> frame) noexcept;
    bool deliver(rte_mbuf* m, const Decoded& d, core::ListenerId listener, core::Inbound& in) noexcept;
    void to_kernel(rte_mbuf* m) noexcept override;
    void flush_kernel() noexcept;
    void drop(rte_mbuf* m, Drop why) noexcept override;

    // --- IP fragments (dpdk_io_fragments.cpp) ---
    [[nodiscard]] std::size_t steered_fragments(std::size_t room) const noexcept;
    std::size_t take_steered(std::span<core::Inbound> in) noexcept;
    bool accept_fragment(rte_mbuf* m, const Decoded& d, core::Inbound& in) noexcept;
    bool reassemble(rte_mbuf* m, const Fragment& f, std::uint64_t hash, core::Inbound& in) noexcept;
    [[nodiscard]] rte_mbuf* room_for(std::uint32_t length) noexcept;
    void done(rte_mbuf* m) noexcept override;

    // --- ICMP errors (dpdk_io_errors.cpp) ---
    void note_error(const rte_mbuf* m, const Decoded& d) noexcept;
    bool keep_error(const IcmpError& error, core::ListenerId listener) noexcept;
    void drop_errors() noexcept;

    void encode(const core::OutDatagram& d) noexcept;
    [[nodiscard]] std::uint16_t path_mtu(const core::OutDatagram& d, std::size_t length) const noexcept;
    void encode_fragments(rte_mbuf* m, const FrameAddresses& addresses, const NextHop& hop, std::uint16_t mtu) noexcept;
    rte_mbuf* in_small_buffer(rte_mbuf* large) noexcept;
    NextHop resolve(const core::IpAddress& destination) noexcept;
    void dispatch(rte_mbuf* m, const NextHop& hop) noexcept;
    void stage(rte_mbuf* m) noexcept;
    void flush_wire() noexcept;

    core::WorkerId worker_;
    DataPlane& plane_;
    PortCounters& counters_;
    Lane wire_;
    KernelLink* kernel_;
    const NextHops* hops_ = nullptr;            // of this poll
    const ListenerTable* listeners_ = nullptr;  // of this poll
    TscClock clock_;
    core::Tick now_{};
    std::size_t activity_ = 0;
    MacAddress mac_;
    Offloads offloads_;
    std::uint16_t mtu_;
    std::uint16_t ip_id_;
    std::uint32_t fragment_id_;
    std::uint16_t kernel_count_ = 0;
    std::uint16_t tx_count_ = 0;
    bool backlogged_ = false;
    std::array<rte_mbuf*, burst> kernel_frames_{};
    std::array<rte_mbuf*, burst> tx_frames_{};
    HopCache cache_;
    LearnedHops learned_;
    WaitingRoom waiting_;
    Reassembler reassembler_;
    PathMtus paths_;
    RateLimit error_limit_{errors_per_second, 2 * most_errors};
    std::size_t error_count_ = 0;
    std::array<core::Undelivered, most_errors> errors_{};
};

}  // namespace sipfront::dpdk
