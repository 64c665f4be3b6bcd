// Which datagrams are ours: the SIP listeners by exact destination. Everything else belongs to the kernel. No DPDK type here.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/endpoint.hpp"
#include "core/types.hpp"

namespace sipfront::dpdk {

// A UDP socket that the data plane answers for.
struct Listener {
    core::Endpoint local;
    core::ListenerId id{};

    friend bool operator==(const Listener&, const Listener&) = default;
};

// Immutable; control builds and publishes it (core::Published<ListenerTable>), workers look up.
class ListenerTable {
public:
    ListenerTable() : ListenerTable(std::vector<Listener>{}) {}
    // Of several listeners at one endpoint the first wins.
    explicit ListenerTable(std::vector<Listener> listeners);

    [[nodiscard]] std::optional<core::ListenerId> find(const core::Endpoint& destination) const noexcept;
    // Some listener has this address: fragments for it may be ours.
    [[nodiscard]] bool has_address(const core::IpAddress& address) const noexcept;
    [[nodiscard]] std::span<const Listener> listeners() const noexcept { return listeners_; }

private:
    [[nodiscard]] std::size_t slot(const core::Endpoint& e) const noexcept;

    std::vector<Listener> listeners_;
    std::vector<Listener> table_;  // open addressing, power of two, at most a quarter full; port 0 marks a free slot
};

}  // namespace sipfront::dpdk
