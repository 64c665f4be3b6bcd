// Raw frames to a forwarder that sends each back (dpdk-testpmd in macswap mode), so many under way at once: what the port alone can do.
#pragma once

#include "bench/sipgen/dpdk_port.hpp"
#include "bench/sipgen/progress.hpp"

namespace sipfront::sipgen {

struct RawResult {
    std::uint32_t bytes = 0;
    double seconds = 0;
    std::uint64_t sent = 0, returned = 0, lost = 0;

    [[nodiscard]] double rate() const { return seconds > 0 ? static_cast<double>(returned) / seconds : 0; }
};

// On the generator's lcore; options.seconds after a warm-up of options.warm_up.
RawResult run_raw(const Options& options, DpdkPort& port, Progress& progress);

}  // namespace sipfront::sipgen
