#include "balancer/snapshot.hpp"

#include <algorithm>
#include <tuple>

#include "balancer/rendezvous.hpp"

namespace sipfront::balancer {

Snapshot::Snapshot(SnapshotParts parts) : parts_{std::move(parts)} {
    index_ids();
    index_addresses();
    index_groups();
}

void Snapshot::index_ids() {
    for (std::size_t i = 0; i < parts_.destinations.size(); ++i) {
        const auto id = core::raw(parts_.destinations[i].id);
        if (by_id_.size() <= id) by_id_.resize(id + std::size_t{1}, absent);
        by_id_[id] = static_cast<std::uint16_t>(i);
    }
}

void Snapshot::index_addresses() {
    std::vector<const Destination*> ordered;
    for (const auto& d : parts_.destinations)
        if (d.phase != Phase::closing) ordered.push_back(&d);
    const auto rank = [this](const Destination* d) {
        const auto serving = d->identity.kind == Kind::load_balancer ? parts_.lb_group : parts_.ds_set;
        return std::tuple{d->phase, d->identity.kind, d->identity.group != serving};
    };
    std::ranges::stable_sort(ordered, {}, rank);

    std::vector<std::pair<Socket, core::DestinationId>> sockets;
    std::vector<std::pair<core::IpAddress, char>> hosts;
    for (const auto* d : ordered) {
        sockets.emplace_back(Socket{d->identity.remote, d->identity.transport}, d->id);
        hosts.emplace_back(d->identity.remote.address, char{1});
    }
    by_socket_ = FixedIndex<Socket, core::DestinationId, SocketHash>{sockets};
    hosts_ = FixedIndex<core::IpAddress, char, AddressHash>{hosts};
}

void Snapshot::index_groups() {
    for (const auto& d : parts_.destinations) {
        if (d.phase != Phase::live) continue;
        const bool active = d.state == State::active;
        if (d.identity.kind == Kind::dispatcher) {
            sets_[d.identity.group].push_back({rendezvous_seed(d.uri), d.id, d.weight, d.priority, active, d.full});
        } else if (!parts_.call_resources.empty() && d.offers.includes(parts_.call_resources)) {
            groups_[d.identity.group].push_back({d.load.get(), d.id, active, d.full});
        }
    }
    for (auto& [id, set] : sets_) std::ranges::stable_sort(set, std::ranges::greater{}, &DispatchCandidate::priority);
    calls_ = group(parts_.lb_group);
    dispatched_ = set(parts_.ds_set);
}

std::span<const CallCandidate> Snapshot::group(std::uint32_t id) const noexcept {
    const auto i = groups_.find(id);
    return i != groups_.end() ? std::span<const CallCandidate>{i->second} : std::span<const CallCandidate>{};
}

std::span<const DispatchCandidate> Snapshot::set(std::uint32_t id) const noexcept {
    const auto i = sets_.find(id);
    return i != sets_.end() ? std::span<const DispatchCandidate>{i->second} : std::span<const DispatchCandidate>{};
}

}  // namespace sipfront::balancer
