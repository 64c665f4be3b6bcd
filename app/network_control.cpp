#include "app/network_control.hpp"

#include <utility>

#include "core/log.hpp"

namespace sipfront::app {

core::Result<std::unique_ptr<NetworkControl>> NetworkControl::open(Options options, dpdk::DataPlane& plane, ControlStats& stats,
                                                                   core::Tick now) {
    auto setup = kni::InterfaceSetup::open(options.kernel.interface);
    if (!setup) return setup.error();
    if (auto s = setup->apply(options.kernel, options.data_plane.mtu, plane.wire().mac()); !s) return s.error();
    for (const auto& address : options.kernel.virtual_addresses)
        if (auto s = setup->add_address(address, kni::AddressUse::virtual_ip); !s) return s.error();
    auto mirror = kni::NetlinkMirror::open({.interface = options.kernel.interface, .probe_rate = options.kernel.probe_rate});
    if (!mirror) return mirror.error();

    std::unique_ptr<NetworkControl> n{new NetworkControl{std::move(options), plane, stats, std::move(*setup), std::move(*mirror)}};
    plane.listeners().publish(std::make_unique<const dpdk::ListenerTable>(n->options_.listeners));
    n->mirror();
    if (plane.bond() != nullptr) {
        std::vector<core::IpAddress> own;
        for (const auto& a : n->options_.kernel.addresses) own.push_back(a.address);
        plane.watch_answers_of(n->options_.data_plane.bond.arp_targets);
        n->bond_.emplace(plane, n->options_.data_plane.bond, std::move(own), now);
        n->bond_->set_announced(n->served_);
        stats.bond_active.set(plane.bond()->active());
    }
    return n;
}

NetworkControl::NetworkControl(Options options, dpdk::DataPlane& plane, ControlStats& stats, kni::InterfaceSetup setup,
                               kni::NetlinkMirror mirror)
    : options_{std::move(options)}, plane_{plane}, stats_{stats}, setup_{std::move(setup)}, mirror_{std::move(mirror)} {
    for (const auto* addresses : {&options_.kernel.addresses, &options_.kernel.virtual_addresses})
        for (const auto& a : *addresses) served_.push_back(a.address);
}

void NetworkControl::mirror() {
    auto next = mirror_.poll();
    if (!next)
        core::log().error("the kernel's routes cannot be read: {}", next.error().what);
    else if (*next != nullptr)
        plane_.next_hops().publish(std::move(*next));
}

void NetworkControl::tick(core::Tick now) {
    for (std::uint32_t w = 0; w < plane_.workers(); ++w) {
        auto& missing = plane_.unresolved(core::WorkerId{static_cast<std::uint8_t>(w)});
        missing.consume([&](const core::IpAddress& a) { mirror_.resolve(a, now); }, dpdk::UnresolvedQueue::capacity());
    }
    if (plane_.next_hops().waiting() > 0) plane_.next_hops().reclaim();
    if (plane_.listeners().waiting() > 0) plane_.listeners().reclaim();
}

void NetworkControl::refresh(core::Tick now) {
    mirror_.refresh(now);
    mirror();
    if (announcements_left_ > 0) announce();
}

void NetworkControl::announce() {
    if (plane_.announce(served_)) --announcements_left_;
}

void NetworkControl::watch_links(core::Tick now) {
    if (!bond_) return;
    const auto event = bond_->poll(now);
    stats_.bond_active.set(plane_.bond()->active());
    if (!event) return;
    stats_.counts[ControlCount::bond_switches].add();
    const auto& members = plane_.bond()->members();
    core::log().warn("bond: traffic moves from {} to {}", members[event->from].device, members[event->to].device);
}

std::vector<PortStatus> NetworkControl::ports() const {
    auto* bond = plane_.bond();
    if (bond == nullptr) return {{plane_.wire().name(), true, true, false}};
    std::vector<PortStatus> all;
    for (std::size_t i = 0; i < bond->members().size(); ++i)
        all.push_back({bond->members()[i].device, bond->active() == i, bond->carrier(i), bond_ && bond_->monitor().silent(i)});
    return all;
}

}  // namespace sipfront::app
