#include "dpdk/classify.hpp"

#include <algorithm>
#include <bit>

namespace sipfront::dpdk {

ListenerTable::ListenerTable(std::vector<Listener> listeners) : listeners_{std::move(listeners)} {
    table_.resize(std::bit_ceil(4 * listeners_.size() + 4));
    for (const auto& l : listeners_) {
        if (l.local.port == 0 || find(l.local)) continue;
        auto i = slot(l.local);
        while (table_[i].local.port != 0) i = (i + 1) & (table_.size() - 1);
        table_[i] = l;
    }
}

std::size_t ListenerTable::slot(const core::Endpoint& e) const noexcept {
    return (core::EndpointHash{}(e)*0x9e3779b97f4a7c15ULL >> 32) & (table_.size() - 1);
}

std::optional<core::ListenerId> ListenerTable::find(const core::Endpoint& destination) const noexcept {
    if (destination.port == 0) return std::nullopt;
    for (auto i = slot(destination); table_[i].local.port != 0; i = (i + 1) & (table_.size() - 1)) {
        if (table_[i].local == destination) return table_[i].id;
    }
    return std::nullopt;
}

bool ListenerTable::has_address(const core::IpAddress& address) const noexcept {
    return std::ranges::any_of(listeners_, [&](const Listener& l) { return l.local.address == address; });
}

}  // namespace sipfront::dpdk
