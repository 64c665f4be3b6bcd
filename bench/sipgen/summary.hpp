// What one measured rate gave: plain values, made from the engine's counters when all its calls have ended.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "bench/sipgen/io.hpp"
#include "bench/traffic/stats.hpp"

namespace sipfront::sipgen {

struct Latency {
    std::string name;
    std::uint64_t count = 0;
    double mean = 0, p50 = 0, p90 = 0, p99 = 0, p999 = 0, max = 0;  // us
    std::vector<std::pair<double, std::uint64_t>> buckets;          // upper bound in us, count
};

struct Summary {
    double rate = 0, seconds = 0;
    std::uint64_t placed = 0, completed = 0, failed = 0, wrong = 0;
    std::map<std::string, std::uint64_t> outcomes, faults, events, statuses;
    std::vector<Latency> latencies;
    PacketCounts packets;
    std::uint64_t open_most = 0;    // calls open at once
    std::uint64_t behind_most = 0;  // calls that the generator was late with
    double busy = 0;                // share of the generator's time that was work
    bool cut_short = false;         // so many failed that the rest was not worth waiting for

    [[nodiscard]] double failed_share() const {
        return placed == 0 ? 1.0 : static_cast<double>(failed + wrong) / static_cast<double>(placed);
    }
    // A generator that falls behind by a fifth of a second or more did not offer the rate.
    [[nodiscard]] bool kept_up() const { return static_cast<double>(behind_most) < rate * 0.2 + 100; }
    [[nodiscard]] bool passes(double max_failed) const { return !cut_short && kept_up() && failed_share() <= max_failed; }
};

// `stats`: of the measured phase.
Summary summarize(const traffic::Stats& stats);

}  // namespace sipfront::sipgen
