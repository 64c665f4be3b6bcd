// Threads that share a CPU measure each other: each worker gets one of its own where there are enough.
#pragma once

#include <cstdint>
#include <vector>

#include <pthread.h>
#include <sched.h>

namespace sipfront::bench {

// Those that this process may use.
inline std::vector<int> allowed_cpus() {
    cpu_set_t set;
    CPU_ZERO(&set);
    std::vector<int> cpus;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return cpus;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
        if (CPU_ISSET(static_cast<unsigned>(cpu), &set)) cpus.push_back(cpu);
    return cpus;
}

// The calling thread stays on `cpu` from here on.
inline void pin_to(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<unsigned>(cpu), &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

}  // namespace sipfront::bench
