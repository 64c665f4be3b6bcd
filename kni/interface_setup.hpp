// Gives the kernel interface what it needs to be a host on the wire: link, MTU, addresses, routes and the settings under
// /proc/sys/net. Everything belongs to the interface, so the kernel undoes it when the device goes. Control thread.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "core/result.hpp"
#include "dpdk/next_hops.hpp"
#include "kni/config.hpp"
#include "kni/netlink_message.hpp"
#include "kni/netlink_socket.hpp"

namespace sipfront::kni {

class InterfaceSetup {
public:
    // Takes hold of an existing interface of the calling thread's network namespace.
    static core::Result<InterfaceSetup> open(const std::string& interface);

    // Each call is idempotent: what is already as wanted is no error.

    // Settings, then link up with this MTU and MAC address, then the node's own addresses, then the routes.
    core::Status apply(const KernelConfig& config, std::uint16_t mtu, const MacAddress& mac);

    // A virtual address is usable at once (no duplicate address detection) and never the source of the kernel's own traffic.
    core::Status add_address(const KernelConfig::Address& address, AddressUse use);
    // An address or interface that is gone already counts as success.
    core::Status del_address(const KernelConfig::Address& address);
    // A route of another interface with the same destination and metric is left alone and reported as an error.
    core::Status add_route(const Gateway& gateway);
    core::Status del_route(const Gateway& gateway);
    core::Status set_link(std::uint16_t mtu, const MacAddress& mac);
    core::Status set_kernel_options();

    [[nodiscard]] InterfaceIndex index() const noexcept { return index_; }
    [[nodiscard]] const std::string& interface() const noexcept { return interface_; }

private:
    InterfaceSetup(NetlinkSocket socket, std::string interface, InterfaceIndex index)
        : socket_{std::move(socket)}, interface_{std::move(interface)}, index_{index} {}

    [[nodiscard]] bool has_route(const Gateway& gateway);
    [[nodiscard]] core::Error failed(const std::string& what, int error) const;

    NetlinkSocket socket_;
    std::string interface_;
    InterfaceIndex index_;
};

}  // namespace sipfront::kni
