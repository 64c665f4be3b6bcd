// A line a second on standard error while a run is under way: the generator's thread publishes, the main thread prints.
#pragma once

#include <atomic>
#include <cstdint>

namespace sipfront::sipgen {

// Generator: writes; main thread: reads.
struct Progress {
    std::atomic<std::uint64_t> placed{0}, completed{0}, failed{0}, retransmitted{0}, received{0}, sent{0};
    std::atomic<std::uint64_t> open{0}, behind{0};
    std::atomic<double> rate{0};
    std::atomic<bool> measuring{false}, done{false};
    std::atomic<bool> stop{false};  // main thread: writes (a signal came), generator: reads
};

// Until progress.done; prints nothing when quiet.
void show_progress(Progress& progress, bool quiet);

}  // namespace sipfront::sipgen
