// What one worker remembers about next hops between snapshots: resolved look-ups, and MAC addresses seen on received frames. Pure.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>

#include "core/endpoint.hpp"
#include "core/tick.hpp"
#include "dpdk/next_hops.hpp"

namespace sipfront::dpdk {

inline std::size_t direct_slot(const core::IpAddress& a, std::size_t slots) noexcept {
    return (core::EndpointHash{}(a)*0x9e3779b97f4a7c15ULL >> 32) & (slots - 1);
}

// Direct-mapped; entries of an older snapshot miss.
class HopCache {
public:
    [[nodiscard]] const NextHop* find(const core::IpAddress& destination, std::uint64_t generation) const noexcept {
        const auto& e = entries_[direct_slot(destination, size)];
        return e.generation == generation && e.destination == destination ? &e.hop : nullptr;
    }
    void keep(const core::IpAddress& destination, std::uint64_t generation, const NextHop& hop) noexcept {
        entries_[direct_slot(destination, size)] = {generation, destination, hop};
    }

private:
    static constexpr std::size_t size = 512;
    struct Entry {
        std::uint64_t generation = 0;
        core::IpAddress destination;
        NextHop hop;
    };
    std::array<Entry, size> entries_{};
};

// Hints for on-link sources that the kernel has no neighbour entry for, so that the first answer need not wait for ARP. A hint is
// used only while the kernel's mirror has nothing better, and not for long: whoever forges an on-link source behind a gateway
// could otherwise divert its answers.
class LearnedHops {
public:
    static constexpr core::Duration lifetime = std::chrono::seconds{5};

    void learn(const core::IpAddress& source, const MacAddress& mac, core::Tick now) noexcept {
        entries_[direct_slot(source, size)] = {source, mac, now + lifetime};
    }
    [[nodiscard]] const MacAddress* find(const core::IpAddress& hop, core::Tick now) const noexcept {
        const auto& e = entries_[direct_slot(hop, size)];
        return e.source == hop && now < e.expires ? &e.mac : nullptr;
    }

private:
    static constexpr std::size_t size = 256;
    struct Entry {
        core::IpAddress source;
        MacAddress mac;
        core::Tick expires{};
    };
    std::array<Entry, size> entries_{};
};

// Whether an address is a source that may be learned from a frame.
inline bool may_learn(const NextHops& hops, const core::IpAddress& source, const MacAddress& mac) noexcept {
    return !mac.is_group() && !hops.is_gateway(mac) && hops.neighbour(source) == nullptr && hops.on_link(source);
}

}  // namespace sipfront::dpdk
