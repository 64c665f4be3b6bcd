// Active-backup bond of several ports, by DPDK's bonding PMD. Members must be able to set their MAC address: PCI NICs, TAP and
// AF_PACKET can, AF_XDP and memif cannot and are refused.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/result.hpp"
#include "dpdk/config.hpp"

namespace sipfront::dpdk {

// Control thread. The bonded port itself is started and closed as a Port; the members are released after it.
class Bond {
public:
    static core::Result<Bond> create(const std::vector<PortConfig>& ports, const BondConfig& config);
    Bond(Bond&& other) noexcept;
    Bond& operator=(Bond&& other) noexcept;
    ~Bond();

    struct Member {
        std::string device;
        std::string kernel_interface;  // iface= of an AF_PACKET or TAP member, else empty
        std::uint16_t port = 0;
    };

    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
    [[nodiscard]] const std::vector<Member>& members() const noexcept { return members_; }
    // Index of the preferred member in members().
    [[nodiscard]] std::size_t preferred() const noexcept { return preferred_; }
    // Index of the member that carries the traffic now.
    [[nodiscard]] std::size_t active() const noexcept;
    // Moves the traffic to a member while workers poll. The PMD keeps the active member in one 16-bit word that each burst reads
    // anew, so a worker sees the old member or the new one, never a mixture; the bond's MAC address follows.
    core::Status activate(std::size_t member) noexcept;
    // Carrier of a member: of the kernel side where it has one, else what the NIC says.
    [[nodiscard]] bool carrier(std::size_t member) const noexcept;
    // Members take all frames and multicasts, which the PMD asks of the active one only. After the bonded port started.
    void open_filters() noexcept;
    // Throws away what an inactive member received, so that a switch does not deliver frames of long ago. Only when no worker can
    // be polling that member any more. Returns the number of frames.
    std::size_t drain(std::size_t member, std::uint16_t queues) noexcept;

private:
    Bond() = default;
    void close() noexcept;

    std::vector<Member> members_;
    std::size_t preferred_ = 0;
    std::uint16_t port_ = 0xffff;
};

}  // namespace sipfront::dpdk
