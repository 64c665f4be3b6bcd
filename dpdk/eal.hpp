// The DPDK environment: once per process. Worker i is EAL lcore i; the main lcore is none of them and floats over all CPUs, so that
// control threads run anywhere.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/result.hpp"
#include "core/types.hpp"
#include "dpdk/config.hpp"

namespace sipfront::dpdk {

// CPU of each worker: config.cores, or the allowed CPUs in turn. Several workers may share one. Pure.
core::Result<std::vector<std::uint32_t>> worker_cpus(const DataPlaneConfig& config, std::span<const std::uint32_t> allowed);
// The argument vector for rte_eal_init. Pure.
core::Result<std::vector<std::string>> eal_arguments(const DataPlaneConfig& config, std::span<const std::uint32_t> allowed);
// CPUs that this process may run on.
std::vector<std::uint32_t> allowed_cpus();

// Control thread; cleans the environment up when it goes, after all that uses DPDK has gone.
class Eal {
public:
    // DPDK can be initialised once per process: after an error, or after an Eal has gone, only a new process can try again.
    static core::Result<Eal> init(const DataPlaneConfig& config);
    Eal(Eal&& other) noexcept : up_{std::exchange(other.up_, false)} {}
    Eal& operator=(Eal&&) = delete;
    ~Eal();

    // Runs `entry` once on each worker's core, on threads of the EAL. `entry` must outlive wait_all().
    core::Status launch_on_workers(std::uint32_t workers, const std::function<void(core::WorkerId)>& entry);
    // Until every entry has returned.
    void wait_all() noexcept;

private:
    Eal() = default;
    bool up_ = true;
};

}  // namespace sipfront::dpdk
