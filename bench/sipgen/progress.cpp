#include "bench/sipgen/progress.hpp"

#include <chrono>
#include <cstdio>
#include <thread>

#include <fmt/format.h>

namespace sipfront::sipgen {

void show_progress(Progress& p, bool quiet) {
    using namespace std::chrono_literals;
    const auto start = std::chrono::steady_clock::now();
    auto next = start + 1s;
    std::uint64_t placed = 0, completed = 0, failed = 0, again = 0, received = 0;
    if (!quiet)
        fmt::print(stderr, "{:>5} {:>9} {:>9} {:>9} {:>8} {:>9} {:>8} {:>10} {:>7}\n", "s", "offered", "placed/s", "done/s", "failed/s",
                   "open", "retrans", "packets/s", "behind");
    while (!p.done.load()) {
        std::this_thread::sleep_for(10ms);
        const auto now = std::chrono::steady_clock::now();
        if (now < next || quiet) continue;
        next += 1s;
        const auto step = [](std::uint64_t& last, const std::atomic<std::uint64_t>& counter) {
            const auto n = counter.load(std::memory_order_relaxed);
            const auto grown = n - last;
            last = n;
            return grown;
        };
        fmt::print(stderr, "{:5.0f} {:9.0f} {:9} {:9} {:8} {:9} {:8} {:10} {:7}{}\n", std::chrono::duration<double>(now - start).count(),
                   p.rate.load(), step(placed, p.placed), step(completed, p.completed), step(failed, p.failed), p.open.load(),
                   step(again, p.retransmitted), step(received, p.received), p.behind.load(), p.measuring.load() ? "" : "  (not counted)");
    }
}

}  // namespace sipfront::sipgen
