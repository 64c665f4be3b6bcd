// The kernel's view of one interface (link, addresses, routes, neighbours), kept by applying rtnetlink events, and its compilation
// into the workers' dpdk::NextHops. Pure; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "dpdk/next_hops.hpp"
#include "kni/netlink_message.hpp"

namespace sipfront::kni {

// What the model knows of a neighbour; entries that are incomplete or failed are not kept.
struct KnownNeighbour {
    MacAddress mac;
    std::uint16_t state = 0;  // NUD_*
};

class KernelView {
public:
    explicit KernelView(std::string interface) : interface_{std::move(interface)} {}

    // Applies one event, of a dump or of a subscription. Of other interfaces only what replaces a route of ours matters.
    void apply(const NetlinkEvent& event);

    // What workers could see has changed since the last snapshot().
    [[nodiscard]] bool changed() const noexcept { return changed_; }
    // The kernel changed something without saying what (IPv4 routes vanish silently with a link or an address) or in a way that
    // events do not determine: throw this view away and read everything anew.
    [[nodiscard]] bool needs_resync() const noexcept { return needs_resync_; }
    // Of a fresh dump that replaces `before`: changed() stays false when workers would see no difference.
    void compare_with(const KernelView& before);

    // Routes by metric, usable neighbours; clears changed().
    [[nodiscard]] std::unique_ptr<const dpdk::NextHops> snapshot();

    // None while the interface does not exist.
    [[nodiscard]] std::optional<InterfaceIndex> index() const noexcept { return index_; }
    [[nodiscard]] const std::string& interface() const noexcept { return interface_; }
    [[nodiscard]] bool up() const noexcept { return up_; }
    [[nodiscard]] const MacAddress& mac() const noexcept { return mac_; }
    [[nodiscard]] const std::vector<KernelConfig::Address>& addresses() const noexcept { return addresses_; }
    [[nodiscard]] const std::unordered_map<IpAddress, KnownNeighbour, core::EndpointHash>& neighbours() const noexcept {
        return neighbours_;
    }
    // The gateways in use, each once.
    [[nodiscard]] std::vector<IpAddress> gateways() const;

private:
    struct RouteEntry {
        bool blocked = false;
        std::vector<Hop> hops;  // by precedence; of our device only

        friend bool operator==(const RouteEntry&, const RouteEntry&) = default;
    };

    void note(const LinkEvent& link);
    void note(const AddressEvent& event);
    void note(const RouteEvent& route);
    void note(const NeighbourEvent& event);
    void remove_route(const RouteEvent& route);
    void add_route(const RouteEvent& route);
    void forget_interface();
    [[nodiscard]] std::vector<dpdk::Route> routes() const;

    std::string interface_;
    std::optional<InterfaceIndex> index_;
    bool up_ = false;
    MacAddress mac_;
    std::vector<KernelConfig::Address> addresses_;
    std::map<RouteKey, RouteEntry> routes_;
    std::unordered_map<IpAddress, KnownNeighbour, core::EndpointHash> neighbours_;
    bool changed_ = true;
    bool needs_resync_ = false;
};

}  // namespace sipfront::kni
