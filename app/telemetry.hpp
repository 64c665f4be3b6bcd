// Everything that is counted, gathered for those who show it: metrics and management. Counters have one writer each; reading
// them costs the workers nothing.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "app/dialog_recovery.hpp"
#include "app/switchboard.hpp"
#include "app/worker_stats.hpp"
#include "balancer/destination.hpp"
#include "balancer/introspection.hpp"
#include "balancer/snapshot.hpp"
#include "core/counters.hpp"
#include "core/published.hpp"
#include "dpdk/lcore.hpp"
#include "dpdk/port_counters.hpp"
#include "ha/cdr_writer.hpp"
#include "ha/journal_lane.hpp"
#include "ha/journal_stats.hpp"
#include "kni/resolver.hpp"

namespace sipfront::app {

enum class ControlCount : std::uint8_t {
    reload_ok,
    reload_failed,
    snapshots,       // published
    health_changes,  // of a destination's state
    bond_switches,
    admin_requests,
    commands_dropped,   // a worker's command mailbox was full
    destinations_read,  // from the database
    destinations_failed,
    count_
};
std::string_view name(ControlCount c) noexcept;

// Control: writes; any thread: reads.
struct ControlStats {
    core::CounterArray<ControlCount> counts;
    core::Counter bond_active;  // index of the member that carries the traffic
    core::Counter log_lost;
    core::Counter draining;  // 0 or 1
    core::Counter destination_rows_skipped;
    // Evidence of failure by destination id: no answer, transport error, refused probe.
    std::array<core::Counter, balancer::max_destinations> failures;
};

struct WorkerTelemetry {
    const WorkerStats* stats = nullptr;
    const dpdk::PortCounters* port = nullptr;    // null: no data plane (tests)
    const dpdk::Occupancy* occupancy = nullptr;  // null: not run by a poll loop (tests)
};

// Pointers outlive whoever holds a copy.
struct Telemetry {
    std::vector<WorkerTelemetry> workers;
    const Switchboard* switchboard = nullptr;
    const ControlStats* control = nullptr;
    const kni::ResolverStats* resolver = nullptr;  // null: no resolver (tests)
    const ha::JournalStats* journal = nullptr;     // null: dialogs are not kept beyond the process
    std::vector<const ha::JournalLane*> lanes;     // by worker
    std::array<const ha::CdrStats*, static_cast<std::size_t>(ha::CdrTarget::count_)> cdr{};  // by target; null: no call records there
    const RecoveryStats* recovery = nullptr;                                                 // null: there is no store to recover from
    std::vector<std::string> ports;                                                          // devices in the order of the bond's members
    std::string version;
    std::int64_t started = 0;  // seconds since 1970
};

// Destinations and numbers, as they are at this instant; `snapshot` may be null.
std::vector<balancer::DestinationView> destinations(const balancer::Snapshot* snapshot);

// Sums over the workers.
template <class Read>
std::uint64_t total(const Telemetry& t, Read&& read) {
    std::uint64_t sum = 0;
    for (const auto& w : t.workers) sum += read(*w.stats);
    return sum;
}

}  // namespace sipfront::app
