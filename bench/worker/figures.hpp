// What a run of bench_worker gave: figures, the table and the JSON of them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "bench/worker/handoff.hpp"
#include "bench/worker/options.hpp"
#include "bench/worker/resident.hpp"
#include "bench/worker/seat.hpp"

namespace sipfront::bench {

struct Figures {
    // Of the measured time.
    std::uint64_t messages = 0, steered = 0, completed = 0, refused = 0, failed = 0;
    double calls = 0;  // placed
    double ns_per_message = 0, calls_per_second = 0;
    double quiet_ns_per_message = 0;  // without polls in which somebody else had the CPU
    double longest_poll_us = 0;       // of those that found work
    double bytes_per_call = 0;        // to and from memory
    // At its end.
    std::uint64_t open = 0, dialogs = 0, transactions = 0, lingering = 0;
    std::uint64_t resident_bytes = 0, huge_bytes = 0;
    std::uint64_t traffic_bytes = 0;  // of the callers and hosts
    std::uint64_t worker_bytes = 0;   // what all workers have come to take since the first call: tables, indexes, texts, images
    std::optional<Handoff> handoff;   // with several workers on CPUs of their own

    [[nodiscard]] double steered_fraction() const {
        return messages == 0 ? 0 : static_cast<double>(steered) / static_cast<double>(messages);
    }
    // Everything counted: of dialogs lingering transactions as well, and the other way round where there are hardly any dialogs.
    [[nodiscard]] bool mostly_lingering() const { return lingering > 20 * dialogs; }
    [[nodiscard]] double bytes_per_lingering() const {
        return lingering == 0 ? 0 : static_cast<double>(worker_bytes) / static_cast<double>(lingering);
    }
    [[nodiscard]] double bytes_per_dialog() const {
        return dialogs == 0 ? 0 : static_cast<double>(worker_bytes) / static_cast<double>(dialogs);
    }
};

// `before`: when no call had been placed.
Figures gather(const Options& options, std::span<const std::unique_ptr<Seat>> seats, const Resident& before);
void show(const Options& options, const Figures& f);
void write_json(const Options& options, const Figures& f);

}  // namespace sipfront::bench
