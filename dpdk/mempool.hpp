// Buffers of the data plane: per NUMA node one pool of packet-sized mbufs, kept small so that it cycles in the cache, and a few
// large ones for messages that do not fit.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/result.hpp"
#include "core/types.hpp"

struct rte_mempool;

namespace sipfront::dpdk {

struct PoolOptions {
    std::uint32_t workers = 1;
    std::uint32_t mbufs = 16'384;    // per node
    std::uint32_t large_mbufs = 64;  // per node; each worker keeps two and takes as many more as a burst has large messages
    std::uint16_t mtu = 1500;
    std::string name_prefix = "sf";
};

// Owns the pools. Created before the ports and destroyed after them, by the same thread.
class Pools {
public:
    // Payload octets of a packet-sized buffer, behind a headroom of 128, and of a large one.
    static constexpr std::uint32_t small_room = 2048;
    static constexpr std::uint32_t large_room = 65'507;  // the largest UDP payload over IPv4
    // Of a large buffer, which has no more than 65,535 octets in all: the UDP header finds room in it. A message that needs such a buffer
    // leaves in fragments, each with its headers in a buffer of its own.
    static constexpr std::uint32_t large_headroom = 28;

    static core::Result<Pools> create(const PoolOptions& options);
    Pools(Pools&& other) noexcept;
    Pools& operator=(Pools&& other) noexcept;
    ~Pools();

    [[nodiscard]] rte_mempool* small(core::WorkerId worker) const noexcept { return small_[node_[core::raw(worker)]]; }
    [[nodiscard]] rte_mempool* large(core::WorkerId worker) const noexcept { return large_[node_[core::raw(worker)]]; }
    // Buffers not in any pool at the moment (in rings, queues, or in a worker's hands).
    [[nodiscard]] std::uint32_t in_use() const noexcept;
    [[nodiscard]] std::uint32_t available() const noexcept;

private:
    static constexpr std::size_t max_nodes = 8;

    Pools() = default;
    void free() noexcept;

    std::array<std::uint8_t, core::max_workers> node_{};
    std::array<rte_mempool*, max_nodes> small_{};
    std::array<rte_mempool*, max_nodes> large_{};
};

}  // namespace sipfront::dpdk
