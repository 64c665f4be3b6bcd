// How long IP packets to an address may be, where routers have said that the path takes less than our link (RFC 1191, RFC 8201). Pure;
// one worker's.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <limits>

#include "core/endpoint.hpp"
#include "core/tick.hpp"
#include "dpdk/hop_cache.hpp"

namespace sipfront::dpdk {

// Sets of four; the entry that ends first gives way. What is forgotten is told again by the next packet that is too long.
class PathMtus {
public:
    // RFC 8201 §5.3: then the path may have become wider.
    static constexpr core::Duration lifetime = std::chrono::minutes{10};
    static constexpr std::uint16_t unlimited = std::numeric_limits<std::uint16_t>::max();

    void learn(const core::IpAddress& address, std::uint16_t mtu, core::Tick now) noexcept {
        auto* const set = entries_.data() + set_of(address);
        auto* const known = std::find_if(set, set + ways, [&](const Entry& e) { return e.address == address; });
        auto& entry = known != set + ways
                          ? *known
                          : *std::min_element(set, set + ways, [](const Entry& a, const Entry& b) { return a.expires < b.expires; });
        entry = {address, mtu, now + lifetime};
        last_expires_ = entry.expires;
    }
    // Whether any path is known to be limited.
    [[nodiscard]] bool any(core::Tick now) const noexcept { return now < last_expires_; }
    [[nodiscard]] std::uint16_t find(const core::IpAddress& address, core::Tick now) const noexcept {
        const auto* const set = entries_.data() + set_of(address);
        const auto* const known = std::find_if(set, set + ways, [&](const Entry& e) { return e.address == address && now < e.expires; });
        return known != set + ways ? known->mtu : unlimited;
    }

private:
    static constexpr std::size_t sets = 64, ways = 4;
    struct Entry {
        core::IpAddress address;
        std::uint16_t mtu = unlimited;
        core::Tick expires{};
    };
    static std::size_t set_of(const core::IpAddress& address) noexcept { return direct_slot(address, sets) * ways; }

    std::array<Entry, sets * ways> entries_{};
    core::Tick last_expires_{};
};

}  // namespace sipfront::dpdk
