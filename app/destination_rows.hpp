// Rows of the database as the balancer takes them.
#pragma once

#include <string>
#include <vector>

#include "balancer/config.hpp"
#include "core/result.hpp"
#include "ha/destination_tables.hpp"
#include "sip/config.hpp"

namespace sipfront::app {

struct DestinationRows {
    std::vector<balancer::LoadBalancerRow> load_balancer;
    std::vector<balancer::DispatcherRow> dispatcher;
    std::vector<std::string> skipped, warnings;  // rows left out, with table, id, column, why and how to mend; and odd ones
};

// `listeners`: a destination that is one of our own would loop. What only the whole set shows (a host twice) is left to the
// snapshot's builder.
DestinationRows to_rows(const ha::DestinationTables& tables, const std::vector<sip::Listener>& listeners);

// The tables as text, to keep them for a start without the database.
std::string to_cache(const ha::DestinationTables& tables);
core::Result<ha::DestinationTables> from_cache(const std::string& text);

}  // namespace sipfront::app
