#include "dpdk/eal.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <sched.h>
#include <sys/prctl.h>

namespace sipfront::dpdk {
namespace {

bool is_pci(const std::string& device) {
    // "0000:18:00.0" or "18:00.0"; a vdev's name begins with its driver's.
    return !device.empty() && device.find(':') != std::string::npos && device.find(':') < device.find(',') &&
           device.find('.') != std::string::npos && std::isxdigit(static_cast<unsigned char>(device.front())) != 0;
}

// A memif that lends its buffers to the other process hands over one file for each memory segment, and takes but one.
bool shares_buffers(const std::string& device) {
    return device.starts_with("net_memif") && device.find("zero-copy=yes") != std::string::npos;
}

int run_entry(void* argument) {
    // Without it every sleep is 50 us longer.
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    const auto& entry = *static_cast<const std::function<void(core::WorkerId)>*>(argument);
    entry(core::WorkerId{static_cast<std::uint8_t>(rte_lcore_id())});
    return 0;
}

}  // namespace

std::vector<std::uint32_t> allowed_cpus() {
    cpu_set_t set;
    CPU_ZERO(&set);
    std::vector<std::uint32_t> cpus;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return cpus;
    for (std::uint32_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
    }
    return cpus;
}

core::Result<std::vector<std::uint32_t>> worker_cpus(const DataPlaneConfig& config, std::span<const std::uint32_t> allowed) {
    if (config.workers == 0 || config.workers > core::max_workers) {
        return core::Error{fmt::format("workers: {} is not between 1 and {}", config.workers, core::max_workers)};
    }
    if (!config.cores.empty() && config.cores.size() != config.workers) {
        return core::Error{
            fmt::format("cores: {} CPUs are listed for {} workers; list one for each, or none", config.cores.size(), config.workers)};
    }
    std::vector<std::uint32_t> cpus;
    for (std::uint32_t w = 0; w < config.workers; ++w) {
        const auto cpu = config.cores.empty() ? allowed[w % allowed.size()] : config.cores[w];
        if (std::ranges::find(allowed, cpu) == allowed.end()) {
            return core::Error{fmt::format("cores: CPU {} does not exist or is not allowed for this process; allowed are {}", cpu,
                                           fmt::join(allowed, ","))};
        }
        cpus.push_back(cpu);
    }
    return cpus;
}

core::Result<std::vector<std::string>> eal_arguments(const DataPlaneConfig& config, std::span<const std::uint32_t> allowed) {
    const auto cpus = worker_cpus(config, allowed);
    if (!cpus) return cpus.error();
    std::string lcores;
    for (std::size_t w = 0; w < cpus->size(); ++w) lcores += fmt::format("{}@{},", w, (*cpus)[w]);
    lcores += fmt::format("{}@({})", config.workers, fmt::join(allowed, ","));

    std::vector<std::string> args{"sipfrontd",
                                  "--lcores=" + lcores,
                                  fmt::format("--main-lcore={}", config.workers),
                                  "--file-prefix=" + config.file_prefix,
                                  "--no-telemetry",
                                  "--log-level=lib.eal:warning",
                                  "--log-level=lib.ethdev:warning"};
    args.insert(args.end(), {"-m", fmt::format("{}", config.memory_mb)});
    // Nothing is left in a hugetlbfs or a run directory after a kill, and no secondary process looks in. Without huge pages the
    // memory is anonymous anyway, and the EAL refuses the combination.
    if (config.huge_pages) {
        args.emplace_back("--in-memory");
    } else {
        args.insert(args.end(), {"--no-huge", "--no-shconf"});
    }
    if (std::ranges::any_of(config.ports, shares_buffers, &PortConfig::device)) args.emplace_back("--single-file-segments");
    const auto before = args.size();
    for (const auto& p : config.ports) {
        if (is_pci(p.device)) args.insert(args.end(), {"-a", p.device});
    }
    // Virtual devices are plugged in when their ports are opened, which tells the operator more when it fails.
    if (args.size() == before) args.emplace_back("--no-pci");
    args.insert(args.end(), config.eal_args.begin(), config.eal_args.end());
    return args;
}

core::Result<Eal> Eal::init(const DataPlaneConfig& config) {
    auto args = eal_arguments(config, allowed_cpus());
    if (!args) return args.error();
    std::vector<char*> argv;
    for (auto& a : *args) argv.push_back(a.data());
    if (rte_eal_init(static_cast<int>(argv.size()), argv.data()) < 0) {
        return core::Error{
            fmt::format("the DPDK environment does not start: {} (arguments: {}); reserve huge pages (vm.nr_hugepages) or set "
                        "huge_pages = false, and see its own messages above",
                        rte_strerror(rte_errno), fmt::join(*args, " "))};
    }
    return Eal{};
}

Eal::~Eal() {
    if (!up_) return;
    wait_all();
    (void)rte_eal_cleanup();
}

core::Status Eal::launch_on_workers(std::uint32_t workers, const std::function<void(core::WorkerId)>& entry) {
    for (std::uint32_t w = 0; w < workers; ++w) {
        // rte_eal_remote_launch takes a pointer to void; run_entry only reads it.
        auto* argument = const_cast<void*>(static_cast<const void*>(&entry));
        if (const auto code = rte_eal_remote_launch(run_entry, argument, w); code != 0) {
            return core::Error{fmt::format("worker {} cannot be launched: {}", w, rte_strerror(-code))};
        }
    }
    return core::Done{};
}

void Eal::wait_all() noexcept { rte_eal_mp_wait_lcore(); }

}  // namespace sipfront::dpdk
