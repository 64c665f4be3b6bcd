// The generator's DPDK environment and its one port.
#pragma once

#include <functional>
#include <optional>

#include "bench/sipgen/options.hpp"
#include "core/result.hpp"
#include "dpdk/eal.hpp"
#include "dpdk/mempool.hpp"
#include "dpdk/port.hpp"

namespace sipfront::sipgen {

// Main thread. Once per process.
class DpdkPort {
public:
    static core::Result<DpdkPort> open(const Options& options);

    // Runs `work` on the generator's lcore while the calling thread does `meanwhile`; returns when both have ended.
    core::Status run(const std::function<void()>& work, const std::function<void()>& meanwhile);

    [[nodiscard]] dpdk::Lane lane() const noexcept { return port_->lane(core::WorkerId{0}); }
    [[nodiscard]] rte_mempool* buffers() const noexcept { return pools_->small(core::WorkerId{0}); }
    [[nodiscard]] dpdk::MacAddress mac() const noexcept { return port_->mac(); }
    // Waits for the far end; false when it does not come.
    [[nodiscard]] bool wait_for_link(core::Duration most) const;

private:
    DpdkPort() = default;

    std::optional<dpdk::Eal> eal_;  // goes last
    std::optional<dpdk::Pools> pools_;
    std::optional<dpdk::Port> port_;
};

}  // namespace sipfront::sipgen
