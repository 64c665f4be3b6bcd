// The network as control tends it: the mirror of the kernel's routes and neighbours, the bond's members, the announcements of
// our addresses. Control thread only.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/event_loop.hpp"
#include "app/operations.hpp"
#include "app/telemetry.hpp"
#include "core/result.hpp"
#include "core/tick.hpp"
#include "dpdk/data_plane.hpp"
#include "dpdk/link_monitor.hpp"
#include "kni/interface_setup.hpp"
#include "kni/netlink.hpp"

namespace sipfront::app {

class NetworkControl {
public:
    struct Options {
        dpdk::DataPlaneConfig data_plane;
        kni::KernelConfig kernel;
        std::vector<dpdk::Listener> listeners;
    };
    // Sets the kernel interface up (its device is open), serves the virtual addresses, and publishes routes and listeners.
    // `plane` and `stats` outlive it.
    static core::Result<std::unique_ptr<NetworkControl>> open(Options options, dpdk::DataPlane& plane, ControlStats& stats, core::Tick now);
    NetworkControl(const NetworkControl&) = delete;
    NetworkControl& operator=(const NetworkControl&) = delete;

    // Readable when mirror() has something to do.
    [[nodiscard]] int fd() const noexcept { return mirror_.fd(); }
    void mirror();
    // Every few milliseconds: next hops that workers miss, snapshots that nobody reads any more.
    void tick(core::Tick now);
    // Every second.
    void refresh(core::Tick now);
    // Every monitor interval; does nothing without a bond.
    void watch_links(core::Tick now);

    [[nodiscard]] std::vector<PortStatus> ports() const;

private:
    NetworkControl(Options options, dpdk::DataPlane& plane, ControlStats& stats, kni::InterfaceSetup setup, kni::NetlinkMirror mirror);
    // Tells switches and neighbours where our addresses are now.
    void announce();

    Options options_;
    dpdk::DataPlane& plane_;
    ControlStats& stats_;
    kni::InterfaceSetup setup_;
    kni::NetlinkMirror mirror_;
    std::optional<dpdk::BondMonitor> bond_;
    std::vector<core::IpAddress> served_;  // the node's own addresses and the virtual ones
    int announcements_left_ = 3;           // RFC 5227 2.3 wants two; one more for a lossy start
};

}  // namespace sipfront::app
