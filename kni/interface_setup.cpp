#include "kni/interface_setup.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include <fcntl.h>
#include <net/if.h>
#include <unistd.h>

namespace sipfront::kni {
namespace {

struct KernelOption {
    std::string_view family, name, value;
};

// ipv6 directories are missing where the kernel has IPv6 off.
constexpr std::array<KernelOption, 8> kernel_options{{
    // The larger of this and conf/all counts: loose, because answers to the same peer may go by another interface.
    {"ipv4", "rp_filter", "2"},
    // Answer only for the addresses of this interface, and ask with the one that is on the target's subnet.
    {"ipv4", "arp_ignore", "1"},
    {"ipv4", "arp_announce", "2"},
    // A virtual address in the subnet of the node's own one must survive the latter's removal.
    {"ipv4", "promote_secondaries", "1"},
    // The mirror follows routes, not the exceptions that redirects make.
    {"ipv4", "accept_redirects", "0"},
    {"ipv6", "accept_redirects", "0"},
    // An address that just moved here must answer at once.
    {"ipv6", "accept_dad", "0"},
    {"ipv6", "dad_transmits", "0"},
}};

// 0 or errno.
int write_file(const std::string& path, std::string_view value) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0) return errno;
    const auto written = ::write(fd, value.data(), value.size());
    const auto error = written < 0 ? errno : 0;
    ::close(fd);
    return error;
}

std::string text(const KernelConfig::Address& a) { return a.address.to_string() + "/" + std::to_string(a.length); }
std::string text(const Gateway& g) {
    return g.destination.to_string() + " via " + g.via.to_string() + (g.metric != 0 ? " metric " + std::to_string(g.metric) : "");
}

}  // namespace

core::Result<InterfaceSetup> InterfaceSetup::open(const std::string& interface) {
    const auto index = if_nametoindex(interface.c_str());
    if (index == 0) return core::Error{"interface " + interface + " does not exist in this network namespace"};
    auto socket = NetlinkSocket::open();
    if (!socket) return socket.error();
    return InterfaceSetup{std::move(socket).value(), interface, InterfaceIndex{static_cast<int>(index)}};
}

core::Status InterfaceSetup::apply(const KernelConfig& config, std::uint16_t mtu, const MacAddress& mac) {
    if (auto done = set_kernel_options(); !done) return done;
    if (auto done = set_link(mtu, mac); !done) return done;
    for (const auto& address : config.addresses)
        if (auto done = add_address(address, AddressUse::own); !done) return done;
    for (const auto& gateway : config.routes)
        if (auto done = add_route(gateway); !done) return done;
    return core::Done{};
}

core::Status InterfaceSetup::set_kernel_options() {
    for (const auto& option : kernel_options) {
        const auto base = "/proc/sys/net/" + std::string{option.family} + "/conf/" + interface_;
        if (::access(base.c_str(), F_OK) != 0 && option.family == "ipv6") continue;
        const auto path = base + "/" + std::string{option.name};
        if (const auto error = write_file(path, option.value); error != 0)
            return failed("cannot write " + std::string{option.value} + " to " + path + " (is /proc/sys mounted read-only?)", error);
    }
    return core::Done{};
}

core::Status InterfaceSetup::set_link(std::uint16_t mtu, const MacAddress& mac) {
    // Its own request: drivers may refuse to change the MAC address of a link that is up, even into itself.
    LinkEvent now;
    const auto error = socket_.dump(dump_request(RTM_GETLINK, AF_UNSPEC), [&](const nlmsghdr& message) {
        const auto event = parse(message);
        if (const auto* link = std::get_if<LinkEvent>(&event); link != nullptr && link->index == index_) now = *link;
    });
    if (error != 0 && error != EINTR) return failed("cannot read the link", error);
    if (now.up && now.mtu == mtu && now.mac == mac) return core::Done{};
    if (const auto e = socket_.request(set_link_request(index_, mtu, now.mac == mac ? nullptr : &mac)); e != 0)
        return failed("cannot bring the link up with MTU " + std::to_string(mtu) + " and MAC address " + mac.to_string(), e);
    return core::Done{};
}

core::Status InterfaceSetup::add_address(const KernelConfig::Address& address, AddressUse use) {
    const auto error = socket_.request(add_address_request(index_, address, use));
    if (error == 0 || error == EEXIST) return core::Done{};
    if (error == EACCES || error == EOPNOTSUPP)
        return failed("cannot add " + text(address) + "; is IPv6 disabled (net.ipv6.conf." + interface_ + ".disable_ipv6)?", error);
    return failed("cannot add " + text(address), error);
}

core::Status InterfaceSetup::del_address(const KernelConfig::Address& address) {
    const auto error = socket_.request(delete_address_request(index_, address));
    if (error == 0 || error == EADDRNOTAVAIL || error == ENODEV) return core::Done{};
    return failed("cannot remove " + text(address), error);
}

core::Status InterfaceSetup::add_route(const Gateway& gateway) {
    // Exclusive, since to replace could take the node's management route away.
    const auto error = socket_.request(add_route_request(index_, gateway));
    if (error == 0 || (error == EEXIST && has_route(gateway))) return core::Done{};
    if (error == EEXIST)
        return failed("cannot add the route " + text(gateway) +
                          ": another route has the same destination and metric; give this one a metric of its own",
                      error);
    if (error == ENETUNREACH || error == EHOSTUNREACH || error == EINVAL)
        return failed("cannot add the route " + text(gateway) + ": the gateway must lie in the subnet of one of the interface's addresses",
                      error);
    return failed("cannot add the route " + text(gateway), error);
}

core::Status InterfaceSetup::del_route(const Gateway& gateway) {
    const auto error = socket_.request(delete_route_request(index_, gateway));
    if (error == 0 || error == ESRCH || error == ENODEV) return core::Done{};
    return failed("cannot remove the route " + text(gateway), error);
}

bool InterfaceSetup::has_route(const Gateway& gateway) {
    bool found = false;
    const auto family = gateway.destination.address.is_v4() ? AF_INET : AF_INET6;
    // What the kernel makes of "no metric".
    const auto metric = gateway.metric != 0 || family == AF_INET ? gateway.metric : 1024;
    const auto error = socket_.dump(dump_request(RTM_GETROUTE, static_cast<std::uint8_t>(family)), [&](const nlmsghdr& message) {
        const auto event = parse(message);
        const auto* route = std::get_if<RouteEvent>(&event);
        found = found || (route != nullptr && route->key == RouteKey{gateway.destination, metric} &&
                          std::ranges::any_of(route->hops, [&](const Hop& h) { return h.device == index_ && h.gateway == gateway.via; }));
    });
    return found && (error == 0 || error == EINTR);
}

core::Error InterfaceSetup::failed(const std::string& what, int error) const {
    return {"interface " + interface_ + ": " + what + ": " + std::strerror(error)};
}

}  // namespace sipfront::kni
