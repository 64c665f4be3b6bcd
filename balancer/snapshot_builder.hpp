// From the operator's rows to a snapshot. Control thread only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "balancer/config.hpp"
#include "balancer/health_board.hpp"
#include "balancer/registry.hpp"
#include "balancer/snapshot.hpp"

namespace sipfront::balancer {

struct SnapshotBuild {
    std::unique_ptr<const Snapshot> snapshot;  // never null
    std::vector<std::string> errors;           // rows left out and settings ignored: table, row id, column, why, how to mend
    std::vector<std::string> warnings;         // taken as they are, but surely not meant
};

// Rows with an error are skipped, the others serve. Capacities of known destinations change at once, with the build; everything
// else changes when the snapshot is published. Loads, picks and health of rows that stay are kept, by identity. A removed
// destination stays in the snapshots until its load is zero (registry.hpp). Whoever throws a build away builds again from the
// configuration in force.
SnapshotBuild build_snapshot(const BalancerConfig& config, Registry& registry, HealthBoard& health);

}  // namespace sipfront::balancer
