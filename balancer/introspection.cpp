#include "balancer/introspection.hpp"

#include <algorithm>

namespace sipfront::balancer {
namespace {

std::vector<ResourceView> resources_of(const Destination& d, std::span<const std::string> names) {
    std::vector<ResourceView> views;
    for (std::size_t i = 0; i < names.size(); ++i) {
        const auto reading = (*d.load)[static_cast<ResourceId>(i)].read();
        const bool listed = std::ranges::find(d.resources, names[i], &ResourceSpec::name) != d.resources.end();
        if (listed || reading.load > 0) views.push_back({names[i], reading.load, reading.capacity});
    }
    return views;
}

}  // namespace

std::vector<DestinationView> list(const Snapshot& snapshot) {
    std::vector<DestinationView> views;
    for (const auto& d : snapshot.destinations()) {
        views.push_back({.id = d.id,
                         .row_id = d.row_id,
                         .kind = d.identity.kind,
                         .group = d.identity.group,
                         .uri = d.uri,
                         .attrs = d.attrs,
                         .description = d.description,
                         .state = d.state,
                         .full = d.full,
                         .leaving = d.phase != Phase::live,
                         .probe_mode = d.probe_mode,
                         .weight = d.weight,
                         .priority = d.priority,
                         .resources = resources_of(d, snapshot.resource_names()),
                         .picks = d.load->picks()});
    }
    return views;
}

}  // namespace sipfront::balancer
