#include "bench/worker/resident.hpp"

#include <fstream>
#include <sstream>
#include <string>

namespace sipfront::bench {

Resident resident() {
    Resident found;
    std::ifstream file{"/proc/self/smaps_rollup"};
    for (std::string line; std::getline(file, line);) {
        std::istringstream words{line};
        std::string key;
        std::uint64_t kib = 0;
        words >> key >> kib;
        if (key == "Rss:") found.bytes = kib << 10;
        if (key == "AnonHugePages:") found.huge = kib << 10;
    }
    return found;
}

}  // namespace sipfront::bench
