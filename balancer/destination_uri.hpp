// dst_uri and destination columns: "sip:10.77.0.103", "sip:[fd77::103]:5070;transport=tcp".
#pragma once

#include <string>
#include <string_view>

#include "core/endpoint.hpp"
#include "core/result.hpp"

namespace sipfront::balancer {

struct DestinationUri {
    core::Endpoint remote;
    core::Transport transport = core::Transport::udp;
};

// Numeric hosts only. "sips:" means TLS; without a port it is the transport's own. The error says how to mend the text.
core::Result<DestinationUri> parse_destination_uri(std::string_view text);
// The one spelling that all equal URIs share, always with port: "sip:10.77.0.103:5060", UDP unmarked, else ";transport=tcp".
std::string canonical_uri(const core::Endpoint& remote, core::Transport transport);

}  // namespace sipfront::balancer
