// What the generator plays: who calls whom, how often which kind, and what the messages look like.
#pragma once

#include <cstdint>
#include <vector>

#include "core/endpoint.hpp"
#include "core/tick.hpp"

namespace sipfront::traffic {

struct Config {
    std::vector<core::Endpoint> clients;  // at least one; callers take turns
    std::vector<core::Endpoint> hosts;    // at least one; at most 99
    core::Endpoint target;                // the proxy, as the clients address it
    core::Duration hold{0};               // from the ACK to the BYE
    std::uint32_t invite_weight = 1, register_weight = 0;
    bool register_auth = false;      // hosts ask for credentials first (401), and get them
    std::uint32_t invite_bytes = 0;  // length of the INVITE; 0: as it comes, some 600
    std::uint32_t body_bytes = 0;    // length of the session description in the INVITE; 0: as it comes
    // Lengths of Call-IDs, of tags and of the addr-specs in Contacts; 0: as they come, else at least that. Long ones are filled up.
    std::uint32_t call_id_bytes = 0, tag_bytes = 0, contact_bytes = 0;
    std::uint32_t record_routes = 1;  // that an INVITE must have at the host
    core::Duration t1 = std::chrono::milliseconds{500}, t2 = std::chrono::seconds{4};
    std::uint32_t max_calls = 1U << 22;  // open at once
    std::uint32_t run = 0;               // in Call-IDs and branches: differs from run to run
};

}  // namespace sipfront::traffic
