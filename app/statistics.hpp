// The counters under the names that OpenSIPS gives them (get_statistics, list_statistics), so that existing tools keep working.
// What OpenSIPS counts and sipfront does not do (shared memory, database, SSL) is absent, not zero.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "app/telemetry.hpp"

namespace sipfront::app {

struct Statistic {
    std::string group, name;  // "core", "rcv_requests"
    std::uint64_t value = 0;
    bool level = false;  // goes up and down; else it only grows
};

// `uptime`: in seconds.
std::vector<Statistic> statistics(const Telemetry& t, const balancer::Snapshot* snapshot, std::uint64_t uptime);

}  // namespace sipfront::app
