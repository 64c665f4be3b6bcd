// The load_balancer policy: the least loaded host takes the call, and its share of that host is reserved with the choice.
#pragma once

#include <cstdint>
#include <span>

#include "balancer/snapshot.hpp"
#include "sip/routing.hpp"

namespace sipfront::balancer {

struct CallRequest {
    ResourceSet need;  // not empty
    LbAlgorithm algorithm = LbAlgorithm::relative;
    std::uint64_t hash = 0;                                // of the call; breaks ties among hosts never picked yet
    core::DestinationId preferred = core::no_destination;  // asked first, whatever its load
    std::span<const core::DestinationId> tried;            // left out
};

struct Choice {
    sip::Answer answer = sip::Answer::unavailable;
    core::DestinationId destination = core::no_destination;
};

// absolute: the host with the most free units; relative: the lowest share of its capacity in use, compared exactly. Of several
// resources the scarcest one counts. Equal hosts take turns: the one that waited longest is next, over all workers.
// `selected`: one unit of each needed resource is reserved. Any number of workers at once. O(hosts), no allocation.
Choice choose_for_call(std::span<const CallCandidate> hosts, const CallRequest& request) noexcept;

// Whether a call could be placed now.
bool can_take_call(std::span<const CallCandidate> hosts, ResourceSet need) noexcept;

}  // namespace sipfront::balancer
