#include "kni/route_snapshot.hpp"

#include <algorithm>
#include <utility>

namespace sipfront::kni {
namespace {

constexpr std::uint16_t usable_states = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP;

}  // namespace

void KernelView::apply(const NetlinkEvent& event) {
    std::visit(
        [this](const auto& e) {
            if constexpr (!std::is_same_v<std::decay_t<decltype(e)>, std::monostate>) note(e);
        },
        event);
}

void KernelView::note(const LinkEvent& link) {
    const auto ours = index_ == link.index;
    if (link.deleted || (ours && link.name != interface_)) {
        if (ours) forget_interface();
        return;
    }
    if (link.name != interface_) return;
    if (index_ && !ours) forget_interface();
    index_ = link.index;
    // Routes vanish silently with a link that goes down, and those of a new link may have been told before its name was. A change
    // that a dump has already shown counts too: an older route event may have come between the two.
    needs_resync_ = true;
    up_ = link.up;
    mac_ = link.mac;
}

void KernelView::note(const AddressEvent& event) {
    if (event.index != index_) return;
    const auto known = std::ranges::find(addresses_, event.address);
    if (event.deleted) {
        if (known != addresses_.end()) addresses_.erase(known);
        needs_resync_ = true;
    } else if (known == addresses_.end()) {
        addresses_.push_back(event.address);
    }
}

void KernelView::note(const RouteEvent& route) {
    if (route.deleted)
        remove_route(route);
    else
        add_route(route);
}

void KernelView::remove_route(const RouteEvent& route) {
    const auto at = routes_.find(route.key);
    if (at == routes_.end()) return;
    auto& entry = at->second;
    const auto removed = std::erase_if(entry.hops, [&](const Hop& h) {
        return std::ranges::any_of(route.hops, [&](const Hop& r) { return r.device == h.device && r.gateway == h.gateway; });
    });
    const auto unblocked = route.blocked && std::exchange(entry.blocked, false);
    if (entry.hops.empty() && !entry.blocked) routes_.erase(at);
    if (removed != 0 || unblocked) changed_ = true;
}

void KernelView::add_route(const RouteEvent& route) {
    auto at = routes_.find(route.key);
    if (route.replaces && at != routes_.end()) {
        // The kernel replaces the first of several routes with this key, and does not say which one that was.
        if (at->second.hops.size() + (at->second.blocked ? 1 : 0) > 1) needs_resync_ = true;
        routes_.erase(at);
        at = routes_.end();
        changed_ = true;
    }
    std::vector<Hop> ours;
    std::ranges::copy_if(route.hops, std::back_inserter(ours), [&](const Hop& h) { return index_ && h.device == *index_; });
    if (ours.empty() && !route.blocked) return;
    auto& entry = at != routes_.end() ? at->second : routes_[route.key];
    const auto before = entry;
    entry.blocked = entry.blocked || route.blocked;
    auto position = route.appends ? entry.hops.size() : 0;
    for (const auto& hop : ours) {
        const auto known = std::ranges::find_if(entry.hops, [&](const Hop& h) { return h.gateway == hop.gateway; });
        if (known != entry.hops.end()) {
            known->dead = hop.dead;
        } else {
            entry.hops.insert(entry.hops.begin() + static_cast<std::ptrdiff_t>(position++), hop);
        }
    }
    if (entry != before) changed_ = true;
}

void KernelView::note(const NeighbourEvent& event) {
    if (event.index != index_) return;
    const auto at = neighbours_.find(event.address);
    // A group MAC address is how the kernel notes broadcast addresses: not the address of one neighbour.
    if (event.deleted || (event.state & usable_states) == 0 || event.mac.is_group() || event.mac == MacAddress{}) {
        if (at == neighbours_.end()) return;
        neighbours_.erase(at);
        changed_ = true;
    } else if (at == neighbours_.end()) {
        neighbours_.emplace(event.address, KnownNeighbour{event.mac, event.state});
        changed_ = true;
    } else {
        changed_ = changed_ || at->second.mac != event.mac;
        at->second = {event.mac, event.state};
    }
}

void KernelView::forget_interface() {
    index_.reset();
    up_ = false;
    mac_ = {};
    addresses_.clear();
    for (auto& route : routes_) route.second.hops.clear();
    std::erase_if(routes_, [](const auto& route) { return !route.second.blocked; });
    neighbours_.clear();
    changed_ = true;
}

void KernelView::compare_with(const KernelView& before) {
    const auto same_neighbours = neighbours_.size() == before.neighbours_.size() && std::ranges::all_of(neighbours_, [&](const auto& n) {
                                     const auto at = before.neighbours_.find(n.first);
                                     return at != before.neighbours_.end() && at->second.mac == n.second.mac;
                                 });
    changed_ = before.changed_ || !same_neighbours || routes() != before.routes();
    needs_resync_ = false;
}

std::vector<dpdk::Route> KernelView::routes() const {
    std::vector<dpdk::Route> result;
    result.reserve(routes_.size());
    // The map's order puts the lower metric of a prefix first, and NextHops takes the first.
    for (const auto& [key, entry] : routes_) {
        const auto live = std::ranges::find_if(entry.hops, [](const Hop& h) { return !h.dead; });
        if (live != entry.hops.end())
            result.push_back({key.prefix, live->gateway, false});
        else if (entry.blocked)
            result.push_back({key.prefix, {}, true});
    }
    return result;
}

std::unique_ptr<const dpdk::NextHops> KernelView::snapshot() {
    std::vector<dpdk::Neighbour> neighbours;
    neighbours.reserve(neighbours_.size());
    for (const auto& [address, neighbour] : neighbours_) neighbours.push_back({address, neighbour.mac});
    changed_ = false;
    return std::make_unique<const dpdk::NextHops>(routes(), std::move(neighbours));
}

std::vector<IpAddress> KernelView::gateways() const {
    std::vector<IpAddress> result;
    for (const auto& route : routes())
        if (route.gateway && std::ranges::find(result, route.gateway) == result.end()) result.push_back(route.gateway);
    return result;
}

}  // namespace sipfront::kni
