// Destinations as management commands and metrics show them (lb_list, ds_list). Control thread; the numbers are of this instant.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "balancer/snapshot.hpp"

namespace sipfront::balancer {

struct ResourceView {
    std::string name;
    std::uint32_t load = 0, capacity = 0;
};

struct DestinationView {
    core::DestinationId id{};
    std::uint32_t row_id = 0;
    Kind kind{};
    std::uint32_t group = 0;
    std::string uri, attrs, description;
    State state{};
    bool full = false;
    bool leaving = false;  // its row is gone, its last calls are not
    int probe_mode = 2;
    std::uint32_t weight = 1;             // dispatcher
    int priority = 0;                     // dispatcher
    std::vector<ResourceView> resources;  // load_balancer; of a leaving one those in use
    std::uint64_t picks = 0;              // by all workers, since the destination was first seen
};

// In the order of the tables, those that leave last.
std::vector<DestinationView> list(const Snapshot& snapshot);

}  // namespace sipfront::balancer
