// How dialog changes reach the store, and where call records go.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace sipfront::ha {

struct JournalConfig {
    std::chrono::milliseconds flush_interval{10};          // the longest that a change waits for others to go with
    std::uint32_t batch = 500;                             // dialogs in one transaction
    std::uint32_t writers = 2;                             // connections that write at the same time
    std::uint64_t ring = std::uint64_t{16} << 20;          // octets, for each worker
    std::uint64_t max_pending = std::uint64_t{512} << 20;  // octets of changes that wait for the store
};

struct CdrConfig {
    std::string file;                                // lines of JSON; empty: none
    bool table = false;                              // rows of the table `acc`
    std::uint64_t rotate_size = 64ULL << 20;         // octets; 0: never by size
    std::chrono::seconds rotate_interval{86'400};    // at whole multiples of it since 1970, in UTC; 0: never by time
    std::uint32_t keep = 30;                         // rotated files; 0: all
    std::chrono::milliseconds sync_interval{1'000};  // the longest that a written record is not on the disk; 0: the kernel's choice
    std::uint32_t queue = 65'536;                    // records that wait, for each of the two

    [[nodiscard]] bool wanted() const noexcept { return table || !file.empty(); }
};

}  // namespace sipfront::ha
