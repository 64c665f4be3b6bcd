// The memory of this process as the kernel counts it.
#pragma once

#include <cstdint>

namespace sipfront::bench {

struct Resident {
    std::uint64_t bytes = 0;  // all of it
    std::uint64_t huge = 0;   // of these in transparent huge pages
};

Resident resident();

}  // namespace sipfront::bench
