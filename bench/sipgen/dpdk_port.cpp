#include "bench/sipgen/dpdk_port.hpp"

#include <chrono>
#include <sstream>
#include <thread>

#include <rte_ethdev.h>

namespace sipfront::sipgen {

core::Result<DpdkPort> DpdkPort::open(const Options& options) {
    dpdk::DataPlaneConfig config;
    config.ports = {{options.device}};
    if (options.core >= 0) config.cores = {static_cast<std::uint32_t>(options.core)};
    config.huge_pages = options.huge_pages;
    config.memory_mb = options.memory_mb;
    config.file_prefix = options.file_prefix;
    std::istringstream words{options.eal};
    for (std::string word; words >> word;) config.eal_args.push_back(word);

    DpdkPort port;
    auto eal = dpdk::Eal::init(config);
    if (!eal) return eal.error();
    port.eal_.emplace(std::move(*eal));
    dpdk::PoolOptions pool;
    // Few enough to stay in the cache, enough for full rings both ways.
    pool.mbufs = 6144;
    pool.large_mbufs = 1;
    auto pools = dpdk::Pools::create(pool);
    if (!pools) return pools.error();
    port.pools_.emplace(std::move(*pools));
    auto id = dpdk::Port::probe(options.device);
    if (!id) return id.error();
    auto started = dpdk::Port::start(*id, options.device, {}, *port.pools_);
    if (!started) return started.error();
    port.port_.emplace(std::move(*started));
    return port;
}

core::Status DpdkPort::run(const std::function<void()>& work, const std::function<void()>& meanwhile) {
    const std::function<void(core::WorkerId)> entry = [&](core::WorkerId) { work(); };
    if (auto s = eal_->launch_on_workers(1, entry); !s) return s;
    meanwhile();
    eal_->wait_all();
    return core::Done{};
}

bool DpdkPort::wait_for_link(core::Duration most) const {
    const auto end = std::chrono::steady_clock::now() + most;
    do {
        rte_eth_link link{};
        if (rte_eth_link_get_nowait(port_->id(), &link) == 0 && link.link_status == RTE_ETH_LINK_UP) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds{10});
    } while (std::chrono::steady_clock::now() < end);
    return false;
}

}  // namespace sipfront::sipgen
