#include "dpdk/bond.hpp"

#include <algorithm>
#include <fstream>
#include <utility>

#include <fmt/format.h>
#include <rte_dev.h>
#include <rte_eth_bond.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "dpdk/port.hpp"

namespace sipfront::dpdk {
namespace {

constexpr char bond_name[] = "net_bonding_sf";
constexpr std::uint16_t no_port = 0xffff;

// The kernel's interface below an AF_PACKET or TAP member.
std::string kernel_interface(const std::string& device) {
    constexpr std::string_view key = ",iface=";
    if (!device.starts_with("net_af_packet") && !device.starts_with("eth_af_packet") && !device.starts_with("net_tap")) return {};
    const auto at = device.find(key);
    if (at == std::string::npos) return {};
    const auto value = device.substr(at + key.size());
    return value.substr(0, value.find(','));
}

}  // namespace

core::Result<Bond> Bond::create(const std::vector<PortConfig>& ports, const BondConfig& config) {
    Bond bond;
    const auto code = rte_eth_bond_create(bond_name, BONDING_MODE_ACTIVE_BACKUP, 0);
    if (code < 0) return core::Error{fmt::format("the bonding device cannot be made: {}", rte_strerror(-code))};
    bond.port_ = static_cast<std::uint16_t>(code);
    for (const auto& p : ports) {
        auto id = Port::probe(p.device);
        if (!id) return id.error();
        // The PMD only logs it when a backup member cannot take the bond's address, and would fail at the switch.
        rte_ether_addr mac{};
        if (rte_eth_macaddr_get(*id, &mac) != 0 || rte_eth_dev_default_mac_addr_set(*id, &mac) != 0 ||
            rte_eth_bond_slave_add(bond.port_, *id) != 0) {
            return core::Error{
                fmt::format("device \"{}\" cannot be a member of the bond: it must be able to set its MAC address "
                            "(PCI NICs, AF_PACKET and TAP can, AF_XDP and memif cannot) and be a member of no other",
                            p.device)};
        }
        if (p.device == config.primary) bond.preferred_ = bond.members_.size();
        bond.members_.push_back({p.device, kernel_interface(p.device), *id});
    }
    if (rte_eth_bond_primary_set(bond.port_, bond.members_[bond.preferred_].port) != 0) {
        return core::Error{fmt::format("the bond refuses \"{}\" as its primary member", bond.members_[bond.preferred_].device)};
    }
    return bond;
}

Bond::Bond(Bond&& other) noexcept
    : members_{std::move(other.members_)}, preferred_{other.preferred_}, port_{std::exchange(other.port_, no_port)} {
    other.members_.clear();
}

Bond& Bond::operator=(Bond&& other) noexcept {
    if (this != &other) {
        close();
        members_ = std::exchange(other.members_, {});
        preferred_ = other.preferred_;
        port_ = std::exchange(other.port_, no_port);
    }
    return *this;
}

Bond::~Bond() { close(); }

void Bond::close() noexcept {
    // Closing the bonded port takes the members out of it; its Port has done so unless it never came to life.
    if (port_ != no_port) {
        if (rte_eth_dev_is_valid_port(port_) != 0) (void)rte_eth_dev_close(port_);
        (void)rte_eth_bond_free(bond_name);
        port_ = no_port;
    }
    for (const auto& m : members_) {
        if (rte_eth_dev_is_valid_port(m.port) == 0) continue;
        (void)rte_eth_dev_stop(m.port);
        (void)rte_eth_dev_close(m.port);
    }
    members_.clear();
}

std::size_t Bond::active() const noexcept {
    const auto current = rte_eth_bond_primary_get(port_);
    const auto it = std::ranges::find_if(members_, [&](const Member& m) { return m.port == current; });
    return it != members_.end() ? static_cast<std::size_t>(it - members_.begin()) : preferred_;
}

core::Status Bond::activate(std::size_t member) noexcept {
    const auto& m = members_[member];
    if (rte_eth_bond_primary_set(port_, m.port) != 0 || active() != member) {
        return core::Error{fmt::format("the bond does not take \"{}\" as its active member: its link is down", m.device)};
    }
    // The PMD gives the bond's MAC address to the active member only, and only when told to set it.
    rte_ether_addr mac{};
    (void)rte_eth_macaddr_get(port_, &mac);
    if (rte_eth_bond_mac_address_set(port_, &mac) != 0) {
        return core::Error{fmt::format("member \"{}\" is active, but refuses the bond's MAC address", m.device)};
    }
    return core::Done{};
}

bool Bond::carrier(std::size_t member) const noexcept {
    const auto& m = members_[member];
    if (!m.kernel_interface.empty()) {
        // Reading the carrier of an interface that is administratively down fails: that is no carrier either.
        char state = '0';
        std::ifstream{"/sys/class/net/" + m.kernel_interface + "/carrier"}.get(state);
        return state == '1';
    }
    rte_eth_link link{};
    return rte_eth_link_get_nowait(m.port, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

void Bond::open_filters() noexcept {
    for (const auto& m : members_) {
        (void)rte_eth_promiscuous_enable(m.port);
        (void)rte_eth_allmulticast_enable(m.port);
    }
}

std::size_t Bond::drain(std::size_t member, std::uint16_t queues) noexcept {
    constexpr std::uint16_t burst = 64;
    constexpr int most_bursts = 64;
    rte_mbuf* frames[burst];
    std::size_t drained = 0;
    for (std::uint16_t q = 0; q < queues; ++q) {
        for (int i = 0; i < most_bursts; ++i) {
            const auto n = rte_eth_rx_burst(members_[member].port, q, frames, burst);
            rte_pktmbuf_free_bulk(frames, n);
            drained += n;
            if (n < burst) break;
        }
    }
    return drained;
}

}  // namespace sipfront::dpdk
