#include "dpdk/mempool.hpp"

#include <algorithm>
#include <atomic>
#include <utility>

#include <fmt/format.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>

namespace sipfront::dpdk {
namespace {

// rte_mempool: at most 512, and no more than 2/3 of the pool.
constexpr std::uint32_t longest_cache = 512;

std::uint32_t cache_for(std::uint32_t mbufs) noexcept { return std::min(longest_cache, mbufs / 8); }

}  // namespace

core::Result<Pools> Pools::create(const PoolOptions& options) {
    Pools pools;
    for (std::uint32_t w = 0; w < options.workers; ++w) {
        const auto node = rte_lcore_is_enabled(w) != 0 ? rte_lcore_to_socket_id(w) : 0;
        pools.node_[w] = static_cast<std::uint8_t>(node < max_nodes ? node : 0);
    }
    // Headroom, then a whole packet of the MTU behind its Ethernet header and tags, or a message before its headers are put in front.
    const std::uint32_t room = RTE_PKTMBUF_HEADROOM + std::max<std::uint32_t>(small_room, options.mtu + 32U);
    constexpr std::uint32_t wide = large_headroom + large_room;
    static_assert(wide <= UINT16_MAX);
    for (std::uint32_t w = 0; w < options.workers; ++w) {
        const auto node = pools.node_[w];
        if (pools.small_[node] != nullptr) continue;
        const auto small = fmt::format("{}-{}", options.name_prefix, node);
        pools.small_[node] =
            rte_pktmbuf_pool_create(small.c_str(), options.mbufs, cache_for(options.mbufs), 0, static_cast<std::uint16_t>(room), node);
        const auto large = fmt::format("{}-{}-large", options.name_prefix, node);
        if (pools.small_[node] != nullptr) {
            pools.large_[node] = rte_pktmbuf_pool_create(large.c_str(), options.large_mbufs, 0, 0, static_cast<std::uint16_t>(wide), node);
        }
        if (pools.large_[node] == nullptr) {
            return core::Error{
                fmt::format("cannot make the packet buffers of NUMA node {} ({} of {} octets): {}; give the data plane more "
                            "memory (memory_mb), reserve huge pages, or lower mbufs",
                            node, options.mbufs, room, rte_strerror(rte_errno))};
        }
    }
    return pools;
}

Pools::Pools(Pools&& other) noexcept
    : node_{other.node_}, small_{std::exchange(other.small_, {})}, large_{std::exchange(other.large_, {})} {}

Pools& Pools::operator=(Pools&& other) noexcept {
    if (this != &other) {
        free();
        node_ = other.node_;
        small_ = std::exchange(other.small_, {});
        large_ = std::exchange(other.large_, {});
    }
    return *this;
}

Pools::~Pools() { free(); }

void Pools::free() noexcept {
    for (auto* p : small_) rte_mempool_free(p);
    for (auto* p : large_) rte_mempool_free(p);
    small_ = {};
    large_ = {};
}

std::uint32_t Pools::in_use() const noexcept {
    std::uint32_t n = 0;
    for (const auto* pools : {&small_, &large_}) {
        for (const auto* p : *pools) n += p != nullptr ? rte_mempool_in_use_count(p) : 0;
    }
    return n;
}

std::uint32_t Pools::available() const noexcept {
    std::uint32_t n = 0;
    for (const auto* pools : {&small_, &large_}) {
        for (const auto* p : *pools) n += p != nullptr ? rte_mempool_avail_count(p) : 0;
    }
    return n;
}

}  // namespace sipfront::dpdk
