// Configurations for the tests: hosts 10.77.0.103 and up, as the lab has them.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "balancer/config.hpp"
#include "balancer/health_board.hpp"
#include "balancer/registry.hpp"
#include "balancer/snapshot_builder.hpp"

namespace sipfront::balancer::test {

inline std::string host_uri(unsigned i) { return "sip:10.77.0." + std::to_string(103 + i); }
inline core::Endpoint host_endpoint(unsigned i) { return {core::IpAddress::v4(0x0a4d0067 + i), 5060}; }

inline LoadBalancerRow lb_row(unsigned host, std::uint32_t capacity = 32) {
    LoadBalancerRow row;
    row.id = host + 1;
    row.dst_uri = host_uri(host);
    row.resources = {{"pstn", capacity}};
    return row;
}

inline DispatcherRow ds_row(unsigned host, std::uint32_t weight = 1, int priority = 0) {
    DispatcherRow row;
    row.id = host + 1;
    row.destination = host_uri(host);
    row.weight = weight;
    row.priority = priority;
    return row;
}

inline BalancerConfig cluster(unsigned hosts, std::uint32_t capacity = 32) {
    BalancerConfig config;
    for (unsigned i = 0; i < hosts; ++i) {
        config.load_balancer.push_back(lb_row(i, capacity));
        config.dispatcher.push_back(ds_row(i));
    }
    return config;
}

// Control's side of the balancer.
struct Control {
    Registry registry{4};
    HealthBoard health;

    SnapshotBuild build(const BalancerConfig& config) { return build_snapshot(config, registry, health); }
    std::unique_ptr<const Snapshot> snapshot(const BalancerConfig& config) { return build(config).snapshot; }
    core::DestinationId id(Kind kind, unsigned host, std::uint32_t group = 1) const {
        return registry.find({kind, group, host_endpoint(host), core::Transport::udp}).value_or(core::no_destination);
    }
    core::DestinationId lb(unsigned host) const { return id(Kind::load_balancer, host); }
    core::DestinationId ds(unsigned host) const { return id(Kind::dispatcher, host); }
};

}  // namespace sipfront::balancer::test
